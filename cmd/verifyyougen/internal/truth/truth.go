// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package truth counts what was sent, by the rules of a funnel: what a
// Collector that took every acknowledged event once has to show in the end.
package truth

import "time"

// Truth is the expected result of a simulation. A tracker of "" is none.
// Durations are in seconds, by occurred_at.
type Truth struct {
	Seed  uint64  `json:"seed"`
	Speed float64 `json:"speed"` // by which the delays of people were divided

	// Verifications counts those with an acknowledged event; only such events
	// count in the numbers down to LastOccurredAt.
	Verifications int64        `json:"verifications"`
	Events        []StageCount `json:"events"`
	Reached       []StageCount `json:"reached"` // distinct verifications

	// What metrics have to show once every verification has ended. Stragglers,
	// which come after the end, do not count in it.
	Passed                []StageCount      `json:"passed"` // by step of the happy path
	Ended                 []EndCount        `json:"ended"`
	Attempts              []AttemptCount    `json:"attempts"`
	VerificationDurations []TrackerDuration `json:"verification_duration"`
	StageDurations        []StageDuration   `json:"stage_duration"`

	Beginnings      []Beginning `json:"beginnings"`
	FirstOccurredAt *time.Time  `json:"first_occurred_at"` // null where there is no event
	LastOccurredAt  *time.Time  `json:"last_occurred_at"`

	Deliveries Deliveries `json:"deliveries"`
}

// StageCount is a count by stage and tracker.
type StageCount struct {
	Stage   string `json:"stage"`
	Tracker string `json:"tracker"`
	Count   int64  `json:"count"`
}

// EndCount counts verifications by how they ended. DroppedOff says that they
// reached a drop-off stage, whatever came after.
type EndCount struct {
	Outcome    Outcome `json:"outcome"`
	LastStage  string  `json:"last_stage"`
	DroppedOff bool    `json:"dropped_off"`
	Tracker    string  `json:"tracker"`
	Count      int64   `json:"count"`
}

// AttemptCount counts verifications by how often liveness was started in them.
type AttemptCount struct {
	Outcome  Outcome `json:"outcome"`
	Attempts int     `json:"attempts"`
	Tracker  string  `json:"tracker"`
	Count    int64   `json:"count"`
}

// TrackerDuration is how long completed verifications took, from the first
// event to verification_completed.
type TrackerDuration struct {
	Tracker string `json:"tracker"`
	Durations
}

// StageDuration is how long it took to come to a stage: from the event before,
// whatever its stage, to the first event of this one.
type StageDuration struct {
	Stage string `json:"stage"`
	Durations
}

// Durations sums up durations. Median, P90 and P99 are the smallest that half,
// 90 % or 99 % of the durations do not exceed, to 7 digits.
type Durations struct {
	Count  int64   `json:"count"`
	Sum    float64 `json:"sum"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
	P99    float64 `json:"p99"`
}

// Deliveries counts requests. Attempts is all of them, not those at liveness.
type Deliveries struct {
	Attempts     int64 `json:"attempts"`
	Acknowledged int64 `json:"acknowledged"` // distinct events that were answered 2xx
	Retries      int64 `json:"retries"`      // attempts after one that was not answered 2xx
	Duplicates   int64 `json:"duplicates"`   // attempts after one that was answered 2xx
	// OutOfOrder counts events that were first answered 2xx after a later one of
	// their verification.
	OutOfOrder int64 `json:"out_of_order"`
	// GivenUp counts events that were never answered 2xx. Of those in Unclear an
	// answer was lost: the endpoint may have taken them, and count more than the truth.
	GivenUp int64 `json:"given_up"`
	Unclear int64 `json:"unclear"`
	// Answers counts attempts by status; "none" is no answer.
	Answers map[string]int64 `json:"answers"`
}

// Outcome is how a verification ended.
type Outcome string

// The outcomes of a verification.
const (
	Completed Outcome = "completed"
	DropOff   Outcome = "drop_off"
	Abandoned Outcome = "abandoned"
)
