// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"errors"
	"slices"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// State is what of Events is kept over a restart. It can be written as JSON.
type State struct {
	Attributes []string         `json:"attributes"`
	Delta      bool             `json:"delta"`
	Exported   time.Time        `json:"exported"`
	Series     []Series         `json:"series"`
	Trackers   map[string]int64 `json:"trackers"` // by name, the time of the last event in nanoseconds since 1970
}

// Series is the state of one series.
type Series struct {
	Stage    string        `json:"stage,omitempty"`
	Outcome  event.Outcome `json:"outcome,omitempty"`
	Tracker  string        `json:"tracker,omitempty"`
	Step     int64         `json:"step"`
	Created  time.Time     `json:"created"`
	Value    int64         `json:"value"`
	Exported int64         `json:"exported"`
}

// ErrOtherSettings means that a State is of counters with other attributes or another temporality.
var ErrOtherSettings = errors.New("it was counted with other attributes or another temporality")

// errState means that a State is not one that Events was in.
var errState = errors.New("the state of the counters is none")

// State returns the state of the counters during the export: what of it has been committed counts as exported. No
// value in it is below one of the export.
func (x *Export) State() State {
	c := x.events
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := State{
		Attributes: c.settings.Attributes, Delta: c.settings.Delta, Exported: c.exported,
		Trackers: make(map[string]int64, len(c.trackers.seen)), Series: make([]Series, 0, len(c.sum.points)),
	}
	for name, seen := range c.trackers.seen {
		s.Trackers[name] = seen.Load()
	}
	for k, p := range c.sum.points {
		s.Series = append(s.Series, Series{
			Stage: k.stage, Outcome: k.outcome, Tracker: k.tracker, Step: k.step,
			Created: p.created, Value: p.value.Load(), Exported: p.exported,
		})
	}
	return s
}

// Restore makes new Events go on where those of a state ended. With an error they are left as they are. It must come
// before all else.
//
// A restored series goes on with its value: a zero would look like a reset, and the whole value be counted again.
func (c *Events) Restore(s State) error {
	if s.Delta != c.settings.Delta || !slices.Equal(s.Attributes, c.settings.Attributes) {
		return ErrOtherSettings
	}
	for _, series := range s.Series {
		if series.Value < 0 || series.Exported < 0 || series.Exported > series.Value || series.Created.IsZero() {
			return errState
		}
	}
	c.exported = s.Exported
	for name, seen := range s.Trackers {
		c.trackers.restore(name, seen)
	}
	for _, series := range s.Series {
		if !c.trackers.holds(series.Tracker) {
			continue // the list of trackers has changed
		}
		if c.byStage && series.Stage != Other {
			c.stages.admit(series.Stage)
		}
		p := &point{created: series.Created, exported: series.Exported, begun: true}
		p.value.Store(series.Value)
		c.sum.points[key{stage: series.Stage, outcome: series.Outcome, tracker: series.Tracker, step: series.Step}] = p
	}
	return nil
}
