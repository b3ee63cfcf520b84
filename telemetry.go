// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/metric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/selftelemetry"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// telemetry is what the receiver tells about itself. Attribute sets are made once, not for every request. It is safe
// for concurrent use.
type telemetry struct {
	*metadata.TelemetryBuilder
	attributes                     selftelemetry.Attributes
	component                      metric.MeasurementOption // the attributes that all have
	delay                          []metric.RecordOption
	results                        map[metadata.AttributeResult][]metric.AddOption
	fields                         map[string][]metric.AddOption
	stageOverflow, trackerOverflow []metric.AddOption
}

func newTelemetry(set component.TelemetrySettings, id component.ID) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, err
	}
	attributes := selftelemetry.For(component.KindReceiver, id)
	t := &telemetry{
		TelemetryBuilder: builder,
		attributes:       attributes,
		component:        attributes.Option(),
		delay:            []metric.RecordOption{attributes.Option()},
		results:          map[metadata.AttributeResult][]metric.AddOption{},
		fields:           map[string][]metric.AddOption{},
	}
	t.stageOverflow = t.with("attribute", semconv.AttrStage)
	t.trackerOverflow = t.with("attribute", semconv.AttrExternalTracker)
	for name, result := range metadata.MapAttributeResult {
		t.results[result] = t.with("result", name)
	}
	for field := range metadata.MapAttributeField {
		t.fields[field] = t.with("field", field)
	}
	return t, nil
}

// with returns the options for one more attribute. It is a slice, as that is what a counter wants: making one for each
// measurement would allocate.
func (t *telemetry) with(key, value string) []metric.AddOption {
	return []metric.AddOption{t.attributes.With(key, value)}
}

// secret returns the options for the secret at a place.
func (t *telemetry) secret(place string) []metric.AddOption {
	return t.with("secret", place)
}

// start makes the series appear with 0: an alert on the first failure needs a value before it.
func (t *telemetry) start(ctx context.Context) {
	for _, options := range t.results {
		t.ReceiverVerifyyouRequests.Add(ctx, 0, options...)
	}
	for _, options := range t.fields {
		t.ReceiverVerifyyouInvalidFields.Add(ctx, 0, options...)
	}
	t.ReceiverVerifyyouOverflow.Add(ctx, 0, t.stageOverflow...)
	t.ReceiverVerifyyouOverflow.Add(ctx, 0, t.trackerOverflow...)
	t.ReceiverVerifyyouEventHeaderMismatches.Add(ctx, 0, t.component)
}

func (t *telemetry) countRequest(ctx context.Context, result metadata.AttributeResult) {
	t.ReceiverVerifyyouRequests.Add(ctx, 1, t.results[result]...)
}

// observeForgotten makes the series of forgotten deliveries show what a function returns.
func (t *telemetry) observeForgotten(forgotten func() int64) error {
	return t.RegisterReceiverVerifyyouDeliveriesForgottenCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(forgotten(), t.component)
		return nil
	})
}

// startMatches makes the series of a key appear with 0.
func (t *telemetry) startMatches(ctx context.Context, key *signingKey) {
	t.ReceiverVerifyyouSignatureMatches.Add(ctx, 0, key.place...)
}

func (t *telemetry) countMatch(ctx context.Context, key *signingKey) {
	t.ReceiverVerifyyouSignatureMatches.Add(ctx, 1, key.place...)
}

func (t *telemetry) countHeaderMismatch(ctx context.Context) {
	t.ReceiverVerifyyouEventHeaderMismatches.Add(ctx, 1, t.component)
}

// recordDelay records how late an event came; clocks that differ can make that negative.
func (t *telemetry) recordDelay(ctx context.Context, delay time.Duration) {
	t.ReceiverVerifyyouDeliveryDelay.Record(ctx, max(0, delay.Seconds()), t.delay...)
}

// countInvalidFields counts the known fields of an event that had a wrong type; the names of others are configured.
func (t *telemetry) countInvalidFields(ctx context.Context, names []string) {
	for _, name := range names {
		if field, known := t.fields[name]; known {
			t.ReceiverVerifyyouInvalidFields.Add(ctx, 1, field...)
		}
	}
}

func (t *telemetry) countOverflow(ctx context.Context, o counters.Overflowed) {
	if o.Stage {
		t.ReceiverVerifyyouOverflow.Add(ctx, 1, t.stageOverflow...)
	}
	if o.Tracker {
		t.ReceiverVerifyyouOverflow.Add(ctx, 1, t.trackerOverflow...)
	}
}
