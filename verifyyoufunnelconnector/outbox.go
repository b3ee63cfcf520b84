// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
)

const (
	// maxWaiting is how many ends wait, those in flight included, for a consumer that refuses them or does not answer.
	maxWaiting = 10_000
	// sendEarlyAt is how many are sent without waiting for the next flush: well before the limit, so that a consumer that
	// is only slow loses none.
	sendEarlyAt = maxWaiting / 2
	// defaultPatience is how long a consumer takes at most before it counts as one that does not answer. Until then all
	// that comes is kept: more can end at once than may wait.
	defaultPatience = time.Second
	// maxPieceBytes is the size of the largest piece, as OTLP. gRPC servers take 4 MiB by default, and refuse what is larger
	// for good.
	maxPieceBytes = 1 << 20
	// maxPieceEnds is more than fit into a piece.
	maxPieceEnds = 8192
)

var errNoAnswer = errors.New("the consumer has not answered in time")

// piece is what is handed to a consumer at once: some of the oldest ends that wait.
type piece struct {
	consume func(context.Context) error
	// ends is how many it completes. A trace that is larger than a piece goes in several: spans is how many of the next
	// end's spans have been handed over after this one, 0 where it has none of them.
	ends, spans int
}

// outbox has the ends that wait to be handed to the consumer of one signal. It is safe for concurrent use.
type outbox struct {
	what     string        // traces or summaries, in errors
	deadline time.Duration // of a piece
	patience time.Duration
	// pack makes a piece of at least one span or end. sent is how many spans of the first end have been accepted before.
	pack    func(ends []*funnel.Ended, sent int) piece
	dropped func(ctx context.Context, n int)

	full chan struct{} // has an element when there is much to send

	sending sync.Mutex // held during send; for out
	out     *handover  // nil: the consumer has answered

	mu       sync.Mutex
	waiting  []*funnel.Ended // oldest first
	inFlight int             // older than those; of the piece that is being made, or that the consumer has
	since    time.Time       // when the consumer got it; zero: it has none
	sent     int             // spans of the oldest end that have been accepted
	refused  bool            // the last piece was refused for now
}

// handover is a piece that was handed to the consumer.
type handover struct {
	piece
	of     []*funnel.Ended // those that it completes, and the one of which it has a part
	answer chan error      // has one element once the consumer has returned
}

func newOutbox(what string, deadline time.Duration, dropped func(ctx context.Context, n int)) *outbox {
	return &outbox{what: what, deadline: deadline, patience: defaultPatience, dropped: dropped, full: make(chan struct{}, 1)}
}

// put adds an end to those that wait. It does not block.
func (o *outbox) put(e *funnel.Ended) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, e)
	if len(o.waiting) == sendEarlyAt {
		select {
		case o.full <- struct{}{}:
		default: // it has been said
		}
	}
	packing := o.inFlight > 0 && o.since.IsZero() // of these most will wait again
	if o.refused && !packing || !o.since.IsZero() && time.Since(o.since) > o.patience {
		o.trim()
	}
}

// trim drops the oldest of too many. What the consumer has may yet be accepted.
func (o *outbox) trim() {
	excess := min(o.inFlight+len(o.waiting)-maxWaiting, len(o.waiting))
	if excess > 0 {
		o.waiting = o.waiting[excess:]
		if o.inFlight == 0 {
			o.sent = 0 // it was of one that is dropped
		}
		o.dropped(context.Background(), excess)
	}
}

// send hands over all that waits, piece by piece, until one is refused for now or not answered in time. Those that are
// refused for good are dropped. The consumer has one piece at a time, whatever it does: one from before is waited for.
func (o *outbox) send(ctx context.Context) error {
	o.sending.Lock()
	defer o.sending.Unlock()
	var dropped error
	for ctx.Err() == nil {
		fresh := o.out == nil
		if fresh && !o.next() {
			return dropped
		}
		err := o.await(ctx, fresh)
		switch {
		case err == nil:
			o.accept()
		case errors.Is(err, errNoAnswer):
			return errors.Join(dropped, fmt.Errorf("%s: %w", o.what, err))
		case consumererror.IsPermanent(err):
			o.drop()
			dropped = fmt.Errorf("%s: refused for good, and dropped: %w", o.what, err)
		default:
			o.putBack()
			if fresh { // one from before may have been refused because its send had ended
				return errors.Join(dropped, fmt.Errorf("%s: %w", o.what, err))
			}
		}
	}
	return errors.Join(dropped, fmt.Errorf("%s: %w", o.what, ctx.Err()))
}

// next makes a piece of what waits. It reports false if nothing does.
func (o *outbox) next() bool {
	ends, sent := o.take()
	if len(ends) == 0 {
		return false
	}
	p := o.pack(ends, sent)
	n := p.ends
	if p.spans > 0 {
		n++
	}
	o.out = &handover{piece: p, of: ends[:n], answer: make(chan error, 1)}
	o.keep(ends[n:], n)
	return true
}

// await returns the consumer's answer to a piece, which is handed over now if it is fresh, or errNoAnswer.
func (o *outbox) await(ctx context.Context, fresh bool) error {
	ctx, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	if h := o.out; fresh {
		go func() { h.answer <- h.consume(ctx) }()
	}
	select {
	case err := <-o.out.answer:
		return err
	case <-ctx.Done():
		return errNoAnswer
	}
}

// take returns ends to make a piece of, which are in flight from here on.
func (o *outbox) take() (ends []*funnel.Ended, sent int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.waiting), maxPieceEnds)
	ends, o.waiting = o.waiting[:n:n], o.waiting[n:]
	o.inFlight = n
	return ends, o.sent
}

// keep takes back the ends that are not in the piece, which has n.
func (o *outbox) keep(rest []*funnel.Ended, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(rest, o.waiting...)
	o.inFlight, o.since = n, time.Now()
	if o.refused {
		o.trim()
	}
}

// accept says that the piece has been accepted. An end of which it had a part waits on, for the rest.
func (o *outbox) accept() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finish(o.out.of[o.out.ends:], o.out.spans)
}

// drop says that the piece is lost, and with it what is left of a trace of which it has a part.
func (o *outbox) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropped(context.Background(), len(o.out.of))
	o.finish(nil, 0)
}

// putBack says that the piece is to be sent again.
func (o *outbox) putBack() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finish(o.out.of, o.sent)
	o.refused = true
	o.trim()
}

// finish ends a handover, after which some of its ends wait again, of the first of which so many spans were accepted.
func (o *outbox) finish(again []*funnel.Ended, sent int) {
	o.waiting = append(again[:len(again):len(again)], o.waiting...)
	o.inFlight, o.since, o.out = 0, time.Time{}, nil
	o.sent, o.refused = sent, false
}

// close drops what has not been accepted by the end of the connector. Of what the consumer still has nobody will know.
func (o *outbox) close() (lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lost = o.inFlight + len(o.waiting)
	o.inFlight, o.waiting = 0, nil
	if lost > 0 {
		o.dropped(context.Background(), lost)
	}
	return lost
}

// dropUnsent ends the outboxes. What they have is lost, and said to be.
func (c *funnelConnector) dropUnsent() {
	for _, o := range []*outbox{c.traces, c.summaries} {
		if n := o.close(); n > 0 {
			c.settings.Logger.Error("The final flush did not deliver all "+o.what+"; they are lost", zap.Int("verifications", n))
		}
	}
}
