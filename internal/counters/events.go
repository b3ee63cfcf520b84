// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// maxStep limits the values of the step attribute; the happy path is not longer.
const maxStep = 99

// Events is a Set with one sum: of events by stage, outcome, tracker and step. It is safe for concurrent use, but for
// Restore.
type Events struct {
	*Set
	stages *cardinality.Stages
	sum    *Sum
}

// NewEvents returns counters of events. The definition says what they count by; its Known is set here, to the documented
// stages. now is when their series start.
func NewEvents(settings SetSettings, d Definition, now time.Time) *Events {
	d.Known = func(tracker string) []Key {
		return KnownStages(tracker, func(stage string) string { return string(event.OutcomeOf(stage)) })
	}
	set := NewSet(settings, now)
	return &Events{Set: set, stages: cardinality.NewStages(), sum: set.AddSum(d)}
}

// Overflowed says which attributes of an event were over their limit, and counted as cardinality.Other.
type Overflowed struct {
	Stage, Tracker bool
}

// Add counts an event that came at now.
func (c *Events) Add(e *event.Event, now time.Time) Overflowed {
	key := Key{Outcome: string(e.Outcome()), Step: NoStep}
	if c.sum.def.Stage != "" {
		key.Stage = c.stages.AdmitName(e.Stage)
	}
	if c.sum.def.Tracker != "" {
		key.Tracker = c.Tracker(e.ExternalTracker, now)
	}
	if e.Step.Valid && e.Step.Value >= 0 && e.Step.Value <= maxStep {
		key.Step = e.Step.Value
	}
	c.sum.Add(key, now)
	return Overflowed{Stage: key.Stage == cardinality.Other, Tracker: key.Tracker == cardinality.Other}
}

// Restore makes new Events continue from a state, as Set.Restore does. Stages that had series keep them.
func (c *Events) Restore(state *State) error {
	if err := c.Set.Restore(state); err != nil {
		return err
	}
	if c.sum.def.Stage != "" {
		for _, e := range c.sum.entries() {
			c.stages.Admit(e.key.Stage)
		}
	}
	return nil
}
