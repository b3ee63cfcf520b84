// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"
	"unique"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// written are the chunks of a Snapshot.
func written(s *Snapshot) map[int][]byte {
	return maps.Collect(s.Chunks())
}

func reader(chunks map[int][]byte) func(int) ([]byte, error) {
	return func(chunk int) ([]byte, error) { return chunks[chunk], nil }
}

func TestOnlyWhatHasChangedIsWritten(t *testing.T) {
	r := newRun(t, Settings{Retention: 6 * time.Hour, MaxCohorts: 100, MaxTrackers: 5}, clock(t, 12, 0))
	r.observe("a", "verification_initialized", "ads", r.now)
	r.observe("b", "verification_initialized", "ads", r.now.Add(-time.Hour))
	both := r.set.Snapshot(r.now)
	assert.Len(t, written(both), 2)
	assert.Empty(t, written(r.set.Snapshot(r.now)))
	r.set.NotWritten(both)
	assert.Len(t, written(r.set.Snapshot(r.now)), 2)
	r.observe("b", "verification_started", "", r.now)
	assert.Equal(t, []int{1}, slices.Collect(maps.Keys(written(r.set.Snapshot(r.now)))))

	r.now = r.now.Add(5*time.Hour + 15*time.Minute)
	gone := r.set.Snapshot(r.now)
	assert.Equal(t, map[int][]byte{1: {}}, written(gone), "it has gone with time")
	r.observe("c", "verification_initialized", "", r.now)
	again := r.set.Snapshot(r.now)
	assert.Equal(t, []int{1}, slices.Collect(maps.Keys(written(again))), "its chunk is used again")
	assert.Equal(t, 2, again.Header.Chunks)
}

// TestSnapshotIsOfOneMoment writes chunks after more has happened.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	r := newRun(t, manyTrackers, clock(t, 12, 0))
	for range 2 {
		r.observe("a", "verification_initialized", "ads", r.now)
		snapshot := r.set.Snapshot(r.now)
		want, err := r.set.Answer(around(r.now), r.now)
		require.NoError(t, err)
		for n := range 200 {
			r.observe("a", "liveness_started", "", r.now.Add(time.Duration(n*n)*time.Second))
		}
		s := NewSet(manyTrackers, cardinality.NewStages(), r.now)
		require.NoError(t, s.Restore(&snapshot.Header, reader(written(snapshot)), r.now))
		got, err := s.Answer(around(r.now), r.now)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestOtherSettingsAfterARestart(t *testing.T) {
	settings := Settings{Retention: 24 * time.Hour, MaxCohorts: 100, MaxTrackers: 5}
	r := newRun(t, settings, clock(t, 12, 0))
	start := r.now
	r.observe("a", "verification_initialized", "ads", r.now.Add(-2*time.Hour))
	r.observe("b", "verification_initialized", "ads", r.now.Add(-time.Hour))
	r.observe("c", "verification_initialized", "ads", r.now)
	r.observe("d", "verification_initialized", "news", r.now)
	r.save()

	settings.MaxCohorts = 3
	r.restart(settings)
	a := r.check(around(r.now))
	assert.Equal(t, int64(3), a.Began)
	assert.Equal(t, counts("too_many", 1), r.told())
	assert.Equal(t, start.UTC().Truncate(time.Second), a.RetainedFrom, "which began before there were statistics")
	r.save()

	settings.Retention, settings.MaxCohorts = 10*time.Minute, 2
	r.restart(settings)
	assert.Equal(t, int64(2), r.check(around(r.now)).Began)
	assert.Empty(t, r.told(), "that time passes is not counted")
	r.now = r.now.Add(20 * time.Minute)
	r.save()

	settings.Retention = 24 * time.Hour
	r.restart(settings)
	a = r.check(around(r.now))
	assert.Equal(t, int64(2), a.Began)
	assert.Equal(t, start.UTC().Truncate(15*time.Minute), a.RetainedFrom.Truncate(15*time.Minute), "what was missing is so still")
}

// TestStagesWithOtherNumbers reads what was written when two stages of today were not documented, and another was.
func TestStagesWithOtherNumbers(t *testing.T) {
	now := clock(t, 12, 0)
	s := NewSet(manyTrackers, cardinality.NewStages(), now)
	at := uint64(now.UnixNano())
	var none, c Contribution
	events := []Event{{at, 0}, {at + 20e9, 1}, {at + 50e9, 10}, {at + 90e9, 9}}
	c.Describe(&Verification{Events: events, Tracker: unique.Make(""), Outcome: Completed})
	s.Replace(0, &none, &c, now)
	c.Describe(&Verification{Events: events[:3], Reached: 1 << 5, Tracker: unique.Make(""), Outcome: Abandoned})
	s.Replace(0, &none, &c, now)
	snapshot := s.Snapshot(now)
	h := snapshot.Header
	h.Stages = []string{ // by number, then
		"verification_initialized", "id_scanned", "account_created", "consent_granted", "liveness_started",
		"_OTHER", "liveness_failed", "liveness_cancelled", "face_collision", "verification_completed", "verification_started",
	}
	restored := NewSet(manyTrackers, cardinality.NewStages(), now)
	require.NoError(t, restored.Restore(&h, reader(written(snapshot)), now))
	assert.Len(t, written(restored.Snapshot(now)), 1, "it is not what is stored")
	a, err := restored.Answer(around(now), now)
	require.NoError(t, err)
	reached := map[string]int64{}
	for _, s := range a.Stages {
		if s.Reached > 0 {
			reached[s.Stage] = s.Reached
		}
	}
	assert.Equal(t, counts("verification_initialized", 2, "id_scanned", 2, "verification_started", 2, "verification_completed", 1, "_OTHER", 1), reached)
	assert.Equal(t, []Ended{{"abandoned", "verification_started", 1}, {"completed", "verification_completed", 1}}, a.Ended)
	assert.InEpsilon(t, 30, *a.Stages[1].Time.P50, 0.05)
	assert.InEpsilon(t, 90, *a.TimeToComplete.P50, 0.05)
	assert.Equal(t, "id_scanned", *a.Transitions[1].From)
	assert.Equal(t, "verification_started", *a.Transitions[1].To)
}

func TestRenumberFacts(t *testing.T) {
	var numbers [places]uint8
	for i := range numbers {
		numbers[i] = uint8((i + 7) % stageNumbers)
	}
	numbers[noStage] = noStage
	same := []fact{factCompleted, factOnFirstAttempt, factAfterDropOff, attemptsFact(0, false), attemptsFact(9, true), timeToCompleteFact(1e9)}
	for _, f := range same {
		assert.Equal(t, f, f.renumber(&numbers))
	}
	for stage := range uint8(stageNumbers) {
		now := numbers[stage]
		assert.Equal(t, reachedFact(now), reachedFact(stage).renumber(&numbers))
		for _, outcome := range []Outcome{DropOff, Abandoned, Completed} {
			assert.Equal(t, endedFact(outcome, now), endedFact(outcome, stage).renumber(&numbers))
			assert.Equal(t, stoppedFact(outcome-1, now), stoppedFact(outcome-1, stage).renumber(&numbers))
		}
		assert.Equal(t, transitionFact(now, 8), transitionFact(stage, 1).renumber(&numbers))
		assert.Equal(t, transitionFact(noStage, now), transitionFact(noStage, stage).renumber(&numbers))
		assert.Equal(t, transitionFact(now, noStage), transitionFact(stage, noStage).renumber(&numbers))
		assert.Equal(t, stageTimeFact(now, 5e9), stageTimeFact(stage, 5e9).renumber(&numbers))
	}

	numbers[5], numbers[63] = 63, 63
	var memory scratch
	both := memory.pack(nil, []change{{reachedFact(5), 1}, {reachedFact(63), 2}})
	assert.Equal(t, []count{{reachedFact(63), 3}}, memory.renumber(both, &numbers).counts(nil))
}

var errRead = errors.New("cannot be read")

func TestCorruptState(t *testing.T) {
	r := newRun(t, manyTrackers, clock(t, 12, 0))
	r.observe("a", "verification_initialized", "ads", r.now)
	r.observe("b", "verification_initialized", "ads", r.now.Add(-time.Hour))
	snapshot := r.set.Snapshot(r.now)
	chunks := written(snapshot)
	for name, test := range map[string]struct {
		change func(h *Header, chunks map[int][]byte)
		want   error
	}{
		"another version": {func(h *Header, _ map[int][]byte) { h.Version++ }, ErrVersion},
		"missing":         {func(_ *Header, c map[int][]byte) { delete(c, 1) }, ErrChunk},
		"too few":         {func(h *Header, _ map[int][]byte) { h.Chunks++ }, ErrChunk},
		"cut off":         {func(_ *Header, c map[int][]byte) { c[1] = c[1][:len(c[1])-1] }, ErrChunk},
		"too long":        {func(_ *Header, c map[int][]byte) { c[1] = append(slices.Clone(c[1]), 1) }, ErrChunk},
		"twice the same":  {func(_ *Header, c map[int][]byte) { c[1] = c[0] }, ErrChunk},
		"twice a tracker": {func(_ *Header, c map[int][]byte) { c[1] = append(slices.Clone(c[1]), c[1][4:]...) }, ErrChunk},
		"no cohort":       {func(_ *Header, c map[int][]byte) { c[1] = c[1][:4] }, ErrChunk},
	} {
		t.Run(name, func(t *testing.T) {
			h, changed := snapshot.Header, maps.Clone(chunks)
			test.change(&h, changed)
			s := NewSet(manyTrackers, cardinality.NewStages(), r.now)
			require.ErrorIs(t, s.Restore(&h, reader(changed), r.now), test.want)
			assert.Zero(t, s.Len(), "nothing is half loaded")
			assert.Empty(t, s.quarters)
			assert.Empty(t, s.Snapshot(r.now).Header.Trackers)
		})
	}
	s := NewSet(manyTrackers, cardinality.NewStages(), r.now)
	require.ErrorIs(t, s.Restore(&snapshot.Header, func(int) ([]byte, error) { return nil, errRead }, r.now), errRead)
	require.NoError(t, s.Restore(&snapshot.Header, reader(chunks), r.now))
	assert.Equal(t, 2, s.Len())
}

// FuzzRestore reads anything as a chunk. What can be read is written again as the same.
func FuzzRestore(f *testing.F) {
	traffic := newTraffic()
	now := time.Now()
	s := NewSet(manyTrackers, traffic.stages, now)
	var before, after Contribution
	for n := range 40 {
		began := now.Add(-time.Duration(n%4) * 15 * time.Minute)
		traffic.tell(s, unique.Make([]string{"", "ads"}[n%2]), traffic.events(uint64(began.UnixNano()), nil), &before, &after, now)
	}
	s.evict(s.quarters[0])
	for _, data := range s.Snapshot(now).Chunks() {
		f.Add(data)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		read := &Set{}
		if read.load(data) != nil {
			return
		}
		encoded, answer := reEncode(read)
		again := &Set{}
		require.NoError(t, again.load(encoded))
		same, sameAnswer := reEncode(again)
		assert.Equal(t, encoded, same) // which data may differ from: a number can be written with zeros that nobody writes
		assert.Equal(t, answer, sameAnswer)
	})
}

// reEncode encodes the first chunk of what was loaded, and sums up every fact of it.
func reEncode(s *Set) ([]byte, *Answer) {
	view, totals, answer := chunkView{}, newTotals(), &Answer{}
	if q := s.chunks.quarters[0]; q != nil {
		view.quarter, view.evicted = q, q.evicted
		view.views, _ = q.views(nil, nil, nil)
	}
	for i := range view.views {
		totals.add(&view.views[i])
	}
	totals.answer(answer, cardinality.NewStages())
	var memory scratch
	return slices.Clone(view.encode(&memory)), answer
}
