// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"cmp"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// Settings say what a Set holds.
type Settings struct {
	Retention  time.Duration // how long after it began a verification is counted; positive
	MaxCohorts int           // of them all; positive
	// MaxTrackers is how many values of external_tracker are told apart. Trackers, where not empty, are the only ones
	// that are, however many.
	MaxTrackers int
	Trackers    []string
}

// Reason says why a verification is not in the statistics.
type Reason int

// A verification began longer ago than the retention, or more than an hour ahead of the clock, or there are too many
// cohorts.
const (
	TooOld Reason = iota
	TooNew
	TooMany
	reasons
)

// maxAhead is how far ahead of the clock a verification may begin.
const maxAhead = time.Hour

// Place says how a verification is counted. Whoever follows the verification keeps it with the verification, over a
// restart too. It is zero for a verification that this Set has not been told of: when a Set begins anew, that is all
// of them.
type Place uint8

const (
	notTold Place = iota
	counted
	ahead // too new at the last Replace
	gone  // evicted, or never admitted: for good

	standing = 3      // the bits of those above
	asOther  = 1 << 2 // it is counted under cardinality.Other, also when its tracker is admitted later
)

// Set is the statistics: cohorts by quarter of an hour and tracker. It is safe for concurrent use.
type Set struct {
	settings Settings
	stages   *cardinality.Stages
	trackers *cardinality.Trackers

	mu       sync.Mutex
	quarters []*quarter // in order
	chunks   chunks
	cohorts  int
	since    int64 // in seconds since 1970: the earliest time from which nothing is missing; the retention may move it on
	expired  int64 // the last quarter of an hour that was evicted for its age
	idleAt   int64 // the quarter of an hour in which idle trackers were last evicted
	outside  [reasons]int64
	scratch  scratch
}

// quarter is those who began in a quarter of an hour.
type quarter struct {
	number  int64 // quarters of an hour since 1970
	chunk   int
	evicted bool // because there were too many cohorts: it stays empty
	cohorts map[unique.Handle[string]]*cohort
}

// views appends its cohorts as they are to others, of all trackers or of those that are wanted, and their pending
// changes to those of others.
func (q *quarter) views(to []view, pending []change, wanted map[string]bool) ([]view, []change) {
	for tracker, c := range q.cohorts {
		if name := tracker.Value(); wanted == nil || wanted[name] {
			begin := len(pending)
			pending = append(pending, c.pending...)
			to = append(to, view{name, c.verifications, c.packed, pending[begin:len(pending):len(pending)]})
		}
	}
	return to, pending
}

const quarterSeconds = 15 * 60

// quarterAt returns the number of the quarter of an hour of a time.
func quarterAt(t time.Time) int64 {
	return floorDiv(t.Unix(), quarterSeconds)
}

func quarterStart(number int64) time.Time {
	return time.Unix(number*quarterSeconds, 0).UTC()
}

func floorDiv(n, by int64) int64 {
	quotient := n / by
	if n%by < 0 {
		quotient--
	}
	return quotient
}

func nanosTime(nanos uint64) time.Time {
	const second = uint64(time.Second)
	return time.Unix(int64(nanos/second), int64(nanos%second))
}

// NewSet returns a Set that begins at a time. The stages are the limit that gave the events their numbers.
func NewSet(settings Settings, stages *cardinality.Stages, now time.Time) *Set {
	return &Set{
		settings: settings,
		stages:   stages,
		trackers: cardinality.NewTrackers(settings.MaxTrackers, settings.Trackers),
		since:    now.Unix(),
		expired:  -1,
	}
}

// Replace counts a verification as it is after a change, rather than as it was before it. The place is the one that
// Replace returned last for this verification, zero for a new one; before must be the description of then, the zero
// Contribution for a new one. Both Contributions still belong to the caller. It returns the verification's new place.
func (s *Set) Replace(p Place, before, after *Contribution, now time.Time) Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	q, c := s.find(before.quarter(), before.cohort(p))
	if p&standing == gone || p&standing == counted && c == nil { // evicted with its quarter of an hour
		return gone
	}
	next := p & asOther
	if p&standing == notTold || before.tracker != after.tracker {
		next = s.admit(after.tracker, now)
	}
	if p&standing == counted {
		if before.quarter() == after.quarter() && before.cohort(p) == after.cohort(next) {
			c.replace(before.facts, after.facts)
			s.change(q, c)
			return counted | next
		}
		s.subtract(q, before.cohort(p), before.facts)
	}
	return s.add(p, next, after, now)
}

// admit returns asOther if a tracker is over the limit, else 0.
func (s *Set) admit(tracker unique.Handle[string], now time.Time) Place {
	if quarter := quarterAt(now); quarter != s.idleAt {
		s.idleAt = quarter
		s.trackers.EvictIdle(now, func(idle map[string]bool) map[string]bool { return idle })
	}
	if admitted, _ := s.trackers.Admit(tracker.Value(), now); admitted != tracker.Value() {
		return asOther
	}
	return 0
}

// add counts a verification that is in no cohort.
func (s *Set) add(p, next Place, after *Contribution, now time.Time) Place {
	if reason, outside := s.refuses(p, after, now); outside {
		if p&standing != ahead {
			s.outside[reason]++
		}
		if reason == TooNew {
			return ahead | next // an earlier event may come
		}
		return gone
	}
	q := s.quarter(after.quarter())
	tracker := after.cohort(next)
	c := q.cohorts[tracker]
	if c == nil {
		c = &cohort{}
		q.cohorts[tracker] = c
		s.cohorts++
	}
	c.verifications++
	c.replace(nil, after.facts)
	s.change(q, c)
	s.makeRoom()
	return counted | next
}

// refuses reports whether a verification is not in the statistics, and why. One that is counted is not too new after
// the clock has been set back.
func (s *Set) refuses(p Place, c *Contribution, now time.Time) (reason Reason, outside bool) {
	number := c.quarter()
	if number <= s.expired || number < s.oldest(now) {
		return TooOld, true
	}
	if i, found := s.search(number); found && s.quarters[i].evicted {
		return TooMany, true
	}
	return TooNew, p&standing != counted && nanosTime(c.began).After(now.Add(maxAhead))
}

// subtract takes a verification out of its cohort.
func (s *Set) subtract(q *quarter, tracker unique.Handle[string], facts []fact) {
	c := q.cohorts[tracker]
	c.verifications--
	c.replace(facts, nil)
	s.change(q, c)
	if c.verifications > 0 {
		return
	}
	delete(q.cohorts, tracker)
	s.cohorts--
	if len(q.cohorts) == 0 {
		s.remove(q)
	}
}

// change is for a cohort that has changed.
func (s *Set) change(q *quarter, c *cohort) {
	c.settle(&s.scratch)
	s.chunks.change(q.chunk)
}

// makeRoom evicts the oldest quarters of an hour while there are too many cohorts.
func (s *Set) makeRoom() {
	for i := 0; s.cohorts > s.settings.MaxCohorts; i++ {
		if q := s.quarters[i]; !q.evicted {
			s.evict(q)
		}
	}
}

func (s *Set) evict(q *quarter) {
	for _, c := range q.cohorts {
		s.outside[TooMany] += c.verifications
	}
	s.cohorts -= len(q.cohorts)
	q.cohorts, q.evicted = nil, true
	s.chunks.change(q.chunk)
	s.miss(q.number)
}

// miss moves on the time from which nothing is missing: past a quarter of an hour that is no longer complete.
func (s *Set) miss(quarter int64) {
	s.since = max(s.since, (quarter+1)*quarterSeconds)
}

// oldest returns the earliest quarter of an hour of which not all is older than the retention.
func (s *Set) oldest(now time.Time) int64 {
	return quarterAt(now.Add(-s.settings.Retention))
}

// Expire evicts what is older than the retention at a time. All methods that are given a time do so.
func (s *Set) Expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
}

// expire is Expire with the lock held.
func (s *Set) expire(now time.Time) {
	for oldest := s.oldest(now); len(s.quarters) > 0 && s.quarters[0].number < oldest; {
		q := s.quarters[0]
		s.cohorts -= len(q.cohorts)
		s.expired = max(s.expired, q.number)
		s.miss(q.number)
		s.remove(q)
	}
}

func (s *Set) search(number int64) (int, bool) {
	return slices.BinarySearchFunc(s.quarters, number, func(q *quarter, n int64) int { return cmp.Compare(q.number, n) })
}

// find returns a cohort, nil if there is none.
func (s *Set) find(number int64, tracker unique.Handle[string]) (*quarter, *cohort) {
	i, found := s.search(number)
	if !found {
		return nil, nil
	}
	return s.quarters[i], s.quarters[i].cohorts[tracker]
}

// quarter returns a quarter of an hour, a new one if there is none.
func (s *Set) quarter(number int64) *quarter {
	i, found := s.search(number)
	if !found {
		q := &quarter{number: number, cohorts: map[unique.Handle[string]]*cohort{}}
		q.chunk = s.chunks.take(q)
		s.quarters = slices.Insert(s.quarters, i, q)
	}
	return s.quarters[i]
}

func (s *Set) remove(q *quarter) {
	i, _ := s.search(q.number)
	s.quarters = slices.Delete(s.quarters, i, i+1)
	s.chunks.release(q.chunk)
}

// RetainedFrom returns, in UTC, the earliest time, to the second, from which nothing has been evicted, or was missed
// because there were no statistics yet.
func (s *Set) RetainedFrom(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retainedFrom(now)
}

func (s *Set) retainedFrom(now time.Time) time.Time {
	return time.Unix(max(s.since, s.oldest(now)*quarterSeconds), 0).UTC()
}

// Len returns how many cohorts there are.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cohorts
}

// Outside returns how many verifications have, since NewSet, not been admitted for a reason, or been evicted before
// their retention was over. Each counts once, except that one that was too new and was admitted after an earlier event
// can still be evicted as TooMany. Verifications that are evicted for their age are not counted.
func (s *Set) Outside(reason Reason) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outside[reason]
}
