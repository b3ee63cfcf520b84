// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"slices"
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

func outcomeOf(entries []entry) Outcome {
	if indexOfStage(entries, completed) >= 0 {
		return Completed
	}
	if isDropOff(entries[len(entries)-1].stage) {
		return DropOff
	}
	return Abandoned
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
	Trail                    []Entry // in order, never empty
	Events                   int     // distinct ones, of which not all may be in Trail
	Attempts                 int     // how many of Trail are liveness_started
	DropOffs                 []string
	TrustScore               event.Number[float64]
	Number                   int // of the end, from 1 on: with 2 it has been resumed

	// What is given once a verification: the steps of the happy path that it has passed since the end before, the time
	// from the first event to the completion, and the time to the first event of a stage from the event before it.
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
func (f *Funnel) endOf(entries []entry) End {
	return End{
		Outcome:    outcomeOf(entries),
		LastStage:  f.stages.Name(int(entries[len(entries)-1].stage)),
		DroppedOff: slices.ContainsFunc(entries, func(e entry) bool { return isDropOff(e.stage) }),
	}
}

// summarize makes the end of a verification, and marks in it and its entries what has been given.
func (f *Funnel) summarize(v *verification, entries []entry) *Ended {
	e := &Ended{
		Key: v.key(), ExternalID: v.externalID(), Tracker: v.tracker.Value(),
		Outcome: outcomeOf(entries), Trail: make([]Entry, len(entries)), Events: int(v.events), Number: int(v.ends),
		Attempts: attempts(entries), DropOffs: f.dropOffs(entries),
	}
	for i := range entries {
		s := &entries[i]
		e.Trail[i] = Entry{Stage: f.stages.Name(int(s.stage)), At: s.at, ID: s.id, New: true}
		if s.scored {
			e.TrustScore = event.Number[float64]{Value: v.score, Valid: true}
		}
	}
	if i := indexOfStage(entries, completed); i >= 0 && !v.timed {
		v.timed = true
		e.Duration = event.Number[float64]{Value: seconds(entries[0].at, entries[i].at), Valid: true}
	}
	e.StageTimes = f.stageTimes(entries)
	return e
}

// attempts returns how many attempts at liveness there are.
func attempts(entries []entry) int {
	n := 0
	for i := range entries {
		if entries[i].stage == livenessStarted {
			n++
		}
	}
	return n
}

// dropOffs returns the drop-off stages in order, each once.
func (f *Funnel) dropOffs(entries []entry) []string {
	var stages []string
	for i := range entries {
		if stage := entries[i].stage; isDropOff(stage) && indexOfStage(entries, stage) == i {
			stages = append(stages, f.stages.Name(int(stage)))
		}
	}
	return stages
}

// stageTimes returns the times to the stages that have not been given yet, and marks them.
func (f *Funnel) stageTimes(entries []entry) []StageTime {
	var given, seen [cardinality.OtherNumber + 1]bool
	for i := range entries {
		given[entries[i].stage] = given[entries[i].stage] || entries[i].timed
	}
	var times []StageTime
	for i := range entries {
		s := &entries[i]
		isFirst := !seen[s.stage]
		seen[s.stage] = true
		if i == 0 || !isFirst || given[s.stage] {
			continue
		}
		s.timed = true
		times = append(times, StageTime{Stage: f.stages.Name(int(s.stage)), Seconds: seconds(entries[i-1].at, s.at)})
	}
	return times
}

func seconds(from, to uint64) float64 {
	const second = uint64(time.Second)
	nanos := to - from
	return float64(nanos/second) + float64(nanos%second)/float64(second)
}
