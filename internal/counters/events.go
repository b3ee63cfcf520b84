// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// maxStep bounds the values of the step attribute; a happy path is not longer.
const maxStep = 99

// Settings say what Events counts by and how it is exported.
type Settings struct {
	// Name, Description and Unit are the metric's.
	Name, Description, Unit string
	Resource                pcommon.Resource
	Scope                   pcommon.InstrumentationScope

	// Attributes are the names of the attributes to count by: those of semconv for stage, outcome, tracker and step.
	Attributes []string
	// Delta, MaxTrackers and Trackers are those of SetSettings.
	Delta       bool
	MaxTrackers int
	Trackers    []string
}

// Events counts events by stage, outcome, tracker and step. All methods are safe for concurrent use.
type Events struct {
	*Set
	stages *cardinality.Stages
	sum    *Sum
}

// NewEvents returns counters that begin at a time, with all known stages at 0.
func NewEvents(settings Settings, now time.Time) *Events {
	c := &Events{
		Set: NewSet(SetSettings{
			Resource: settings.Resource, Scope: settings.Scope, Delta: settings.Delta,
			MaxTrackers: settings.MaxTrackers, Trackers: settings.Trackers,
		}, now),
		stages: cardinality.NewStages(),
	}
	c.sum = c.AddSum(Definition{
		Name: settings.Name, Description: settings.Description, Unit: settings.Unit,
		Stage:   Enabled(settings.Attributes, semconv.AttrStage),
		Outcome: Enabled(settings.Attributes, semconv.AttrOutcome),
		Tracker: Enabled(settings.Attributes, semconv.AttrExternalTracker),
		Step:    Enabled(settings.Attributes, semconv.AttrStep),
		Known: func(tracker string) []Key {
			return KnownStages(tracker, func(stage string) string { return string(event.OutcomeOf(stage)) })
		},
	})
	return c
}

// Enabled returns the name of an attribute if it is among those that are enabled, and nothing otherwise.
func Enabled[T ~string](attributes []T, name string) string {
	if slices.Contains(attributes, T(name)) {
		return name
	}
	return ""
}

// Overflow says which attributes of an event were counted as cardinality.Other.
type Overflow struct {
	Stage, Tracker bool
}

// Add counts an event that came at a time.
func (c *Events) Add(e *event.Event, now time.Time) Overflow {
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
	return Overflow{Stage: key.Stage == cardinality.Other, Tracker: key.Tracker == cardinality.Other}
}

// Restore makes new Events go on where those of a state ended, as Set.Restore does.
func (c *Events) Restore(state *State) error {
	if err := c.Set.Restore(state); err != nil {
		return err
	}
	for _, series := range c.sum.state() {
		if series.Stage != cardinality.Other && series.Stage != "" {
			c.stages.Admit(series.Stage) // it keeps its place
		}
	}
	return nil
}
