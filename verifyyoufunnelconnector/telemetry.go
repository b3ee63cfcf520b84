// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// resultCounts is a number of records for each result.
type resultCounts [metadata.AttributeResultStraggler + 1]int64

// telemetry is what the connector tells about itself. It is safe for concurrent use.
type telemetry struct {
	*metadata.TelemetryBuilder
	results      map[metadata.AttributeResult]metric.AddOption
	logs, traces metric.AddOption
}

func newTelemetry(set component.TelemetrySettings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, err
	}
	t := &telemetry{
		TelemetryBuilder: builder,
		results:          map[metadata.AttributeResult]metric.AddOption{},
		logs:             with("signal", metadata.AttributeSignalLogs.String()),
		traces:           with("signal", metadata.AttributeSignalTraces.String()),
	}
	for name, result := range metadata.MapAttributeResult {
		t.results[result] = with("result", name)
	}
	return t, nil
}

func with(key, value string) metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))
}

// start makes the series appear with 0.
func (t *telemetry) start(ctx context.Context) {
	for _, option := range t.results {
		t.ConnectorVerifyyouFunnelEvents.Add(ctx, 0, option)
	}
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, 0, t.logs)
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, 0, t.traces)
	t.ConnectorVerifyyouFunnelEndedEarly.Add(ctx, 0)
}

func (t *telemetry) countEvents(ctx context.Context, counted *resultCounts) {
	for result, option := range t.results {
		if n := counted[result]; n > 0 {
			t.ConnectorVerifyyouFunnelEvents.Add(ctx, n, option)
		}
	}
}

func (t *telemetry) countEndedEarly(ctx context.Context) {
	t.ConnectorVerifyyouFunnelEndedEarly.Add(ctx, 1)
}

func (t *telemetry) droppedTraces(ctx context.Context, n int) {
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, int64(n), t.traces)
}

func (t *telemetry) droppedSummaries(ctx context.Context, n int) {
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, int64(n), t.logs)
}

func (t *telemetry) observeVerifications(f *funnel.Funnel) error {
	return t.RegisterConnectorVerifyyouFunnelVerificationsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(int64(f.Len()))
		return nil
	})
}
