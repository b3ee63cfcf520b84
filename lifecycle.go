// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
)

// How long Shutdown takes at most: the Collector sets no deadline of its own.
const (
	drainTime     = 10 * time.Second // for requests in flight
	abortTime     = time.Second      // for the 503 of those that are left
	lastFlushTime = 5 * time.Second
)

// lifecycle is what Start makes and Shutdown ends. A receiver for two signals is started and shut down twice; the
// second time nothing happens.
type lifecycle struct {
	startOnce, stopOnce sync.Once
	startErr            error

	server  *http.Server // nil: never started
	serving sync.WaitGroup
	aborted chan struct{} // closed when Shutdown no longer waits for deliveries

	stopFlushing context.CancelFunc // nil: nothing to flush
	flushing     sync.WaitGroup
}

func newLifecycle() lifecycle {
	return lifecycle{aborted: make(chan struct{})}
}

// Start begins to listen and to flush.
func (r *verifyyouReceiver) Start(ctx context.Context, host component.Host) error {
	r.lifecycle.startOnce.Do(func() {
		r.lifecycle.startErr = r.start(ctx, host)
	})
	return r.lifecycle.startErr
}

func (r *verifyyouReceiver) start(ctx context.Context, host component.Host) error {
	server, err := r.cfg.ServerConfig.ToServer(ctx, host.GetExtensions(), r.settings.TelemetrySettings, r,
		confighttp.WithErrorHandler(serverError))
	if err != nil {
		return err
	}
	listener, err := r.cfg.ServerConfig.ToListener(ctx)
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", r.cfg.ServerConfig.NetAddr.Endpoint, err)
	}
	r.telemetry.start(ctx)
	r.startCounting() //nolint:contextcheck // flushing goes on after Start
	r.serve(server, listener, host)
	return nil
}

func (r *verifyyouReceiver) serve(server *http.Server, listener net.Listener, host component.Host) {
	r.settings.Logger.Info("Taking VerifyYou webhooks",
		zap.String("endpoint", listener.Addr().String()), zap.String("path", r.cfg.Path))
	r.lifecycle.server = server
	r.lifecycle.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
}

// startCounting creates the counters, where somebody wants them, and flushes them now and at every interval.
func (r *verifyyouReceiver) startCounting() {
	events := r.cfg.MetricsBuilderConfig.Metrics.VerifyyouEvents
	if r.nextMetrics == nil || !events.Enabled {
		return
	}
	attributes := make([]string, len(events.EnabledAttributes))
	for i, a := range events.EnabledAttributes {
		attributes[i] = string(a)
	}
	r.counters = counters.NewEvents(counters.Settings{
		Name:        metadata.MetricsInfo.VerifyyouEvents.Name,
		Description: "Number of distinct verification events that came.",
		Unit:        "{event}",
		Resource:    r.resource,
		Scope:       newScope(),
		Attributes:  attributes,
		Delta:       r.cfg.MetricsTemporality == temporalityDelta,
		MaxTrackers: r.cfg.MaxExternalTrackers,
		Trackers:    r.cfg.ExternalTrackers,
	}, r.now())
	ctx, cancel := context.WithCancel(context.Background())
	r.lifecycle.stopFlushing = cancel
	r.lifecycle.flushing.Go(func() { r.flushEvery(ctx, r.cfg.MetricsFlushInterval) })
}

func (r *verifyyouReceiver) flushEvery(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := r.counters.Flush(r.now(), r.metricsConsumer(ctx)); err != nil && ctx.Err() == nil {
			r.settings.Logger.Warn("The metrics pipeline refused the counters; they are kept for the next flush", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// metricsConsumer returns a function that hands metrics to the metrics pipeline.
func (r *verifyyouReceiver) metricsConsumer(ctx context.Context) func(pmetric.Metrics) error {
	return func(md pmetric.Metrics) (err error) {
		points := md.DataPointCount() // the pipeline may change md
		op := r.obsrep.StartMetricsOp(ctx)
		defer func() { r.obsrep.EndMetricsOp(op, "verifyyou", points, err) }()
		defer r.recoverTo(&err)
		return r.nextMetrics.ConsumeMetrics(op, md)
	}
}

// Shutdown stops listening, waits for the requests in flight and flushes the counters. It takes 16 s at most.
func (r *verifyyouReceiver) Shutdown(ctx context.Context) (err error) {
	r.lifecycle.stopOnce.Do(func() {
		instances.remove(r.cfg)
		err = errors.Join(r.stopServing(ctx), r.lastFlush(ctx))
	})
	return err
}

func (r *verifyyouReceiver) stopServing(ctx context.Context) error {
	if r.lifecycle.server == nil {
		return nil
	}
	defer r.lifecycle.serving.Wait()
	drain, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if r.lifecycle.server.Shutdown(drain) == nil {
		return nil
	}
	r.settings.Logger.Warn("Requests were still in flight at the end of the time given to them; they are answered 503")
	close(r.lifecycle.aborted)
	abort, cancel := context.WithTimeout(ctx, abortTime)
	defer cancel()
	if r.lifecycle.server.Shutdown(abort) == nil {
		return nil
	}
	return r.lifecycle.server.Close()
}

func (r *verifyyouReceiver) lastFlush(ctx context.Context) error {
	if r.lifecycle.stopFlushing == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lastFlushTime)
	defer cancel()
	r.lifecycle.stopFlushing()
	done := make(chan error, 1)
	go func() {
		r.lifecycle.flushing.Wait()
		done <- r.counters.LastFlush(r.now(), r.metricsConsumer(ctx))
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("counts since the last flush are lost: the metrics pipeline did not answer: %w", ctx.Err())
	}
}
