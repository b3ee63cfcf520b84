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
	"github.com/otel-verifyyou/verifyyoureceiver/internal/secrets"
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
	decoder    *event.Decoder
	records    *record.Builder
	deliveries *deliveries.Memory // nil: none is remembered
	counters   *counters.Events   // nil: nothing is counted
	state      persistence
	telemetry  *telemetry
	obsrep     *receiverhelper.ObsReport
	now        func() time.Time

	secretsInterval time.Duration

	lifecycle *lifecycle
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
		decoder:   event.NewDecoder(cfg.Fields),
		telemetry: tel,
		obsrep:    obsrep,
		now:       time.Now,
		lifecycle: newLifecycle(),

		secretsInterval: secrets.Interval,
	}, nil
}

// ServeHTTP takes one request. It is safe for concurrent use.
func (r *verifyyouReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.cfg.HealthPath != "" && req.URL.Path == r.cfg.HealthPath {
		r.serveHealth(w, req)
		return
	}
	x := &exchange{receiver: r, w: w, req: req}
	a := answerTo(r.receive(x))
	x.answer(&a)
}

func (r *verifyyouReceiver) serveHealth(w http.ResponseWriter, req *http.Request) {
	req.Pattern = r.cfg.HealthPath
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		healthy.write(w, req)
		return
	}
	a := answerTo(0, errMethodNotAllowed)
	a.allow = "GET, HEAD"
	(&exchange{receiver: r, w: w, req: req}).answer(&a)
}

func (r *verifyyouReceiver) receive(x *exchange) (outcome metadata.AttributeResult, err error) {
	defer r.recoverTo(&err)
	return r.take(x)
}

// webhook is what an authentic request has brought.
type webhook struct {
	body     []byte
	received time.Time
	event    event.Event
	notEvent error // why there is no event in the body, nil where there is
}

// take is the way of a request: check, read, verify, decode, convert, deliver once, count. Nothing that is in the
// request is used, but to check the signature, before the signature is verified.
func (r *verifyyouReceiver) take(x *exchange) (metadata.AttributeResult, error) {
	started, ctx := time.Now(), x.req.Context()
	if err := r.check(x.req); err != nil {
		return 0, err
	}
	claimed, err := parseSignature(x.req.Header)
	if err != nil {
		return 0, err
	}
	body, err := r.bodies.read(x.req)
	if err != nil {
		return 0, err
	}
	defer r.bodies.release(body)
	hook := webhook{body: body.Bytes(), received: r.now()}
	key, err := verifySignature(*r.keys.Load(), hook.body, &claimed)
	if err != nil {
		return 0, err
	}
	r.telemetry.countMatch(ctx, key)
	hook.event, hook.notEvent = r.decoder.Decode(hook.body)
	if hook.notEvent != nil && r.nextLogs == nil {
		return 0, errMalformed
	}
	if h := x.req.Header[eventHeader]; hook.notEvent == nil && len(h) > 0 && h[0] != hook.event.Stage {
		r.telemetry.countHeaderMismatch(ctx)
	}
	x.begin(r.deadline(started))
	defer x.close()
	outcome, err := r.once(x, &hook)
	if err == nil && outcome == metadata.AttributeResultAccepted {
		r.count(ctx, &hook.event, hook.received)
	}
	return outcome, err
}

// deadline returns when the pipelines must be done with a request for there to be time for an answer, zero for never.
func (r *verifyyouReceiver) deadline(started time.Time) time.Time {
	if r.cfg.ServerConfig.WriteTimeout == 0 {
		return time.Time{}
	}
	return started.Add(r.cfg.ServerConfig.WriteTimeout - answerTime)
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

// once delivers what has not been delivered yet. What is being delivered is waited for.
func (r *verifyyouReceiver) once(x *exchange, hook *webhook) (outcome metadata.AttributeResult, err error) {
	if r.deliveries == nil {
		return r.deliver(x, hook)
	}
	flight, state := r.deliveries.Begin(&x.flight, hook.event.ID, hook.received)
	switch state {
	case deliveries.Delivered:
		return metadata.AttributeResultDuplicate, nil
	case deliveries.UnderWay:
		return metadata.AttributeResultDuplicate, x.wait(flight)
	}
	err = errPanic // until deliver has returned
	defer func() { x.endFlight(err) }()
	outcome, err = r.deliver(x, hook)
	return outcome, err
}

// deliver hands a record to the logs pipeline, where there is one. When the exchange ends before the pipeline does, its
// request is answered, and only this goroutine waits on. (A goroutine of its own for each delivery, which could be left
// behind, would cost as much as all else that is done for an event.)
func (r *verifyyouReceiver) deliver(x *exchange, hook *webhook) (outcome metadata.AttributeResult, err error) {
	if r.nextLogs == nil {
		return metadata.AttributeResultAccepted, nil
	}
	outcome, logs := r.convert(hook)
	x.setDelivering(true)
	err = r.consumeLogs(x, logs)
	x.setDelivering(false)
	if cause := x.cause(); cause != nil {
		return outcome, cause
	}
	return outcome, err
}

func (r *verifyyouReceiver) convert(hook *webhook) (metadata.AttributeResult, plog.Logs) {
	if hook.notEvent != nil {
		return metadata.AttributeResultUnrecognized, r.records.Unrecognized(&hook.event, hook.body, hook.received, hook.notEvent)
	}
	return metadata.AttributeResultAccepted, r.records.Event(&hook.event, hook.body, hook.received)
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
