// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// Outcome says how a verification ended.
type Outcome string

// A verification is completed if it was, at whatever time; otherwise its last stage decides.
const (
	Completed Outcome = "completed"
	DropOff   Outcome = "drop_off"
	Abandoned Outcome = "abandoned"
)

// OutcomeAfter returns how a verification ends that is silent after a stage, by its name.
func OutcomeAfter(stage string) Outcome {
	switch event.OutcomeOf(stage) {
	case event.Completed:
		return Completed
	case event.DropOff:
		return DropOff
	default:
		return Abandoned
	}
}

func outcomeOf(steps []step) Outcome {
	if indexOfStage(steps, completed) >= 0 {
		return Completed
	}
	if last := steps[len(steps)-1].stage; last < documented {
		return OutcomeAfter(event.Stages()[last])
	}
	return Abandoned
}

// Ended is a verification at its end.
type Ended struct {
	Key, ExternalID, Tracker string
	Outcome                  Outcome
	Steps                    []Step // in order, never empty
	Events                   int    // distinct ones, of which not all may be in Steps
	TrustScore               event.Number[float64]
	Number                   int // of the end, from 1 on: with 2 it has been resumed

	// What is given once a verification: the time from the first event to the completion, and to the first event of a
	// stage from the event before it.
	Duration   event.Number[float64] // seconds
	StageTimes []StageTime
}

// Step is one event of a verification.
type Step struct {
	Stage string // bounded
	At    uint64 // nanoseconds since 1970
	ID    event.ID
}

// StageTime is how long a stage took.
type StageTime struct {
	Stage   string
	Seconds float64
}

// LastStage returns the stage of the last event.
func (e *Ended) LastStage() string {
	return e.Steps[len(e.Steps)-1].Stage
}

// Seconds returns how long the verification took, from the first to the last event.
func (e *Ended) Seconds() float64 {
	return seconds(e.Steps[0].At, e.Steps[len(e.Steps)-1].At)
}

// Resumed reports whether the verification has gone on after an end.
func (e *Ended) Resumed() bool {
	return e.Number > 1
}

// summarize makes the end of a verification, and marks in it and its steps what has been given.
func (f *Funnel) summarize(v *verification, steps []step) *Ended {
	e := &Ended{
		Key: v.key(), ExternalID: v.externalID(), Tracker: v.tracker.Value(),
		Outcome: outcomeOf(steps), Steps: make([]Step, len(steps)), Events: int(v.events), Number: int(v.ends),
	}
	for i := range steps {
		s := &steps[i]
		e.Steps[i] = Step{Stage: f.stages.Name(int(s.stage)), At: s.at, ID: s.id}
		if s.scored {
			e.TrustScore = event.Number[float64]{Value: v.score, Valid: true}
		}
	}
	if i := indexOfStage(steps, completed); i >= 0 && !v.timed {
		v.timed = true
		e.Duration = event.Number[float64]{Value: seconds(steps[0].at, steps[i].at), Valid: true}
	}
	e.StageTimes = f.stageTimes(steps)
	return e
}

// stageTimes returns the times to the stages that have not been given yet, and marks them.
func (f *Funnel) stageTimes(steps []step) []StageTime {
	var given, seen [cardinality.OtherNumber + 1]bool
	for i := range steps {
		given[steps[i].stage] = given[steps[i].stage] || steps[i].timed
	}
	var times []StageTime
	for i := range steps {
		s := &steps[i]
		isFirst := !seen[s.stage]
		seen[s.stage] = true
		if i == 0 || !isFirst || given[s.stage] {
			continue
		}
		s.timed = true
		times = append(times, StageTime{Stage: f.stages.Name(int(s.stage)), Seconds: seconds(steps[i-1].at, s.at)})
	}
	return times
}

func seconds(from, to uint64) float64 {
	const second = uint64(time.Second)
	nanos := to - from
	return float64(nanos/second) + float64(nanos%second)/float64(second)
}
