// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
)

// TestRefusedEnds sends traces and summaries again that were refused, and only those.
func TestRefusedEnds(t *testing.T) {
	a := connect(t)
	a.take(0, eventAt(0, "ver_1", "verification_started"))
	a.refuse(pipeline.SignalTraces)
	a.flushAt(hour)
	assert.Len(t, a.results().summaries, 1)
	assert.Empty(t, a.results().spans)
	a.take(hour, eventAt(0, "ver_2", "verification_started"))
	a.refuse(pipeline.SignalLogs)
	a.flushAt(2 * hour)
	assert.Len(t, a.results().summaries, 1)
	assert.Len(t, a.results().spans, 4)
	a.refuse()
	a.flushAt(3 * hour)
	a.flushAt(4 * hour)
	assert.Len(t, a.results().summaries, 2)
	assert.Len(t, a.results().spans, 4)
	assert.Equal(t, map[string]int64{"logs": 0, "traces": 0}, ownSum(t, a, "dropped"))
}

func TestEndsRefusedForGood(t *testing.T) {
	a := connect(t)
	a.take(0, eventAt(0, "ver_1", "verification_started"), eventAt(0, "ver_2", "verification_started"))
	a.refuse(pipeline.SignalTraces, pipeline.SignalLogs)
	a.refusal = consumererror.NewPermanent(errors.New("no such tenant"))
	a.flushAt(hour)
	assert.Equal(t, map[string]int64{"logs": 2, "traces": 2}, ownSum(t, a, "dropped"))
	a.refuse()
	a.flushAt(2 * hour)
	assert.Empty(t, a.results().summaries)
	assert.Empty(t, a.results().spans)
}

// numbered are ends that can be told apart.
func numbered(from, to int) []*funnel.Ended {
	var all []*funnel.Ended
	for n := from; n < to; n++ {
		all = append(all, &funnel.Ended{Number: n})
	}
	return all
}

// taker is a consumer of an outbox that takes so many ends at once, and what came of it.
type taker struct {
	*outbox
	answer  func(piece []int) error // by the numbers of the ends
	taken   []int                   // what was accepted
	dropped int
}

func newTaker(most int) *taker {
	to := &taker{answer: func([]int) error { return nil }}
	to.outbox = newOutbox("traces", time.Hour, func(_ context.Context, n int) { to.dropped += n })
	to.pack = func(ends []*funnel.Ended, _ int) piece {
		ends = ends[:min(most, len(ends))]
		return piece{ends: len(ends), consume: func(context.Context) error {
			var numbers []int
			for _, e := range ends {
				numbers = append(numbers, e.Number)
			}
			err := to.answer(numbers)
			if err == nil {
				to.taken = append(to.taken, numbers...)
			}
			return err
		}}
	}
	return to
}

func (to *taker) putAll(all []*funnel.Ended) {
	for _, e := range all {
		to.put(e)
	}
}

// numbers are those from one to before another.
func numbers(from, to int) []int {
	var all []int
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

var errAway = errors.New("away")

// TestOutboxKeepsTheNewest of what is refused, and counts the others.
func TestOutboxKeepsTheNewest(t *testing.T) {
	to := newTaker(maxPieceEnds)
	require.NoError(t, to.send(t.Context()), "nothing to send")
	to.answer = func([]int) error { return errAway }
	to.putAll(numbered(0, maxWaiting+5))
	assert.Zero(t, to.dropped, "nobody has refused them")
	err := to.send(t.Context())
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, "traces: away")
	assert.Equal(t, 5, to.dropped)
	to.putAll(numbered(maxWaiting+5, maxWaiting+8))
	assert.Equal(t, 8, to.dropped, "at once")
	to.answer = func([]int) error {
		to.put(&funnel.Ended{Number: maxWaiting + 8}) // comes meanwhile
		return errAway
	}
	require.ErrorIs(t, to.send(t.Context()), errAway)
	assert.Equal(t, 9, to.dropped)
	to.answer = func([]int) error { return nil }
	require.NoError(t, to.send(t.Context()))
	assert.Equal(t, 9, to.dropped)
	assert.Len(t, to.taken, maxWaiting)
	assert.IsIncreasing(t, to.taken, "in order")
	assert.Equal(t, maxWaiting+8, to.taken[maxWaiting-1])
	require.NoError(t, to.send(t.Context()), "all is sent")
}

// TestOutboxLosesNothingToAHealthyConsumer although more end at once than may wait for one that is not.
func TestOutboxLosesNothingToAHealthyConsumer(t *testing.T) {
	to := newTaker(300)
	to.answer = func(piece []int) error {
		if piece[0] == 0 {
			to.putAll(numbered(maxWaiting, 3*maxWaiting)) // while it has the first piece
		}
		return nil
	}
	to.patience = time.Hour
	to.putAll(numbered(0, maxWaiting))
	require.NoError(t, to.send(t.Context()))
	assert.Equal(t, numbers(0, 3*maxWaiting), to.taken)
	assert.Zero(t, to.dropped)
}

// TestOnePieceIsRefused sends neither those again that were accepted before, nor those before that one that was refused
// for good.
func TestOnePieceIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		refusal error
		first   []int // what the first send achieves
		then    []int // and what the second one does
		dropped int
	}{
		"for now":  {errAway, numbers(0, 10), numbers(0, 35), 0},
		"for good": {consumererror.NewPermanent(errAway), append(numbers(0, 10), numbers(20, 35)...), append(numbers(0, 10), numbers(20, 35)...), 10},
	} {
		t.Run(name, func(t *testing.T) {
			to := newTaker(10)
			to.putAll(numbered(0, 35))
			refusals := 0
			to.answer = func(piece []int) error {
				if piece[0] == 10 && refusals == 0 {
					refusals++
					return tt.refusal
				}
				return nil
			}
			require.ErrorIs(t, to.send(t.Context()), errAway)
			assert.Equal(t, tt.first, to.taken)
			assert.Equal(t, tt.dropped, to.dropped)
			require.NoError(t, to.send(t.Context()))
			assert.Equal(t, tt.then, to.taken)
			assert.Equal(t, tt.dropped, to.dropped)
		})
	}
}

// TestConsumerBlocks whatever becomes of its context: it is given one piece only, what waits is bounded, and its late
// answer counts.
func TestConsumerBlocks(t *testing.T) {
	for name, late := range map[string]error{"accepts late": nil, "refuses late": context.DeadlineExceeded} {
		t.Run(name, func(t *testing.T) {
			to := newTaker(100)
			answer, called := make(chan error), make(chan struct{}, 1000)
			to.answer = func([]int) error {
				called <- struct{}{}
				return <-answer
			}
			to.deadline, to.patience = time.Nanosecond, 0
			to.putAll(numbered(0, 200))
			for range 10 {
				require.ErrorIs(t, to.send(t.Context()), errNoAnswer)
			}
			<-called
			assert.Empty(t, called, "it has one piece")
			to.putAll(numbered(200, 3*maxWaiting))
			assert.Equal(t, 2*maxWaiting, to.dropped, "what it has counts")
			assert.Equal(t, maxWaiting, to.inFlight+len(to.waiting))

			to.deadline = time.Hour
			answer <- late
			close(answer)
			require.NoError(t, to.send(t.Context()), "it goes on in the same send, however the first one ended")
			want := append(numbers(0, 100), numbers(2*maxWaiting+100, 3*maxWaiting)...)
			assert.Equal(t, want, to.taken, "none twice")
		})
	}
}

// TestSendIsStopped ends a send with its context, and what it had given away is settled by the next.
func TestSendIsStopped(t *testing.T) {
	to := newTaker(1)
	ctx, cancel := context.WithCancel(t.Context())
	to.answer = func([]int) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	to.putAll(numbered(0, 3))
	require.Error(t, to.send(ctx))
	to.answer = func([]int) error { return nil }
	require.ErrorIs(t, to.send(ctx), context.Canceled, "nothing is handed over any more")
	require.NoError(t, to.send(t.Context()))
	assert.Equal(t, numbers(0, 3), to.taken)
	assert.Zero(t, to.close(), "nothing is left")
}

// TestOutboxIsClosed counts what is left, in flight or not.
func TestOutboxIsClosed(t *testing.T) {
	to := newTaker(2)
	release := make(chan struct{})
	to.answer = func([]int) error {
		<-release
		return nil
	}
	to.deadline = time.Nanosecond
	to.putAll(numbered(0, 7))
	require.ErrorIs(t, to.send(t.Context()), errNoAnswer)
	assert.Equal(t, 7, to.close())
	assert.Equal(t, 7, to.dropped)
	close(release)
}

// TestOutboxIsFull says so once, as soon as half of what may wait does, and not while it is being refused.
func TestOutboxIsFull(t *testing.T) {
	to := newTaker(maxPieceEnds)
	to.putAll(numbered(0, sendEarlyAt-1))
	assert.Empty(t, to.full)
	to.putAll(numbered(0, maxWaiting))
	assert.Len(t, to.full, 1)
	<-to.full
	to.answer = func([]int) error { return errAway }
	require.ErrorIs(t, to.send(t.Context()), errAway)
	to.put(&funnel.Ended{})
	assert.Empty(t, to.full, "it would be tried again for each that comes")
}

// TestEndsAreLostAtShutdown counts what the final flush could not deliver.
func TestEndsAreLostAtShutdown(t *testing.T) {
	a := connect(t)
	a.take(0, eventAt(0, "ver_1", "verification_started"), eventAt(0, "ver_2", "verification_started"))
	a.flushAt(1)
	a.refuse(pipeline.SignalTraces, pipeline.SignalLogs)
	a.run(after(hour))
	for _, o := range a.outputs {
		require.NoError(t, o.Shutdown(t.Context()))
	}
	assert.Equal(t, map[string]int64{"logs": 2, "traces": 2}, ownSum(t, a, "dropped"))
	assert.Equal(t, 1, a.logged.FilterMessage("The final flush did not deliver all traces; they are lost").Len())
	assert.Equal(t, 1, a.logged.FilterMessage("The final flush did not deliver all summaries; they are lost").Len())
}

// TestManyEndsAreSentEarly does not wait for the flush, which is an hour away.
func TestManyEndsAreSentEarly(t *testing.T) {
	s := new(sinks)
	all := s.instances(t, once())
	c := all[0].(*output)
	put := func(n int) {
		for _, e := range numbered(0, n) {
			e.Key, e.Trail = "ver_1", []funnel.Entry{{Stage: "verification_started", New: true}}
			c.traces.put(e)
			c.summaries.put(e)
		}
	}
	arrived := func(n int) func() bool {
		return func() bool { return s.traces.SpanCount() == 2*n && s.logs.LogRecordCount() == n }
	}
	put(1)
	startAll(t, all)
	require.Eventually(t, arrived(1), testTimeout, testTick, "by the flush at the beginning")
	put(sendEarlyAt)
	require.Eventually(t, arrived(1+sendEarlyAt), testTimeout, testTick)
	shutdownAll(t, all)
}
