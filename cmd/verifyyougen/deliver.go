// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/population"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

const (
	// maxPending is how many deliveries can be in flight or wait for a retry. At
	// the limit no further event is posted until one is done, so that memory is
	// bounded while an endpoint is down.
	maxPending = 10_000

	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// deliverer delivers events as VerifyYou does: again until the answer is 2xx,
// and some of them once more after that.
type deliverer struct {
	client      *http.Client
	endpoint    string
	secret      string
	giveUpAfter time.Duration
	recorder    *truth.Recorder
	pending     semaphore
	posting     semaphore
}

// run delivers what is planned and returns when each event is acknowledged or
// given up. When ctx ends, it posts nothing more, and waits for the answers to
// what it has posted: only they tell whether an event was taken.
func (d *deliverer) run(ctx context.Context, plan *population.Plan) {
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	for delivery := range plan.Deliveries() {
		if !sleep(ctx, time.Until(delivery.Due)) || !d.pending.acquire(ctx) {
			return
		}
		deliveries.Go(func() { d.deliver(ctx, delivery) })
	}
}

// deliver delivers an event, of which d.pending was acquired.
func (d *deliverer) deliver(ctx context.Context, delivery population.Delivery) {
	v, i := delivery.Verification, delivery.Event
	body := bodyOf(v, v.Events[i])
	taken, unclear := d.untilTaken(ctx, body, truth.First)
	d.pending.release()
	if !taken {
		d.recorder.GiveUp(v, unclear)
		return
	}
	d.recorder.Acknowledge(v, i)

	again := v.Events[i].Again
	if again == nil || !sleep(ctx, *again) || !d.pending.acquire(ctx) {
		return
	}
	defer d.pending.release()
	d.untilTaken(ctx, body, truth.Duplicate)
}

// untilTaken posts a body until the answer is 2xx, for as long as it may. If it
// never is, unclear says that the endpoint may have taken the event even so.
func (d *deliverer) untilTaken(ctx context.Context, body []byte, kind truth.Kind) (taken, unclear bool) {
	signature := sign(d.secret, body)
	deadline := time.Now().Add(d.giveUpAfter)
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		if !d.posting.acquire(ctx) {
			return false, unclear
		}
		status, lost := d.post(ctx, body, signature)
		d.posting.release()
		d.recorder.Attempt(kind, status)
		if acknowledges(status) {
			return true, false
		}
		unclear = unclear || lost
		if time.Now().Add(backoff).After(deadline) || !sleep(ctx, backoff) {
			return false, unclear
		}
		kind = truth.Retry
	}
}

// post returns the status of the answer. If there is none, lost says that the
// endpoint may have got the request.
func (d *deliverer) post(ctx context.Context, body []byte, signature string) (status int, lost bool) {
	request, err := newRequest(context.WithoutCancel(ctx), d.endpoint, body, signature)
	if err != nil {
		return truth.NoAnswer, false
	}
	response, err := d.client.Do(request)
	if err != nil {
		var failed *net.OpError
		return truth.NoAnswer, !errors.As(err, &failed) || failed.Op != "dial"
	}
	defer response.Body.Close()
	// The connection is kept only if the body is read.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, false
}

// newTransport returns one that keeps as many connections as it may need.
func newTransport(connections int, dial dialer) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = connections
	transport.MaxIdleConnsPerHost = connections
	if dial != nil {
		transport.DialContext = dial
	}
	return transport
}

// bodyOf returns the body of an event.
func bodyOf(v *population.Verification, e population.Event) []byte {
	body, err := event{
		stage:           e.Stage,
		step:            e.Step,
		occurredAt:      e.OccurredAt.UTC().Format(occurredAtLayout),
		verificationID:  v.ID,
		externalID:      orNull(v.ExternalID),
		externalTracker: orNull(v.Tracker),
		trustScore:      e.TrustScore,
		sessionID:       v.SessionID,
	}.body()
	if err != nil {
		panic(err) // no scenario makes a trust score of NaN or Inf
	}
	return body
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// semaphore bounds how much goes on at once by its capacity.
type semaphore chan struct{}

// acquire reports false if ctx ends first.
func (s semaphore) acquire(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s semaphore) release() { <-s }

// sleep reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
