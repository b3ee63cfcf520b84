// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// This file is a second, slow way to find what a Set has to answer, for tests to compare it with. It shares no code
// with the Set. It keeps every verification with all events, and goes through all of them whenever it is asked.

// happening is one event of a verification.
type happening struct {
	at      time.Time
	stage   string
	tracker string
	id      int
}

// table is VerifyYou's, in its order, and the happy path is what is no drop-off in it.
var table = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
	"liveness_passed", "liveness_failed", "liveness_cancelled", "face_collision", "verification_completed",
}

var dropOffStages = []string{"liveness_failed", "liveness_cancelled", "face_collision"}

func placeInTable(stage string) int {
	if i := slices.Index(table, stage); i >= 0 {
		return i
	}
	return len(table)
}

func inOrder(events []happening) []happening {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b happening) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(placeInTable(a.stage), placeInTable(b.stage)), cmp.Compare(a.id, b.id))
	})
	return events
}

// known is a verification as the model knows it.
type known struct {
	events  []happening // in order
	outcome string      // empty while it is open

	tracker  string // as it came, of the earliest event that has one
	admitted string // as it is counted
	in       bool   // in the statistics
	missed   bool   // has been counted as outside
	never    bool   // will not get in any more
}

func (v *known) began() time.Time { return v.events[0].at }

func (v *known) quarter() time.Time { return v.began().Truncate(15 * time.Minute) }

func (v *known) has(stage string) bool { return v.count(stage) > 0 }

func (v *known) count(stage string) (n int) {
	for _, e := range v.events {
		if e.stage == stage {
			n++
		}
	}
	return n
}

func (v *known) completed() bool { return v.has("verification_completed") }

func (v *known) droppedOff() bool { return slices.ContainsFunc(dropOffStages, v.has) }

// furthest is the furthest step of the happy path that it reached, -1 if none.
func (v *known) furthest() int {
	furthest := -1
	for i, stage := range table {
		if !slices.Contains(dropOffStages, stage) && v.has(stage) {
			furthest = i
		}
	}
	return furthest
}

// model is the statistics by their definition.
type model struct {
	retention   time.Duration
	maxCohorts  int
	maxTrackers int

	verifications []*known
	unknownStages map[string]bool
	places        map[string]time.Time // of trackers, and when they last took or used theirs
	lookedForIdle time.Time

	start   time.Time // from which on there are statistics
	missing time.Time // up to which something has been given up
	closed  time.Time // the latest quarter of an hour that has been given up for its age
	givenUp map[time.Time]bool
	outside map[Reason]int64
}

func newModel(s Settings, now time.Time) *model {
	return &model{
		retention: s.Retention, maxCohorts: s.MaxCohorts, maxTrackers: s.MaxTrackers,
		unknownStages: map[string]bool{}, places: map[string]time.Time{},
		start: now.Truncate(time.Second), givenUp: map[time.Time]bool{}, outside: map[Reason]int64{},
	}
}

func (m *model) clone() *model {
	c := *m
	c.verifications = nil
	for _, v := range m.verifications {
		same := *v
		c.verifications = append(c.verifications, &same)
	}
	c.unknownStages, c.places = maps.Clone(m.unknownStages), maps.Clone(m.places)
	c.givenUp, c.outside = maps.Clone(m.givenUp), maps.Clone(m.outside)
	return &c
}

// bounded is the name that a stage is counted under.
func (m *model) bounded(stage string) string {
	if placeInTable(stage) < len(table) || m.unknownStages[stage] {
		return stage
	}
	if len(m.unknownStages) == 32 {
		return "_OTHER"
	}
	m.unknownStages[stage] = true
	return stage
}

func (m *model) admit(tracker string, now time.Time) string {
	if tracker == "" || tracker == "_OTHER" {
		return tracker
	}
	if quarter := now.Truncate(15 * time.Minute); !quarter.Equal(m.lookedForIdle) {
		m.lookedForIdle = quarter
		maps.DeleteFunc(m.places, func(_ string, last time.Time) bool { return now.Sub(last) > 7*24*time.Hour })
	}
	if _, has := m.places[tracker]; !has && len(m.places) >= m.maxTrackers {
		return "_OTHER"
	}
	m.places[tracker] = now
	return tracker
}

// change is that a verification has these events now, in order, and has ended so, or not.
func (m *model) change(v *known, events []happening, outcome string, now time.Time) {
	m.expire(now)
	isNew := v.events == nil
	if isNew {
		m.verifications = append(m.verifications, v)
	}
	if v.never { // it is not looked at any more
		v.events, v.outcome = events, outcome
		return
	}
	tracker := ""
	for _, e := range slices.Backward(events) {
		if e.tracker != "" {
			tracker = e.tracker
		}
	}
	if isNew || tracker != v.tracker {
		v.tracker, v.admitted = tracker, m.admit(tracker, now)
	}
	moves := isNew || !v.in || !v.quarter().Equal(events[0].at.Truncate(15*time.Minute))
	v.events, v.outcome = events, outcome
	if moves {
		m.enter(v, now)
	}
	m.makeRoom()
}

func (m *model) enter(v *known, now time.Time) {
	isNew := !v.in
	v.in = false
	reason, refused := TooOld, true
	switch {
	case !v.quarter().After(m.closed), m.isOld(v.quarter(), now):
	case m.givenUp[v.quarter()]:
		reason = TooMany
	case isNew && v.began().Sub(now) > time.Hour:
		reason = TooNew
	default:
		refused = false
	}
	if !refused {
		v.in, v.missed = true, false
		return
	}
	if !v.missed {
		m.outside[reason]++
	}
	v.missed = true
	v.never = reason != TooNew
}

// isOld reports whether all of a quarter of an hour is older than the retention.
func (m *model) isOld(quarter, now time.Time) bool {
	return !quarter.Add(15 * time.Minute).After(now.Add(-m.retention))
}

func (m *model) expire(now time.Time) {
	expires := func(quarter time.Time) {
		m.closed = latest(m.closed, quarter)
		m.missing = latest(m.missing, quarter.Add(15*time.Minute))
	}
	for _, v := range m.verifications {
		if v.in && m.isOld(v.quarter(), now) {
			v.in, v.never = false, true
			expires(v.quarter())
		}
	}
	for quarter := range m.givenUp {
		if m.isOld(quarter, now) {
			delete(m.givenUp, quarter)
			expires(quarter)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

type cohortName struct {
	quarter int64
	tracker string
}

func (m *model) cohorts() map[cohortName]bool {
	cohorts := map[cohortName]bool{}
	for _, v := range m.verifications {
		if v.in {
			cohorts[cohortName{v.quarter().Unix(), v.admitted}] = true
		}
	}
	return cohorts
}

func (m *model) makeRoom() {
	for len(m.cohorts()) > m.maxCohorts {
		var oldest time.Time
		for _, v := range m.verifications {
			if v.in && (oldest.IsZero() || v.quarter().Before(oldest)) {
				oldest = v.quarter()
			}
		}
		m.givenUp[oldest] = true
		m.missing = latest(m.missing, oldest.Add(15*time.Minute))
		for _, v := range m.verifications {
			if v.in && v.quarter().Equal(oldest) {
				v.in, v.never, v.missed = false, true, true
				m.outside[TooMany]++
			}
		}
	}
}

func (m *model) retainedFrom(now time.Time) time.Time {
	return latest(latest(m.start, m.missing), now.Add(-m.retention).Truncate(15*time.Minute)).UTC()
}

// restart is with other settings.
func (m *model) restart(s Settings, saved, now time.Time) {
	m.start = m.retainedFrom(saved)
	m.retention, m.maxCohorts, m.maxTrackers = s.Retention, s.MaxCohorts, s.MaxTrackers
	m.outside, m.lookedForIdle = map[Reason]int64{}, time.Time{}
	m.expire(now)
	m.makeRoom()
}

// asked returns the verifications that a query is about.
func (m *model) asked(q *Query) (asked []*known) {
	from, to := widened(q)
	for _, v := range m.verifications {
		wanted := q.Trackers == nil || slices.Contains(q.Trackers, v.admitted)
		if v.in && wanted && !v.began().Before(from) && v.began().Before(to) {
			asked = append(asked, v)
		}
	}
	return asked
}

func widened(q *Query) (from, to time.Time) {
	from, to = q.From.UTC().Truncate(15*time.Minute), q.To.UTC().Truncate(15*time.Minute)
	if to.Before(q.To) {
		to = to.Add(15 * time.Minute)
	}
	return from, to
}

// times are the exact values behind the quantiles of an answer, in order.
type times struct {
	complete []float64
	stages   map[string][]float64
}

// answer is what a Set has to answer, but for the quantiles, of which it returns the values.
func (m *model) answer(q *Query, now time.Time) (*Answer, *times) {
	m.expire(now)
	asked := m.asked(q)
	a := &Answer{RetainedFrom: m.retainedFrom(now)}
	a.From, a.To = widened(q)
	a.Began = int64(len(asked))
	a.Open = countOf(asked, func(v *known) bool { return v.outcome == "" })
	a.Completed = Completion{
		Verifications: countOf(asked, (*known).completed),
		OnFirstAttempt: countOf(asked, func(v *known) bool {
			return v.completed() && v.count("liveness_started") <= 1 && !v.droppedOff()
		}),
		AfterDropOff: countOf(asked, func(v *known) bool { return v.completed() && v.droppedOff() }),
	}
	for n := range 4 {
		has := func(v *known) bool { return min(v.count("liveness_started"), 3) == n }
		a.Attempts[n] = Attempts{n, n == 3, countOf(asked, has), countOf(asked, func(v *known) bool { return has(v) && v.completed() })}
	}
	a.Stages = m.stages(asked)
	a.Ended = m.ends(asked)
	a.Transitions = m.transitions(asked)
	a.Trackers = trackersOf(asked)
	for _, start := range startsOf(q) {
		a.Points = append(a.Points, Point{Start: start})
	}
	for _, v := range asked {
		p := pointOf(a.Points, v.quarter())
		p.Began++
		if v.completed() {
			p.Completed++
		}
	}
	return a, m.times(asked)
}

func pointOf(points []Point, at time.Time) *Point {
	in := &points[0]
	for i := range points {
		if !points[i].Start.After(at) {
			in = &points[i]
		}
	}
	return in
}

func countOf(all []*known, is func(*known) bool) (n int64) {
	for _, v := range all {
		if is(v) {
			n++
		}
	}
	return n
}

func (m *model) stages(asked []*known) (all []Stage) {
	names := slices.Clone(table)
	unknown := map[string]bool{}
	for _, v := range asked {
		for _, e := range v.events {
			if name := m.bounded(e.stage); placeInTable(name) == len(table) {
				unknown[name] = true
			}
		}
	}
	names = append(names, slices.Sorted(maps.Keys(unknown))...)
	for number, name := range names {
		s := Stage{Stage: name, Reached: countOf(asked, func(v *known) bool {
			return slices.ContainsFunc(v.events, func(e happening) bool { return m.bounded(e.stage) == name })
		})}
		if number < len(table) && !slices.Contains(dropOffStages, name) {
			passed := countOf(asked, func(v *known) bool { return v.furthest() >= number })
			stopped := func(outcome string) int64 {
				return countOf(asked, func(v *known) bool {
					return !v.completed() && v.furthest() == number && v.outcome == outcome
				})
			}
			s.Passed, s.Stopped = &passed, &Stopped{stopped(""), stopped("drop_off"), stopped("abandoned")}
		}
		all = append(all, s)
	}
	return all
}

func (m *model) times(asked []*known) *times {
	t := &times{stages: map[string][]float64{}}
	for _, v := range asked {
		seen := map[string]bool{}
		for i, e := range v.events {
			name := m.bounded(e.stage)
			if !seen[name] && i > 0 {
				t.stages[name] = append(t.stages[name], e.at.Sub(v.events[i-1].at).Seconds())
			}
			if !seen[name] && name == "verification_completed" {
				t.complete = append(t.complete, e.at.Sub(v.events[0].at).Seconds())
			}
			seen[name] = true
		}
	}
	slices.Sort(t.complete)
	for _, values := range t.stages {
		slices.Sort(values)
	}
	return t
}

func (m *model) ends(asked []*known) (all []Ended) {
	ends := map[Ended]int64{}
	for _, v := range asked {
		if v.outcome != "" {
			ends[Ended{Outcome: v.outcome, LastStage: m.bounded(v.lastStage())}]++
		}
	}
	for end, n := range ends {
		end.Verifications = n
		all = append(all, end)
	}
	slices.SortFunc(all, func(x, y Ended) int {
		return cmp.Or(-cmp.Compare(x.Verifications, y.Verifications), cmp.Compare(x.Outcome, y.Outcome), cmp.Compare(x.LastStage, y.LastStage))
	})
	return all
}

func (v *known) lastStage() string { return v.events[len(v.events)-1].stage }

func (m *model) transitions(asked []*known) (all []Transition) {
	type pair struct{ from, to string }
	pairs := map[pair]int64{}
	for _, v := range asked {
		own := map[pair]bool{{"", m.bounded(v.events[0].stage)}: true}
		for i := range v.events[1:] {
			own[pair{m.bounded(v.events[i].stage), m.bounded(v.events[i+1].stage)}] = true
		}
		if v.outcome != "" {
			own[pair{m.bounded(v.lastStage()), ""}] = true
		}
		for p := range own {
			pairs[p]++
		}
	}
	ordered := slices.SortedFunc(maps.Keys(pairs), func(x, y pair) int {
		return cmp.Or(-cmp.Compare(pairs[x], pairs[y]), cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to))
	})
	for _, p := range ordered {
		all = append(all, Transition{From: orNil(p.from), To: orNil(p.to), Verifications: pairs[p]})
	}
	return all
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func trackersOf(asked []*known) (all []Tracker) {
	by := map[string]*Tracker{}
	for _, v := range asked {
		t := by[v.admitted]
		if t == nil {
			t = &Tracker{Tracker: orNil(v.admitted)}
			by[v.admitted] = t
		}
		t.Began++
		if v.completed() {
			t.Completed++
		}
		switch v.outcome {
		case "":
			t.Open++
		case "drop_off":
			t.DropOff++
		case "abandoned":
			t.Abandoned++
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(by), func(x, y string) int {
		return cmp.Or(-cmp.Compare(by[x].Began, by[y].Began), cmp.Compare(x, y))
	}) {
		all = append(all, *by[name])
	}
	return all
}

// rows are those that a Set has to give, in order.
func (m *model) rows(q *Query, now time.Time) (all []Row) {
	m.expire(now)
	byStart := map[time.Time][]*known{}
	var points []Point
	for _, start := range startsOf(q) {
		points = append(points, Point{Start: start})
	}
	for _, v := range m.asked(q) {
		start := pointOf(points, v.quarter()).Start
		byStart[start] = append(byStart[start], v)
	}
	for _, p := range points {
		trackers := trackersOf(byStart[p.Start])
		slices.SortFunc(trackers, func(x, y Tracker) int { return cmp.Compare(orEmpty(x.Tracker), orEmpty(y.Tracker)) })
		for _, t := range trackers {
			row := Row{Start: p.Start, Tracker: t}
			for _, stage := range table {
				row.Reached = append(row.Reached, countOf(byStart[p.Start], func(v *known) bool {
					return v.admitted == orEmpty(t.Tracker) && v.has(stage)
				}))
			}
			all = append(all, row)
		}
	}
	return all
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// startsOf finds where points start from what a clock shows at each minute: a day where its date is shown for the first
// time, an hour where another one is shown or the clock is set back.
func startsOf(q *Query) (starts []time.Time) {
	from, to := widened(q)
	dates := map[time.Time]bool{}
	begin := from.Add(-2 * 24 * time.Hour)
	for at := begin; at.Before(to); at = at.Add(time.Minute) {
		now, before := at.In(q.Location), at.Add(-time.Minute).In(q.Location)
		shown, shownBefore := wall(now), wall(before)
		starting := false
		switch q.Step {
		case StepQuarter:
			starting = at.Minute()%15 == 0
		case StepHour:
			starting = !shown.Truncate(time.Hour).Equal(shownBefore.Truncate(time.Hour)) || shown.Before(shownBefore)
		case StepDay:
			date := shown.Truncate(24 * time.Hour)
			starting = !dates[date]
			dates[date] = true
		}
		if starting && at.After(begin) {
			if !at.After(from) {
				starts = nil // what starts before the one that holds from
			}
			starts = append(starts, at)
		}
	}
	return starts
}

func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}
