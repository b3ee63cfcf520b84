// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package counters counts exactly and exports the counts as metrics: sums, histograms and UpDownCounters, each with a series a
// key, which begin with 0 and lose nothing when an export is refused.
package counters

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// zeroToCount lies between the zero and the count of a series that are exported together: in the same millisecond
// Prometheus drops one of them without a word.
const zeroToCount = 2 * time.Millisecond

// SetSettings say how the metrics of a Set are exported.
type SetSettings struct {
	Resource pcommon.Resource
	Scope    pcommon.InstrumentationScope

	// Delta chooses delta temporality over cumulative.
	Delta bool
	// MaxTrackers is how many values of external_tracker get series of their own. Trackers, where not empty, are the
	// only ones that do, however many.
	MaxTrackers int
	Trackers    []string
}

// Set is metrics that are exported together. It is safe for concurrent use, but for the methods that add a metric, which
// come before all others.
type Set struct {
	settings    SetSettings
	created     time.Time
	trackers    *cardinality.Trackers
	otherBegun  atomic.Bool // whether cardinality.Other has series
	instruments []instrument

	flushing sync.Mutex // held during an Export; for the fields below and what the instruments know of exports
	stamp    time.Time  // of the last points, refused or not: never twice the same millisecond
	exported time.Time  // of the last flush that was not refused: where a delta begins
}

// instrument is a metric of a Set.
type instrument interface {
	definition() *Definition

	// createKnown makes the series that a tracker, or none, has from its beginning on.
	createKnown(tracker string, now time.Time)
	// export writes what there is to export, which is what the other methods of a flush are about.
	export(f *flush, to pmetric.Metric)
	// commit says that it has been taken, rollback that it has not.
	commit(f *flush)
	rollback()
	// moved returns those of the trackers whose series have something that has not been exported.
	moved(trackers map[string]bool) map[string]bool
	// end ends the series of trackers.
	end(trackers map[string]bool)

	state() []Series
	// restore reports false where a series cannot go on.
	restore(series []Series, holds func(tracker string) bool) bool
}

// flush is what the instruments know of an export that is under way.
type flush struct {
	now   time.Time
	since time.Time // the flush before that was not refused
	delta bool
	last  bool
}

func (f *flush) temporality() pmetric.AggregationTemporality {
	if f.delta {
		return pmetric.AggregationTemporalityDelta
	}
	return pmetric.AggregationTemporalityCumulative
}

// NewSet returns a Set without metrics that begins at a time.
func NewSet(settings SetSettings, now time.Time) *Set {
	return &Set{settings: settings, created: now, trackers: cardinality.NewTrackers(settings.MaxTrackers, settings.Trackers), exported: now}
}

func (s *Set) add(i instrument) {
	i.createKnown("", s.created)
	s.instruments = append(s.instruments, i)
}

// Tracker returns the value to count an event of a tracker under that comes at a time. One that is new begins the
// series of a whole funnel, so that a stage which nobody reached is there as 0.
func (s *Set) Tracker(name string, now time.Time) string {
	bounded, isNew := s.trackers.Admit(name, now)
	if isNew || bounded == cardinality.Other && s.otherBegun.CompareAndSwap(false, true) {
		s.createKnown(bounded, now)
	}
	return bounded
}

func (s *Set) createKnown(tracker string, now time.Time) {
	for _, i := range s.instruments {
		i.createKnown(tracker, now)
	}
}

// Export is one flush. It is under way, and no other can begin, until End.
type Export struct {
	// Metrics is what there is to export; it may have no data points.
	Metrics pmetric.Metrics

	set       *Set
	flush     flush
	committed bool
}

// Export begins a flush. The last one before an end exports a series that has not begun with its zero and its count.
// When nothing of it is committed, the next flush makes up for it.
func (s *Set) Export(now time.Time, last bool) *Export {
	s.flushing.Lock()
	x := &Export{set: s, flush: flush{now: s.nextStamp(now, last), since: s.exported, delta: s.settings.Delta, last: last}}
	x.Metrics = s.metrics(&x.flush)
	return x
}

// Commit says that the metrics have been taken.
func (x *Export) Commit() {
	x.committed = true
	for _, i := range x.set.instruments {
		i.commit(&x.flush)
	}
	x.set.exported = x.flush.now
	x.set.trackers.EvictIdle(x.flush.now, x.set.endTrackers)
}

// End ends the flush, committed or not.
func (x *Export) End() {
	if !x.committed {
		for _, i := range x.set.instruments {
			i.rollback()
		}
	}
	x.set.flushing.Unlock()
}

// nextStamp keeps the times of two flushes apart, also where the clock has been set back.
func (s *Set) nextStamp(now time.Time, last bool) time.Time {
	if earliest := s.stamp.Add(zeroToCount); now.Before(earliest) {
		now = earliest
	}
	s.stamp = now
	if last {
		s.stamp = now.Add(zeroToCount)
	}
	return now
}

func (s *Set) metrics(f *flush) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	s.settings.Resource.CopyTo(rm.Resource())
	sm := rm.ScopeMetrics().AppendEmpty()
	s.settings.Scope.CopyTo(sm.Scope())
	sm.Metrics().EnsureCapacity(len(s.instruments))
	for _, i := range s.instruments {
		m := sm.Metrics().AppendEmpty()
		d := i.definition()
		m.SetName(d.Name)
		m.SetDescription(d.Description)
		m.SetUnit(d.Unit)
		i.export(f, m)
	}
	sm.Metrics().RemoveIf(isEmpty)
	return md
}

// isEmpty reports whether a metric has nothing to say, as with delta temporality when nothing has moved.
func isEmpty(m pmetric.Metric) bool {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len() == 0
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len() == 0
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len() == 0
	default:
		return false
	}
}

// endTrackers ends the series of trackers that have nothing left to export, and returns those.
func (s *Set) endTrackers(idle map[string]bool) map[string]bool {
	for _, i := range s.instruments {
		for name := range i.moved(idle) {
			delete(idle, name)
		}
	}
	for _, i := range s.instruments {
		i.end(idle)
	}
	return idle
}

// Key is what a series counts. What a metric does not count by is empty, or NoStep, in all its keys.
type Key struct {
	Stage, Outcome, Tracker string
	Step                    int64
}

// NoStep is the Step of a key without one.
const NoStep = -1

// Definition says what a metric is called and what it counts by.
type Definition struct {
	Name, Description, Unit string

	// Stage, Outcome, Tracker and Step name the attributes for the fields of a Key; those it does not count by are empty.
	Stage, Outcome, Tracker, Step string

	// Known returns the keys that a tracker, or none, has from its beginning on. Nil is none.
	Known func(tracker string) []Key
}

// KnownStages returns a key for each documented stage, with the outcome that outcomeOf says.
func KnownStages(tracker string, outcomeOf func(stage string) string) []Key {
	names := event.Stages()
	keys := make([]Key, len(names))
	for i, stage := range names {
		keys[i] = Key{Stage: stage, Outcome: outcomeOf(stage), Tracker: tracker, Step: NoStep}
	}
	return keys
}

func (d *Definition) known(tracker string) []Key {
	if d.Known == nil || tracker != "" && d.Tracker == "" {
		return nil
	}
	return d.Known(tracker)
}

// reduce empties what is not counted by.
func (d *Definition) reduce(k Key) Key {
	if d.Stage == "" {
		k.Stage = ""
	}
	if d.Outcome == "" {
		k.Outcome = ""
	}
	if d.Tracker == "" {
		k.Tracker = ""
	}
	if d.Step == "" {
		k.Step = NoStep
	}
	return k
}

// maxAttributes is how many attributes a key can have.
const maxAttributes = 4

func (d *Definition) attributes(k Key, to pcommon.Map) {
	to.EnsureCapacity(maxAttributes)
	semconv.PutString(to, d.Stage, k.Stage)
	semconv.PutString(to, d.Outcome, k.Outcome)
	semconv.PutString(to, d.Tracker, k.Tracker)
	if k.Step != NoStep {
		to.PutInt(d.Step, k.Step)
	}
}
