// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// backend is what the stubs have taken.
type backend struct {
	mu      sync.Mutex
	records int
	uids    map[string]int // how many times each log.record.uid was taken
	events  map[int]int    // how many times each event was taken
	points  map[series][]point
}

// point is one of a cumulative series.
type point struct {
	start, at time.Time
	value     int64
}

func newBackend() *backend {
	return &backend{uids: map[string]int{}, events: map[int]int{}, points: map[series][]point{}}
}

func (b *backend) takeLogs(body []byte) error {
	request := plogotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, resource := range request.Logs().ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				if err := b.takeRecord(record.Attributes()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *backend) takeRecord(attributes pcommon.Map) error {
	n, err := eventNumber(text(attributes, "verifyyou.external_id"))
	if err != nil {
		return err
	}
	uid := text(attributes, "log.record.uid")
	if uid == "" {
		return fmt.Errorf("event %d has no log.record.uid", n)
	}
	b.records++
	b.uids[uid]++
	b.events[n]++
	return nil
}

func (b *backend) takeMetrics(body []byte) error {
	request := pmetricotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, resource := range request.Metrics().ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				b.takePoints(metric)
			}
		}
	}
	return nil
}

func (b *backend) takePoints(metric pmetric.Metric) {
	for _, p := range metric.Sum().DataPoints().All() {
		s := series{text(p.Attributes(), "verifyyou.stage"), text(p.Attributes(), "verifyyou.external_tracker")}
		b.points[s] = append(b.points[s], point{p.StartTimestamp().AsTime(), p.Timestamp().AsTime(), p.IntValue()})
	}
}

func text(attributes pcommon.Map, name string) string {
	value, _ := attributes.Get(name)
	return value.Str()
}

// soFar returns how many records there are and how many events were counted.
func (b *backend) soFar() (records int, counted int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, points := range b.points {
		counted += points[len(points)-1].value
	}
	return b.records, counted
}

// distinct returns how many different events there are.
func (b *backend) distinct() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events)
}
