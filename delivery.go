// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/deliveries"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/record"
)

// deliverer takes each event through the logs pipeline once. It is safe for concurrent use.
type deliverer struct {
	logs    consumer.Logs // nil: there is no logs pipeline
	records *record.Builder
	ledger  *ledger
	obsrep  *receiverhelper.ObsReport
	logger  *zap.Logger
	timeout time.Duration // of a delivery, from the start of its request; 0: none

	inFlight inFlight
}

// deliver delivers what has not been delivered yet, and waits for what is being delivered. It returns the result of the
// request, or the error of the pipeline, errTimeout, errStopping, errClientLeft or errMalformed.
func (d *deliverer) deliver(w *webhook, r *reply, started time.Time) (metadata.AttributeResult, error) {
	if w.notEvent != nil && d.logs == nil {
		return 0, errMalformed
	}
	x := &delivery{deliverer: d, webhook: *w, reply: r, deadline: d.deadline(started)}
	if err := d.inFlight.add(x); err != nil {
		return 0, err
	}
	defer x.close()
	first, state := d.ledger.begin(&x.flight, &x.webhook)
	switch state {
	case deliveries.Delivered:
		return metadata.AttributeResultDuplicate, nil
	case deliveries.InFlight:
		return metadata.AttributeResultDuplicate, x.wait(first)
	}
	return w.result(), x.run()
}

// deadline returns when the pipeline must be done with a request for there to be time for an answer, zero for never.
func (d *deliverer) deadline(started time.Time) time.Time {
	if d.timeout == 0 {
		return time.Time{}
	}
	return started.Add(d.timeout)
}

// delivery is one event in flight, on behalf of one request.
//
// It is also the context in which the event goes through the pipeline. That has the values of the request, but does not
// end with it: a client that hangs up must not make it uncertain whether its event was taken. It ends when there is just
// time for an answer left, or when Shutdown no longer waits. The contexts of the standard library that would do the same
// cost as much as all else that is done for an event.
type delivery struct {
	*deliverer
	webhook  webhook
	reply    *reply
	deadline time.Time // zero: none
	flight   deliveries.Flight

	mu    sync.Mutex // for the fields below
	phase phase
	ended error // why the context has ended, nil until then
	done  chan struct{}
}

// phase says how far a delivery is.
type phase int

const (
	phasePending  phase = iota // the pipeline does not have the record yet
	phaseRunning               // it has
	phaseFinished              // it has answered, before the context ended
)

var _ context.Context = (*delivery)(nil)

// Deadline is, as Done, Err and Value are, what a context has.
func (x *delivery) Deadline() (deadline time.Time, ok bool) {
	return x.deadline, !x.deadline.IsZero()
}

func (x *delivery) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done == nil { // only some pipelines ask for it
		x.done = make(chan struct{})
		if x.ended != nil {
			close(x.done)
		}
	}
	return x.done
}

func (x *delivery) Err() error {
	switch cause := x.cause(); {
	case cause == nil:
		return nil
	case errors.Is(cause, errTimeout):
		return context.DeadlineExceeded
	default:
		return context.Canceled
	}
}

func (x *delivery) Value(key any) any {
	return x.reply.req.Context().Value(key)
}

// cause returns why the context has ended, nil if it has not.
func (x *delivery) cause() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ended
}

// run takes the event through the pipeline. It returns what the pipeline has answered, or why that is no longer waited
// for.
//
// On HTTP/1 the pipeline runs in the goroutine of the request: one of its own for each delivery would cost as much as
// all else that is done for an event. When the context ends first, the request is answered all the same, and only its
// goroutine waits on. On HTTP/2 an answer is whole only when the handler returns, so that it must not wait.
func (x *delivery) run() error {
	logs, err := x.convert()
	if err != nil {
		return x.finish(err)
	}
	if cause := x.advance(phaseRunning); cause != nil {
		return cause
	}
	if x.onHTTP1() {
		return x.finish(x.consume(logs))
	}
	result := make(chan error, 1)
	go func() { result <- x.finish(x.consume(logs)) }()
	select {
	case err := <-result:
		return err
	case <-x.Done():
		return x.cause()
	}
}

func (x *delivery) onHTTP1() bool {
	return x.reply.req.ProtoMajor < 2
}

// convert makes the record, where there is a pipeline for it. The body is not used after it.
func (x *delivery) convert() (logs plog.Logs, err error) {
	if x.logs == nil {
		return plog.Logs{}, nil
	}
	defer guard.Recover(x.logger, &err)
	w := &x.webhook
	if w.notEvent != nil {
		return x.records.Unrecognized(&w.event, w.body, w.received, w.notEvent), nil
	}
	return x.records.Event(&w.event, w.body, w.received), nil
}

// consume hands the record to the pipeline, where there is one.
func (x *delivery) consume(logs plog.Logs) (err error) {
	if x.logs == nil {
		return nil
	}
	ctx := x.obsrep.StartLogsOp(x)
	defer func() { x.obsrep.EndLogsOp(ctx, "json", 1, err) }()
	defer guard.Recover(x.logger, &err)
	return x.logs.ConsumeLogs(ctx, logs)
}

// finish settles what the pipeline has answered. Where the context has ended before, the request has been answered 503;
// an event that is taken after that is settled all the same, so that its retry is a duplicate.
func (x *delivery) finish(err error) error {
	ctx := x.reply.req.Context()
	if cause := x.advance(phaseFinished); cause != nil {
		if err == nil {
			x.ledger.settleLate(ctx, &x.webhook)
		}
		return cause
	}
	x.ledger.settle(ctx, &x.flight, &x.webhook, err)
	return err
}

// advance begins a phase, unless the context has ended. It returns why it has.
func (x *delivery) advance(to phase) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended == nil {
		x.phase = to
	}
	return x.ended
}

// end ends the context, unless it has ended or the pipeline has answered. The flight ends with it: the event is not
// remembered, and its retry is a first delivery.
func (x *delivery) end(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended != nil || x.phase == phaseFinished {
		return
	}
	x.endContext(cause)
	x.ledger.giveUp(&x.flight, cause)
	if x.phase == phaseRunning && x.onHTTP1() {
		go x.reply.sendEarly(cause)
	}
}

// close ends what deliver has begun.
func (x *delivery) close() {
	x.inFlight.remove(x)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended == nil {
		x.endContext(context.Canceled)
	}
}

// endContext ends the context. It is called with the lock held.
func (x *delivery) endContext(cause error) {
	x.ended = cause
	if x.done != nil {
		close(x.done)
	}
}

// wait waits for the end of another delivery of the same event, as long as the client of this request does.
func (x *delivery) wait(other *deliveries.Flight) error {
	select {
	case <-other.Ended():
		return other.Err()
	case <-x.Done():
		return x.cause()
	case <-x.reply.req.Context().Done():
		return errClientLeft
	}
}

// inFlight has the deliveries whose requests have not been answered. It is safe for concurrent use.
type inFlight struct {
	mu    sync.Mutex
	all   map[*delivery]struct{}
	ended chan struct{} // nil: others may be added; closed when all have been removed after that
}

// add adds a delivery, or returns errStopping after stop.
func (f *inFlight) add(x *delivery) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil {
		return errStopping
	}
	if f.all == nil {
		f.all = map[*delivery]struct{}{}
	}
	f.all[x] = struct{}{}
	return nil
}

func (f *inFlight) remove(x *delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, x)
	if f.ended != nil && len(f.all) == 0 {
		close(f.ended)
	}
}

// stop lets none be added after it. What it returns is closed when none is left.
func (f *inFlight) stop() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended == nil {
		f.ended = make(chan struct{})
		if len(f.all) == 0 {
			close(f.ended)
		}
	}
	return f.ended
}

// drain stops, and waits until none is left or ctx is done.
func (f *inFlight) drain(ctx context.Context) error {
	select {
	case <-f.stop():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// overdueInterval is how often deadlines are looked at. A timer for each request costs more.
const overdueInterval = 100 * time.Millisecond

// watchDeadlines ends the contexts of those that are past their deadlines, until ctx is done.
func (f *inFlight) watchDeadlines(ctx context.Context) {
	ticker := time.NewTicker(overdueInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.endOverdue(time.Now())
		}
	}
}

func (f *inFlight) endOverdue(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := range f.all {
		if !x.deadline.IsZero() && now.After(x.deadline) {
			x.end(errTimeout)
		}
	}
}

// abort stops, and ends the contexts of all.
func (f *inFlight) abort() {
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := range f.all {
		x.end(errStopping)
	}
}
