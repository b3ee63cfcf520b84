// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/deliveries"
)

// exchange is a request and its one answer.
//
// It is also the context in which its event goes through the pipelines. That has the values of the request, but does
// not end with it: a client that hangs up must not make it uncertain whether its event was taken. It ends when there is
// just time for an answer left, or when Shutdown no longer waits. The contexts of the standard library that would do
// the same cost as much as all else that is done for an event.
type exchange struct {
	receiver *verifyyouReceiver
	w        http.ResponseWriter
	req      *http.Request

	deadline time.Time // zero: none
	flight   deliveries.Flight

	mu         sync.Mutex // for the three below
	delivering bool
	ended      error         // why the context has ended, nil until then
	done       chan struct{} // nil while nobody has asked for it

	answering sync.Mutex
	answered  bool
}

var _ context.Context = (*exchange)(nil)

// Deadline is, as Done, Err and Value are, what a context has.
func (x *exchange) Deadline() (deadline time.Time, ok bool) {
	return x.deadline, !x.deadline.IsZero()
}

func (x *exchange) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done == nil {
		x.done = make(chan struct{})
		if x.ended != nil {
			close(x.done)
		}
	}
	return x.done
}

func (x *exchange) Err() error {
	switch cause := x.cause(); {
	case cause == nil:
		return nil
	case errors.Is(cause, errTimeout):
		return context.DeadlineExceeded
	default:
		return context.Canceled
	}
}

func (x *exchange) Value(key any) any {
	return x.req.Context().Value(key)
}

// cause returns why the context has ended, nil if it has not.
func (x *exchange) cause() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ended
}

// begin begins the context, with a deadline if that is not zero. It is over with close.
func (x *exchange) begin(deadline time.Time) {
	x.deadline = deadline
	x.receiver.lifecycle.underWay.add(x)
}

// close ends the context, and all that was begun with it.
func (x *exchange) close() {
	x.receiver.lifecycle.underWay.remove(x)
	x.end(context.Canceled)
}

// end ends the context if it has not ended. A delivery that is in the pipelines then is abandoned.
func (x *exchange) end(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended != nil {
		return
	}
	x.ended = cause
	if x.done != nil {
		close(x.done)
	}
	if x.delivering {
		go x.abandon(cause)
	}
}

// abandon answers a request whose event is still in the pipelines, and makes its next delivery a first one.
func (x *exchange) abandon(cause error) {
	x.endFlight(cause)
	a := answerTo(0, cause)
	a.early = true
	x.answer(&a)
}

func (x *exchange) endFlight(err error) {
	if x.receiver.deliveries != nil {
		x.receiver.deliveries.End(&x.flight, err, x.receiver.now())
	}
}

// wait waits for the end of another delivery of the same event, as long as the client of this request does.
func (x *exchange) wait(other *deliveries.Flight) error {
	select {
	case <-other.Ended():
		return other.Err()
	case <-x.Done():
		return x.cause()
	case <-x.req.Context().Done():
		return errClientLeft
	}
}

// setDelivering says whether the event is in the pipelines.
func (x *exchange) setDelivering(is bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.delivering = is
}

// answer answers a request that has not been answered yet. When it returns, nothing writes an answer any more.
func (x *exchange) answer(a *answer) {
	x.answering.Lock()
	defer x.answering.Unlock()
	if x.answered {
		return
	}
	x.answered = true
	x.receiver.telemetry.countRequest(x.req.Context(), a.result)
	if a.status == 0 {
		panic(http.ErrAbortHandler) // net/http closes the connection, without an answer and without a log line
	}
	a.write(x.w, x.req)
}

// exchangesUnderWay are those with a context that has not been closed. It is safe for concurrent use.
type exchangesUnderWay struct {
	mu      sync.Mutex
	all     map[*exchange]struct{}
	aborted bool
}

func (u *exchangesUnderWay) add(x *exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all[x] = struct{}{}
	if u.aborted {
		x.end(errStopping)
	}
}

func (u *exchangesUnderWay) remove(x *exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, x)
}

// overdueInterval is how often it is looked for what is past its deadline. A timer for each request costs more.
const overdueInterval = 100 * time.Millisecond

// watchDeadlines ends the contexts of those that are past their deadlines, until ctx is done.
func (u *exchangesUnderWay) watchDeadlines(ctx context.Context) {
	ticker := time.NewTicker(overdueInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			u.endOverdue(time.Now())
		}
	}
}

func (u *exchangesUnderWay) endOverdue(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for x := range u.all {
		if !x.deadline.IsZero() && now.After(x.deadline) {
			x.end(errTimeout)
		}
	}
}

// abort ends the contexts of all, those to come too.
func (u *exchangesUnderWay) abort() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.aborted = true
	for x := range u.all {
		x.end(errStopping)
	}
}
