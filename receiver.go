// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/deliveries"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/record"
)

// answerTime is what is left of write_timeout for the answer when a pipeline takes too long.
const answerTime = time.Second

// eventHeader repeats the stage for routing. It is not signed.
var eventHeader = http.CanonicalHeaderKey("X-VerifyYou-Event")

// verifyyouReceiver takes the webhooks of one endpoint. It serves logs, metrics or both.
type verifyyouReceiver struct {
	cfg         *Config
	settings    receiver.Settings
	nextLogs    consumer.Logs
	nextMetrics consumer.Metrics

	keys       atomic.Pointer[[]*signingKey]
	bodies     bodies
	records    *record.Builder
	deliveries *deliveries.Memory // nil: none is remembered
	counters   *counters.Events   // nil: nothing is counted
	state      persistence
	telemetry  *telemetry
	obsrep     *receiverhelper.ObsReport
	now        func() time.Time

	lifecycle lifecycle
}

func newReceiver(set receiver.Settings, cfg *Config) (*verifyyouReceiver, error) {
	obsrep, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID:             set.ID,
		Transport:              "http",
		ReceiverCreateSettings: set,
	})
	if err != nil {
		return nil, err
	}
	tel, err := newTelemetry(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &verifyyouReceiver{
		cfg:       cfg,
		settings:  set,
		bodies:    bodies{limit: cfg.ServerConfig.MaxRequestBodySize},
		telemetry: tel,
		obsrep:    obsrep,
		now:       time.Now,
		lifecycle: newLifecycle(),
	}, nil
}

// ServeHTTP takes one request. It is safe for concurrent use.
func (r *verifyyouReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.cfg.HealthPath != "" && req.URL.Path == r.cfg.HealthPath {
		r.serveHealth(w, req)
		return
	}
	a := answerTo(r.receive(req))
	r.telemetry.countRequest(req.Context(), a.result)
	if a.status == 0 {
		panic(http.ErrAbortHandler) // net/http closes the connection, without an answer and without a log line
	}
	a.write(w, req)
}

func (r *verifyyouReceiver) serveHealth(w http.ResponseWriter, req *http.Request) {
	req.Pattern = r.cfg.HealthPath
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		(&answer{status: http.StatusOK, body: `{"status":"ok"}`}).write(w, req)
		return
	}
	a := answerTo(0, errMethodNotAllowed)
	a.allow = "GET, HEAD"
	r.telemetry.countRequest(req.Context(), a.result)
	a.write(w, req)
}

func (r *verifyyouReceiver) receive(req *http.Request) (outcome metadata.AttributeResult, err error) {
	defer r.recoverTo(&err)
	return r.take(req)
}

// take is the way of a request: check, read, verify, decode, convert, deliver once, count. Nothing that is in the
// request is used, but to check the signature, before the signature is verified.
func (r *verifyyouReceiver) take(req *http.Request) (metadata.AttributeResult, error) {
	started := time.Now()
	if err := r.check(req); err != nil {
		return 0, err
	}
	claimed, err := parseSignature(req.Header)
	if err != nil {
		return 0, err
	}
	body, err := r.bodies.read(req)
	if err != nil {
		return 0, err
	}
	defer r.bodies.release(body)
	received := r.now()
	key, err := verifySignature(*r.keys.Load(), body.Bytes(), &claimed)
	if err != nil {
		return 0, err
	}
	ctx, cancel := r.deliveryContext(req.Context(), started)
	defer cancel()
	r.telemetry.countMatch(ctx, key.place)
	e, err := event.Decode(body.Bytes())
	if err != nil {
		return r.takeUnrecognized(ctx, req, &e, body.Bytes(), received, err)
	}
	if h := req.Header[eventHeader]; len(h) > 0 && h[0] != e.Stage {
		r.telemetry.countHeaderMismatch(ctx)
	}
	outcome, err := r.once(ctx, req, e.ID, metadata.AttributeResultAccepted, func() error {
		return r.deliver(ctx, func() plog.Logs { return r.records.Event(&e, body.Bytes(), received) })
	})
	if err == nil && outcome == metadata.AttributeResultAccepted {
		r.count(ctx, &e, received)
	}
	return outcome, err
}

// deliveryContext is where a delivery lives: with the values of its request, but not ended with it (a client that
// hangs up must not make it uncertain whether its event was taken), and only until there is just time for an answer.
func (r *verifyyouReceiver) deliveryContext(ctx context.Context, started time.Time) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	if r.cfg.ServerConfig.WriteTimeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, started.Add(r.cfg.ServerConfig.WriteTimeout-answerTime))
}

// check looks at what can be judged from the head of a request.
func (r *verifyyouReceiver) check(req *http.Request) error {
	if req.URL.Path != r.cfg.Path {
		return errNotFound
	}
	req.Pattern = r.cfg.Path // the http.route of own telemetry
	if req.Method != http.MethodPost {
		return errMethodNotAllowed
	}
	for _, encoding := range req.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return errUnsupportedEncoding
		}
	}
	return nil
}

// takeUnrecognized takes an authentic request that has no event in it, for the given reason.
func (r *verifyyouReceiver) takeUnrecognized(ctx context.Context, req *http.Request, e *event.Event, body []byte, received time.Time, reason error) (metadata.AttributeResult, error) {
	if r.nextLogs == nil {
		return 0, errMalformed
	}
	return r.once(ctx, req, e.ID, metadata.AttributeResultUnrecognized, func() error {
		return r.deliver(ctx, func() plog.Logs { return r.records.Unrecognized(e, body, received, reason) })
	})
}

// once delivers an event that has not been delivered yet, for an outcome. One that is being delivered is waited for,
// as long as the client of this request does.
func (r *verifyyouReceiver) once(ctx context.Context, req *http.Request, id event.ID, outcome metadata.AttributeResult, deliver func() error) (metadata.AttributeResult, error) {
	if r.deliveries == nil {
		return outcome, deliver()
	}
	wait := func(ended <-chan struct{}) error {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return errTimeout
		case <-req.Context().Done():
			return errClientLeft
		}
	}
	duplicate, err := r.deliveries.Do(id, r.now, wait, deliver)
	if duplicate {
		return metadata.AttributeResultDuplicate, nil
	}
	return outcome, err
}

// deliver hands a record to the logs pipeline, where there is one. It ends when ctx does or when the receiver is
// stopping, even if the pipeline does not.
func (r *verifyyouReceiver) deliver(ctx context.Context, newRecord func() plog.Logs) error {
	if r.nextLogs == nil {
		return nil
	}
	logs := newRecord()
	done := make(chan error, 1)
	go func() { done <- r.consumeLogs(ctx, logs) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errTimeout
	case <-r.lifecycle.aborted:
		return errStopping
	}
}

func (r *verifyyouReceiver) consumeLogs(ctx context.Context, logs plog.Logs) (err error) {
	ctx = r.obsrep.StartLogsOp(ctx)
	defer func() { r.obsrep.EndLogsOp(ctx, "json", 1, err) }()
	defer r.recoverTo(&err)
	return r.nextLogs.ConsumeLogs(ctx, logs)
}

// count counts an event that the pipelines have taken. It is remembered by then, see save.
func (r *verifyyouReceiver) count(ctx context.Context, e *event.Event, received time.Time) {
	if !e.OccurredAt.IsZero() {
		r.telemetry.recordDelay(ctx, received.Sub(e.OccurredAt))
	}
	if r.counters != nil {
		r.telemetry.countOverflow(ctx, r.counters.Add(e, received))
	}
}

// recoverTo makes a panic an error, when deferred, so that it ends one request and not the Collector.
func (r *verifyyouReceiver) recoverTo(err *error) { //nolint:gocritic // a deferred function has no other way
	if p := recover(); p != nil {
		r.settings.Logger.Error("Recovered from a panic", zap.Any("panic", p), zap.Stack("stack"))
		*err = fmt.Errorf("%w: %v", errPanic, p)
	}
}
