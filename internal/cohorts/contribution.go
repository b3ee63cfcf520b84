// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"math/bits"
	"slices"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// Outcome says whether and how a verification has ended.
type Outcome uint8

// A verification is open until it ends.
const (
	Open Outcome = iota
	DropOff
	Abandoned
	Completed
)

// Verification is what is known of one when it is counted.
type Verification struct {
	Events  []Event               // those that are kept, in order; never empty
	Reached uint64                // a bit for each stage with an event that may not have been kept, by number
	Tracker unique.Handle[string] // of the earliest event that has one, as it came; of "" where none has
	Outcome Outcome               // as it stands: Open for one that was resumed
}

// Event is one event of a verification.
type Event struct {
	At    uint64 // when it occurred, in nanoseconds since 1970
	Stage uint8  // its number by cardinality.Stages
}

// Contribution is what one verification adds to the statistics: the facts that are true of it. The zero value is that
// of no verification. It can be described again and again, which allocates no more memory; it is not safe for
// concurrent use.
type Contribution struct {
	began   uint64
	tracker unique.Handle[string]
	facts   []fact // in order, each once
}

// Reset makes it that of no verification.
func (c *Contribution) Reset() {
	c.began, c.tracker, c.facts = 0, unique.Handle[string]{}, c.facts[:0]
}

// Describe makes it that of a verification. It keeps no reference to the events.
func (c *Contribution) Describe(v *Verification) {
	c.began, c.tracker, c.facts = v.Events[0].At, v.Tracker, c.facts[:0]
	reached := v.Reached
	for i := range v.Events {
		reached |= 1 << v.Events[i].Stage
	}
	c.describeStages(v, reached)
	c.describeCompletion(v, reached)
	c.describeOrder(v)
	slices.Sort(c.facts)
	c.facts = slices.Compact(c.facts) // a transition may come again
}

func (c *Contribution) add(f fact) {
	c.facts = append(c.facts, f)
}

func (c *Contribution) describeStages(v *Verification, reached uint64) {
	for rest := reached; rest != 0; rest &= rest - 1 {
		c.add(reachedFact(uint8(bits.TrailingZeros64(rest))))
	}
	if steps := reached & happyPath; steps != 0 && reached&bitCompleted == 0 {
		c.add(stoppedFact(v.Outcome, uint8(bits.Len64(steps)-1)))
	}
	if v.Outcome != Open {
		c.add(endedFact(v.Outcome, v.Events[len(v.Events)-1].Stage))
	}
}

func (c *Contribution) describeCompletion(v *Verification, reached uint64) {
	attempts := 0
	for i := range v.Events {
		if v.Events[i].Stage == attempt {
			attempts++
		}
	}
	isCompleted := reached&bitCompleted != 0
	c.add(attemptsFact(attempts, isCompleted))
	if !isCompleted {
		return
	}
	c.add(factCompleted)
	switch {
	case reached&dropOffs != 0:
		c.add(factAfterDropOff)
	case attempts <= 1:
		c.add(factOnFirstAttempt)
	}
}

// describeOrder is about what follows on what, and after which time.
func (c *Contribution) describeOrder(v *Verification) {
	events := v.Events
	seen := uint64(1) << events[0].Stage
	c.add(transitionFact(noStage, events[0].Stage))
	if events[0].Stage == completed {
		c.add(timeToCompleteFact(0))
	}
	for i := 1; i < len(events); i++ {
		before, e := &events[i-1], &events[i]
		c.add(transitionFact(before.Stage, e.Stage))
		if seen&(1<<e.Stage) != 0 {
			continue
		}
		seen |= 1 << e.Stage
		c.add(stageTimeFact(e.Stage, e.At-before.At))
		if e.Stage == completed {
			c.add(timeToCompleteFact(e.At - events[0].At))
		}
	}
	if v.Outcome != Open {
		c.add(transitionFact(events[len(events)-1].Stage, noStage))
	}
}

// quarter returns the number of the quarter of an hour in which the verification began.
func (c *Contribution) quarter() int64 {
	return int64(c.began / (quarterSeconds * uint64(time.Second)))
}

var other = unique.Make(cardinality.Other)

// cohort returns the tracker that the verification is counted under at its place.
func (c *Contribution) cohort(p Place) unique.Handle[string] {
	if p&asOther != 0 {
		return other
	}
	return c.tracker
}
