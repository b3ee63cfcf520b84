// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"cmp"
	"slices"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// Answer answers a query at a time. The Set is locked for one quarter of an hour at a time, and only to copy some
// hundred bytes of each of its cohorts: each cohort is counted as it is at one moment, so that the sums of an answer
// agree. The error is ErrTooManyPoints, or is about the step.
func (s *Set) Answer(q *Query, now time.Time) (*Answer, error) {
	w, err := s.walk(q, now)
	if err != nil {
		return nil, err
	}
	t := newTotals()
	points := make([]Point, len(w.starts))
	for i, start := range w.starts {
		points[i].Start = start
	}
	for w.next() {
		for i := range w.views {
			v := &w.views[i]
			sum := t.add(v)
			points[w.point].Began += v.verifications
			points[w.point].Completed += sum.Completed
		}
	}
	a := &Answer{From: quarterStart(w.from), To: quarterStart(w.to), RetainedFrom: s.RetainedFrom(now), Points: points}
	t.answer(a, s.stages)
	return a, nil
}

// walk iterates over the cohorts that a query asks about, by quarter of an hour.
type walk struct {
	set      *Set
	from, to int64
	trackers map[string]bool // nil: any
	starts   []time.Time     // of the points, never empty

	at      int64 // the quarter of an hour to go on with
	point   int   // in which the views are
	views   []view
	pending []change // of the views
}

func (s *Set) walk(q *Query, now time.Time) (*walk, error) {
	w := &walk{set: s, at: quarterAt(q.From), from: quarterAt(q.From), to: quarterAt(q.To.Add(quarter15 - 1))}
	starts, err := q.points(w.from, w.to)
	if err != nil {
		return nil, err
	}
	w.starts = starts
	if q.Trackers != nil {
		w.trackers = make(map[string]bool, len(q.Trackers))
		for _, name := range q.Trackers {
			w.trackers[name] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	return w, nil
}

// next goes on to the next quarter of an hour that has cohorts, and reports false where there is none.
func (w *walk) next() bool {
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := s.search(w.at)
	if i == len(s.quarters) || s.quarters[i].number >= w.to {
		return false
	}
	q := s.quarters[i]
	w.at = q.number + 1
	w.views, w.pending = q.views(w.views[:0], w.pending[:0], w.trackers)
	for start := quarterStart(q.number); w.point+1 < len(w.starts) && !w.starts[w.point+1].After(start); {
		w.point++
	}
	return true
}

// summarize returns what became of the verifications of a cohort with these counts, without the tracker's name.
func (v *view) summarize(counts []count) Tracker {
	t := Tracker{Began: v.verifications, Open: v.verifications}
	for _, c := range counts {
		switch f := c.fact; {
		case f == factCompleted:
			t.Completed += c.n
		case f >= factEnded && f < factReached:
			t.end(Outcome((f-factEnded)/stageNumbers)+1, c.n)
		}
	}
	return t
}

func (t *Tracker) end(as Outcome, n int64) {
	t.Open -= n
	switch as {
	case DropOff:
		t.DropOff += n
	case Abandoned:
		t.Abandoned += n
	}
}

func (t *Tracker) add(o *Tracker) {
	t.Began += o.Began
	t.Open += o.Open
	t.Completed += o.Completed
	t.DropOff += o.DropOff
	t.Abandoned += o.Abandoned
}

func (t *Tracker) name() string {
	if t.Tracker == nil {
		return ""
	}
	return *t.Tracker
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// totals sums cohorts up.
type totals struct {
	sums     []int64 // by fact
	trackers map[string]*Tracker
	counts   []count
}

func newTotals() *totals {
	return &totals{sums: make([]int64, numberOfFacts), trackers: map[string]*Tracker{}}
}

// add adds a cohort, and returns what became of its verifications.
func (t *totals) add(v *view) Tracker {
	t.counts = v.counts(t.counts[:0])
	for _, c := range t.counts {
		t.sums[c.fact] += c.n
	}
	summary := v.summarize(t.counts)
	sum := t.trackers[v.tracker]
	if sum == nil {
		sum = &Tracker{Tracker: optional(v.tracker)}
		t.trackers[v.tracker] = sum
	}
	sum.add(&summary)
	return summary
}

// answer says what the totals are.
func (t *totals) answer(a *Answer, limit *cardinality.Stages) {
	names := limit.Names()
	for len(names) < stageNumbers {
		names = append(names, cardinality.Other) // of OtherNumber; the numbers between have no verifications
	}
	for _, tracker := range t.trackers {
		a.Began += tracker.Began
		a.Open += tracker.Open
		a.Trackers = append(a.Trackers, *tracker)
	}
	slices.SortFunc(a.Trackers, func(x, y Tracker) int {
		return cmp.Or(cmp.Compare(y.Began, x.Began), cmp.Compare(x.name(), y.name()))
	})
	a.Completed = Completion{
		Verifications:  t.sums[factCompleted],
		OnFirstAttempt: t.sums[factOnFirstAttempt],
		AfterDropOff:   t.sums[factAfterDropOff],
	}
	a.Stages = t.stages(names)
	a.Ended = t.ended(names)
	for n := range a.Attempts {
		done := t.sums[attemptsFact(n, true)]
		a.Attempts[n] = Attempts{
			Attempts: n, OrMore: n == maxAttempts,
			Verifications: done + t.sums[attemptsFact(n, false)], Completed: done,
		}
	}
	a.TimeToComplete = quantilesOf(t.times(completion))
	a.Transitions = t.transitions(names)
}

// times returns the counts by bucket of a time.
func (t *totals) times(of int) []int64 {
	return t.sums[int(factTime)+of*buckets:][:buckets]
}

func (t *totals) stages(names []string) []Stage {
	var all []Stage
	for number, name := range names {
		if reached := t.sums[reachedFact(uint8(number))]; reached > 0 || number < len(stages) {
			all = append(all, Stage{Stage: name, Reached: reached, Time: quantilesOf(t.times(1 + number))})
		}
	}
	slices.SortFunc(all[len(stages):], func(x, y Stage) int { return cmp.Compare(x.Stage, y.Stage) })
	passed := t.sums[factCompleted]
	for number := len(stages) - 1; number >= 0; number-- {
		if happyPath&(1<<number) != 0 {
			stopped := t.stopped(uint8(number))
			passed += stopped.Open + stopped.DropOff + stopped.Abandoned
			all[number].Passed, all[number].Stopped = new(int64), &stopped
			*all[number].Passed = passed
		}
	}
	return all
}

func (t *totals) stopped(furthest uint8) Stopped {
	return Stopped{
		Open:      t.sums[stoppedFact(Open, furthest)],
		DropOff:   t.sums[stoppedFact(DropOff, furthest)],
		Abandoned: t.sums[stoppedFact(Abandoned, furthest)],
	}
}

// outcomes are the names of funnel.md.
var outcomes = map[Outcome]string{
	DropOff:   string(event.DropOff),
	Abandoned: "abandoned",
	Completed: string(event.Completed),
}

func (t *totals) ended(names []string) []Ended {
	var all []Ended
	for outcome, name := range outcomes {
		for number, stage := range names {
			if n := t.sums[endedFact(outcome, uint8(number))]; n > 0 {
				all = append(all, Ended{Outcome: name, LastStage: stage, Verifications: n})
			}
		}
	}
	slices.SortFunc(all, func(x, y Ended) int {
		return cmp.Or(
			cmp.Compare(y.Verifications, x.Verifications),
			cmp.Compare(x.Outcome, y.Outcome),
			cmp.Compare(x.LastStage, y.LastStage),
		)
	})
	return all
}

func (t *totals) transitions(names []string) []Transition {
	var all []Transition
	place := func(number int) *string {
		if number == noStage {
			return nil
		}
		return &names[number]
	}
	for from := range places {
		for to := range places {
			if n := t.sums[transitionFact(uint8(from), uint8(to))]; n > 0 {
				all = append(all, Transition{From: place(from), To: place(to), Verifications: n})
			}
		}
	}
	slices.SortFunc(all, func(x, y Transition) int {
		return cmp.Or(
			cmp.Compare(y.Verifications, x.Verifications),
			compareOptional(x.From, y.From),
			compareOptional(x.To, y.To),
		)
	})
	return all
}

// compareOptional puts nil before any.
func compareOptional(x, y *string) int {
	switch {
	case x != nil && y != nil:
		return cmp.Compare(*x, *y)
	case x != nil:
		return 1
	case y != nil:
		return -1
	default:
		return 0
	}
}
