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
	"go.uber.org/zap"
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

	server   *http.Server // nil: never started
	serving  sync.WaitGroup
	underWay exchangesUnderWay

	background     sync.WaitGroup // flushes, and watches the file of secrets
	stopBackground context.CancelFunc
	stopping       context.Context // of what goes on in the background, until Shutdown
}

func newLifecycle() *lifecycle {
	ctx, cancel := context.WithCancel(context.Background())
	return &lifecycle{underWay: exchangesUnderWay{all: map[*exchange]struct{}{}}, stopping: ctx, stopBackground: cancel}
}

// background runs a function until Shutdown.
func (r *verifyyouReceiver) background(run func(context.Context)) {
	r.lifecycle.background.Go(func() { run(r.lifecycle.stopping) })
}

// Start reads secrets and state, and begins to listen and to flush.
func (r *verifyyouReceiver) Start(ctx context.Context, host component.Host) error {
	r.lifecycle.startOnce.Do(func() {
		r.lifecycle.startErr = r.start(ctx, host)
	})
	return r.lifecycle.startErr
}

// start leaves what it has begun to Shutdown, also where a later step fails.
func (r *verifyyouReceiver) start(ctx context.Context, host component.Host) error {
	r.telemetry.start(ctx)
	if err := r.startKeys(ctx, host); err != nil {
		return err
	}
	if err := r.restore(ctx, host); err != nil {
		return err
	}
	if err := r.telemetry.observeForgotten(r.deliveries); err != nil {
		return err
	}
	server, err := r.cfg.ServerConfig.ToServer(ctx, host.GetExtensions(), r.settings.TelemetrySettings, r,
		confighttp.WithErrorHandler(serverError))
	if err != nil {
		return err
	}
	listener, err := r.cfg.ServerConfig.ToListener(ctx)
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", r.cfg.ServerConfig.NetAddr.Endpoint, err)
	}
	r.background(r.lifecycle.underWay.watchDeadlines)
	r.serve(server, listener, host)
	r.background(r.flushEveryInterval)
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

// Shutdown stops listening, waits for the requests in flight, flushes the counters and saves the state. It takes 16 s
// at most.
func (r *verifyyouReceiver) Shutdown(ctx context.Context) (err error) {
	r.lifecycle.stopOnce.Do(func() {
		instances.remove(r.cfg)
		err = errors.Join(r.stopServing(ctx), r.stopFlushing(ctx))
		r.telemetry.Shutdown()
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
	r.lifecycle.underWay.abort()
	abort, cancel := context.WithTimeout(ctx, abortTime)
	defer cancel()
	if r.lifecycle.server.Shutdown(abort) == nil {
		return nil
	}
	return r.lifecycle.server.Close()
}

// lastFlush flushes where there was a first flush. A backend that is away is no reason not to end in order.
func (r *verifyyouReceiver) lastFlush(ctx context.Context) {
	if r.lifecycle.server == nil {
		return
	}
	if err := r.flush(ctx, true); err != nil {
		r.settings.Logger.Error("The last counters were not taken; without storage they are lost", zap.Error(err))
	}
}

// stopFlushing ends what goes on in the background, with a last flush.
func (r *verifyyouReceiver) stopFlushing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastFlushTime)
	defer cancel()
	r.lifecycle.stopBackground()
	done := make(chan error, 1)
	go func() {
		r.lifecycle.background.Wait()
		r.lastFlush(ctx)
		done <- r.closeStorage(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the last flush did not end in time, and what it had to say is lost: %w", ctx.Err())
	}
}
