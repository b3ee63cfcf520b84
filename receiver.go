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
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/flush"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/instance"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/listener"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/record"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/secrets"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/status"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/version"
)

// How long Shutdown waits: the Collector sets no deadline of its own. The last flush has one too.
const (
	drainTime = 10 * time.Second // for requests in flight
	abortTime = time.Second      // for the 503 of those that are left
)

// verifyyouReceiver makes the parts of a receiver and ends them. It serves logs, metrics or both: it is started and shut
// down once for each of them, and the second time does nothing.
type verifyyouReceiver struct {
	cfg         *Config
	settings    receiver.Settings
	nextLogs    consumer.Logs
	nextMetrics consumer.Metrics
	telemetry   *telemetry
	obsrep      *receiverhelper.ObsReport
	now         func() time.Time
	forget      func()

	secretsInterval time.Duration

	startOnce, stopOnce sync.Once
	startErr            error
	status              status.Reporter

	ledger    *ledger
	keys      *keyring
	deliverer *deliverer
	handler   *handler
	server    *http.Server // nil: never started
	serving   sync.WaitGroup

	flusher *flush.Flusher

	stopping       context.Context // of what runs in the background, until Shutdown
	stopBackground context.CancelFunc
}

// newReceiver returns a receiver that calls forget when it is shut down.
func newReceiver(set receiver.Settings, cfg *Config, forget func()) (*verifyyouReceiver, error) {
	obsrep, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID:             set.ID,
		Transport:              "http",
		ReceiverCreateSettings: set,
	})
	if err != nil {
		return nil, err
	}
	tel, err := newTelemetry(set.TelemetrySettings, set.ID)
	if err != nil {
		return nil, err
	}
	r := &verifyyouReceiver{cfg: cfg, settings: set, telemetry: tel, obsrep: obsrep, now: time.Now, forget: forget, secretsInterval: secrets.Interval}
	r.stopping, r.stopBackground = context.WithCancel(context.Background())
	return r, nil
}

// Start reads secrets and state, and begins to listen and to flush. It undoes nothing where a step fails: the Collector
// shuts a component down that did not start.
func (r *verifyyouReceiver) Start(ctx context.Context, host component.Host) error {
	r.status.AddHost(host)
	r.startOnce.Do(func() { r.startErr = r.start(ctx, host) })
	return r.startErr
}

func (r *verifyyouReceiver) start(ctx context.Context, host component.Host) error {
	r.telemetry.start(ctx)
	if err := r.startKeys(ctx); err != nil {
		return err
	}
	if err := r.startLedger(ctx, host); err != nil {
		return err
	}
	r.makeFlusher()
	r.startDeliverer()
	if err := r.startServer(ctx, host); err != nil {
		return err
	}
	r.runInBackground(r.flusher.Run)
	return nil
}

// runInBackground runs a function whose context ends with Shutdown, which does not wait for it: a file that cannot be
// read must not cost the last flush.
func (r *verifyyouReceiver) runInBackground(run func(context.Context)) {
	go run(r.stopping)
}

// startKeys makes the keys of all secrets, and makes them again whenever the file changes.
func (r *verifyyouReceiver) startKeys(ctx context.Context) error {
	r.keys = &keyring{configured: r.cfg.SigningSecrets, telemetry: r.telemetry}
	file := r.cfg.SigningSecretsFile
	if file == "" {
		r.keys.use(ctx, nil)
		return nil
	}
	ofFile, err := secrets.Read(ctx, file)
	if err != nil {
		return fmt.Errorf("signing_secrets_file: cannot be used: %w; set it to the path of a file with one secret a line", err)
	}
	r.keys.use(ctx, ofFile)
	r.runInBackground(func(ctx context.Context) {
		secrets.Watch(ctx, file, r.secretsInterval, ofFile,
			func(changed []string) { r.secretsChanged(ctx, changed) }, r.secretsFailed)
	})
	return nil
}

func (r *verifyyouReceiver) secretsChanged(ctx context.Context, ofFile []string) {
	r.keys.use(ctx, ofFile)
	r.settings.Logger.Info("Using the secrets of signing_secrets_file", zap.Int("secrets", len(ofFile)))
	r.status.Clear(status.Secrets)
}

func (r *verifyyouReceiver) secretsFailed(err error) {
	r.settings.Logger.Error("Cannot read signing_secrets_file; the secrets read last stay in use", zap.Error(err))
	r.status.Fault(status.Secrets, err)
}

// startLedger opens the storage and goes on where the receiver ended that used it.
func (r *verifyyouReceiver) startLedger(ctx context.Context, host component.Host) error {
	id, err := instance.ID(r.settings.ID.String(), r.cfg.ServerConfig.NetAddr.Endpoint)
	if err != nil {
		return err
	}
	r.ledger = &ledger{cfg: r.cfg, counts: r.nextMetrics != nil, telemetry: r.telemetry, logger: r.settings.Logger, now: r.now}
	r.ledger.reset(id)
	r.ledger.store, err = state.Open(ctx, state.Settings{
		Host: host, Logger: r.settings.Logger, Kind: component.KindReceiver, ID: r.settings.ID, Extension: r.cfg.Storage,
	})
	if err != nil {
		return err
	}
	if r.ledger.store != nil {
		err = r.ledger.store.Load(ctx, r.ledger.load, func(err error) {
			r.status.Fault(status.State, err)
			r.ledger.reset(id)
		})
		if err != nil {
			return err
		}
	}
	return r.telemetry.observeForgotten(r.ledger.forgotten)
}

// makeFlusher makes what saves the ledger and exports its counters.
func (r *verifyyouReceiver) makeFlusher() {
	r.flusher = flush.New(flush.Settings{
		Interval: r.cfg.MetricsFlushInterval,
		Delta:    r.cfg.IsDelta(),
		Export:   r.ledger.export,
		Save:     r.ledger.save,
		Consume:  r.consumeMetrics,
		Logger:   r.settings.Logger,
		Status:   &r.status,
	})
}

func (r *verifyyouReceiver) startDeliverer() {
	r.deliverer = &deliverer{
		logs:    r.nextLogs,
		records: record.NewBuilder(r.ledger.resource, version.Scope(metadata.ScopeName), r.cfg.VerificationKey),
		ledger:  r.ledger,
		obsrep:  r.obsrep,
		logger:  r.settings.Logger,
	}
	if timeout := r.cfg.ServerConfig.WriteTimeout; timeout > 0 {
		r.deliverer.timeout = timeout - answerTime
	}
	r.runInBackground(r.deliverer.inFlight.watchDeadlines)
}

func (r *verifyyouReceiver) startServer(ctx context.Context, host component.Host) error {
	r.handler = &handler{
		path:       r.cfg.Path,
		healthPath: r.cfg.HealthPath,
		keys:       r.keys,
		bodies:     bodies{limit: min(r.cfg.ServerConfig.MaxRequestBodySize, maxLimit)},
		decoder:    event.NewDecoder(r.cfg.Fields),
		deliverer:  r.deliverer,
		telemetry:  r.telemetry,
		logger:     r.settings.Logger,
		now:        r.now,
	}
	settings := r.cfg.ServerConfig
	// The handler has the limit. That of the server would end a connection whose body is still to be discarded.
	settings.MaxRequestBodySize = r.handler.bodies.limit + 2*maxDiscarded
	server, err := settings.ToServer(ctx, host.GetExtensions(), r.settings.TelemetrySettings, r.handler,
		confighttp.WithErrorHandler(serverError))
	if err != nil {
		return err
	}
	server.Handler = r.handler.withRoute(server.Handler)
	listening, err := listener.Listen(ctx, &settings)
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", settings.NetAddr.Endpoint, err)
	}
	r.serve(server, listening)
	return nil
}

func (r *verifyyouReceiver) serve(server *http.Server, listener net.Listener) {
	r.settings.Logger.Info("Taking VerifyYou webhooks",
		zap.String("endpoint", listener.Addr().String()), zap.String("path", r.cfg.Path))
	r.server = server
	r.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			r.status.Fatal(err)
		}
	})
}

func (r *verifyyouReceiver) consumeMetrics(ctx context.Context, md pmetric.Metrics) (err error) {
	points := md.DataPointCount() // the pipeline may change md
	ctx = r.obsrep.StartMetricsOp(ctx)
	defer func() { r.obsrep.EndMetricsOp(ctx, "verifyyou", points, err) }()
	return r.nextMetrics.ConsumeMetrics(ctx, md)
}

// Shutdown stops listening, waits for the requests in flight, flushes the counters and saves the state. It takes 17 s
// at most.
func (r *verifyyouReceiver) Shutdown(ctx context.Context) (err error) {
	r.stopOnce.Do(func() {
		r.forget()
		err = r.stopServer(ctx)
		r.stopBackground()
		err = errors.Join(err, r.stopLedger(ctx))
		r.telemetry.Shutdown()
	})
	return err
}

func (r *verifyyouReceiver) stopServer(ctx context.Context) error {
	if r.server == nil {
		return nil
	}
	defer r.serving.Wait()
	if r.drain(ctx, drainTime) == nil {
		return nil
	}
	r.settings.Logger.Warn("Requests were still in flight at the end of the time given to them; they are answered 503")
	r.deliverer.inFlight.abort()
	if r.drain(ctx, abortTime) == nil {
		return nil
	}
	return r.server.Close()
}

// drain waits for the requests in flight. That the server has none is not enough: it closes connections that are idle,
// and a request may have come on one of them in between.
func (r *verifyyouReceiver) drain(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		return err
	}
	return r.deliverer.inFlight.drain(ctx)
}

// stopLedger flushes a last time, if there was a first, and closes the storage.
func (r *verifyyouReceiver) stopLedger(ctx context.Context) error {
	if r.ledger == nil {
		return nil
	}
	var err error
	if r.server != nil {
		err = r.flusher.Last(ctx)
	}
	return errors.Join(err, r.ledger.close(ctx))
}
