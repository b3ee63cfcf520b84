// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"
	"unique"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// testingT is what *testing.T and *rapid.T have in common.
type testingT interface {
	rapid.TB
}

// run is a Set and the model of it, both told the same of each verification, as whoever follows them would.
type run struct {
	t        testingT
	settings Settings
	now      time.Time
	set      *Set
	stages   *cardinality.Stages
	model    *model
	people   map[string]*person

	storage map[int][]byte
	saved   *saving
	ids     int
}

// person is a verification, and what is kept of it for the Set.
type person struct {
	events  []happening
	outcome string
	place   Place
	known   *known
}

// saving is what was saved together.
type saving struct {
	header []byte
	at     time.Time
	people map[string]person
	model  *model
}

var manyTrackers = Settings{Retention: 744 * time.Hour, MaxCohorts: 10_000, MaxTrackers: 50}

func newRun(t testingT, settings Settings, now time.Time) *run {
	r := &run{t: t, settings: settings, now: now, people: map[string]*person{}, storage: map[int][]byte{}}
	r.stages = cardinality.NewStages()
	r.set = NewSet(settings, r.stages, now)
	r.model = newModel(settings, now)
	return r
}

// observe delivers an event of a person, at the time since the run's clock.
func (r *run) observe(name, stage, tracker string, at time.Time) {
	p := r.people[name]
	if p == nil {
		p = &person{known: &known{}}
		r.people[name] = p
	}
	before := p.described(r)
	r.ids++
	e := happening{at: at, stage: stage, tracker: tracker, id: r.ids}
	r.stages.Admit(stage)
	r.model.bounded(stage)
	resumes := len(p.events) > 0 && inOrder(append(slices.Clone(p.events), e))[len(p.events)] == e ||
		stage == "verification_completed" && !slices.ContainsFunc(p.events, func(e happening) bool { return e.stage == stage })
	p.events = inOrder(append(p.events, e))
	if resumes {
		p.outcome = ""
	}
	r.replace(p, before)
}

// end ends a person's verification, as its events say.
func (r *run) end(name string) {
	p := r.people[name]
	if p == nil || p.outcome != "" {
		return
	}
	before := p.described(r)
	p.outcome = outcomeOf(p.events)
	r.replace(p, before)
}

func outcomeOf(events []happening) string {
	switch last := events[len(events)-1].stage; {
	case slices.ContainsFunc(events, func(e happening) bool { return e.stage == "verification_completed" }):
		return "completed"
	case slices.Contains(dropOffStages, last):
		return "drop_off"
	default:
		return "abandoned"
	}
}

func (r *run) replace(p *person, before *Contribution) {
	p.place = r.set.Replace(p.place, before, p.described(r), r.now)
	r.model.change(p.known, p.events, p.outcome, r.now)
}

var byName = map[string]Outcome{"": Open, "drop_off": DropOff, "abandoned": Abandoned, "completed": Completed}

func (p *person) described(r *run) *Contribution {
	c := &Contribution{}
	if len(p.events) == 0 {
		return c
	}
	v := &Verification{Outcome: byName[p.outcome], Tracker: unique.Make("")}
	for _, e := range slices.Backward(p.events) {
		if e.tracker != "" {
			v.Tracker = unique.Make(e.tracker)
		}
	}
	for _, e := range p.events {
		v.Events = append(v.Events, Event{At: uint64(e.at.UnixNano()), Stage: uint8(r.stages.Admit(e.stage))})
	}
	c.Describe(v)
	return c
}

// save stores what has changed.
func (r *run) save() {
	snapshot := r.set.Snapshot(r.now)
	for chunk, data := range snapshot.Chunks() {
		r.storage[chunk] = data
	}
	r.model.expire(r.now)
	header, err := json.Marshal(snapshot.Header)
	require.NoError(r.t, err)
	r.saved = &saving{header: header, at: r.now, model: r.model.clone(), people: map[string]person{}}
	for name, p := range r.people {
		same := *p
		same.known = r.saved.model.verifications[slices.Index(r.model.verifications, p.known)]
		r.saved.people[name] = same
	}
}

// failToSave does all that save does, but nothing is stored.
func (r *run) failToSave() {
	r.model.expire(r.now)
	r.set.NotWritten(r.set.Snapshot(r.now))
}

// restart goes on from what was saved last, perhaps with other settings; what has happened since is lost.
func (r *run) restart(settings Settings) {
	if r.saved == nil {
		return
	}
	r.settings = settings
	r.stages = cardinality.NewStages()
	r.set = NewSet(settings, r.stages, r.now)
	r.model = r.saved.model.clone()
	r.people = map[string]*person{}
	for name, p := range r.saved.people {
		p.known = r.model.verifications[slices.Index(r.saved.model.verifications, p.known)]
		r.people[name] = &p
	}
	r.model.restart(settings, r.saved.at, r.now)
	var header Header
	require.NoError(r.t, json.Unmarshal(r.saved.header, &header))
	require.NoError(r.t, r.set.Restore(&header, func(chunk int) ([]byte, error) { return r.storage[chunk], nil }, r.now))
}

// check compares all answers to a query with the model's.
func (r *run) check(q *Query) *Answer {
	r.t.Helper()
	want, times := r.model.answer(q, r.now)
	got, err := r.set.Answer(q, r.now)
	require.NoError(r.t, err)
	compareTimes(r.t, times, got)
	ignored := cmpopts.IgnoreTypes(Quantiles{})
	require.Empty(r.t, gocmp.Diff(want, got, ignored, cmpopts.EquateEmpty()), "(-model +set)")

	rows, err := r.set.Rows(q, r.now)
	require.NoError(r.t, err)
	require.Empty(r.t, gocmp.Diff(r.model.rows(q, r.now), slices.Collect(rows), cmpopts.EquateEmpty()), "(-model +set)")
	assert.Len(r.t, r.model.cohorts(), r.set.Len())
	for _, reason := range []Reason{TooOld, TooNew, TooMany} {
		require.Equal(r.t, r.model.outside[reason], r.set.Outside(reason), "outside for %d", reason)
	}
	checkSums(r.t, got)
	return got
}

// checkSums checks what stats.md says of the sums of any answer.
func checkSums(t testingT, a *Answer) {
	ended, attempts := int64(0), int64(0)
	for _, e := range a.Ended {
		ended += e.Verifications
	}
	assert.Equal(t, a.Began, a.Open+ended)
	for _, row := range a.Attempts {
		attempts += row.Verifications
	}
	assert.Equal(t, a.Began, attempts)
	var before *Stage
	for i := range a.Stages {
		s := &a.Stages[i]
		if s.Passed == nil {
			continue
		}
		if before != nil {
			assert.Equal(t, *before.Passed, *s.Passed+before.Stopped.Open+before.Stopped.DropOff+before.Stopped.Abandoned)
		}
		before = s
	}
}

func compareTimes(t testingT, want *times, got *Answer) {
	compareQuantiles(t, want.complete, got.TimeToComplete)
	for _, s := range got.Stages {
		compareQuantiles(t, want.stages[s.Stage], s.Time)
	}
}

// compareQuantiles holds quantiles against the values that they are of, in order: a quantile p is the one at rank
// p·(n−1), or anything between the two around that rank, within 5 % or 1 ms.
func compareQuantiles(t testingT, values []float64, got Quantiles) {
	require.Equal(t, int64(len(values)), got.Count)
	for p, value := range map[float64]*float64{0.5: got.P50, 0.9: got.P90, 0.99: got.P99} {
		if len(values) == 0 {
			require.Nil(t, value)
			continue
		}
		const rounding = 1e-9
		rank := p * float64(len(values)-1)
		low := values[int(math.Floor(rank+rounding))]
		high := values[int(math.Ceil(rank-rounding))]
		if low > high {
			low, high = high, low
		}
		require.NotNil(t, value)
		require.GreaterOrEqual(t, *value, min(low*0.95, low-0.001)-rounding)
		require.LessOrEqual(t, *value, max(high*1.05, high+0.001)+rounding)
	}
}

// clock is one as real ones are, with a monotonic reading, that shows a time today.
func clock(tb testing.TB, hour, minute int) time.Time {
	tb.Helper()
	now := time.Now()
	shown := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 0, 0, time.UTC)
	return now.Add(shown.Sub(now))
}
