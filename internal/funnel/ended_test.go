// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

var steps = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
	"liveness_passed", "verification_completed",
}

// restart makes the Funnel go on from what was stored, at once.
func restart(t *testing.T, f *Funnel) (*Funnel, *heard) {
	t.Helper()
	return restored(t, keepAll(f), f.settings, f.clock.looked)
}

// TestPassed ends a verification several times, with a restart after each.
func TestPassed(t *testing.T) {
	f, h := funnelFor(10)
	now := start
	for i, tt := range []struct {
		stages []string
		want   []string
	}{
		{[]string{"selfie", "face_collision"}, nil},
		{[]string{"verification_initialized"}, steps[:1]},
		{[]string{"consent_granted", "verification_started"}, steps[1:4]},
		{[]string{"liveness_started", "verification_started"}, steps[4:5]},
		{[]string{"verification_started", "liveness_failed"}, nil},
		{[]string{"verification_completed"}, steps[5:]},
		{[]string{"verification_completed", "liveness_passed"}, nil},
	} {
		for j, stage := range tt.stages {
			f.observe(at(10*i+j, "ver_1", stage), now)
		}
		now = now.Add(time.Hour)
		f.run(now)
		require.Equal(t, i+1, h.lastEnd(t).Number)
		assert.Equal(t, tt.want, h.lastEnd(t).Passed, "at end %d", i+1)
		f, h = restart(t, f)
	}
}

// TestStepIsDocumented restores what was kept when one step less was documented: what has been given stays so.
func TestStepIsDocumented(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(0, "ver_1", "selfie_taken"), start)
	f.observe(at(1, "ver_1", "verification_started"), start)
	f.run(start.Add(time.Hour))
	k := keepAll(f)
	for i, name := range k.header.Stages {
		switch name {
		case "selfie_taken": // as if that were what it is called now
			k.header.Stages[i] = "verification_started"
		case "verification_started": // and this were what it was called
			k.header.Stages[i] = "account_created"
		case "account_created":
			k.header.Stages[i] = "account_created_before"
		}
	}
	again, h := restored(t, k, settings(10), start.Add(time.Hour))
	again.observe(at(2, "ver_1", "liveness_started"), start.Add(time.Hour))
	again.run(start.Add(2 * time.Hour))
	assert.Equal(t, []string{"consent_granted", "liveness_started"}, h.lastEnd(t).Passed)
}

// newOf returns the stages of the new entries of a trail.
func newOf(trail []Entry) []string {
	stages := []string{}
	for _, e := range trail {
		if e.New {
			stages = append(stages, e.Stage)
		}
	}
	return stages
}

// TestNewEntries shows which are new at an end, wherever they stand, also after a restart.
func TestNewEntries(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(10, "ver_1", "verification_started"), start)
	f.observe(at(20, "ver_1", "liveness_started"), start)
	f.run(start.Add(time.Hour))
	assert.Equal(t, []string{"verification_started", "liveness_started"}, newOf(h.lastEnd(t).Trail))
	f, h = restart(t, f)
	f.observe(at(5, "ver_1", "verification_initialized"), start.Add(time.Hour)) // a straggler
	f.observe(at(15, "ver_1", "verification_completed"), start.Add(time.Hour))
	f.observe(at(1, "ver_1", "account_created"), start.Add(time.Hour))
	f.run(start.Add(2 * time.Hour))
	e := h.lastEnd(t)
	assert.Equal(t, []string{"account_created", "verification_started", "verification_completed", "liveness_started"}, stagesOf(e.Trail))
	assert.Equal(t, []string{"account_created", "verification_completed"}, newOf(e.Trail))
	assert.Equal(t, 4, e.Events)
	assert.Equal(t, at(1, "", "").At, e.Start())
}

// TestAttemptsAndDropOffs ends twice.
func TestAttemptsAndDropOffs(t *testing.T) {
	f, h := funnelFor(10)
	for i, stage := range []string{"liveness_started", "liveness_failed", "liveness_started", "liveness_cancelled", "liveness_failed"} {
		f.observe(at(i, "ver_1", stage), start)
	}
	f.observe(at(2, "ver_1", "liveness_started"), start) // a duplicate
	f.run(start.Add(time.Hour))
	e := h.lastEnd(t)
	assert.Equal(t, 2, e.Attempts)
	assert.Equal(t, []string{"liveness_failed", "liveness_cancelled"}, e.DropOffs)
	assert.True(t, e.DroppedOff())

	f.observe(at(-1, "ver_1", "liveness_started"), start.Add(time.Hour)) // a straggler
	f.observe(at(-2, "ver_1", "face_collision"), start.Add(time.Hour))   // and another
	f.observe(at(10, "ver_1", "liveness_started"), start.Add(time.Hour))
	f.observe(at(11, "ver_1", "verification_completed"), start.Add(time.Hour))
	assert.Equal(t, []End{{Outcome: DropOff, LastStage: "liveness_failed", DroppedOff: true}}, h.resumed)
	f.run(start.Add(2 * time.Hour))
	e = h.lastEnd(t)
	assert.Equal(t, 3, e.Attempts)
	assert.Equal(t, []string{"liveness_failed", "liveness_cancelled"}, e.DropOffs)
	assert.Equal(t, Completed, e.Outcome)

	f.observe(at(0, "ver_2", "liveness_passed"), start.Add(2*time.Hour))
	f.run(start.Add(3 * time.Hour))
	assert.Equal(t, 0, h.lastEnd(t).Attempts)
	assert.False(t, h.lastEnd(t).DroppedOff())
	f.observe(at(1, "ver_2", "liveness_passed"), start.Add(3*time.Hour))
	assert.Equal(t, End{Outcome: Abandoned, LastStage: "liveness_passed"}, h.resumed[1])
}

// TestFirstOfEachStage follows one that has far too many events: what was passed and where it dropped off is known.
func TestFirstOfEachStage(t *testing.T) {
	f, h := funnelFor(10)
	for n := range 2 * maxEntries {
		f.observe(at(10*n, "ver_1", "liveness_started"), start)
	}
	f.observe(at(10*maxEntries*2+1, "ver_1", "face_collision"), start)
	f.observe(at(10*maxEntries*2+2, "ver_1", "liveness_started"), start)
	f.observe(at(35, "ver_1", "liveness_passed"), start)
	f.observe(at(34, "ver_1", "liveness_passed"), start)
	f.observe(at(36, "ver_1", "liveness_passed"), start) // only counted
	f.observe(at(10*maxEntries*2+3, "ver_1", "liveness_started"), start)
	f.run(start.Add(time.Hour))
	e := h.lastEnd(t)
	assert.Equal(t, 2*maxEntries+6, e.Events)
	assert.Len(t, e.Trail, maxEntries)
	assert.Equal(t, steps[:6], e.Passed)
	assert.Equal(t, []string{"face_collision"}, e.DropOffs)
	assert.Contains(t, e.Trail, Entry{Stage: "liveness_passed", At: at(34, "", "").At, ID: idOf(34), New: true})
	assert.NotContains(t, e.Trail, Entry{Stage: "liveness_passed", At: at(36, "", "").At, ID: idOf(36), New: true})
	assert.Contains(t, e.StageTimes, StageTime{Stage: "liveness_passed", Seconds: 4})
}

// TestStragglers keeps them, over a restart and a resumption, but only to know them.
func TestStragglers(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(scored(at(2, "ver_1", "verification_completed"), 0.5), start)
	f.observe(at(10, "ver_1", "verification_completed"), start)
	f.run(start.Add(time.Minute))
	late := scored(at(5, "ver_1", "liveness_started"), 0.9)
	late.ExternalID, late.ExternalTracker = "user_1", "ads"
	assert.Equal(t, Straggler, f.observe(late, start.Add(time.Minute)))
	assert.Equal(t, Duplicate, f.observe(late, start.Add(time.Minute)))
	f, h2 := restart(t, f)
	assert.Equal(t, Duplicate, f.observe(late, start.Add(time.Minute)))
	f.observe(at(20, "ver_1", "selfie"), start.Add(time.Minute))
	assert.Equal(t, Duplicate, f.observe(late, start.Add(time.Minute)))
	f.run(start.Add(time.Hour))
	e := h2.lastEnd(t)
	assert.Equal(t, []string{"verification_completed", "verification_completed", "selfie"}, stagesOf(e.Trail))
	assert.Equal(t, 3, e.Events)
	assert.InDelta(t, 0.5, e.TrustScore.Value, 0)
	assert.Empty(t, e.ExternalID+e.Tracker)
	assert.Equal(t, []StageTime{{Stage: "selfie", Seconds: 10}}, e.StageTimes)
	assert.Equal(t, map[string]int{"verification_completed": 1, "liveness_started": 1}, h.reached)
	assert.Equal(t, map[string]int{"selfie": 1}, h2.reached)
}

// TestManyStragglers shows that they take no event's place.
func TestManyStragglers(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(1_000, "ver_1", "verification_completed"), start)
	f.run(start.Add(time.Minute))
	for n := range maxEntries + 10 {
		assert.Equal(t, Straggler, f.observe(at(n, "ver_1", "liveness_started"), start.Add(time.Minute)))
	}
	for n := range maxEntries - 1 {
		assert.Equal(t, Duplicate, f.observe(at(n, "ver_1", "liveness_started"), start.Add(time.Minute)))
	}
	f.observe(at(2_000, "ver_1", "liveness_passed"), start.Add(time.Minute))
	f.observe(at(2_001, "ver_1", "liveness_started"), start.Add(time.Minute))
	f.run(start.Add(time.Hour))
	assert.Equal(t, []string{"verification_completed", "liveness_passed", "liveness_started"}, stagesOf(h.lastEnd(t).Trail))
}

func TestReinitialized(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_initialized"), start)
	f.observe(at(0, "ver_1", "verification_initialized"), start) // a duplicate
	same := at(0, "ver_1", "verification_initialized")
	same.ID = idOf(99)
	f.observe(same, start)
	f.observe(at(0, "ver_2", "verification_initialized"), start)
	f.observe(at(1, "ver_1", "verification_started"), start)
	f.observe(at(2, "ver_1", "verification_started"), start)
	assert.Zero(t, h.reinitialized)
	assert.Equal(t, New, f.observe(at(3, "ver_1", "verification_initialized"), start), "an event as any other")
	assert.Equal(t, 1, h.reinitialized)
	f.observe(at(4, "ver_1", "verification_initialized"), start)
	assert.Equal(t, 1, h.reinitialized, "once a key")
	f, h = restart(t, f)
	f.observe(at(5, "ver_1", "verification_initialized"), start)
	assert.Zero(t, h.reinitialized, "over a restart too")
	f.run(start.Add(time.Hour))
	f.observe(at(-1, "ver_2", "verification_initialized"), start.Add(time.Hour))
	assert.Equal(t, 1, h.reinitialized, "by a straggler")
}

func TestActiveByTracker(t *testing.T) {
	s := settings(10)
	s.ActiveByTracker = true
	h := newHeard()
	f := NewFunnel(s, h, start)
	from := func(tracker string, e *Event) *Event {
		e.ExternalTracker = tracker
		return e
	}
	f.observe(at(0, "ver_1", "verification_started"), start)
	f.observe(from("ads", at(0, "ver_2", "verification_started")), start)
	assert.Equal(t, map[ActiveKey]int64{{"verification_started", ""}: 1, {"verification_started", "ads"}: 1}, f.Active())
	f.observe(from("ads", at(-1, "ver_1", "verification_initialized")), start)
	assert.Equal(t, map[ActiveKey]int64{{"verification_started", ""}: 0, {"verification_started", "ads"}: 2}, f.Active(), "it is known now")
	f.observe(from("other", at(1, "ver_1", "liveness_started")), start)
	want := map[ActiveKey]int64{{"verification_started", ""}: 0, {"verification_started", "ads"}: 1, {"liveness_started", "ads"}: 1}
	assert.Equal(t, want, f.Active())
	f, _ = restart(t, f)
	delete(want, ActiveKey{"verification_started", ""})
	assert.Equal(t, want, f.Active())
	f.run(start.Add(time.Hour))
	assert.Empty(t, f.Active(), "what has a tracker is not kept at 0")
}

// TestTimedOfManyEvents shows that a stage's time is given once, although the event that it was of is not the first of
// its stage any more, and has to leave.
func TestTimedOfManyEvents(t *testing.T) {
	f, h := funnelFor(10)
	for n := range maxEntries - 1 {
		f.observe(at(10*n, "ver_1", "liveness_started"), start)
	}
	f.observe(at(10*maxEntries, "ver_1", "liveness_failed"), start)
	f.run(start.Add(time.Hour))
	assert.Equal(t, []StageTime{{Stage: "liveness_failed", Seconds: 20}}, h.lastEnd(t).StageTimes)
	f.observe(at(10*maxEntries+2, "ver_1", "liveness_passed"), start.Add(time.Hour))
	f.observe(at(5, "ver_1", "liveness_failed"), start.Add(time.Hour))
	f.observe(at(10*maxEntries+3, "ver_1", "face_collision"), start.Add(time.Hour))
	f.run(start.Add(2 * time.Hour))
	assert.Equal(t, 2, h.lastEnd(t).Number)
	assert.Equal(t, []StageTime{{Stage: "liveness_passed", Seconds: 2}, {Stage: "face_collision", Seconds: 1}}, h.lastEnd(t).StageTimes)
}

// TestScoreOutOfOrder keeps the score of the latest event that has one, whatever came last.
func TestScoreOutOfOrder(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(scored(at(5, "ver_1", "liveness_passed"), 0.5), start)
	f.observe(scored(at(3, "ver_1", "liveness_started"), 0.3), start)
	f.observe(at(9, "ver_1", "verification_completed"), start)
	f.observe(scored(at(7, "ver_1", "account_created"), 0.7), start)
	f.observe(scored(at(6, "ver_1", "consent_granted"), 0.6), start)
	f.run(start.Add(time.Minute))
	assert.Equal(t, event.Number[float64]{Value: 0.7, Valid: true}, h.lastEnd(t).TrustScore)
}
