// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"slices"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// fact is something that is true of a verification or not, such as having reached a stage. What a cohort counts is for
// each fact of how many verifications it is true: that can be subtracted again, quantiles included, since a time is the
// fact that it lies in a bucket.
//
// Facts are numbers in blocks, one for each kind. Within a block that is about stages, they go by the number of the
// stage. The numbers are stored: a change of them is a change of stateVersion.
type fact uint16

const (
	stageNumbers = cardinality.OtherNumber + 1 // of the limit on stages
	noStage      = stageNumbers                // in a transition, where there is no event
	places       = stageNumbers + 1            // of a transition

	maxAttempts  = 3 // or more
	completable  = 2 // not completed, completed
	completion   = 0 // in times; the time of a stage is behind it
	numberOfTime = 1 + stageNumbers

	numberOfOutcomes = 3 // of open, drop-off and abandoned; of those and completed without open
)

// The blocks of facts.
const (
	factCompleted      fact = 0
	factOnFirstAttempt      = factCompleted + 1
	factAfterDropOff        = factOnFirstAttempt + 1
	factEnded               = factAfterDropOff + 1                        // by outcome and last stage
	factReached             = factEnded + numberOfOutcomes*stageNumbers   // by stage
	factAttempts            = factReached + stageNumbers                  // by attempts, completed or not
	factStopped             = factAttempts + (maxAttempts+1)*completable  // by outcome or open, and furthest step
	factTransition          = factStopped + numberOfOutcomes*stageNumbers // by place from and to
	factTime                = factTransition + places*places              // by what takes it, and bucket
	numberOfFacts           = factTime + numberOfTime*buckets
)

func endedFact(o Outcome, lastStage uint8) fact {
	return factEnded + fact(o-1)*stageNumbers + fact(lastStage)
}

func reachedFact(stage uint8) fact {
	return factReached + fact(stage)
}

func attemptsFact(attempts int, completed bool) fact {
	f := factAttempts + fact(min(attempts, maxAttempts))*completable
	if completed {
		f++
	}
	return f
}

// stoppedFact is of a verification without a completion, whose outcome is none of a completed one.
func stoppedFact(o Outcome, furthest uint8) fact {
	return factStopped + fact(o)*stageNumbers + fact(furthest)
}

func transitionFact(from, to uint8) fact {
	return factTransition + fact(from)*places + fact(to)
}

func timeToCompleteFact(nanos uint64) fact {
	return factTime + completion*buckets + fact(bucketOf(nanos))
}

func stageTimeFact(stage uint8, nanos uint64) fact {
	return factTime + (1+fact(stage))*buckets + fact(bucketOf(nanos))
}

// What the documented stages mean, by number: bits for sets of them.
var (
	stages       = event.Stages()
	completed    = numberOf("verification_completed")
	attempt      = numberOf("liveness_started")
	dropOffs     = stagesThat(func(o event.Outcome) bool { return o == event.DropOff })
	happyPath    = stagesThat(func(o event.Outcome) bool { return o != event.DropOff })
	bitCompleted = uint64(1) << completed
)

func numberOf(stage string) uint8 {
	return uint8(slices.Index(stages, stage))
}

func stagesThat(are func(event.Outcome) bool) (bits uint64) {
	for number, stage := range stages {
		if are(event.OutcomeOf(stage)) {
			bits |= 1 << number
		}
	}
	return bits
}

// renumber returns the fact with other numbers of the stages.
func (f fact) renumber(numbers *[places]uint8) fact {
	stageIn := func(block fact) fact {
		stage := (f - block) % stageNumbers
		return f - stage + fact(numbers[stage])
	}
	switch {
	case f < factEnded:
		return f
	case f < factReached:
		return stageIn(factEnded)
	case f < factAttempts:
		return stageIn(factReached)
	case f < factStopped:
		return f
	case f < factTransition:
		return stageIn(factStopped)
	case f < factTime:
		from, to := (f-factTransition)/places, (f-factTransition)%places
		return transitionFact(numbers[from], numbers[to])
	}
	of, bucket := (f-factTime)/buckets, (f-factTime)%buckets
	if of == completion {
		return f
	}
	return factTime + (1+fact(numbers[of-1]))*buckets + bucket
}
