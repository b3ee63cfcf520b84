// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package truth

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/population"
)

var start = time.Date(2026, 6, 9, 17, 4, 1, 0, time.UTC)

type at struct {
	stage  string
	second float64
}

func verification(tracker string, events ...at) *population.Verification {
	v := &population.Verification{Tracker: tracker}
	for _, e := range events {
		v.Events = append(v.Events, population.Event{
			Stage:      e.stage,
			OccurredAt: start.Add(time.Duration(e.second * float64(time.Second))),
		})
	}
	return v
}

// acknowledge acknowledges events of a verification in a given order.
func acknowledge(r *Recorder, v *population.Verification, events ...int) {
	for _, e := range events {
		r.Acknowledge(v, e)
	}
}

func TestEmpty(t *testing.T) {
	text, err := json.Marshal(NewRecorder().Truth())
	require.NoError(t, err)
	assert.JSONEq(t, `{"seed": 0, "speed": 0, "verifications": 0, "events": [], "reached": [], "passed": [], "ended": [], "attempts": [],
		"verification_duration": [], "stage_duration": [], "beginnings": [], "first_occurred_at": null, "last_occurred_at": null,
		"deliveries": {"attempts": 0, "acknowledged": 0, "retries": 0, "duplicates": 0, "out_of_order": 0,
		"given_up": 0, "unclear": 0, "answers": {}}}`, string(text))
}

func TestTruth(t *testing.T) {
	r := NewRecorder()
	retries := verification("a",
		at{"verification_initialized", 1}, at{"liveness_started", 3}, at{"liveness_failed", 7},
		at{"liveness_started", 15}, at{"liveness_passed", 31}, at{"verification_completed", 63}, at{"verification_completed", 127})
	acknowledge(r, retries, 2, 0, 1, 3, 6, 4, 5)
	acknowledge(r, verification("a", at{"verification_initialized", 0}, at{"verification_completed", 10}), 0, 1)
	acknowledge(r, verification("", at{"verification_initialized", 0.5}, at{"liveness_started", 1.5}), 0, 1)

	got := r.Truth()
	assert.EqualValues(t, 3, got.Verifications)
	assert.Equal(t, []StageCount{
		{"verification_initialized", "", 1},
		{"verification_initialized", "a", 2},
		{"liveness_started", "", 1},
		{"liveness_started", "a", 2},
		{"liveness_passed", "a", 1},
		{"liveness_failed", "a", 1},
		{"verification_completed", "a", 3},
	}, got.Events)
	assert.Equal(t, []StageCount{
		{"verification_initialized", "", 1},
		{"verification_initialized", "a", 2},
		{"liveness_started", "", 1},
		{"liveness_started", "a", 1},
		{"liveness_passed", "a", 1},
		{"liveness_failed", "a", 1},
		{"verification_completed", "a", 2},
	}, got.Reached)
	assert.Equal(t, []StageCount{
		{"verification_initialized", "", 1},
		{"verification_initialized", "a", 2},
		{"verification_started", "", 1},
		{"verification_started", "a", 2},
		{"account_created", "", 1},
		{"account_created", "a", 2},
		{"consent_granted", "", 1},
		{"consent_granted", "a", 2},
		{"liveness_started", "", 1},
		{"liveness_started", "a", 2},
		{"liveness_passed", "a", 2},
		{"verification_completed", "a", 2},
	}, got.Passed)
	assert.Equal(t, []EndCount{
		{Abandoned, "liveness_started", false, "", 1},
		{Completed, "verification_completed", false, "a", 1},
		{Completed, "verification_completed", true, "a", 1},
	}, got.Ended)
	assert.Equal(t, []AttemptCount{
		{Abandoned, 1, "", 1},
		{Completed, 0, "a", 1},
		{Completed, 2, "a", 1},
	}, got.Attempts)
	assert.Equal(t, []TrackerDuration{{"a", Durations{Count: 2, Sum: 72, Median: 10, P90: 62, P99: 62}}}, got.VerificationDurations)
	assert.Equal(t, []StageDuration{
		{"liveness_started", Durations{Count: 2, Sum: 3, Median: 1, P90: 2, P99: 2}},
		{"liveness_passed", Durations{Count: 1, Sum: 16, Median: 16, P90: 16, P99: 16}},
		{"liveness_failed", Durations{Count: 1, Sum: 4, Median: 4, P90: 4, P99: 4}},
		{"verification_completed", Durations{Count: 2, Sum: 42, Median: 10, P90: 32, P99: 32}},
	}, got.StageDurations)
	assert.Equal(t, start, *got.FirstOccurredAt)
	assert.Equal(t, start.Add(127*time.Second), *got.LastOccurredAt)
	assert.EqualValues(t, 11, got.Deliveries.Acknowledged)
	assert.EqualValues(t, 4, got.Deliveries.OutOfOrder, "0 and 1 came after 2, 4 and 5 after 6")
}

func TestOutcomes(t *testing.T) {
	for name, test := range map[string]struct {
		stages []string
		want   EndCount
	}{
		"completed":            {[]string{"verification_completed"}, EndCount{Completed, "verification_completed", false, "", 1}},
		"drop-off after":       {[]string{"verification_completed", "face_collision"}, EndCount{Completed, "face_collision", true, "", 1}},
		"failed":               {[]string{"liveness_started", "liveness_failed"}, EndCount{DropOff, "liveness_failed", true, "", 1}},
		"cancelled":            {[]string{"liveness_started", "liveness_cancelled"}, EndCount{DropOff, "liveness_cancelled", true, "", 1}},
		"collision":            {[]string{"liveness_passed", "face_collision"}, EndCount{DropOff, "face_collision", true, "", 1}},
		"silent":               {[]string{"verification_started"}, EndCount{Abandoned, "verification_started", false, "", 1}},
		"silent after failing": {[]string{"liveness_failed", "liveness_started"}, EndCount{Abandoned, "liveness_started", true, "", 1}},
		"unknown stage":        {[]string{"document_scanned"}, EndCount{Abandoned, "document_scanned", false, "", 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var events []at
			for i, stage := range test.stages {
				events = append(events, at{stage, float64(i)})
			}
			r := NewRecorder()
			v := verification("", events...)
			for i := range events {
				r.Acknowledge(v, i)
			}
			assert.Equal(t, []EndCount{test.want}, r.Truth().Ended)
		})
	}
}

// What was given up is not in the truth, and changes what is.
func TestGivenUp(t *testing.T) {
	r := NewRecorder()
	v := verification("a", at{"verification_initialized", 1}, at{"verification_started", 3}, at{"liveness_started", 7}, at{"liveness_failed", 15})
	r.Acknowledge(v, 0)
	r.GiveUp(v, false)
	r.Acknowledge(v, 2)
	r.GiveUp(v, true)
	r.GiveUp(verification("b", at{"verification_initialized", 0}), false)

	assert.EqualValues(t, 2, r.Progress().Ended)
	got := r.Truth()
	assert.EqualValues(t, 1, got.Verifications)
	assert.Equal(t, []StageCount{{"verification_initialized", "a", 1}, {"liveness_started", "a", 1}}, got.Reached)
	assert.Equal(t, []EndCount{{Abandoned, "liveness_started", false, "a", 1}}, got.Ended)
	assert.Equal(t, []StageDuration{{"liveness_started", Durations{Count: 1, Sum: 6, Median: 6, P90: 6, P99: 6}}}, got.StageDurations)
	assert.Equal(t, start.Add(time.Second), *got.FirstOccurredAt)
	assert.EqualValues(t, 3, got.Deliveries.GivenUp)
	assert.EqualValues(t, 1, got.Deliveries.Unclear)
}

// A verification of which there was more to send ends with what was sent.
func TestUnfinished(t *testing.T) {
	r := NewRecorder()
	r.Acknowledge(verification("", at{"verification_initialized", 0}, at{"liveness_failed", 1}, at{"liveness_started", 2}), 1)
	assert.Zero(t, r.Progress().Ended)
	assert.Equal(t, []EndCount{{DropOff, "liveness_failed", true, "", 1}}, r.Truth().Ended)
}

func TestAttempts(t *testing.T) {
	r := NewRecorder()
	r.Attempt(First, NoAnswer)
	r.Attempt(Retry, 503)
	r.Attempt(Retry, 200)
	r.Attempt(Duplicate, 503)
	r.Attempt(Retry, 204)
	r.Signed(Duplicate)

	assert.Equal(t, Progress{Refused: 3}, r.Progress())
	assert.Equal(t, Deliveries{
		Attempts: 6, Retries: 3, Duplicates: 2,
		Answers: map[string]int64{"none": 1, "503": 2, "200": 1, "204": 1},
	}, r.Truth().Deliveries)
}

func TestPercentiles(t *testing.T) {
	var s samples
	for i := range 100 {
		s.add(time.Duration(100-i) * time.Millisecond)
	}
	assert.Equal(t, Durations{Count: 100, Sum: 5.05, Median: 0.05, P90: 0.09, P99: 0.099}, s.durations())
}
