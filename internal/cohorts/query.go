// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package cohorts counts verifications by when they began.
package cohorts

import "time"

// Query asks about the verifications that began in a range of time.
type Query struct {
	From, To time.Time // widened to quarters of an hour
	// Trackers, where not nil, are the only values of external_tracker that are asked about; empty is for none.
	Trackers []string
	// Step is the length of a point of the series: StepQuarter, StepHour or StepDay.
	Step Step
	// Location is where hours and days of the series begin.
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

// Answer is what is known of the verifications that a query asks about. All shares are nil where they would divide by 0.
type Answer struct {
	From, To     time.Time // as widened
	RetainedFrom time.Time // the earliest time from which nothing is missing
	Began, Open  int64

	Completed      Completed
	Stages         []Stage // every documented one in VerifyYou's order, then unknown ones by name
	Ended          []Ended // most verifications first
	Attempts       [4]Attempts
	TimeToComplete Quantiles
	Transitions    []Transition // most verifications first
	Trackers       []Tracker    // most verifications first
	Points         []Point      // without gaps
}

// Completed is about verifications with a verification_completed, ended or not.
type Completed struct {
	Verifications, OnFirstAttempt, AfterDropOff int64
}

// Stage is what became of the verifications at one stage.
type Stage struct {
	Stage   string
	Reached int64
	Passed  *int64   // nil outside the happy path, as Stopped
	Stopped *Stopped // whose furthest step of the happy path it is
	Time    Quantiles
}

// Stopped is about verifications without a verification_completed, by what they are.
type Stopped struct {
	Open, DropOff, Abandoned int64
}

// Ended is how many verifications ended with an outcome at a stage.
type Ended struct {
	Outcome, LastStage string
	Verifications      int64
}

// Attempts is how many verifications have so many liveness_started, and how many of them completed.
type Attempts struct {
	Attempts                 int
	OrMore                   bool
	Verifications, Completed int64
}

// Quantiles are of times in seconds, nil where there is none.
type Quantiles struct {
	Count         int64
	P50, P90, P99 *float64
}

// Transition is how many verifications went from one stage directly to another. From is nil before the first event, To
// after the last one of a verification that has ended.
type Transition struct {
	From, To      *string
	Verifications int64
}

// Tracker is what became of the verifications of one value of external_tracker, nil for none.
type Tracker struct {
	Tracker                                    *string
	Began, Open, Completed, DropOff, Abandoned int64
}

// Point is one point of the series.
type Point struct {
	Start            time.Time
	Began, Completed int64
}

// Row is one point of the series for one tracker, for CSV.
type Row struct {
	Start time.Time
	Tracker
	Reached []int64 // by documented stage
}
