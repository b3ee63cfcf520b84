// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"errors"
	"fmt"
	"time"
)

// Query asks about the verifications that began in [From, To).
type Query struct {
	From, To time.Time // From before To; both are widened to quarters of an hour
	// Trackers, where not nil, are the only values of external_tracker that are asked about; empty stands for those
	// without one.
	Trackers []string
	Step     Step // of the series
	// Location is where the hours and days of the series begin. A quarter of an hour is the same everywhere.
	Location *time.Location
}

// Step is the length of a point of a series.
type Step string

// The steps that a series can have.
const (
	StepQuarter Step = "15m"
	StepHour    Step = "1h"
	StepDay     Step = "1d"
)

// MaxPoints is how many points a series has at most.
const MaxPoints = 10_000

// ErrTooManyPoints means that the range of a query has more than MaxPoints points of its step.
var ErrTooManyPoints = fmt.Errorf("more than %d points: ask for a longer step or a shorter range", MaxPoints)

var errStep = errors.New("unknown step: it must be 15m, 1h or 1d")

// Answer is what is known of the verifications that a query asks about. It belongs to the caller.
type Answer struct {
	From, To     time.Time // as widened, in UTC
	RetainedFrom time.Time // the earliest time from which nothing is missing, in UTC
	Began, Open  int64

	Completed      Completion
	Stages         []Stage     // the documented ones in VerifyYou's order, then unknown ones that were reached, by name
	Ended          []Ended     // not 0, most verifications first, then by outcome and stage
	Attempts       [4]Attempts // 0, 1, 2, 3 or more
	TimeToComplete Quantiles
	Transitions    []Transition // not 0, most verifications first, then by the stages, nil before any
	Trackers       []Tracker    // not 0, most verifications first, then by name, nil before any
	Points         []Point      // from the one that holds From, without gaps
}

// Completion is about verifications with a verification_completed, ended or not.
type Completion struct {
	Verifications  int64
	OnFirstAttempt int64 // with at most one liveness_started, and no drop-off stage
	AfterDropOff   int64 // with a drop-off stage
}

// Stage is what became of the verifications at one stage.
type Stage struct {
	Stage   string
	Reached int64
	Passed  *int64    // reached this step or a later one of the happy path; nil for a stage outside it
	Stopped *Stopped  // nil as Passed is
	Time    Quantiles // to the first event of the stage from the event before it
}

// Stopped is about the verifications without a verification_completed whose furthest step of the happy path it is.
type Stopped struct {
	Open, DropOff, Abandoned int64
}

// Ended is how many verifications have ended with an outcome after a last stage.
type Ended struct {
	Outcome, LastStage string
	Verifications      int64
}

// Attempts is how many verifications have so many liveness_started, and how many of those completed.
type Attempts struct {
	Attempts                 int
	OrMore                   bool
	Verifications, Completed int64
}

// Quantiles are of times in seconds, within 5 % or 1 ms. They are nil where there are no times.
type Quantiles struct {
	Count         int64
	P50, P90, P99 *float64
}

// Transition is in how many verifications an event of one stage is directly followed by one of another. From is nil
// before the first event, To after the last one of a verification that has ended.
type Transition struct {
	From, To      *string
	Verifications int64
}

// Tracker is what became of the verifications of one value of external_tracker.
type Tracker struct {
	Tracker     *string // nil: without one
	Began, Open int64
	Completed   int64 // ended or not
	// DropOff and Abandoned have ended so.
	DropOff, Abandoned int64
}

// Point is one point of the series.
type Point struct {
	Start            time.Time // in UTC
	Began, Completed int64
}

// Row is one point of the series for one tracker.
type Row struct {
	Start time.Time // in UTC
	Tracker
	Reached []int64 // by documented stage, in VerifyYou's order
}
