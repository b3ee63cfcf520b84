// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"errors"
	"time"
)

// State is what of a Set is kept over a restart. It can be written as JSON.
type State struct {
	Delta    bool              `json:"delta"`
	Stamp    time.Time         `json:"stamp"`    // of the last points
	Exported time.Time         `json:"exported"` // when the last points were taken
	Metrics  map[string]Metric `json:"metrics"`  // by name
	Trackers map[string]int64  `json:"trackers"` // by name, the time of the last event in nanoseconds since 1970
}

// Metric is the state of one metric.
type Metric struct {
	CountedBy [4]string `json:"counted_by"` // attributes: stage, outcome, tracker, step
	Series    []Series  `json:"series"`
}

// Series is the state of one series.
type Series struct {
	Stage   string    `json:"stage,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Tracker string    `json:"tracker,omitempty"`
	Step    int64     `json:"step"`
	Created time.Time `json:"created"`

	// Of a sum.
	Value    int64 `json:"value,omitempty"`
	Exported int64 `json:"exported,omitempty"`

	// Of a histogram: its values, of which so many have not been exported.
	Values     *Values `json:"values,omitempty"`
	Unexported uint64  `json:"unexported,omitempty"`
}

// ErrOtherSettings means that counters of a State were counted by other attributes, or with another temporality: those
// begin anew.
var ErrOtherSettings = errors.New("some were counted by other attributes, in other buckets or with another temporality")

// errState means that a State is not one that a Set was in.
var errState = errors.New("the state of the counters is none")

func (k Key) series(created time.Time) Series {
	return Series{Stage: k.Stage, Outcome: k.Outcome, Tracker: k.Tracker, Step: k.Step, Created: created}
}

func (s *Series) key() Key {
	return Key{Stage: s.Stage, Outcome: s.Outcome, Tracker: s.Tracker, Step: s.Step}
}

func (s *Series) valid() bool {
	return s.Value >= 0 && s.Exported >= 0 && s.Exported <= s.Value && !s.Created.IsZero()
}

func (d *Definition) countedBy() [4]string {
	return [4]string{d.Stage, d.Outcome, d.Tracker, d.Step}
}

// State returns the state of the set during the export: what of it has been committed counts as exported. No value in
// it is below one of the export.
func (x *Export) State() State {
	s := x.set
	state := State{Delta: s.settings.Delta, Stamp: s.stamp, Exported: s.exported, Metrics: map[string]Metric{}, Trackers: s.trackers.Seen()}
	for _, i := range s.instruments {
		d := i.definition()
		state.Metrics[d.Name] = Metric{CountedBy: d.countedBy(), Series: i.state()}
	}
	return state
}

// Restore makes a new Set go on where that of a state ended. It must come before all else, but for adding the metrics.
// With ErrOtherSettings what can go on does; with any other error the set is left as it is.
//
// A restored series goes on with its value: a zero would look like a reset, and the whole value be counted again.
func (s *Set) Restore(state *State) error {
	if state.Delta != s.settings.Delta {
		return ErrOtherSettings
	}
	for _, m := range state.Metrics {
		for i := range m.Series {
			if !m.Series[i].valid() {
				return errState
			}
		}
	}
	s.stamp, s.exported = state.Stamp, state.Exported
	s.trackers.Restore(state.Trackers)
	var err error
	for _, i := range s.instruments {
		m, ok := state.Metrics[i.definition().Name]
		if ok && m.CountedBy != i.definition().countedBy() {
			err = ErrOtherSettings
			continue
		}
		if !i.restore(m.Series, s.trackers.Holds) { // of a tracker that is held no more: the list has changed
			err = ErrOtherSettings
		}
	}
	for tracker := range s.trackers.Seen() {
		s.createKnown(tracker, s.created) // of a metric that has been switched on
	}
	return err
}

func (s *Sum) state() []Series {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]Series, 0, len(s.points))
	for key, p := range s.points {
		series := key.series(p.created)
		series.Value, series.Exported = p.value.Load(), p.exported
		all = append(all, series)
	}
	return all
}

func (s *Sum) restore(all []Series, holds func(tracker string) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range all {
		series := &all[i]
		if !holds(series.Tracker) {
			continue
		}
		p := &point{created: series.Created, exported: series.Exported, begun: true}
		p.value.Store(series.Value)
		s.points[series.key()] = p
	}
	return true
}

func (h *Histogram) state() []Series {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Series, 0, len(h.points))
	for key, p := range h.points {
		series := key.series(p.created)
		values := h.merged(p).values()
		series.Values, series.Unexported = &values, p.unexported
		all = append(all, series)
	}
	return all
}

// merged returns the values of a point with those that are being exported.
func (h *Histogram) merged(p *histogramPoint) distribution {
	if p.leaving == nil {
		return p.total
	}
	all := h.buckets.newDistribution()
	all.merge(p.leaving)
	all.merge(p.total)
	return all
}

func (h *Histogram) restore(all []Series, holds func(tracker string) bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	same := true
	for i := range all {
		series := &all[i]
		if series.Values == nil || !holds(series.Tracker) {
			continue
		}
		total, ok := h.buckets.restore(series.Values)
		if !ok {
			same = false
			continue
		}
		h.points[series.key()] = &histogramPoint{created: series.Created, begun: true, total: total, unexported: series.Unexported}
	}
	return same
}
