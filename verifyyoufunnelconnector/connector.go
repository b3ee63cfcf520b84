// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/flush"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/status"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/version"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// funnelConnector follows verifications, for all signals that come out of it.
type funnelConnector struct {
	cfg         *Config
	settings    connector.Settings
	nextMetrics consumer.Metrics // nil, as the others: nobody wants them
	nextTraces  consumer.Traces
	nextLogs    consumer.Logs

	scope     pcommon.InstrumentationScope
	resource  pcommon.Resource
	funnel    *funnel.Funnel
	metrics   *metrics
	traces    *outbox
	summaries *outbox
	state     persistence
	telemetry *telemetry
	status    status.Reporter
	stats     *statsServer // nil: nobody wants the statistics
	now       func() time.Time

	reinitialized atomic.Int64 // keys that nobody has been warned of yet

	created, started int // instances; one is created, started and shut down after the other
	stopOnce         sync.Once
	flusher          *flush.Flusher // of the state and the metrics; nil before Start

	// What runs until Shutdown. advancing is what adds to traces and summaries.
	advancing, sendingTraces, sendingSummaries sync.WaitGroup
	stopping                                   context.Context
	stop                                       context.CancelFunc
}

func newConnector(set connector.Settings, cfg *Config) (*funnelConnector, error) {
	tel, err := newTelemetry(set.TelemetrySettings, set.ID)
	if err != nil {
		return nil, err
	}
	c := &funnelConnector{
		cfg: cfg, settings: set, scope: version.Scope(metadata.ScopeName), telemetry: tel, now: time.Now,
		traces:    newOutbox("traces", flush.Deadline(cfg.MetricsFlushInterval), tel.countDroppedTraces),
		summaries: newOutbox("summaries", flush.Deadline(cfg.MetricsFlushInterval), tel.countDroppedSummaries),
	}
	c.traces.pack, c.summaries.pack = c.packTraces, c.packSummaries
	c.stopping, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Capabilities says that records are left as they are.
func (*output) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

// Start reads the state, and begins to flush once all instances are started: before that, nothing can be sent.
func (o *output) Start(ctx context.Context, host component.Host) error {
	o.status.AddHost(host)
	if o.started == 0 {
		if err := o.begin(ctx, host); err != nil {
			return err
		}
	}
	o.started++
	if o.started == o.created {
		o.startFlushing()
	}
	return nil
}

func (c *funnelConnector) begin(ctx context.Context, host component.Host) error {
	c.telemetry.start(ctx)
	if err := c.restore(ctx, host); err != nil {
		return err
	}
	c.flusher = c.newFlusher()
	if err := errors.Join(c.telemetry.observeVerifications(c.funnel), c.telemetry.observeCohorts(c.funnel.Cohorts())); err != nil {
		return err
	}
	return c.startStats(ctx, host)
}

// startStats serves the statistics, where they are wanted.
func (c *funnelConnector) startStats(ctx context.Context, host component.Host) error {
	if !c.cfg.Stats.HasValue() {
		return nil
	}
	c.stats = &statsServer{cfg: c.cfg.Stats.Get(), source: c.funnel, now: c.now, failed: c.status.Fatal}
	return c.stats.start(ctx, host, c.settings.TelemetrySettings)
}

func (c *funnelConnector) stopStats(ctx context.Context) error {
	if c.stats == nil {
		return nil
	}
	return c.stats.shutdown(ctx)
}

// Shutdown flushes a last time and saves the state, which takes 7 s at most. The first one does it, while all that
// comes after the connector is still there.
func (o *output) Shutdown(ctx context.Context) (err error) {
	o.stopOnce.Do(func() {
		funnels.remove(o.cfg)
		err = errors.Join(o.stopFlushing(ctx), o.stopStats(ctx), o.closeStorage(ctx))
		o.dropUnsent()
		o.telemetry.Shutdown()
	})
	return err
}

// ConsumeLogs takes the events among the records. It never fails: the pipeline beside is not held up by the funnel.
func (o *output) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	if !o.consumes {
		return nil
	}
	var counted resultCounts
	now := o.now()
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				counted[o.take(lr, now)]++
			}
		}
	}
	o.telemetry.countEvents(ctx, &counted)
	return nil
}

func (c *funnelConnector) take(lr plog.LogRecord, now time.Time) metadata.AttributeResult {
	e, ok := eventOf(lr, c.cfg.Key, now)
	if !ok {
		return metadata.AttributeResultOtherRecord
	}
	switch c.funnel.Observe(&e, now) {
	case funnel.Duplicate:
		return metadata.AttributeResultDuplicate
	case funnel.Straggler:
		return metadata.AttributeResultStraggler
	default:
		return metadata.AttributeResultNew
	}
}
