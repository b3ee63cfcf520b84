// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/flush"
)

// lookInterval is how often the funnel is told the time at least: it takes a longer pause for one of the process.
const lookInterval = 5 * time.Second

// newFlusher returns what saves the state and exports the metrics. Where nobody wants the metrics, the state is saved
// with them all the same.
func (c *funnelConnector) newFlusher() *flush.Flusher {
	return flush.New(flush.Settings{
		Interval: c.cfg.MetricsFlushInterval,
		Delta:    c.cfg.IsDelta(),
		Export: func(last bool) *counters.Export {
			now := c.now()
			if !last { // stopFlushing has, and nothing may end after the last traces
				c.funnel.Advance(now)
			}
			c.warnOfSharedKeys()
			return c.metrics.Export(now, last)
		},
		Save: c.save,
		Consume: func(ctx context.Context, md pmetric.Metrics) error {
			return c.nextMetrics.ConsumeMetrics(ctx, md)
		},
		Logger: c.settings.Logger,
		Status: &c.status,
	})
}

// startFlushing begins to send, each signal on its own: one that is held up holds up no other, nor the state.
func (c *funnelConnector) startFlushing() {
	c.advancing.Go(func() { c.flusher.Run(c.stopping) })
	c.advancing.Go(func() {
		flush.Every(c.stopping, lookInterval, nil, func() {
			c.funnel.Advance(c.now())
			if set := c.funnel.Cohorts(); set != nil {
				set.Expire(c.now())
			}
		})
	})
	c.sendingTraces.Go(func() { c.sendEveryInterval(c.traces) })
	c.sendingSummaries.Go(func() { c.sendEveryInterval(c.summaries) })
}

// sendEveryInterval sends what an outbox has now, at every interval, and sooner when it has much.
func (c *funnelConnector) sendEveryInterval(o *outbox) {
	flush.Every(c.stopping, c.cfg.MetricsFlushInterval, o.full, func() {
		if err := o.send(c.stopping); err != nil && c.stopping.Err() == nil {
			c.settings.Logger.Warn("Not all "+o.what+" were accepted; those that are not dropped are kept for the next flush", zap.Error(err))
		}
	})
}

// stopFlushing sends what there is of all signals, each on its own, if it was ever begun. It takes 5 s at most.
func (c *funnelConnector) stopFlushing(ctx context.Context) error {
	c.stop()
	c.advancing.Wait()
	if c.started < c.created {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flush.LastTime)
	defer cancel()
	c.funnel.Advance(c.now()) // for the last time: nothing is added to the outboxes any more
	var sending sync.WaitGroup
	sending.Go(func() { c.sendLast(ctx, &c.sendingTraces, c.traces) })
	sending.Go(func() { c.sendLast(ctx, &c.sendingSummaries, c.summaries) })
	sent := make(chan struct{})
	go func() {
		sending.Wait()
		close(sent)
	}()
	err := c.flusher.Last(ctx)
	select {
	case <-sent:
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("the final flush timed out; unsent traces and summaries are lost: %w", ctx.Err()))
	}
}

// sendLast waits for the send of a signal that is under way.
func (c *funnelConnector) sendLast(ctx context.Context, before *sync.WaitGroup, o *outbox) {
	before.Wait()
	if err := o.send(ctx); err != nil {
		c.settings.Logger.Error("The final flush failed; what was not accepted is lost", zap.Error(err))
	}
}
