// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"
	"unique"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// today is all that began on the day of a time.
func today(now time.Time) *Query {
	from := now.UTC().Truncate(24 * time.Hour)
	return &Query{From: from, To: from.Add(24 * time.Hour), Step: StepHour, Location: time.UTC}
}

// tell delivers events of a person in this order, each with a time in seconds after 10:00.
func (r *run) tell(name, tracker string, events ...any) {
	for i := 0; i < len(events); i += 2 {
		at := r.now.UTC().Truncate(24 * time.Hour).Add(10*time.Hour + time.Duration(events[i].(int))*time.Second)
		r.observe(name, events[i+1].(string), tracker, at)
	}
}

// fivePeople are a run with a person who completes at once, one who does after a failure and may still go on, one who
// is silent but has not ended, one who skips steps and cancels, and one who had a stage that VerifyYou does not
// document.
func fivePeople(t *testing.T) *run {
	t.Helper()
	r := newRun(t, manyTrackers, clock(t, 12, 0))
	r.tell("at once", "ads", 0, "verification_initialized", 20, "verification_started", 60, "liveness_started",
		90, "liveness_passed", 100, "verification_completed")
	r.end("at once")
	r.tell("in the end", "ads", 900, "verification_initialized", 910, "liveness_started", 920, "liveness_failed",
		930, "liveness_started", 940, "liveness_failed", 950, "liveness_started", 1200, "verification_completed")
	r.tell("silent", "", 3600, "verification_initialized", 3660, "consent_granted")
	r.tell("skips", "news", 0, "liveness_started", 5, "liveness_cancelled")
	r.end("skips")
	r.tell("unknown", "", 1, "id_scanned")
	r.end("unknown")
	return r
}

func TestAnswer(t *testing.T) {
	r := fivePeople(t)
	a := r.check(today(r.now))
	assert.Equal(t, int64(5), a.Began)
	assert.Equal(t, int64(2), a.Open)
	assert.Equal(t, Completion{Verifications: 2, OnFirstAttempt: 1, AfterDropOff: 1}, a.Completed)
	assert.Equal(t, []Ended{
		{"abandoned", "id_scanned", 1}, {"completed", "verification_completed", 1}, {"drop_off", "liveness_cancelled", 1},
	}, a.Ended)
	assert.Equal(t, [4]Attempts{{0, false, 2, 0}, {1, false, 2, 1}, {2, false, 0, 0}, {3, true, 1, 1}}, a.Attempts)

	got := map[string][2]int64{}
	for _, s := range a.Stages {
		got[s.Stage] = [2]int64{s.Reached, -1}
		if s.Passed != nil {
			got[s.Stage] = [2]int64{s.Reached, *s.Passed}
		}
	}
	assert.Equal(t, map[string][2]int64{ // reached and passed
		"verification_initialized": {3, 4}, "verification_started": {1, 4}, "account_created": {0, 4}, "consent_granted": {1, 4},
		"liveness_started": {3, 3}, "liveness_passed": {1, 2}, "liveness_failed": {1, -1}, "liveness_cancelled": {1, -1},
		"face_collision": {0, -1}, "verification_completed": {2, 2}, "id_scanned": {1, -1},
	}, got)
	assert.Equal(t, &Stopped{Open: 1}, a.Stages[3].Stopped)
	assert.Equal(t, &Stopped{DropOff: 1}, a.Stages[4].Stopped)
	assert.Equal(t, "id_scanned", a.Stages[10].Stage)

	one, none := "ads", "news"
	assert.Equal(t, []Tracker{
		{nil, 2, 1, 0, 0, 1}, {&one, 2, 1, 2, 0, 0}, {&none, 1, 0, 0, 1, 0},
	}, a.Trackers)
	assert.Equal(t, int64(4), a.Points[10].Began)
	assert.Equal(t, int64(2), a.Points[10].Completed)
	assert.Equal(t, int64(1), a.Points[11].Began)
	assert.Len(t, a.Points, 24)
	assert.Equal(t, int64(2), a.TimeToComplete.Count)
	assert.InEpsilon(t, 100, *a.TimeToComplete.P50, 0.05) // of 100 s and 300 s
	transition := map[string]int64{}
	for _, tr := range a.Transitions {
		transition[orEmpty(tr.From)+">"+orEmpty(tr.To)] = tr.Verifications
	}
	assert.Equal(t, int64(1), transition["liveness_failed>liveness_started"], "once a verification")
	assert.Equal(t, int64(3), transition[">verification_initialized"])
	assert.Equal(t, int64(1), transition["liveness_cancelled>"])
	assert.NotContains(t, transition, "consent_granted>", "it has not ended")
}

func TestFilters(t *testing.T) {
	r := fivePeople(t)
	q := today(r.now)
	for _, test := range []struct {
		trackers []string
		began    int64
	}{
		{nil, 5}, {[]string{}, 0}, {[]string{""}, 2}, {[]string{"ads"}, 2}, {[]string{"ads", "", "ads"}, 4}, {[]string{"nobody"}, 0},
	} {
		q.Trackers = test.trackers
		assert.Equal(t, test.began, r.check(q).Began, test.trackers)
	}
}

func TestRangeIsWidened(t *testing.T) {
	r := fivePeople(t)
	ten := r.now.UTC().Truncate(24 * time.Hour).Add(10 * time.Hour)
	for _, test := range []struct {
		from, to         time.Duration
		wideFrom, wideTo time.Duration
		began            int64
	}{
		{0, 15 * time.Minute, 0, 15 * time.Minute, 3},
		{14 * time.Minute, 15*time.Minute + 1, 0, 30 * time.Minute, 4},
		{15*time.Minute - 1, 15 * time.Minute, 0, 15 * time.Minute, 3},
		{-1, 1, -15 * time.Minute, 15 * time.Minute, 3},
		{15 * time.Minute, time.Hour, 15 * time.Minute, time.Hour, 1},
	} {
		a := r.check(&Query{From: ten.Add(test.from), To: ten.Add(test.to), Step: StepQuarter, Location: time.UTC})
		assert.Equal(t, []any{ten.Add(test.wideFrom), ten.Add(test.wideTo), test.began}, []any{a.From, a.To, a.Began})
	}
}

// TestLateEvents has events that change when a verification began, and with which tracker.
func TestLateEvents(t *testing.T) {
	r := newRun(t, manyTrackers, clock(t, 12, 0))
	r.tell("late", "ads", 900, "liveness_started")
	r.tell("late", "", 1000, "liveness_failed")
	r.end("late")
	r.tell("late", "", 0, "verification_initialized")
	a := r.check(today(r.now))
	assert.Equal(t, "ads", *a.Trackers[0].Tracker, "that of the earliest event that has one")
	assert.Equal(t, []Ended{{"drop_off", "liveness_failed", 1}}, a.Ended, "a straggler changes no end")
	assert.Equal(t, int64(1), a.Stages[4].Time.Count)
	assert.InEpsilon(t, 900, *a.Stages[4].Time.P50, 0.05)
	q := &Query{From: a.From.Add(10 * time.Hour), To: a.From.Add(10*time.Hour + 1), Step: StepQuarter, Location: time.UTC}
	assert.Equal(t, int64(1), r.check(q).Began)
	r.tell("late", "news", 800, "consent_granted")
	a = r.check(today(r.now))
	assert.Equal(t, "news", *a.Trackers[0].Tracker)
	assert.Len(t, a.Trackers, 1)
	r.tell("late", "", 2000, "liveness_started")
	assert.Equal(t, int64(1), r.check(today(r.now)).Open, "it goes on")
	r.end("late")
	assert.Equal(t, []Ended{{"abandoned", "liveness_started", 1}}, r.check(today(r.now)).Ended)
	assert.Equal(t, 1, r.set.Len())
}

// TestEventsThatAreNotKept has a verification of which more stages are known than events.
func TestEventsThatAreNotKept(t *testing.T) {
	now := time.Now()
	s := NewSet(manyTrackers, cardinality.NewStages(), now)
	var none, c Contribution
	c.Describe(&Verification{
		Events:  []Event{{uint64(now.UnixNano()), attempt}, {uint64(now.UnixNano()), completed}},
		Reached: 1<<cardinality.OtherNumber | 1<<numberOf("liveness_failed"),
		Tracker: unique.Make(""),
		Outcome: Open,
	})
	s.Replace(0, &none, &c, now)
	a, err := s.Answer(&Query{From: now, To: now.Add(1), Step: StepDay, Location: time.UTC}, now)
	require.NoError(t, err)
	assert.Equal(t, Completion{Verifications: 1, AfterDropOff: 1}, a.Completed)
	assert.Equal(t, int64(1), a.Stages[6].Reached)
	assert.Equal(t, "_OTHER", a.Stages[10].Stage)
	assert.Equal(t, int64(1), a.Stages[10].Reached)
}

// TestAnyOrder delivers the same events in two orders, some of them twice.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		type sent struct {
			name, stage, tracker string
			at                   time.Time
			id                   int
		}
		var all []sent
		for n := range rapid.IntRange(1, 20).Draw(t, "events") {
			all = append(all, sent{
				name:    fmt.Sprint("person ", rapid.IntRange(0, 3).Draw(t, "person")),
				stage:   rapid.SampledFrom(someStages).Draw(t, "stage"),
				tracker: rapid.SampledFrom([]string{"", "ads", "news"}).Draw(t, "tracker"),
				at:      now.Add(-time.Duration(rapid.IntRange(0, 5*60*60).Draw(t, "seconds ago")) * time.Second),
				id:      n,
			})
		}
		answers := map[bool]*Answer{}
		for _, other := range []bool{false, true} {
			r := newRun(t, manyTrackers, now)
			order := all
			if other {
				order = rapid.Permutation(all).Draw(t, "order")
			}
			for _, e := range order {
				r.ids = e.id // so that ties are broken alike
				r.observe(e.name, e.stage, e.tracker, e.at)
				p := r.people[e.name]
				r.replace(p, p.described(r)) // as for a duplicate
			}
			for name, p := range r.people {
				p.outcome = ""
				r.end(name)
			}
			answers[other] = r.check(&Query{From: now.Add(-24 * time.Hour), To: now.Add(1), Step: StepHour, Location: time.UTC})
		}
		require.Equal(t, answers[false], answers[true])
	})
}

func TestRefusedQueries(t *testing.T) {
	now := time.Now()
	s := NewSet(manyTrackers, cardinality.NewStages(), now)
	from := quarterStart(quarterAt(now))
	for _, test := range []struct {
		step   Step
		length time.Duration
		want   error
	}{
		{StepQuarter, MaxPoints * 15 * time.Minute, nil},
		{StepQuarter, MaxPoints*15*time.Minute + 1, ErrTooManyPoints},
		{StepHour, MaxPoints * time.Hour, ErrTooManyPoints}, // the first begins before
		{StepDay, 1<<63 - 1, ErrTooManyPoints},
		{"2h", time.Hour, errStep},
	} {
		q := &Query{From: from.Add(time.Nanosecond), To: from.Add(test.length), Step: test.step, Location: time.UTC}
		if test.step == StepHour {
			q.From = q.From.Truncate(time.Hour).Add(time.Hour - 1)
			q.To = q.From.Add(test.length)
		}
		_, err := s.Answer(q, now)
		require.ErrorIs(t, err, test.want)
		_, err = s.Rows(q, now)
		require.ErrorIs(t, err, test.want)
	}
}

func TestRowsCanStopAndBeginAgain(t *testing.T) {
	r := fivePeople(t)
	rows, err := r.set.Rows(today(r.now), r.now)
	require.NoError(t, err)
	for range 2 {
		var first Row
		for row := range rows {
			first = row
			break
		}
		assert.Nil(t, first.Tracker.Tracker)
		assert.Equal(t, int64(1), first.Began)
	}
}

// TestAskedWhileCounting has sums that agree in every answer, whatever happens meanwhile.
func TestAskedWhileCounting(t *testing.T) {
	now := time.Now()
	traffic := newTraffic()
	s := NewSet(manyTrackers, traffic.stages, now)
	done := make(chan struct{})
	var counting sync.WaitGroup
	counting.Go(func() {
		defer close(done)
		var before, after Contribution
		var events []Event
		for n := range 3000 {
			began := now.Add(-time.Duration(n%20) * 15 * time.Minute)
			events = traffic.events(uint64(began.UnixNano()), events)
			traffic.tell(s, unique.Make(strconv.Itoa(n%3)), events, &before, &after, now)
		}
	})
	for asking := true; asking; {
		select {
		case <-done:
			asking = false
		default:
		}
		a, err := s.Answer(&Query{From: now.Add(-24 * time.Hour), To: now.Add(1), Step: StepHour, Location: time.UTC}, now)
		require.NoError(t, err)
		checkSums(t, a)
		for range s.Snapshot(now).Chunks() {
		}
	}
	counting.Wait()
}
