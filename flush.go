// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/record"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/version"
)

func newRecords(resource pcommon.Resource) *record.Builder {
	return record.NewBuilder(resource, version.Scope(metadata.ScopeName))
}

// newCounters returns the counters of a metrics pipeline, nil where there is none or where it does not want them.
func (r *verifyyouReceiver) newCounters(resource pcommon.Resource) *counters.Events {
	events := r.cfg.MetricsBuilderConfig.Metrics.VerifyyouEvents
	if r.nextMetrics == nil || !events.Enabled {
		return nil
	}
	return counters.NewEvents(counters.SetSettings{
		Logger:      r.settings.Logger,
		Resource:    resource,
		Scope:       version.Scope(metadata.ScopeName),
		Delta:       r.cfg.IsDelta(),
		MaxTrackers: r.cfg.MaxExternalTrackers,
		Trackers:    r.cfg.ExternalTrackers,
	}, counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouEvents.Name,
		Description: "Number of distinct verification events that came.",
		Unit:        "{event}",
		Stage:       counters.Enabled(events.EnabledAttributes, semconv.AttrStage),
		Outcome:     counters.Enabled(events.EnabledAttributes, semconv.AttrOutcome),
		Tracker:     counters.Enabled(events.EnabledAttributes, semconv.AttrExternalTracker),
		Step:        counters.Enabled(events.EnabledAttributes, semconv.AttrStep),
	}, r.now())
}

// flushEveryInterval flushes now, at every interval, and not any more when ctx ends.
func (r *verifyyouReceiver) flushEveryInterval(ctx context.Context) {
	ticker := time.NewTicker(r.cfg.MetricsFlushInterval)
	defer ticker.Stop()
	for {
		if err := r.flush(ctx, false); err != nil && ctx.Err() == nil {
			r.settings.Logger.Warn("Counters were not taken; they are kept for the next flush", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// flush saves the state and exports the counters. The state is saved first: after a crash no value may be below one
// that was exported, which would be taken for a reset. What cannot be saved is therefore not exported.
func (r *verifyyouReceiver) flush(ctx context.Context, last bool) error {
	if r.counters == nil {
		return r.save(ctx, nil)
	}
	export := r.counters.Export(r.now(), last)
	defer export.End()
	if err := r.save(ctx, export); err != nil {
		return err
	}
	var refused error
	if export.Metrics.DataPointCount() > 0 {
		refused = r.consumeMetrics(ctx, export.Metrics)
	}
	if refused == nil {
		export.Commit()
	} else {
		export.Rollback()
	}
	if last || refused == nil && r.cfg.IsDelta() {
		return errors.Join(refused, r.save(ctx, export)) // see counters.Export
	}
	return refused
}

func (r *verifyyouReceiver) consumeMetrics(ctx context.Context, md pmetric.Metrics) (err error) {
	points := md.DataPointCount() // the pipeline may change md
	ctx = r.obsrep.StartMetricsOp(ctx)
	defer func() { r.obsrep.EndMetricsOp(ctx, "verifyyou", points, err) }()
	defer r.recoverTo(&err)
	return r.nextMetrics.ConsumeMetrics(ctx, md)
}
