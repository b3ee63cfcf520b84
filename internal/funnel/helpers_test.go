// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// heard is a Listener that remembers.
type heard struct {
	reached       map[string]int // by stage
	resumed       []End
	reinitialized int
	ended         []*Ended
	early         int
	now           time.Time // of the last call
}

func (h *heard) Reached(stage, _ string, now time.Time) {
	h.reached[stage]++
	h.now = now
}

func (h *heard) Resumed(as End, _ string, now time.Time) {
	h.resumed = append(h.resumed, as)
	h.now = now
}

func (h *heard) Reinitialized() { h.reinitialized++ }

func (h *heard) Ended(e *Ended, early bool, now time.Time) {
	h.now = now
	h.ended = append(h.ended, e)
	if early {
		h.early++
	}
}

// run lets the Funnel run until a time, and look at the clock as often as it has to.
func (f *Funnel) run(until time.Time) {
	if !f.clock.looked.IsZero() {
		for until.Sub(f.clock.looked) > maxElapsed {
			f.Advance(f.clock.looked.Add(maxElapsed))
		}
	}
	f.Advance(until)
}

// observe lets the Funnel run until a time, at which an event comes.
func (f *Funnel) observe(e *Event, now time.Time) Result {
	f.run(now)
	return f.Observe(e, now)
}

// lastEnd returns the end that was heard of last.
func (h *heard) lastEnd(t *testing.T) *Ended {
	t.Helper()
	require.NotEmpty(t, h.ended)
	return h.ended[len(h.ended)-1]
}

func newHeard() *heard {
	return &heard{reached: map[string]int{}}
}

// funnelFor returns a Funnel for so many verifications, and what is heard of it.
func funnelFor(maxVerifications int) (*Funnel, *heard) {
	h := newHeard()
	return NewFunnel(settings(maxVerifications), h, start), h
}

// idOf returns an identity of its own for each number, which has no order that could matter.
func idOf(number int) (id event.ID) {
	copy(id[:], fmt.Sprintf("%07d", number*7919%10_000_019))
	return id
}

// at returns an event that occurs some seconds after the start.
func at(second int, key, stage string) *Event {
	return &Event{Key: key, Stage: stage, At: uint64(start.Add(time.Duration(second) * time.Second).UnixNano()), ID: idOf(second)}
}

func scored(e *Event, score float64) *Event {
	e.TrustScore = event.Number[float64]{Value: score, Valid: true}
	return e
}

func stagesOf(trail []Entry) []string {
	stages := make([]string, len(trail))
	for i := range trail {
		stages[i] = trail[i].Stage
	}
	return stages
}
