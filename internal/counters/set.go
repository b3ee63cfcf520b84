// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package counters counts exactly and exports the counts as metrics: sums, histograms and UpDownCounters with a series
// for each key. Series begin with 0, and nothing is lost when an export is refused.
package counters

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// zeroToCount is the time between the zero and the count of a series that are exported together: if both are in one
// millisecond, Prometheus silently drops one of them.
const zeroToCount = 2 * time.Millisecond

// maxStepBack is by how much a clock may be set back without points following it. NTP corrects a clock by less.
const maxStepBack = time.Minute

// SetSettings are the settings of a Set.
type SetSettings struct {
	// Logger is told when the clock was set back. It must not be nil.
	Logger   *zap.Logger
	Resource pcommon.Resource
	Scope    pcommon.InstrumentationScope

	// Delta chooses delta temporality over cumulative.
	Delta bool
	// MaxTrackers is how many values of external_tracker get series of their own, 0 for none: each is counted as
	// cardinality.Other then. If Trackers is not empty, exactly those get series of their own and MaxTrackers is ignored.
	MaxTrackers int
	Trackers    []string
}

// Set is metrics that are exported together. First come AddSum, AddHistogram and AddUpDownCounter, then Restore where
// there is a State to continue from; neither is safe for concurrent use. All other methods, and those of the metrics, are.
type Set struct {
	settings    SetSettings
	created     time.Time
	trackers    *cardinality.Trackers
	otherBegun  atomic.Bool // whether cardinality.Other has series
	instruments []instrument

	flushing sync.Mutex // held during an Export; guards what follows and what the instruments know of exports
	stamp    time.Time  // of the last points, accepted or not: no two flushes share a millisecond
	latest   time.Time  // the latest reading of the clock that points have followed
}

// instrument is a metric of a Set. Export to rollback are called with flushing held, as are pending, evict and state.
type instrument interface {
	definition() *Definition

	// createKnown creates the known series of a tracker, or of none.
	createKnown(tracker string, now time.Time)

	// export writes what there is to export. Either commit or rollback follows.
	export(f *flush, to pmetric.Metric)
	commit(f *flush)
	rollback()

	// pending returns those of the trackers that have something which no accepted export had.
	pending(trackers map[string]bool) map[string]bool
	// evict removes the series of trackers.
	evict(trackers map[string]bool)

	state() []seriesState
	// restore returns false if series cannot continue. Those of trackers that do not hold a place are skipped.
	restore(series []seriesState, holds func(tracker string) bool) bool
}

// flush is what the instruments know of the export in progress.
type flush struct {
	now   time.Time
	delta bool
	last  bool
}

func (f *flush) temporality() pmetric.AggregationTemporality {
	if f.delta {
		return pmetric.AggregationTemporalityDelta
	}
	return pmetric.AggregationTemporalityCumulative
}

// NewSet returns a Set without metrics. now is when the known series start.
func NewSet(settings SetSettings, now time.Time) *Set {
	now = wall(now)
	return &Set{settings: settings, created: now, trackers: cardinality.NewTrackers(settings.MaxTrackers, settings.Trackers)}
}

func (s *Set) add(i instrument) {
	i.createKnown("", s.created)
	s.instruments = append(s.instruments, i)
}

// Tracker returns the value to count an event under that has the tracker name and came at now: name itself, "" or
// cardinality.Other. A tracker that is new gets all of its known series, so that a stage which nobody reached shows as 0.
func (s *Set) Tracker(name string, now time.Time) string {
	admitted, isNew := s.trackers.Admit(name, now)
	if isNew || admitted == cardinality.Other && s.otherBegun.CompareAndSwap(false, true) {
		s.createKnown(admitted, now)
	}
	return admitted
}

func (s *Set) createKnown(tracker string, now time.Time) {
	for _, i := range s.instruments {
		i.createKnown(tracker, now)
	}
}

// Export is a flush in progress. Whoever flushes calls, in this order:
//   - Set.Export, which waits for the export before to end;
//   - State, and saves it before anything is exported: after a crash no restored value may be below one that was
//     exported, which a backend would take for a reset;
//   - Commit, if the next consumer has accepted Metrics, Rollback otherwise;
//   - State again, and saves it, with delta temporality (or deltas would be exported twice after a restart) and after
//     the last flush (or it would not be known after a restart whether new series still have to begin with 0);
//   - End, in any case.
//
// It is not safe for concurrent use. Counting goes on meanwhile, and is for the next flush.
type Export struct {
	// Metrics is what there is to export. It may have no data points. The consumer may change it.
	Metrics pmetric.Metrics

	set     *Set
	flush   flush
	settled bool // whether Commit or Rollback was called
}

// Export begins a flush. End must be called, or no other can begin. The last flush before a shutdown exports the zero
// and the count of a new series at once, as no other flush follows.
func (s *Set) Export(now time.Time, last bool) *Export {
	s.flushing.Lock()
	x := &Export{set: s, flush: flush{now: s.nextStamp(now, last), delta: s.settings.Delta, last: last}}
	x.Metrics = s.metrics(&x.flush)
	return x
}

// Commit says that Metrics were accepted. Trackers that were idle for 7 days and have nothing pending are evicted.
func (x *Export) Commit() {
	x.settled = true
	for _, i := range x.set.instruments {
		i.commit(&x.flush)
	}
	x.set.trackers.EvictIdle(x.flush.now, x.set.evict)
}

// Rollback says that Metrics were not accepted. The next flush exports what they had.
func (x *Export) Rollback() {
	x.settled = true
	for _, i := range x.set.instruments {
		i.rollback()
	}
}

// End ends the flush. It must be called once. Without Commit or Rollback before, it rolls back.
func (x *Export) End() {
	if !x.settled {
		x.Rollback()
	}
	x.set.flushing.Unlock()
}

// wall strips the monotonic reading of a clock, with which Before and Sub would not see that the clock was set back.
func wall(now time.Time) time.Time {
	return now.Round(0)
}

// nextStamp returns the time of the next points: that of the clock or, if the clock was set back by up to maxStepBack or
// the last flush was just now, a time right after the last points. After a larger step back, points follow the clock: they
// would stay in the future otherwise. Backends may drop them until the clock has caught up, and then have the values.
func (s *Set) nextStamp(now time.Time, last bool) time.Time {
	now = wall(now)
	earliest := s.stamp.Add(zeroToCount)
	if back := s.latest.Sub(now); back > maxStepBack {
		s.settings.Logger.Warn("The clock was set back: backends may ignore metrics until it has passed the time of the last ones",
			zap.Duration("by", back), zap.Time("time_of_last_metrics", s.stamp))
		s.latest, earliest = now, now
	}
	if now.After(s.latest) {
		s.latest = now
	}
	if now.Before(earliest) {
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

// isEmpty reports whether a metric has no data points, as with delta temporality when nothing was counted.
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

// evict evicts idle trackers, unless they have something pending, and returns those that it has evicted. It is called
// with the lock of trackers held.
func (s *Set) evict(idle map[string]bool) map[string]bool {
	for _, i := range s.instruments {
		for name := range i.pending(idle) {
			delete(idle, name)
		}
	}
	for _, i := range s.instruments {
		i.evict(idle)
	}
	return idle
}
