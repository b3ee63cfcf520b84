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

func outcomeOf(es entries) Outcome {
	switch {
	case es.first(completed) != nil:
		return Completed
	case isDropOff(es.last().stage):
		return DropOff
	default:
		return Abandoned
	}
}

// End is how a verification ended.
type End struct {
	Outcome    Outcome
	LastStage  string // bounded
	DroppedOff bool   // a drop-off stage was reached, whatever came after
}

// Ended is a verification at one of its ends.
type Ended struct {
	Key, ExternalID, Tracker string
	Outcome                  Outcome
	Trail                    []Entry  // in order, never empty
	Events                   int      // distinct ones, of which not all may be in Trail
	Attempts                 int      // how many of Trail are liveness_started
	DropOffs                 []string // the drop-off stages in Trail, in order, each once
	TrustScore               event.Number[float64]
	Number                   int // of the end, from 1 on: with 2 it has been resumed

	// What is given once a verification: the steps of the happy path that it has passed, which are all up to the furthest
	// one that it has reached; the time from the first event to the completion; and the time to the first event of a
	// stage from the event before it.
	Passed     []string
	Duration   event.Number[float64] // seconds
	StageTimes []StageTime
}

// Entry is one event of a verification.
type Entry struct {
	Stage string // bounded
	At    uint64 // nanoseconds since 1970
	ID    event.ID
	New   bool // it was in the trail of no earlier end
}

// StageTime is how long a stage took.
type StageTime struct {
	Stage   string
	Seconds float64
}

// Start returns when the first event occurred, in nanoseconds since 1970.
func (e *Ended) Start() uint64 {
	return e.Trail[0].At
}

// LastStage returns the stage of the last event.
func (e *Ended) LastStage() string {
	return e.Trail[len(e.Trail)-1].Stage
}

// DroppedOff reports whether a drop-off stage was reached, whatever came after.
func (e *Ended) DroppedOff() bool {
	return len(e.DropOffs) > 0
}

// Seconds returns how long the verification took, from the first to the last event.
func (e *Ended) Seconds() float64 {
	return seconds(e.Start(), e.Trail[len(e.Trail)-1].At)
}

// Resumed reports whether the verification has gone on after an end.
func (e *Ended) Resumed() bool {
	return e.Number > 1
}

// endOf returns how a verification with these entries ends.
func (f *Funnel) endOf(es entries) End {
	return End{
		Outcome:    outcomeOf(es),
		LastStage:  f.stages.Name(int(es.last().stage)),
		DroppedOff: len(f.dropOffs(es)) > 0,
	}
}

// summarize makes the end of a verification, and marks in it and its entries what has been given.
func (f *Funnel) summarize(v *verification, es entries) *Ended {
	e := &Ended{
		Key: v.key(), ExternalID: v.externalID(), Tracker: v.tracker.Value(),
		Outcome: outcomeOf(es), Trail: make([]Entry, 0, len(es)), Events: int(v.events), Number: int(v.ends),
		Attempts: es.count(livenessStarted), DropOffs: f.dropOffs(es), Passed: f.pass(v, es),
	}
	var first *entry
	for entry := range es.inTime {
		if first == nil {
			first = entry
		}
		e.Trail = append(e.Trail, Entry{Stage: f.stages.Name(int(entry.stage)), At: entry.at, ID: entry.id, New: entry.mark == fresh})
		if entry.scored {
			e.TrustScore = event.Number[float64]{Value: v.score, Valid: true}
		}
	}
	if completion := es.first(completed); completion != nil && v.flags&durationGiven == 0 {
		v.flags |= durationGiven
		e.Duration = event.Number[float64]{Value: seconds(first.at, completion.at), Valid: true}
	}
	e.StageTimes = f.stageTimes(es)
	return e
}

// dropOffs returns the drop-off stages in order, each once.
func (f *Funnel) dropOffs(es entries) []string {
	var stages []string
	for e := range es.inTime {
		if isDropOff(e.stage) && e == es.first(e.stage) {
			stages = append(stages, f.stages.Name(int(e.stage)))
		}
	}
	return stages
}

// pass returns the steps of the happy path up to the furthest one that was reached, without those that have been given.
func (f *Funnel) pass(v *verification, es entries) []string {
	given, furthest := 0, 0
	for i, stage := range happyPath {
		if v.passed == stage+1 {
			given = i + 1
		}
		if es.first(stage) != nil {
			furthest = i + 1
		}
	}
	if furthest <= given {
		return nil
	}
	v.passed = happyPath[furthest-1] + 1
	steps := make([]string, 0, furthest-given)
	for _, stage := range happyPath[given:furthest] {
		steps = append(steps, f.stages.Name(int(stage)))
	}
	return steps
}

// stageTimes marks all entries as told, and returns the times to the stages that have not been given yet.
func (f *Funnel) stageTimes(es entries) []StageTime {
	var given [cardinality.OtherNumber + 1]bool
	for e := range es.inTime {
		given[e.stage] = given[e.stage] || e.mark == timed
	}
	var times []StageTime
	var prev *entry
	for e := range es.inTime {
		if e.mark == fresh {
			e.mark = told
		}
		if prev != nil && !given[e.stage] && e == es.first(e.stage) {
			e.mark = timed
			times = append(times, StageTime{Stage: f.stages.Name(int(e.stage)), Seconds: seconds(prev.at, e.at)})
		}
		prev = e
	}
	return times
}

func seconds(from, to uint64) float64 {
	const second = uint64(time.Second)
	nanos := to - from
	return float64(nanos/second) + float64(nanos%second)/float64(second)
}
