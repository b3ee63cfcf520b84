// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Sum is a monotonic sum of integers. It is safe for concurrent use.
//
// It is added to under the read lock, so that events do not wait for each other; the write lock is for a series that is
// new or ends. Nothing is added to a series that has ended: the lock is held from finding to adding.
type Sum struct {
	def Definition

	mu      sync.RWMutex
	points  map[Key]*point
	samples []sample // of the flush that is under way
}

// point is one series of a sum.
type point struct {
	value   atomic.Int64
	created time.Time

	// What of it was exported is for the flush alone.
	exported int64
	begun    bool
}

// sample is a point's value at one time.
type sample struct {
	key   Key
	point *point
	value int64
}

// unexported reports whether the next flush has something to say about the point.
func (s *sample) unexported() bool {
	return s.value != s.point.exported
}

// AddSum adds a sum to the set.
func (s *Set) AddSum(d Definition) *Sum {
	sum := &Sum{def: d, points: map[Key]*point{}}
	s.add(sum)
	return sum
}

// Add adds 1 to the series of a key at a time.
func (s *Sum) Add(key Key, now time.Time) {
	key = s.def.reduce(key)
	if s.addToKnown(key) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.create(key, now).value.Add(1)
}

func (s *Sum) addToKnown(key Key) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.points[key]
	if p != nil {
		p.value.Add(1)
	}
	return p != nil
}

// create adds the series of a key if it is not there yet.
func (s *Sum) create(key Key, now time.Time) *point {
	p := s.points[key]
	if p == nil {
		p = &point{created: now}
		s.points[key] = p
	}
	return p
}

func (s *Sum) definition() *Definition {
	return &s.def
}

func (s *Sum) createKnown(tracker string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.def.known(tracker) {
		s.create(s.def.reduce(key), now)
	}
}

func (s *Sum) sample() []sample {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]sample, 0, len(s.points))
	for key, p := range s.points {
		all = append(all, sample{key: key, point: p, value: p.value.Load()})
	}
	return all
}

func (s *Sum) export(f *flush, to pmetric.Metric) {
	s.samples = s.sample()
	sum := to.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(f.temporality())
	w := pointWriter{to: sum.DataPoints(), def: &s.def}
	if f.delta {
		w.delta(s.samples, f)
		return
	}
	w.to.EnsureCapacity(len(s.samples))
	w.cumulative(s.samples, f)
}

func (s *Sum) commit(f *flush) {
	for _, x := range s.samples {
		if f.delta || f.last || x.point.begun {
			x.point.exported = x.value
		}
		x.point.begun = true
	}
	s.samples = nil
}

func (s *Sum) rollback() {
	s.samples = nil
}

func (s *Sum) moved(trackers map[string]bool) map[string]bool {
	moved := map[string]bool{}
	for _, x := range s.sample() {
		if trackers[x.key.Tracker] && x.unexported() {
			moved[x.key.Tracker] = true
		}
	}
	return moved
}

func (s *Sum) end(trackers map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.points {
		if trackers[key.Tracker] {
			delete(s.points, key)
		}
	}
}

// pointWriter writes what there is to export of a sum.
type pointWriter struct {
	to  pmetric.NumberDataPointSlice
	def *Definition
}

// cumulative adds every sample. A series begins with 0, so that the rise to its first count can be seen (Prometheus'
// increase() needs a sample before it); its count follows with the next flush, or right behind when there is none.
func (w *pointWriter) cumulative(all []sample, f *flush) {
	for _, s := range all {
		switch {
		case s.point.begun:
			w.add(s.key, s.point.created, f.now, s.value)
		case !f.last || s.value == 0:
			w.add(s.key, s.point.created, f.now, 0)
		default:
			w.add(s.key, s.point.created, f.now, 0)
			w.add(s.key, s.point.created, f.now.Add(zeroToCount), s.value)
		}
	}
}

// delta adds what has moved since the last flush.
func (w *pointWriter) delta(all []sample, f *flush) {
	for _, s := range all {
		if s.unexported() {
			w.add(s.key, f.since, f.now, s.value-s.point.exported)
		}
	}
}

func (w *pointWriter) add(key Key, start, at time.Time, value int64) {
	dp := w.to.AppendEmpty()
	dp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	dp.SetIntValue(value)
	w.def.attributes(key, dp.Attributes())
}
