// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

func withStatistics(maxVerifications int) Settings {
	s := settings(maxVerifications)
	s.Statistics = &cohorts.Settings{Retention: 31 * 24 * time.Hour, MaxCohorts: 1000, MaxTrackers: 10}
	return s
}

// answer asks about all that began around the start.
func (f *Funnel) answer(t *testing.T, now time.Time) *cohorts.Answer {
	t.Helper()
	a, err := f.Answer(&cohorts.Query{
		From: start.Add(-24 * time.Hour), To: start.Add(24 * time.Hour), Step: cohorts.StepQuarter, Location: time.UTC,
	}, now)
	require.NoError(t, err)
	a.RetainedFrom = time.Time{}
	return a
}

func from(tracker string, e *Event) *Event {
	e.ExternalTracker = tracker
	return e
}

// reachedIn returns how many verifications of an answer reached each stage.
func reachedIn(a *cohorts.Answer) map[string]int64 {
	reached := map[string]int64{}
	for _, s := range a.Stages {
		if s.Reached > 0 {
			reached[s.Stage] = s.Reached
		}
	}
	return reached
}

func trackersIn(a *cohorts.Answer) map[string]int64 {
	began := map[string]int64{}
	for _, tr := range a.Trackers {
		name := "none"
		if tr.Tracker != nil {
			name = *tr.Tracker
		}
		began[name] = tr.Began
	}
	return began
}

// TestStatistics follows one verification: in the statistics it always is as it stands.
func TestStatistics(t *testing.T) {
	f := NewFunnel(withStatistics(10), newHeard(), start)
	now := start
	f.observe(from("first", at(10, "ver_1", "liveness_started")), now)
	a := f.answer(t, now)
	assert.EqualValues(t, 1, a.Began)
	assert.EqualValues(t, 1, a.Open)
	assert.Equal(t, map[string]int64{"first": 1}, trackersIn(a))
	f.observe(at(10, "ver_1", "liveness_started"), now) // a duplicate
	assert.Equal(t, a, f.answer(t, now))

	f.observe(from("later", at(20, "ver_1", "verification_completed")), now)
	assert.Equal(t, map[string]int64{"first": 1}, trackersIn(f.answer(t, now)), "that of the earliest event")
	now = start.Add(30 * time.Second)
	f.run(now)
	a = f.answer(t, now)
	assert.EqualValues(t, 0, a.Open)
	assert.Equal(t, []cohorts.Ended{{Outcome: "completed", LastStage: "verification_completed", Verifications: 1}}, a.Ended)
	assert.Equal(t, cohorts.Completion{Verifications: 1, OnFirstAttempt: 1}, a.Completed)

	now = start.Add(time.Minute)
	require.Equal(t, Straggler, f.observe(from("earlier", at(-2_000, "ver_1", "face_collision")), now))
	a = f.answer(t, now)
	assert.Equal(t, map[string]int64{"earlier": 1}, trackersIn(a), "a straggler counts as if it had come in time")
	assert.Equal(t, cohorts.Completion{Verifications: 1, AfterDropOff: 1}, a.Completed)
	assert.Equal(t, map[string]int64{"liveness_started": 1, "face_collision": 1, "verification_completed": 1}, reachedIn(a))
	for _, p := range a.Points {
		assert.Equal(t, p.Start.Equal(start.Add(-45*time.Minute)), p.Began == 1, "it began in another quarter of an hour")
	}

	f.observe(at(30, "ver_1", "liveness_started"), now)
	a = f.answer(t, now)
	assert.EqualValues(t, 1, a.Open, "it goes on")
	assert.Empty(t, a.Ended)
	assert.EqualValues(t, 1, a.Attempts[2].Verifications)
	now = start.Add(25 * time.Hour)
	f.run(now)
	assert.Zero(t, f.Len())
	a = f.answer(t, now)
	assert.EqualValues(t, 1, a.Began, "it stays when it is forgotten")
	assert.Equal(t, []cohorts.Ended{{Outcome: "completed", LastStage: "liveness_started", Verifications: 1}}, a.Ended)
}

// TestStatisticsAsOfTheQuestion shows that a question sees what has ended by then, although nothing else has looked.
func TestStatisticsAsOfTheQuestion(t *testing.T) {
	ending := func() *Funnel {
		f := NewFunnel(withStatistics(2*maxAtOnce), newHeard(), start)
		for n := range maxAtOnce + 1 {
			f.Observe(at(n, fmt.Sprint("ver_", n), "verification_completed"), start)
		}
		f.run(start.Add(29 * time.Second))
		return f
	}
	a := ending().answer(t, start.Add(30*time.Second))
	assert.Zero(t, a.Open)
	assert.EqualValues(t, maxAtOnce+1, a.Ended[0].Verifications)

	rows, err := ending().Rows(&cohorts.Query{
		From: start, To: start.Add(24 * time.Hour), Step: cohorts.StepDay, Location: time.UTC,
	}, start.Add(30*time.Second))
	require.NoError(t, err)
	all := slices.Collect(rows)
	require.Len(t, all, 1)
	assert.EqualValues(t, maxAtOnce+1, all[0].Began)
	assert.Zero(t, all[0].Open)
}

// TestEarliestTracker is about the tracker of the earliest event, where that is not the first that came.
func TestEarliestTracker(t *testing.T) {
	t.Run("is the first that came again", func(t *testing.T) {
		f := NewFunnel(withStatistics(10), newHeard(), start)
		f.observe(from("ads", at(10, "ver_1", "liveness_started")), start)
		f.observe(from("mail", at(5, "ver_1", "liveness_started")), start)
		f.observe(from("ads", at(1, "ver_1", "liveness_started")), start)
		assert.Equal(t, map[string]int64{"ads": 1}, trackersIn(f.answer(t, start)))
	})
	t.Run("is forgotten with its verification", func(t *testing.T) {
		f := NewFunnel(withStatistics(1), newHeard(), start)
		f.observe(from("ads", at(10, "ver_1", "liveness_started")), start)
		f.observe(from("mail", at(5, "ver_1", "liveness_started")), start)
		f.observe(at(10, "ver_2", "liveness_started"), start)
		assert.Equal(t, map[string]int64{"mail": 1, "none": 1}, trackersIn(f.answer(t, start)))
		assert.Empty(t, f.earliest)
	})
	t.Run("of many events", func(t *testing.T) {
		f := NewFunnel(withStatistics(10), newHeard(), start)
		for n := range maxEntries {
			f.observe(at(n, "ver_1", "liveness_started"), start)
		}
		f.observe(from("ads", at(maxEntries, "ver_1", "liveness_started")), start)
		f.observe(at(maxEntries+1, "ver_1", "liveness_started"), start)
		f.observe(at(maxEntries+2, "ver_1", "liveness_started"), start)
		f.observe(from("mail", at(maxEntries+3, "ver_1", "liveness_started")), start)
		assert.Equal(t, map[string]int64{"ads": 1}, trackersIn(f.answer(t, start)))
	})
}

// TestForgottenDuringSave forgets a verification before it is written. What is restored still has its tracker, by which
// it is found in the statistics.
func TestForgottenDuringSave(t *testing.T) {
	f := NewFunnel(withStatistics(chunkSize), newHeard(), start)
	for n := range chunkSize - 1 {
		f.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start)
	}
	f.observe(from("ads", at(2, "ver_ended", "verification_completed")), start)
	f.observe(from("mail", at(1, "ver_ended", "liveness_started")), start)
	now := start.Add(time.Minute)
	f.run(now)
	k := newKept()
	k.keepWhile(f, func(chunk int) {
		if chunk == 0 { // that of ver_ended comes next
			f.Observe(at(3, "ver_new", "verification_started"), now)
		}
	})
	assert.Empty(t, f.earliest)

	again, _ := restored(t, k, withStatistics(chunkSize), now)
	again.observe(at(3, "ver_ended", "face_collision"), now)
	a := again.answer(t, now)
	assert.EqualValues(t, 1, reachedIn(a)["face_collision"])
	assert.EqualValues(t, 1, trackersIn(a)["mail"])
}

// TestStatisticsNotWritten shows that what could not be written is written with the next Save.
func TestStatisticsNotWritten(t *testing.T) {
	f := NewFunnel(withStatistics(10), newHeard(), start)
	f.observe(at(1, "ver_1", "verification_started"), start)
	full := errors.New("full")
	require.ErrorIs(t, f.Save(func(Part, int, []byte) {}, func(Header) error { return full }), full)
	again, _ := restored(t, keepAll(f), withStatistics(10), start)
	assert.Equal(t, f.answer(t, start), again.answer(t, start))
}

// TestStatisticsBeginAnew restores verifications without the statistics that knew them: they count again when they
// change, and nothing is subtracted that was not added.
func TestStatisticsBeginAnew(t *testing.T) {
	for name, change := range map[string]func(*kept){
		"were off":           func(k *kept) { k.header.Statistics = nil },
		"by another version": func(k *kept) { k.header.Statistics.Version++ },
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFunnel(withStatistics(10), newHeard(), start)
			f.observe(from("ads", at(1, "ver_1", "verification_started")), start)
			f.observe(from("ads", at(2, "ver_2", "verification_started")), start)
			k := keepAll(f)
			change(k)
			again, _ := restored(t, k, withStatistics(10), start)
			assert.Zero(t, again.answer(t, start).Began)
			again.observe(at(3, "ver_1", "liveness_started"), start)
			a := again.answer(t, start)
			assert.EqualValues(t, 1, a.Began)
			assert.Equal(t, map[string]int64{"verification_started": 1, "liveness_started": 1}, reachedIn(a))
			assert.Equal(t, map[string]int64{"ads": 1}, trackersIn(a))
		})
	}
	t.Run("and are kept", func(t *testing.T) {
		f := NewFunnel(withStatistics(10), newHeard(), start)
		f.observe(at(1, "ver_1", "verification_started"), start)
		k := keepAll(f)
		k.header.Statistics = nil
		for range 2 {
			f, _ = restored(t, k, withStatistics(10), start)
			k.keep(f)
		}
		f.observe(at(2, "ver_1", "liveness_started"), start)
		a := f.answer(t, start)
		assert.EqualValues(t, 1, a.Began)
		assert.Equal(t, map[string]int64{"verification_started": 1, "liveness_started": 1}, reachedIn(a))
	})
	t.Run("corrupt", func(t *testing.T) {
		f := NewFunnel(withStatistics(10), newHeard(), start)
		f.observe(at(1, "ver_1", "verification_started"), start)
		k := keepAll(f)
		delete(k.statistics, 0)
		again := NewFunnel(withStatistics(10), newHeard(), start)
		require.ErrorIs(t, again.Restore(&k.header, k.read, start), cohorts.ErrChunk)
		assert.Zero(t, again.Len())
		assert.Zero(t, again.answer(t, start).Began)
	})
	t.Run("off", func(t *testing.T) {
		f := NewFunnel(withStatistics(10), newHeard(), start)
		f.observe(at(1, "ver_1", "verification_started"), start)
		off, _ := restored(t, keepAll(f), settings(10), start)
		assert.Nil(t, off.Cohorts())
		off.observe(at(2, "ver_1", "liveness_started"), start)
		on, _ := restored(t, keepAll(off), withStatistics(10), start)
		on.observe(at(3, "ver_1", "liveness_passed"), start)
		assert.EqualValues(t, 1, on.answer(t, start).Began)
	})
}

// randomEvent is one of a verification among many, in no order.
func randomEvent(r *rand.Rand, n int) *Event {
	stages := event.Stages()
	e := at(r.IntN(5_000)-2_500, fmt.Sprint("ver_", r.IntN(2*chunkSize)), append(stages, "selfie", "document")[r.IntN(len(stages)+2)])
	e.ID = idOf(n)
	e.ExternalTracker = []string{"", "ads", "mail"}[r.IntN(3)]
	return e
}

// TestSaveIsOfOneMoment lets events come while the state is saved. What is restored is what there was when the Save
// began, verifications and statistics alike: with the same events after it, it comes to the same.
func TestSaveIsOfOneMoment(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := NewFunnel(withStatistics(3*chunkSize), newHeard(), start)
	k := newKept()
	number, now := 0, start
	next := func() *Event {
		number++
		now = now.Add(time.Duration(r.IntN(int(time.Second))))
		return randomEvent(r, number)
	}
	for round := range 4 {
		for range 1_500 {
			f.observe(next(), now)
		}
		saved, savedAt := f.answer(t, now), now
		var later []*Event
		var times []time.Time
		k.keepWhile(f, func(int) {
			for range 200 {
				later = append(later, next())
				times = append(times, now)
				f.observe(later[len(later)-1], now)
			}
		})
		again, _ := restored(t, k, withStatistics(3*chunkSize), savedAt)
		assert.Equal(t, saved, again.answer(t, savedAt), round)
		for i, e := range later {
			again.observe(e, times[i])
		}
		assert.Equal(t, f.answer(t, now), again.answer(t, now), round)
		assert.Equal(t, f.Active(), again.Active(), round)
	}
}
