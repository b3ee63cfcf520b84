// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package counters counts events exactly and exports the counts as a metric.
package counters

import (
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// maxStep bounds the values of the step attribute; a happy path is not longer.
const maxStep = 99

// Settings say what Events counts by and how it is exported.
type Settings struct {
	// Name, Description and Unit are the metric's.
	Name, Description, Unit string
	Resource                pcommon.Resource
	Scope                   pcommon.InstrumentationScope

	// Attributes are the names of the attributes to count by.
	Attributes []string
	// Delta chooses delta temporality over cumulative.
	Delta bool
	// MaxTrackers is how many values of external_tracker get series of their own. Trackers, where not empty, are the
	// only ones that do, however many.
	MaxTrackers int
	Trackers    []string
}

// The attributes that Settings.Attributes can hold.
const (
	AttrStage   = "verifyyou." + event.FieldStage
	AttrStep    = "verifyyou." + event.FieldStep
	AttrTracker = "verifyyou." + event.FieldExternalTracker
	AttrOutcome = "verifyyou.outcome"
)

// Events counts events by stage, outcome and tracker. All methods are safe for concurrent use.
//
// An event is added under the read lock, so that events do not wait for each other; the write lock is for a series
// that is new or ends. Nothing is added to a series that has ended: the lock is held from finding to adding.
type Events struct {
	settings                              Settings
	byStage, byStep, byTracker, byOutcome bool

	mu       sync.RWMutex
	trackers *trackers
	stages   *stages
	sum      *sum[key]

	flushing sync.Mutex // held during an Export; for the fields below and those of point that say what was exported
	stamp    time.Time  // of the last flush, refused or not: never twice the same millisecond
	exported time.Time  // of the last flush that was not refused: where a delta begins
}

// key is what a series counts. What is not counted by is empty in every key.
type key struct {
	stage, tracker string
	outcome        event.Outcome
	step           int64 // noStep where there is none
}

const noStep = -1

// NewEvents returns counters that begin at a time, with all known stages at 0.
func NewEvents(settings Settings, now time.Time) *Events {
	c := &Events{
		settings:  settings,
		byStage:   slices.Contains(settings.Attributes, AttrStage),
		byStep:    slices.Contains(settings.Attributes, AttrStep),
		byTracker: slices.Contains(settings.Attributes, AttrTracker),
		byOutcome: slices.Contains(settings.Attributes, AttrOutcome),
		trackers:  newTrackers(settings.MaxTrackers, settings.Trackers),
		stages:    newStages(event.Stages()),
		sum:       newSum[key](),
		exported:  now,
	}
	c.createKnownStages("", now)
	return c
}

// Overflow says which attributes of an event were counted as Other.
type Overflow struct {
	Stage, Tracker bool
}

// Add counts an event that came at a time.
func (c *Events) Add(e *event.Event, now time.Time) Overflow {
	if o, ok := c.addToKnown(e, now); ok {
		return o
	}
	return c.addToNew(e, now)
}

func (c *Events) addToKnown(e *event.Event, now time.Time) (Overflow, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	stage, stageOK := c.stages.find(e.Stage)
	tracker, trackerOK := c.trackers.find(e.ExternalTracker, now)
	if c.byStage && !stageOK || c.byTracker && !trackerOK {
		return Overflow{}, false
	}
	p := c.sum.find(c.key(e, stage, tracker))
	if p == nil {
		return Overflow{}, false
	}
	p.value.Add(1)
	return c.overflow(stage, tracker), true
}

func (c *Events) addToNew(e *event.Event, now time.Time) Overflow {
	c.mu.Lock()
	defer c.mu.Unlock()
	var stage, tracker string
	if c.byStage {
		stage = c.stages.admit(e.Stage)
	}
	if c.byTracker {
		tracker = c.trackers.admit(e.ExternalTracker, now)
	}
	k := c.key(e, stage, tracker)
	c.createKnownStages(tracker, now)
	c.sum.create(k, now).value.Add(1)
	return c.overflow(stage, tracker)
}

func (c *Events) overflow(stage, tracker string) Overflow {
	return Overflow{Stage: c.byStage && stage == Other, Tracker: c.byTracker && tracker == Other}
}

// key returns the key of an event whose stage and tracker are within bounds.
func (c *Events) key(e *event.Event, stage, tracker string) key {
	k := key{step: noStep}
	if c.byStage {
		k.stage = stage
	}
	if c.byTracker {
		k.tracker = tracker
	}
	if c.byOutcome {
		k.outcome = e.Outcome()
	}
	if c.byStep && e.Step.Valid && e.Step.Value >= 0 && e.Step.Value <= maxStep {
		k.step = e.Step.Value
	}
	return k
}

// createKnownStages makes the series of a whole funnel, so that a stage which nobody reached is there as 0.
func (c *Events) createKnownStages(tracker string, now time.Time) {
	for _, stage := range event.Stages() {
		c.sum.create(c.key(&event.Event{Stage: stage}, stage, tracker), now)
	}
}

func (c *Events) attributes(k key, to pcommon.Map) {
	to.EnsureCapacity(len(c.settings.Attributes))
	putString(to, AttrStage, k.stage)
	putString(to, AttrOutcome, string(k.outcome))
	putString(to, AttrTracker, k.tracker)
	if k.step != noStep {
		to.PutInt(AttrStep, k.step)
	}
}

func putString(to pcommon.Map, name, value string) {
	if value != "" {
		to.PutStr(name, value)
	}
}

// Export is one flush. It is under way, and no other can begin, until End.
type Export struct {
	// Metrics is what there is to export; it may have no data points.
	Metrics pmetric.Metrics

	events  *Events
	samples []sample[key]
	now     time.Time
	last    bool
}

// Export begins a flush. The last one before an end exports a series that has not begun with its zero and its count.
// When nothing of it is committed, the next flush makes up for it.
func (c *Events) Export(now time.Time, last bool) *Export {
	c.flushing.Lock()
	now = c.nextStamp(now)
	all := c.samples()
	return &Export{Metrics: c.metrics(all, now, last), events: c, samples: all, now: now, last: last}
}

// Commit says that the metrics have been taken.
func (x *Export) Commit() {
	x.events.commit(x.samples, x.now, x.last)
	x.events.endIdle(x.now)
}

// End ends the flush, committed or not.
func (x *Export) End() {
	x.events.flushing.Unlock()
}

// nextStamp keeps the times of two flushes apart, also where the clock has been set back.
func (c *Events) nextStamp(now time.Time) time.Time {
	if earliest := c.stamp.Add(zeroToCount); now.Before(earliest) {
		now = earliest
	}
	c.stamp = now
	return now
}

func (c *Events) samples() []sample[key] {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sum.samples()
}

func (c *Events) metrics(all []sample[key], now time.Time, last bool) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	c.settings.Resource.CopyTo(rm.Resource())
	sm := rm.ScopeMetrics().AppendEmpty()
	c.settings.Scope.CopyTo(sm.Scope())
	m := sm.Metrics().AppendEmpty()
	m.SetName(c.settings.Name)
	m.SetDescription(c.settings.Description)
	m.SetUnit(c.settings.Unit)
	s := m.SetEmptySum()
	s.SetIsMonotonic(true)

	w := pointWriter[key]{to: s.DataPoints(), attributes: c.attributes, now: now}
	if c.settings.Delta {
		s.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		w.delta(all, c.exported)
	} else {
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		w.to.EnsureCapacity(len(all))
		w.cumulative(all, last)
	}
	return md
}

// commit remembers what has been exported.
func (c *Events) commit(all []sample[key], now time.Time, last bool) {
	for _, s := range all {
		if c.settings.Delta || last || s.point.begun {
			s.point.exported = s.value
		}
		s.point.begun = true
	}
	c.exported = now
}

// endIdle ends the series of trackers that have had no event for long and nothing left to export.
func (c *Events) endIdle(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	idle := c.trackers.idle(now)
	if len(idle) == 0 {
		return
	}
	ends := map[string]bool{}
	for _, name := range idle {
		ends[name] = true
	}
	for _, s := range c.sum.samples() {
		if s.unexported() {
			delete(ends, s.key.tracker)
		}
	}
	for k := range c.sum.points {
		if ends[k.tracker] {
			delete(c.sum.points, k)
		}
	}
	for name := range ends {
		c.trackers.forget(name)
	}
}
