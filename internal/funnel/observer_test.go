// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// changes is an Observer that checks that each change begins with what the one before it ended with. It is for one
// verification.
type changes struct {
	t    *testing.T
	seen []Snapshot
}

func (c *changes) Changed(before, after *Snapshot) {
	if before == nil {
		assert.Empty(c.t, c.seen)
	} else {
		assert.Equal(c.t, c.last(), *before)
	}
	c.seen = append(c.seen, after.clone())
}

func (c *changes) last() Snapshot {
	return c.seen[len(c.seen)-1]
}

func (s *Snapshot) clone() Snapshot {
	clone := *s
	clone.Trail = append([]Entry{}, s.Trail...)
	clone.Reached = append([]string{}, s.Reached...)
	return clone
}

func TestObserver(t *testing.T) {
	c := &changes{t: t}
	s := settings(10)
	s.Observer = c
	f := NewFunnel(s, newHeard())
	from := func(tracker string, e *Event) *Event {
		e.ExternalTracker = tracker
		return e
	}
	entry := func(second int, stage string) Entry {
		e := at(second, "", stage)
		return Entry{Stage: stage, At: e.At, ID: e.ID}
	}
	f.observe(from("first", at(10, "ver_1", "liveness_started")), start)
	want := Snapshot{Tracker: "first", Trail: []Entry{entry(10, "liveness_started")}, Reached: []string{"liveness_started"}}
	assert.Equal(t, want, c.last())

	f.observe(at(10, "ver_1", "liveness_started"), start) // a duplicate
	assert.Len(t, c.seen, 1)
	f.observe(from("later", at(20, "ver_1", "verification_completed")), start)
	want.Trail = append(want.Trail, entry(20, "verification_completed"))
	want.Reached = append(want.Reached, "verification_completed")
	assert.Equal(t, want, c.last(), "the earliest has the tracker")
	f.run(start.Add(30 * time.Second))
	want.Ended, want.End = true, End{Outcome: Completed, LastStage: "verification_completed"}
	assert.Equal(t, want, c.last())

	require.Equal(t, Straggler, f.observe(from("earlier", at(5, "ver_1", "face_collision")), start.Add(time.Minute)))
	want.Tracker = "earlier"
	want.Trail = append([]Entry{entry(5, "face_collision")}, want.Trail...)
	want.Reached = []string{"liveness_started", "face_collision", "verification_completed"}
	assert.Equal(t, want, c.last(), "as if it had come in time, but for the end")

	restored, h := restored(t, keepAll(f), s, start.Add(time.Minute))
	assert.Len(t, c.seen, 4, "that it was restored is no change")
	restored.observe(at(4, "ver_1", "selfie"), start.Add(time.Minute))
	assert.Equal(t, "earlier", c.last().Tracker)
	restored.observe(from("later", at(30, "ver_1", "liveness_started")), start.Add(time.Minute))
	assert.False(t, c.last().Ended)
	restored.observe(from("earliest", at(3, "ver_1", "liveness_started")), start.Add(time.Minute))
	assert.Equal(t, "earliest", c.last().Tracker)
	restored.run(start.Add(time.Hour))
	assert.True(t, c.last().Ended)
	assert.Equal(t, "first", h.lastEnd(t).Tracker, "metrics have the first that came")

	n := len(c.seen)
	restored.run(start.Add(25 * time.Hour))
	assert.Zero(t, restored.Len())
	assert.Empty(t, restored.earliest)
	assert.Len(t, c.seen, n, "nothing is told of what is forgotten")
}

// TestObserverOfMany has more events and more stages than are kept.
func TestObserverOfMany(t *testing.T) {
	c := &changes{t: t}
	s := settings(1)
	s.Observer = c
	f := NewFunnel(s, newHeard())
	for n := range cardinality.MaxUnknownStages + 2 {
		f.observe(at(n, "ver_1", fmt.Sprint("unknown_", n)), start)
	}
	const last = maxEntries - 1 - (cardinality.MaxUnknownStages + 2) // that gets in without another having to leave
	for n := range 2 * maxEntries {
		e := at(1_000+n, "ver_1", "liveness_started")
		if n >= last {
			e.ExternalTracker = fmt.Sprint("tracker_", n)
		}
		f.observe(e, start)
	}
	assert.Equal(t, fmt.Sprint("tracker_", last), c.last().Tracker)
	assert.Len(t, c.last().Trail, maxEntries)
	assert.Len(t, c.last().Reached, cardinality.MaxUnknownStages+2, "one of them the other ones, and liveness_started")
	assert.Contains(t, c.last().Reached, cardinality.Other)
}
