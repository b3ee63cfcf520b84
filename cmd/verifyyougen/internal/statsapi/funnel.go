// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package statsapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/printable"
)

// Funnel is what is printed of an answer. All of it is about the verifications
// that began in [From, To). A nil share would divide by 0.
type Funnel struct {
	From             time.Time  `json:"from"`
	To               time.Time  `json:"to"`
	RetainedFrom     time.Time  `json:"retained_from"`
	GeneratedAt      time.Time  `json:"generated_at"`
	ExternalTrackers []*string  `json:"external_trackers"` // those asked for, nil in it for none; nil for all
	Began            int64      `json:"began"`
	Open             int64      `json:"open"`
	Completed        Completed  `json:"completed"`
	Stages           []Stage    `json:"stages"` // in order, those of the happy path have Passed
	Ended            []End      `json:"ended"`
	Attempts         []Attempts `json:"attempts"`
	TimeToComplete   Quantiles  `json:"time_to_complete"`
	Trackers         []Tracker  `json:"by_external_tracker"`
}

// Completed is about the verifications that completed.
type Completed struct {
	Verifications  int64    `json:"verifications"`
	OfBegan        *float64 `json:"of_began"`
	OnFirstAttempt int64    `json:"on_first_attempt"`
	AfterDropOff   int64    `json:"after_drop_off"`
}

// Stage is a stage of verifications. Passed and Stopped are nil for a stage
// outside the happy path.
type Stage struct {
	Name       string   `json:"stage"`
	Reached    int64    `json:"reached"`
	Passed     *int64   `json:"passed"`
	OfBegan    *float64 `json:"of_began"`
	OfPrevious *float64 `json:"of_previous"`
	Stopped    *Stopped `json:"stopped"`
}

// Stopped is those whose furthest step a stage is.
type Stopped struct {
	Open      int64 `json:"open"`
	DropOff   int64 `json:"drop_off"`
	Abandoned int64 `json:"abandoned"`
}

// End is how verifications ended.
type End struct {
	Outcome       string   `json:"outcome"`
	LastStage     string   `json:"last_stage"`
	Verifications int64    `json:"verifications"`
	OfBegan       *float64 `json:"of_began"`
}

// Attempts is the verifications with a number of attempts at liveness.
type Attempts struct {
	Attempts      int   `json:"attempts"`
	OrMore        bool  `json:"or_more"`
	Verifications int64 `json:"verifications"`
	Completed     int64 `json:"completed"`
}

// Quantiles is of times in seconds, nil where there are none.
type Quantiles struct {
	P50 *float64 `json:"p50"`
}

// Tracker is the verifications of one external_tracker, nil for those without.
type Tracker struct {
	Name      *string  `json:"external_tracker"`
	Began     int64    `json:"began"`
	Open      int64    `json:"open"`
	Completed int64    `json:"completed"`
	DropOff   int64    `json:"drop_off"`
	Abandoned int64    `json:"abandoned"`
	OfBegan   *float64 `json:"of_began"`
}

// Parse reads an answer. Its error is one line of printable text.
func Parse(answer []byte) (*Funnel, error) {
	var f Funnel
	err := json.Unmarshal(answer, &f)
	if err == nil && (len(f.Stages) == 0 || f.From.IsZero()) {
		err = errors.New("it has no stages or no from")
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is not a funnel of the Stats API (is --url right?): %s", printable.Text(err.Error()))
	}
	return &f, nil
}
