// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

func TestTrail(t *testing.T) {
	for name, es := range map[string]entries{
		"empty":         nil,
		"one":           {{at: 1_780_000_000_123_456_000, id: idOf(1), stage: 3}},
		"no time":       {{at: 0, id: idOf(1)}, {at: 0, id: idOf(2)}},
		"nanoseconds":   {{at: 1, id: idOf(1)}, {at: 1_000, id: idOf(2)}, {at: 1_001_999, id: idOf(3)}},
		"far apart":     {{at: 0, id: idOf(1)}, {at: math.MaxUint64, id: idOf(2)}},
		"with marks":    {{at: 5, id: idOf(1), stage: 9, mark: timed}, {at: 6, id: idOf(2), mark: told, scored: true}, {at: 7, mark: straggler, tracked: true}, {at: 7}},
		"with one mark": {{at: 5, id: idOf(1), scored: true, tracked: true}},
		"other stages":  {{at: 5, id: event.ID{0xff}, stage: 41}, {at: 5, id: event.ID{0xff, 1}, stage: cardinality.OtherNumber}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := newTrail(es).entries(nil)
			assert.True(t, ok)
			assert.Equal(t, es, got)
		})
	}
}

func TestDamagedTrail(t *testing.T) {
	whole := newTrail(entries{{at: 1_780_000_000_123_456_789, id: idOf(1)}})
	for length := 1; length < len(whole); length++ {
		if length == 2 {
			continue // a trail without entries
		}
		_, ok := whole[:length].entries(nil)
		assert.False(t, ok, "%d of %d bytes", length, len(whole))
	}
	endless := make([]byte, 2+17, 64)
	for range 20 {
		endless = append(endless, 0xff)
	}
	_, ok := trail(endless).entries(nil)
	assert.False(t, ok, "a time of more than 64 bits")
	for place := range 2 {
		beyond := []byte(whole)
		beyond[place] = 2
		_, ok = trail(beyond).entries(nil)
		assert.False(t, ok, "there is no second entry")
	}
}

func FuzzTrail(f *testing.F) {
	f.Add([]byte(newTrail(entries{{at: 1_780_000_000_123_456_789, id: idOf(1), stage: 4, scored: true}, {at: 1_780_000_001_000_000_000, id: idOf(2)}})))
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		es, ok := trail(data).entries(nil)
		if !ok {
			return
		}
		again, ok := newTrail(es).entries(nil)
		assert.True(t, ok)
		assert.Equal(t, es, again)
	})
}

func TestOrderOfEntries(t *testing.T) {
	unknown, unknownToo := documented, documented+7
	inOrder := entries{
		{at: 1, stage: completed},
		{at: 2, stage: 0, id: event.ID{9}},
		{at: 2, stage: 1, id: event.ID{1}},
		{at: 2, stage: 1, id: event.ID{2}},
		{at: 2, stage: completed, id: event.ID{0}},
		{at: 2, stage: unknownToo, id: event.ID{1}},
		{at: 2, stage: unknown, id: event.ID{2}},
		{at: 2, stage: cardinality.OtherNumber, id: event.ID{3}},
	}
	for i := range inOrder {
		for j := range inOrder {
			assert.Equal(t, i < j, inOrder[i].compare(&inOrder[j]) < 0, "%d and %d", i, j)
		}
	}
}

// TestManyEvents shows that of very many events the first ones, the completion and the last are kept.
func TestManyEvents(t *testing.T) {
	const events = 10_000
	f, h := funnelFor(10)
	for n := range events {
		stage := "liveness_started"
		if n == 5_000 {
			stage = "verification_completed"
		}
		assert.Equal(t, New, f.observe(at(n, "ver_1", stage), start))
	}
	assert.Equal(t, New, f.observe(at(events, "ver_1", "face_collision"), start))
	f.run(start.Add(time.Hour))

	e := h.lastEnd(t)
	assert.Equal(t, events+1, e.Events)
	assert.Equal(t, Completed, e.Outcome)
	require.Len(t, e.Trail, maxEntries)
	assert.Equal(t, at(0, "", "").At, e.Trail[0].At)
	assert.Equal(t, at(maxEntries-4, "", "").At, e.Trail[maxEntries-4].At)
	assert.Contains(t, stagesOf(e.Trail), "verification_completed")
	assert.Equal(t, "face_collision", e.LastStage())
	assert.Equal(t, event.Number[float64]{Value: 5_000, Valid: true}, e.Duration)
	assert.Equal(t, map[string]int{"liveness_started": 1, "verification_completed": 1, "face_collision": 1}, h.reached)
}

// TestManyEventsBackwards delivers them in the order that leaves the least room: the last comes first.
func TestManyEventsBackwards(t *testing.T) {
	const events = 1_000
	f, h := funnelFor(10)
	f.observe(at(events, "ver_1", "face_collision"), start)
	for n := events - 1; n > 0; n-- {
		f.observe(at(n, "ver_1", "liveness_started"), start)
	}
	f.observe(at(0, "ver_1", "verification_completed"), start)
	f.run(start.Add(time.Hour))
	e := h.lastEnd(t)
	assert.Equal(t, events+1, e.Events)
	assert.Len(t, e.Trail, maxEntries)
	assert.Equal(t, Completed, e.Outcome)
	assert.Equal(t, "verification_completed", e.Trail[0].Stage)
	assert.Equal(t, "face_collision", e.LastStage())
}

// TestScoreOfManyEvents shows that the last known score is that of an event which is kept, and stays.
func TestScoreOfManyEvents(t *testing.T) {
	f, h := funnelFor(10)
	for n := range maxEntries {
		f.observe(at(n, "ver_1", "liveness_started"), start)
	}
	f.observe(scored(at(maxEntries, "ver_1", "liveness_started"), 0.7), start)
	f.observe(at(2*maxEntries, "ver_1", "liveness_started"), start)
	f.observe(scored(at(2*maxEntries-1, "ver_1", "liveness_started"), 0.8), start) // only counted
	f.observe(at(2*maxEntries+1, "ver_1", "liveness_started"), start)
	f.run(start.Add(time.Hour))
	assert.Equal(t, event.Number[float64]{Value: 0.7, Valid: true}, h.lastEnd(t).TrustScore)
}

// TestStageTimeOfManyEvents shows that a stage's time is given once although its event has to leave.
func TestStageTimeOfManyEvents(t *testing.T) {
	f, h := funnelFor(10)
	for n := range maxEntries - 2 {
		f.observe(at(n, "ver_1", "liveness_started"), start)
	}
	f.observe(at(maxEntries, "ver_1", "liveness_failed"), start)
	f.observe(at(maxEntries+1, "ver_1", "liveness_started"), start)
	f.run(start.Add(time.Hour))
	assert.Equal(t, []StageTime{{Stage: "liveness_failed", Seconds: 3}}, h.lastEnd(t).StageTimes)
	for n := range 3 {
		f.observe(at(maxEntries+2+n, "ver_1", "liveness_failed"), start.Add(time.Hour))
	}
	f.run(start.Add(2 * time.Hour))
	assert.Equal(t, 2, h.lastEnd(t).Number)
	assert.Empty(t, h.lastEnd(t).StageTimes)
}
