// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// zeroToCount lies between the zero and the count of a series that are exported together: in the same millisecond
// Prometheus drops one of them without a word.
const zeroToCount = 2 * time.Millisecond

// point is one series of a sum.
type point struct {
	value   atomic.Int64
	created time.Time

	// What of it was exported is for the flush alone.
	exported int64
	begun    bool
}

// sample is a point's value at one time.
type sample[K comparable] struct {
	key   K
	point *point
	value int64
}

// unexported reports whether the next flush has something to say about the point.
func (s *sample[K]) unexported() bool {
	return s.value != s.point.exported
}

// sum is a monotonic sum with one series a key. Its methods are not safe for concurrent use, but for find.
type sum[K comparable] struct {
	points map[K]*point
}

func newSum[K comparable]() *sum[K] {
	return &sum[K]{points: map[K]*point{}}
}

func (s *sum[K]) find(key K) *point {
	return s.points[key]
}

// create adds the series of a key if it is not there yet.
func (s *sum[K]) create(key K, now time.Time) *point {
	p := s.points[key]
	if p == nil {
		p = &point{created: now}
		s.points[key] = p
	}
	return p
}

func (s *sum[K]) samples() []sample[K] {
	all := make([]sample[K], 0, len(s.points))
	for key, p := range s.points {
		all = append(all, sample[K]{key: key, point: p, value: p.value.Load()})
	}
	return all
}

// pointWriter writes what there is to export of a sum.
type pointWriter[K comparable] struct {
	to         pmetric.NumberDataPointSlice
	attributes func(K, pcommon.Map)
	now        time.Time
}

// cumulative adds every sample. A series begins with 0, so that the rise to its first count can be seen (Prometheus'
// increase() needs a sample before it); its count follows with the next flush, or right behind when there is none.
func (w *pointWriter[K]) cumulative(all []sample[K], last bool) {
	for _, s := range all {
		switch {
		case s.point.begun:
			w.add(s.key, s.point.created, w.now, s.value)
		case !last || s.value == 0:
			w.add(s.key, s.point.created, w.now, 0)
		default:
			w.add(s.key, s.point.created, w.now, 0)
			w.add(s.key, s.point.created, w.now.Add(zeroToCount), s.value)
		}
	}
}

// delta adds what has moved since the flush at a time.
func (w *pointWriter[K]) delta(all []sample[K], since time.Time) {
	for _, s := range all {
		if s.unexported() {
			w.add(s.key, since, w.now, s.value-s.point.exported)
		}
	}
}

func (w *pointWriter[K]) add(key K, start, at time.Time, value int64) {
	dp := w.to.AppendEmpty()
	dp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	dp.SetIntValue(value)
	w.attributes(key, dp.Attributes())
}
