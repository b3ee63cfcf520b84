// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/selftelemetry"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// resultCounts is a number of records for each result.
type resultCounts [metadata.AttributeResultStraggler + 1]int64

// telemetry is what the connector tells about itself: each metric has its id as the attribute connector, so that two
// connectors of one Collector have series of their own. It is safe for concurrent use.
type telemetry struct {
	*metadata.TelemetryBuilder
	own          metric.MeasurementOption // with no further attribute
	results      map[metadata.AttributeResult]metric.MeasurementOption
	logs, traces metric.MeasurementOption
	reasons      map[cohorts.Reason]metric.MeasurementOption // why a verification is not in the statistics
}

func newTelemetry(set component.TelemetrySettings, id component.ID) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, err
	}
	attributes := selftelemetry.For(component.KindConnector, id)
	t := &telemetry{
		TelemetryBuilder: builder,
		own:              attributes.Option(),
		results:          map[metadata.AttributeResult]metric.MeasurementOption{},
		logs:             attributes.With("signal", metadata.AttributeSignalLogs.String()),
		traces:           attributes.With("signal", metadata.AttributeSignalTraces.String()),
		reasons: map[cohorts.Reason]metric.MeasurementOption{
			cohorts.TooOld:  attributes.With("reason", metadata.AttributeReasonTooOld.String()),
			cohorts.TooNew:  attributes.With("reason", metadata.AttributeReasonTooNew.String()),
			cohorts.TooMany: attributes.With("reason", metadata.AttributeReasonTooMany.String()),
		},
	}
	for name, result := range metadata.MapAttributeResult {
		t.results[result] = attributes.With("result", name)
	}
	return t, nil
}

// start makes the series appear with 0.
func (t *telemetry) start(ctx context.Context) {
	for _, option := range t.results {
		t.ConnectorVerifyyouFunnelEvents.Add(ctx, 0, option)
	}
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, 0, t.logs)
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, 0, t.traces)
	t.ConnectorVerifyyouFunnelEndedEarly.Add(ctx, 0, t.own)
	t.ConnectorVerifyyouFunnelReinitialized.Add(ctx, 0, t.own)
}

func (t *telemetry) countEvents(ctx context.Context, counted *resultCounts) {
	for result, option := range t.results {
		if n := counted[result]; n > 0 {
			t.ConnectorVerifyyouFunnelEvents.Add(ctx, n, option)
		}
	}
}

func (t *telemetry) countEndedEarly(ctx context.Context) {
	t.ConnectorVerifyyouFunnelEndedEarly.Add(ctx, 1, t.own)
}

func (t *telemetry) countReinitialized(ctx context.Context) {
	t.ConnectorVerifyyouFunnelReinitialized.Add(ctx, 1, t.own)
}

func (t *telemetry) countDroppedTraces(ctx context.Context, n int) {
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, int64(n), t.traces)
}

func (t *telemetry) countDroppedSummaries(ctx context.Context, n int) {
	t.ConnectorVerifyyouFunnelDropped.Add(ctx, int64(n), t.logs)
}

func (t *telemetry) observeVerifications(f *funnel.Funnel) error {
	return t.RegisterConnectorVerifyyouFunnelVerificationsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(int64(f.Len()), t.own)
		return nil
	})
}

// observeCohorts makes the series of the statistics appear, where there are any.
func (t *telemetry) observeCohorts(set *cohorts.Set) error {
	if set == nil {
		return nil
	}
	return errors.Join(
		t.RegisterConnectorVerifyyouFunnelCohortsCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(set.Len()), t.own)
			return nil
		}),
		t.RegisterConnectorVerifyyouFunnelOutsideRetentionCallback(func(_ context.Context, o metric.Int64Observer) error {
			for reason, option := range t.reasons {
				o.Observe(set.Outside(reason), option)
			}
			return nil
		}),
	)
}

// warnOfSharedKeys says since the last time how many keys seem to name something that many people share. It is called
// once a flush, so that it cannot fill the log.
func (c *funnelConnector) warnOfSharedKeys() {
	if n := c.reinitialized.Swap(0); n > 0 {
		c.settings.Logger.Warn("Verifications were initialized again under the same key, which may be shared by many people, "+
			"who are then counted as one. If each run has an id of its own, session_id for example, use it as the key: "+
			"set fields: [session_id] and verification_key: [verifyyou.session_id] in the receiver, and key: [verifyyou.session_id] in the connector",
			zap.Int64("keys", n), zap.Strings("key", c.cfg.Key))
	}
}
