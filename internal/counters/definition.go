// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// Key identifies a series of a metric by the values of its attributes. Fields that the metric has no attribute for are
// ignored.
type Key struct {
	// Stage, Outcome and Tracker make no attribute where they are empty.
	Stage, Outcome, Tracker string
	// Step makes none where it is NoStep.
	Step int64
	// DroppedOff always makes one: false is a value too.
	DroppedOff bool
}

// NoStep is the Step of a key without one.
const NoStep = -1

// Definition describes a metric.
type Definition struct {
	Name, Description, Unit string

	// Stage, Outcome, Tracker, Step and DroppedOff are the names of the attributes for those fields of a Key. The metric
	// has no attribute for a field whose name is empty.
	Stage, Outcome, Tracker, Step, DroppedOff string

	// Known returns the keys of the series that exist at 0 before anything is counted: for tracker "" from the creation of
	// the set on, for any other, where Tracker is named, from its first event on. Nil: there are none.
	Known func(tracker string) []Key
}

// Enabled returns the name of an attribute if it is among the enabled ones, "" otherwise.
func Enabled[T ~string](enabled []T, name string) string {
	if slices.Contains(enabled, T(name)) {
		return name
	}
	return ""
}

// KnownStages returns a key for each documented stage, with the outcome that outcomeOf returns for it.
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

// reduce clears the fields that the metric has no attribute for.
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
	if d.DroppedOff == "" {
		k.DroppedOff = false
	}
	return k
}

// maxAttributes is how many attributes a key can have.
const maxAttributes = 5

func (d *Definition) putAttributes(k Key, to pcommon.Map) {
	to.EnsureCapacity(maxAttributes)
	semconv.PutString(to, d.Stage, k.Stage)
	semconv.PutString(to, d.Outcome, k.Outcome)
	semconv.PutString(to, d.Tracker, k.Tracker)
	if k.Step != NoStep {
		to.PutInt(d.Step, k.Step)
	}
	if d.DroppedOff != "" {
		to.PutBool(d.DroppedOff, k.DroppedOff)
	}
}

// attributeNames tell which attributes a metric has, in the order in which they are stored.
func (d *Definition) attributeNames() [maxAttributes]string {
	return [maxAttributes]string{d.Stage, d.Outcome, d.Tracker, d.Step, d.DroppedOff}
}
