// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// value is what a series counts. Its methods are safe for concurrent use; sample, accepted and refused are for the flush
// alone.
type value interface {
	// recorded returns how often something was counted, ever or, for a restored delta, since the last one exported.
	recorded() int64
	// sample begins an export and returns what recorded does at this moment. With delta, what is pending is set aside
	// until accepted drops it or refused puts it back.
	sample(delta bool) int64
	accepted()
	refused()
}

// series is a value over time. All but the value is for the flush alone.
type series[V value] struct {
	value V
	start time.Time // when it was created or, with delta temporality, the end of the last point that was accepted

	begun    bool  // a zero of it was exported
	risen    bool  // more than 0 of it was exported, before a restart perhaps
	exported int64 // what was recorded at the last export that was accepted

	// Of the export in progress: what was recorded when it began, and whether it has that, not only the zero before.
	sampled int64
	counted bool
}

// startBefore corrects a start that is not before a time, by 1 ms.
func (s *series[V]) startBefore(at time.Time) {
	if !s.start.Before(at) {
		s.start = at.Add(-time.Millisecond)
	}
}

// startNotAfter corrects a start that is ahead of a time, since the clock was set back.
func (s *series[V]) startNotAfter(at time.Time) {
	if s.start.After(at) {
		s.startBefore(at)
	}
}

// entry is a series with its key.
type entry[V value] struct {
	key Key
	*series[V]
}

// table has the series of a metric. It is safe for concurrent use.
//
// Values are updated under the read lock, so that events do not wait for each other; the write lock is for series that
// are created or evicted. The lock is held from finding a series to updating it, so that none is updated once evicted.
type table[V value] struct {
	def      Definition
	newValue func() V

	mu     sync.RWMutex
	series map[Key]*series[V]

	exporting []entry[V] // the series in the export in progress, for the flush alone
}

func newTable[V value](d Definition, newValue func() V) table[V] {
	return table[V]{def: d, newValue: newValue, series: map[Key]*series[V]{}}
}

func (t *table[V]) definition() *Definition {
	return &t.def
}

// update calls f with the value of a key, with the lock held. The series is created if it does not exist.
func (t *table[V]) update(key Key, now time.Time, f func(V)) {
	key = t.def.reduce(key)
	if t.updateExisting(key, f) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.create(key, now).value)
}

func (t *table[V]) updateExisting(key Key, f func(V)) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.series[key]
	if s != nil {
		f(s.value)
	}
	return s != nil
}

// create returns the series of a key, a new one if it does not exist.
func (t *table[V]) create(key Key, now time.Time) *series[V] {
	s := t.series[key]
	if s == nil {
		s = &series[V]{value: t.newValue(), start: wall(now)}
		t.series[key] = s
	}
	return s
}

func (t *table[V]) createKnown(tracker string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range t.def.known(tracker) {
		t.create(t.def.reduce(key), now)
	}
}

func (t *table[V]) entries() []entry[V] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]entry[V], 0, len(t.series))
	for key, s := range t.series {
		all = append(all, entry[V]{key: key, series: s})
	}
	return all
}

func (t *table[V]) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.series)
}

// writePoint writes a data point that says: n things were counted from start to at. What they were is in the value.
type writePoint[V value] func(key Key, start, at time.Time, n int64, v V)

// exportSeries writes what there is to export. It takes no lock while it writes, so that events do not wait.
func (t *table[V]) exportSeries(f *flush, write writePoint[V]) {
	t.exporting = t.entries()
	for _, e := range t.exporting {
		e.sampled = e.value.sample(f.delta)
		e.startNotAfter(f.now)
		if f.delta {
			e.exportDelta(f, write)
			continue
		}
		e.exportCumulative(f, write)
	}
}

// exportCumulative begins a series with 0, so that the rise to its first count can be seen (Prometheus' increase() needs
// a sample before it). The count follows with the next flush, or right behind where there is none.
func (e *entry[V]) exportCumulative(f *flush, write writePoint[V]) {
	if e.begun {
		e.counted = true
		write(e.key, e.start, f.now, e.sampled, e.value)
		return
	}
	write(e.key, e.start, f.now, 0, e.value)
	e.counted = f.last && e.sampled > 0
	if e.counted {
		write(e.key, e.start, f.now.Add(zeroToCount), e.sampled, e.value)
	}
}

// beginsWithZero reports whether the series has to begin with 0 after a restart: whatever becomes of the export in
// progress, nothing above 0 was exported.
func (s *series[V]) beginsWithZero() bool {
	return !s.risen && (!s.counted || s.sampled <= 0)
}

// exportDelta exports what was counted since the last point that was accepted, if anything. The point begins where that
// one ended: what adds deltas up, as the Prometheus exporter does, takes a gap for a new beginning.
func (e *entry[V]) exportDelta(f *flush, write writePoint[V]) {
	e.counted = e.sampled > e.exported
	if e.counted {
		e.startBefore(f.now) // a delta has to cover some time; a series may have been created right before the flush
		write(e.key, e.start, f.now, e.sampled-e.exported, e.value)
	}
}

func (t *table[V]) commit(f *flush) {
	for _, e := range t.exporting {
		e.value.accepted()
		e.begun = true
		if e.counted {
			e.exported = e.sampled
			e.risen = e.risen || e.sampled > 0
		}
		if e.counted && f.delta {
			e.start = f.now
		}
	}
	t.exporting = nil
}

func (t *table[V]) rollback() {
	for _, e := range t.exporting {
		e.value.refused()
		e.counted = false
	}
	t.exporting = nil
}

func (t *table[V]) pending(trackers map[string]bool) map[string]bool {
	pending := map[string]bool{}
	for _, e := range t.entries() {
		if trackers[e.key.Tracker] && e.value.recorded() > e.exported {
			pending[e.key.Tracker] = true
		}
	}
	return pending
}

func (t *table[V]) evict(trackers map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.series {
		if trackers[key.Tracker] {
			delete(t.series, key)
		}
	}
}

// pointHeader is what data points of all kinds have in common.
type pointHeader interface {
	Attributes() pcommon.Map
	SetStartTimestamp(pcommon.Timestamp)
	SetTimestamp(pcommon.Timestamp)
}

func putHeader[P pointHeader](dp P, d *Definition, key Key, start, at time.Time) {
	dp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	d.putAttributes(key, dp.Attributes())
}
