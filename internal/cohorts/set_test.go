// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unique"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// told is how many verifications were not taken, by reason.
func (r *run) told() map[string]int64 {
	told := map[string]int64{}
	for reason, name := range map[Reason]string{TooOld: "too_old", TooNew: "too_new", TooMany: "too_many"} {
		if n := r.set.Outside(reason); n > 0 {
			told[name] = n
		}
	}
	return told
}

func counts(named ...any) map[string]int64 {
	m := map[string]int64{}
	for i := 0; i < len(named); i += 2 {
		m[named[i].(string)] = int64(named[i+1].(int))
	}
	return m
}

// around is all that began within two days of a time.
func around(now time.Time) *Query {
	return &Query{From: now.Add(-48 * time.Hour), To: now.Add(48 * time.Hour), Step: StepHour, Location: time.UTC}
}

func TestWhatIsOutside(t *testing.T) {
	for _, test := range []struct {
		at      func(now time.Time) time.Time
		outside map[string]int64
	}{
		{func(now time.Time) time.Time { return now }, counts()},
		{func(now time.Time) time.Time { return now.Add(time.Hour) }, counts()},
		{func(now time.Time) time.Time { return now.Add(time.Hour + 1) }, counts("too_new", 1)},
		{func(time.Time) time.Time { return time.Unix(0, math.MaxInt64) }, counts("too_new", 1)}, // 2262
		{func(time.Time) time.Time { return time.Unix(0, 0) }, counts("too_old", 1)},
		{func(now time.Time) time.Time { return now.Add(-2 * time.Hour) }, counts()},
		{func(now time.Time) time.Time { return now.Add(-2*time.Hour - 7*time.Minute) }, counts()}, // in a quarter that is not all older
		{func(now time.Time) time.Time { return now.Add(-2*time.Hour - 7*time.Minute - 1) }, counts("too_old", 1)},
	} {
		r := newRun(t, Settings{Retention: 2 * time.Hour, MaxCohorts: 10, MaxTrackers: 1}, clock(t, 12, 7))
		r.observe("a", "verification_initialized", "", test.at(r.now))
		assert.Equal(t, test.outside, r.told(), test.at(r.now))
		assert.Equal(t, int64(1-len(test.outside)), r.check(around(r.now)).Began)
		r.observe("a", "verification_started", "", test.at(r.now).Add(1))
		r.end("a")
		assert.Equal(t, test.outside, r.told(), "once")
		r.check(around(r.now))
	}
}

// TestLatestTime has an event of 2554, the latest that can be written.
func TestLatestTime(t *testing.T) {
	now := time.Now()
	s := NewSet(manyTrackers, cardinality.NewStages(), now)
	var none, c Contribution
	c.Describe(&Verification{Events: []Event{{At: math.MaxUint64}}, Tracker: unique.Make("")})
	s.Replace(0, &none, &c, now)
	assert.Equal(t, int64(1), s.Outside(TooNew))
	assert.Zero(t, s.Len())
}

// TestTooNewUntilAnEarlierEvent has a clock that was ahead for one event of two.
func TestTooNewUntilAnEarlierEvent(t *testing.T) {
	r := newRun(t, manyTrackers, clock(t, 12, 0))
	r.observe("a", "liveness_started", "ads", r.now.Add(2*time.Hour))
	assert.Equal(t, int64(0), r.check(around(r.now)).Began)
	r.observe("a", "verification_initialized", "", r.now)
	assert.Equal(t, int64(1), r.check(around(r.now)).Began, "as if the events had come in order")
	assert.Equal(t, counts("too_new", 1), r.told())
}

func TestRetention(t *testing.T) {
	r := newRun(t, Settings{Retention: time.Hour, MaxCohorts: 10, MaxTrackers: 1}, clock(t, 12, 0))
	r.observe("a", "verification_initialized", "", r.now.Add(-time.Second))
	r.now = r.now.Add(time.Hour - 1)
	assert.Equal(t, int64(1), r.check(around(r.now)).Began)
	assert.Equal(t, 1, r.set.Len())
	r.now = r.now.Add(1)
	assert.Equal(t, int64(0), r.check(around(r.now)).Began, "all of its quarter of an hour is older")
	assert.Zero(t, r.set.Len())
	r.observe("a", "liveness_started", "", r.now)
	r.end("a")
	assert.Equal(t, int64(0), r.check(around(r.now)).Began)
	assert.Empty(t, r.told(), "that time passes is not counted")

	r.observe("b", "liveness_started", "", r.now.Add(-30*time.Minute))
	r.observe("b", "verification_initialized", "", r.now.Add(-90*time.Minute))
	assert.Equal(t, counts("too_old", 1), r.told(), "an earlier event moves it")
	r.observe("b", "verification_started", "", r.now)
	assert.Equal(t, int64(0), r.check(around(r.now)).Began)
	assert.Equal(t, counts("too_old", 1), r.told())
}

// TestAClockThatIsSetBack does not fill again what has been evicted.
func TestAClockThatIsSetBack(t *testing.T) {
	r := newRun(t, Settings{Retention: time.Hour, MaxCohorts: 10, MaxTrackers: 1}, clock(t, 12, 0))
	r.observe("a", "verification_initialized", "", r.now)
	r.observe("b", "verification_initialized", "", r.now.Add(55*time.Minute))
	right := r.now
	r.now = r.now.Add(75 * time.Minute)
	r.check(around(r.now))
	r.save()
	r.restart(r.settings)
	r.now = right
	r.observe("c", "verification_initialized", "", r.now)
	r.observe("b", "verification_started", "", r.now.Add(56*time.Minute))
	a := r.check(around(r.now))
	assert.Equal(t, int64(1), a.Began)
	assert.Equal(t, r.now.Truncate(15*time.Minute).Add(15*time.Minute).UTC(), a.RetainedFrom)
	assert.Equal(t, counts("too_old", 1), r.told())
}

// TestAheadOfAClockThatIsSetBack has a verification that was not too new when it came.
func TestAheadOfAClockThatIsSetBack(t *testing.T) {
	r := newRun(t, manyTrackers, clock(t, 12, 0))
	r.observe("a", "verification_started", "", r.now.Add(59*time.Minute))
	r.now = r.now.Add(-20 * time.Minute)
	r.observe("a", "verification_initialized", "ads", r.now.Add(70*time.Minute))
	assert.Equal(t, int64(1), r.check(around(r.now)).Began)
	assert.Empty(t, r.told())
}

func TestMaxCohorts(t *testing.T) {
	r := newRun(t, Settings{Retention: 24 * time.Hour, MaxCohorts: 3, MaxTrackers: 5}, clock(t, 6, 0))
	r.now = r.now.Add(6 * time.Hour)
	at := func(quarters int) time.Time { return r.now.Add(time.Duration(quarters) * 15 * time.Minute) }
	r.observe("a", "verification_initialized", "ads", at(-3))
	r.observe("b", "verification_initialized", "news", at(-3))
	r.observe("b again", "verification_initialized", "news", at(-3))
	r.observe("c", "verification_initialized", "", at(-1))
	assert.Equal(t, 3, r.set.Len())
	assert.Equal(t, int64(4), r.check(around(r.now)).Began)
	r.observe("d", "verification_initialized", "", at(0))
	a := r.check(around(r.now))
	assert.Equal(t, int64(2), a.Began, "the oldest quarter of an hour has gone whole")
	assert.Equal(t, counts("too_many", 3), r.told())
	assert.Equal(t, at(-2).UTC(), a.RetainedFrom)

	r.observe("a", "verification_started", "", at(0))
	r.observe("a", "consent_granted", "", at(-2)) // would begin in a quarter of an hour that is there, were it not gone
	r.observe("e", "verification_initialized", "", at(-3))
	assert.Equal(t, counts("too_many", 4), r.told(), "it does not fill again, and those who were in it count once")
	r.observe("f", "verification_initialized", "", at(-4))
	assert.Equal(t, int64(3), r.check(around(r.now)).Began, "there is room for one that is older")
	r.observe("c", "verification_initialized", "", at(-3))
	assert.Equal(t, counts("too_many", 5), r.told(), "an earlier event moves it into one that has gone")
	assert.Equal(t, int64(2), r.check(around(r.now)).Began)
	r.now = r.now.Add(48 * time.Hour)
	r.check(around(r.now))
	assert.Equal(t, counts("too_many", 5), r.told())
	assert.Empty(t, r.set.quarters)
}

func TestTrackers(t *testing.T) {
	r := newRun(t, Settings{Retention: 31 * 24 * time.Hour, MaxCohorts: 100, MaxTrackers: 2}, clock(t, 12, 0))
	began := func() map[string]int64 {
		began := map[string]int64{}
		for _, tracker := range r.check(around(r.now)).Trackers {
			began[orEmpty(tracker.Tracker)] = tracker.Began
		}
		return began
	}
	r.observe("a", "verification_initialized", "ads", r.now)
	r.observe("b", "verification_initialized", "news", r.now)
	r.observe("c", "verification_initialized", "mail", r.now)
	r.observe("d", "verification_initialized", "", r.now)
	r.observe("e", "verification_initialized", "_OTHER", r.now)
	assert.Equal(t, counts("ads", 1, "news", 1, "_OTHER", 2, "", 1), began())

	began0 := r.now
	r.now = r.now.Add(7 * 24 * time.Hour)
	r.observe("f", "verification_initialized", "ads", r.now)
	r.now = r.now.Add(15 * time.Minute)
	r.observe("g", "verification_initialized", "mail", r.now)
	assert.Equal(t, counts("ads", 1, "mail", 1), began(), "news has been idle for 7 days")
	r.observe("c", "liveness_started", "", began0.Add(time.Minute))
	r.now = began0.Add(48 * time.Hour)
	assert.Equal(t, counts("ads", 1, "news", 1, "_OTHER", 2, "", 1), began(), "one stays where it was counted")
}

func TestAllowedTrackers(t *testing.T) {
	now := time.Now()
	s := NewSet(Settings{Retention: time.Hour, MaxCohorts: 100, Trackers: []string{"ads"}}, cardinality.NewStages(), now)
	for _, tracker := range []string{"ads", "news", strings.Repeat("x", 257)} {
		var none, c Contribution
		c.Describe(&Verification{Events: []Event{{At: uint64(now.UnixNano())}}, Tracker: unique.Make(tracker)})
		s.Replace(0, &none, &c, now)
	}
	a, err := s.Answer(around(now), now)
	require.NoError(t, err)
	require.Len(t, a.Trackers, 2)
	assert.Equal(t, "_OTHER", *a.Trackers[0].Tracker)
	assert.Equal(t, int64(2), a.Trackers[0].Began)
}

// TestStagesOverTheLimit has more stages than have names of their own: a verification counts once in the others.
func TestStagesOverTheLimit(t *testing.T) {
	r := newRun(t, manyTrackers, clock(t, 12, 0))
	for n := range 35 {
		r.observe("a", fmt.Sprintf("stage_%02d", n), "", r.now.Add(time.Duration(n)*time.Second))
	}
	r.observe("b", "Zz", "", r.now)
	a := r.check(around(r.now))
	names := a.Stages[len(table):]
	require.Len(t, names, 33)
	assert.Equal(t, "_OTHER", names[0].Stage, "by name")
	assert.Equal(t, int64(2), names[0].Reached)
	assert.Equal(t, "stage_00", names[1].Stage)
}

// TestBoundedTrackers has 10,000 trackers.
func TestBoundedTrackers(t *testing.T) {
	now := time.Now()
	s := NewSet(Settings{Retention: time.Hour, MaxCohorts: 52, MaxTrackers: 50}, cardinality.NewStages(), now)
	for n := range 10_000 {
		var none, c Contribution
		c.Describe(&Verification{Events: []Event{{At: uint64(now.UnixNano())}}, Tracker: unique.Make(strconv.Itoa(n))})
		s.Replace(0, &none, &c, now)
	}
	assert.Equal(t, 51, s.Len())
	assert.Zero(t, s.Outside(TooMany))
}

func TestRetainedFrom(t *testing.T) {
	start := clock(t, 12, 0).Add(7*time.Minute + 1500*time.Millisecond)
	s := NewSet(Settings{Retention: time.Hour, MaxCohorts: 52, MaxTrackers: 50}, cardinality.NewStages(), start)
	second := start.UTC().Truncate(time.Second)
	assert.Equal(t, second, s.RetainedFrom(start))
	assert.Equal(t, second, s.RetainedFrom(start.Add(time.Hour)))
	assert.Equal(t, start.UTC().Truncate(15*time.Minute).Add(15*time.Minute), s.RetainedFrom(start.Add(68*time.Minute)))
}

// TestNothingIsLeft subtracts all that was added.
func TestNothingIsLeft(t *testing.T) {
	now := time.Now()
	traffic := newTraffic()
	s := NewSet(manyTrackers, traffic.stages, now)
	var none, c Contribution
	type one struct {
		place  Place
		events []Event
	}
	var all []one
	at := uint64(quarterStart(quarterAt(now)).UnixNano())
	for range 300 {
		events := traffic.events(at, nil)
		c.Describe(&Verification{Events: events, Tracker: unique.Make("ads"), Outcome: outcomeAfter(events)})
		all = append(all, one{s.Replace(0, &none, &c, now), events})
	}
	earlier := uint64(now.Add(-time.Hour).UnixNano())
	for _, v := range all {
		var after Contribution
		c.Describe(&Verification{Events: v.events, Tracker: unique.Make("ads"), Outcome: outcomeAfter(v.events)})
		after.Describe(&Verification{Events: []Event{{At: earlier}}, Tracker: unique.Make("ads")})
		s.Replace(v.place, &c, &after, now)
	}
	require.Len(t, s.quarters, 1)
	left := s.quarters[0].cohorts[unique.Make("ads")]
	var memory scratch
	assert.Equal(t, []count{
		{reachedFact(0), 300}, {attemptsFact(0, false), 300}, {stoppedFact(Open, 0), 300}, {transitionFact(noStage, 0), 300},
	}, memory.pack(left.packed, left.pending).counts(nil))
}
