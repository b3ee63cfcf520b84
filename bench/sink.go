// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// sink is the end of every pipeline. It does nothing but to count what came. It is safe for concurrent use.
type sink struct {
	component.StartFunc
	component.ShutdownFunc
	records atomic.Int64
	counted atomic.Int64
}

func newSinkFactory(s *sink) exporter.Factory {
	return exporter.NewFactory(component.MustNewType("sink"), func() component.Config { return &struct{}{} },
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return s, nil
		}, component.StabilityLevelDevelopment),
		exporter.WithMetrics(func(context.Context, exporter.Settings, component.Config) (exporter.Metrics, error) {
			return s, nil
		}, component.StabilityLevelDevelopment))
}

func (*sink) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

func (s *sink) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	s.records.Add(int64(logs.LogRecordCount()))
	return nil
}

// ConsumeMetrics adds up sums of delta temporality, which all cases are configured to give.
func (s *sink) ConsumeMetrics(_ context.Context, md pmetric.Metrics) error {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				for _, dp := range m.Sum().DataPoints().All() {
					s.counted.Add(dp.IntValue())
				}
			}
		}
	}
	return nil
}
