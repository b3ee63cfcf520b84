// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// errPanic is a panic of what comes after the connector.
var errPanic = errors.New("panic")

// flushEveryInterval flushes now, at every interval, and not any more when ctx ends. Traces and summaries are sent
// sooner when there are many of them.
func (c *funnelConnector) flushEveryInterval(ctx context.Context) {
	ticker := time.NewTicker(c.cfg.MetricsFlushInterval)
	defer ticker.Stop()
	flush := func() error { return c.flush(ctx, false) }
	for {
		if err := flush(); err != nil && ctx.Err() == nil {
			c.settings.Logger.Warn("Not all was taken; it is kept for the next flush", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			flush = func() error { return c.flush(ctx, false) }
		case <-c.traces.full:
			flush = func() error { return c.sendTraces(ctx) }
		case <-c.summaries.full:
			flush = func() error { return c.sendSummaries(ctx) }
		}
	}
}

// lastFlush flushes where there was a first flush. A backend that is away is no reason not to end in order.
func (c *funnelConnector) lastFlush(ctx context.Context) {
	if c.started < c.created {
		return
	}
	if err := c.flush(ctx, true); err != nil {
		c.settings.Logger.Error("Not all of the last flush was taken; metrics are lost without storage, traces and summaries in any case", zap.Error(err))
	}
}

// flush ends the verifications that are due, and sends what there is to send of all signals.
func (c *funnelConnector) flush(ctx context.Context, last bool) error {
	c.funnel.Advance(c.now())
	c.warnOfSharedKeys()
	return errors.Join(c.sendMetrics(ctx, last), c.sendTraces(ctx), c.sendSummaries(ctx))
}

// sendMetrics saves the state and exports the metrics. The state is saved first: after a crash no value may be below
// one that was exported, which would be taken for a reset. What cannot be saved is therefore not exported.
func (c *funnelConnector) sendMetrics(ctx context.Context, last bool) error {
	export := c.metrics.Export(c.now(), last)
	defer export.End()
	if err := c.save(ctx, export); err != nil {
		return err
	}
	var refused error
	if export.Metrics.DataPointCount() > 0 {
		refused = c.guard(func() error { return c.nextMetrics.ConsumeMetrics(ctx, export.Metrics) })
	}
	if refused == nil {
		export.Commit()
	} else {
		export.Rollback()
		refused = fmt.Errorf("metrics: %w", refused)
	}
	if last || refused == nil && c.cfg.IsDelta() {
		return errors.Join(refused, c.save(ctx, export)) // see counters.Export
	}
	return refused
}

func (c *funnelConnector) sendTraces(ctx context.Context) error { return c.traces.send(ctx) }

func (c *funnelConnector) sendSummaries(ctx context.Context) error { return c.summaries.send(ctx) }

// guard makes a panic an error, so that it ends one flush and not the Collector.
func (c *funnelConnector) guard(consume func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.settings.Logger.Error("Recovered from a panic", zap.Any("panic", p), zap.Stack("stack"))
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return consume()
}
