// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/deliveries"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// telemetry is what the receiver tells about itself. Attribute sets are made once, not for every request. It is safe
// for concurrent use.
type telemetry struct {
	*metadata.TelemetryBuilder
	results                        map[metadata.AttributeResult][]metric.AddOption
	stageOverflow, trackerOverflow []metric.AddOption
}

func newTelemetry(set component.TelemetrySettings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, err
	}
	t := &telemetry{
		TelemetryBuilder: builder,
		results:          map[metadata.AttributeResult][]metric.AddOption{},
		stageOverflow:    with("attribute", semconv.AttrStage),
		trackerOverflow:  with("attribute", semconv.AttrExternalTracker),
	}
	for name, result := range metadata.MapAttributeResult {
		t.results[result] = with("result", name)
	}
	return t, nil
}

func with(key, value string) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))}
}

// start makes the series appear with 0: an alert on the first failure needs a value before it.
func (t *telemetry) start(ctx context.Context) {
	for _, options := range t.results {
		t.ReceiverVerifyyouRequests.Add(ctx, 0, options...)
	}
	t.ReceiverVerifyyouOverflow.Add(ctx, 0, t.stageOverflow...)
	t.ReceiverVerifyyouOverflow.Add(ctx, 0, t.trackerOverflow...)
	t.ReceiverVerifyyouEventHeaderMismatches.Add(ctx, 0)
}

func (t *telemetry) countRequest(ctx context.Context, result metadata.AttributeResult) {
	t.ReceiverVerifyyouRequests.Add(ctx, 1, t.results[result]...)
}

// observeForgotten makes a memory tell what it has forgotten; nil is none.
func (t *telemetry) observeForgotten(memory *deliveries.Memory) error {
	return t.RegisterReceiverVerifyyouDeliveriesForgottenCallback(func(_ context.Context, o metric.Int64Observer) error {
		if memory != nil {
			o.Observe(memory.Forgotten())
		}
		return nil
	})
}

// startMatches makes the series of a key appear with 0.
func (t *telemetry) startMatches(ctx context.Context, key *signingKey) {
	t.ReceiverVerifyyouSignatureMatches.Add(ctx, 0, key.attributes...)
}

func (t *telemetry) countMatch(ctx context.Context, key *signingKey) {
	t.ReceiverVerifyyouSignatureMatches.Add(ctx, 1, key.attributes...)
}

func (t *telemetry) countHeaderMismatch(ctx context.Context) {
	t.ReceiverVerifyyouEventHeaderMismatches.Add(ctx, 1)
}

// recordDelay records how late an event came; clocks that differ can make that negative.
func (t *telemetry) recordDelay(ctx context.Context, delay time.Duration) {
	t.ReceiverVerifyyouDeliveryDelay.Record(ctx, max(0, delay.Seconds()))
}

func (t *telemetry) countOverflow(ctx context.Context, o counters.Overflowed) {
	if o.Stage {
		t.ReceiverVerifyyouOverflow.Add(ctx, 1, t.stageOverflow...)
	}
	if o.Tracker {
		t.ReceiverVerifyyouOverflow.Add(ctx, 1, t.trackerOverflow...)
	}
}
