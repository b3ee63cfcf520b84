// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"errors"
	"time"
)

// State is what of a Set survives a restart. It can be written as JSON.
type State struct {
	Delta    bool                   `json:"delta"`
	Stamp    time.Time              `json:"stamp"`    // of the last points
	Metrics  map[string]metricState `json:"metrics"`  // by name
	Trackers map[string]int64       `json:"trackers"` // by name, the time of the last event in nanoseconds since 1970
}

type metricState struct {
	Attributes [maxAttributes]string `json:"counted_by"` // see Definition.attributeNames
	Series     []seriesState         `json:"series"`
}

type seriesState struct {
	Stage      string    `json:"stage,omitempty"`
	Outcome    string    `json:"outcome,omitempty"`
	Tracker    string    `json:"tracker,omitempty"`
	Step       int64     `json:"step"`
	DroppedOff bool      `json:"dropped_off,omitempty"`
	Start      time.Time `json:"start"`

	BeginsWithZero bool `json:"begins_with_zero,omitempty"` // see series.beginsWithZero

	// Of a sum.
	Value    int64 `json:"value,omitempty"`
	Exported int64 `json:"exported,omitempty"`

	// Of a histogram: what was recorded, and how much of it has not been exported.
	Values     *distributionState `json:"values,omitempty"`
	Unexported uint64             `json:"unexported,omitempty"`
}

// ErrOtherSettings means that metrics of a State had other attributes, other buckets or another temporality, or series
// of trackers that are not to have any now. Those begin anew.
var ErrOtherSettings = errors.New("metrics were stored with other attributes, buckets, trackers or another temporality")

// errInvalidState means that a State is not one that a Set can be in.
var errInvalidState = errors.New("invalid counter state")

func (s *seriesState) key() Key {
	return Key{Stage: s.Stage, Outcome: s.Outcome, Tracker: s.Tracker, Step: s.Step, DroppedOff: s.DroppedOff}
}

func (s *seriesState) isValid() bool {
	return s.Value >= 0 && s.Exported >= 0 && s.Exported <= s.Value && !s.Start.IsZero() &&
		(s.Values == nil || s.Values.isValid() && s.Unexported <= s.Values.Count)
}

// State returns the state of the set. What the export in progress has counts as exported after Commit, and as not
// exported after Rollback. Before, nobody knows: if the process ends then, deltas are exported again after the restart,
// and a series whose count is in the export does not begin with 0 again, which would be taken for a reset. No value in
// the state is below one in the export.
func (x *Export) State() State {
	s := x.set
	state := State{Delta: s.settings.Delta, Stamp: s.stamp, Metrics: map[string]metricState{}, Trackers: s.trackers.Seen()}
	for _, i := range s.instruments {
		d := i.definition()
		state.Metrics[d.Name] = metricState{Attributes: d.attributeNames(), Series: i.state()}
	}
	return state
}

// Restore makes a new Set continue from a state. It must be called after the metrics have been added and before
// anything else: before the first Add, Record, Tracker and Export.
//
// After ErrOtherSettings the metrics that can continue do; after any other error the set is as it was. A restored series
// continues with its value: a zero would look like a reset, and the whole value would be counted again. Only one of which
// nothing above 0 was exported begins with 0, as a new one does.
func (s *Set) Restore(state *State) error {
	if state.Delta != s.settings.Delta {
		return ErrOtherSettings
	}
	for _, m := range state.Metrics {
		for i := range m.Series {
			if !m.Series[i].isValid() {
				return errInvalidState
			}
		}
	}
	s.stamp, s.latest = state.Stamp, state.Stamp
	s.trackers.Restore(state.Trackers)
	var err error
	for _, i := range s.instruments {
		m, ok := state.Metrics[i.definition().Name]
		if ok && m.Attributes != i.definition().attributeNames() {
			err = ErrOtherSettings
			continue
		}
		if !i.restore(m.Series, s.trackers.Holds) {
			err = ErrOtherSettings
		}
	}
	for tracker := range s.trackers.Seen() {
		s.createKnown(tracker, s.created) // of a metric that has been enabled since
	}
	return err
}

// states returns the state of each series, for which fill adds what the value is.
func (t *table[V]) states(fill func(state *seriesState, s *series[V])) []seriesState {
	entries := t.entries()
	all := make([]seriesState, len(entries))
	for i, e := range entries {
		k := e.key
		all[i] = seriesState{
			Stage: k.Stage, Outcome: k.Outcome, Tracker: k.Tracker, Step: k.Step, DroppedOff: k.DroppedOff, Start: e.start,
			BeginsWithZero: e.beginsWithZero(),
		}
		fill(&all[i], e.series)
	}
	return all
}

// restoreSeries creates the series that valueOf, which returns how much of them was exported too, reports true for. It
// returns false if any was left out.
func (t *table[V]) restoreSeries(all []seriesState, holds func(tracker string) bool, valueOf func(*seriesState) (V, int64, bool)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	complete := true
	for i := range all {
		state := &all[i]
		if !holds(state.Tracker) {
			continue // the list of trackers has changed
		}
		v, exported, ok := valueOf(state)
		if !ok {
			complete = false
			continue
		}
		risen := !state.BeginsWithZero
		t.series[state.key()] = &series[V]{value: v, start: state.Start, begun: risen, risen: risen, exported: exported}
	}
	return complete
}

func (s *Sum) state() []seriesState {
	return s.states(func(state *seriesState, x *series[*count]) {
		state.Value, state.Exported = x.value.Load(), x.exported
	})
}

func (s *Sum) restore(all []seriesState, holds func(tracker string) bool) bool {
	return s.restoreSeries(all, holds, func(state *seriesState) (*count, int64, bool) {
		c := &count{}
		c.Store(state.Value)
		return c, state.Exported, true
	})
}

func (h *Histogram) state() []seriesState {
	return h.states(func(state *seriesState, x *series[*observations]) {
		values, recorded := x.value.state()
		state.Values, state.Unexported = &values, uint64(recorded-x.exported)
	})
}

// state returns the observations, those in the export in progress included, and what recorded does.
func (o *observations) state() (distributionState, int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.exporting == nil {
		return o.total.state(), o.count
	}
	all := o.buckets.newDistribution()
	all.merge(o.exporting)
	all.merge(o.total)
	return all.state(), o.count
}

func (h *Histogram) restore(all []seriesState, holds func(tracker string) bool) bool {
	return h.restoreSeries(all, holds, func(state *seriesState) (*observations, int64, bool) {
		if state.Values == nil {
			return nil, 0, false
		}
		total, ok := h.buckets.restore(state.Values)
		if !ok {
			return nil, 0, false
		}
		recorded := int64(total.count())
		return &observations{buckets: &h.buckets, total: total, count: recorded}, recorded - int64(state.Unexported), true
	})
}
