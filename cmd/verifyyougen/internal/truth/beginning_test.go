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

// acknowledgeAll acknowledges all events of a verification.
func acknowledgeAll(r *Recorder, v *population.Verification) {
	for i := range v.Events {
		r.Acknowledge(v, i)
	}
}

// The verifications of one quarter of an hour, which begins at 17:00, worked
// out by hand.
func TestBeginning(t *testing.T) {
	r := NewRecorder()
	for _, events := range [][]at{
		// skips to liveness, fails, comes through at the second attempt
		{
			{"verification_initialized", 0},
			{"liveness_started", 1},
			{"liveness_failed", 2},
			{"liveness_started", 3},
			{"liveness_passed", 4},
			{"verification_completed", 5},
		},
		// at the first attempt
		{{"verification_initialized", 0}, {"liveness_started", 1}, {"liveness_passed", 2}, {"verification_completed", 3}},
		// completes without liveness
		{{"verification_initialized", 0}, {"verification_completed", 3}},
		// at the first attempt, but a collision
		{
			{"verification_initialized", 0},
			{"liveness_started", 1},
			{"liveness_passed", 2},
			{"face_collision", 3},
			{"verification_completed", 4},
		},
		// cancels four times
		{
			{"verification_initialized", 0},
			{"liveness_started", 1},
			{"liveness_cancelled", 2},
			{"liveness_started", 3},
			{"liveness_cancelled", 4},
			{"liveness_started", 5},
			{"liveness_cancelled", 6},
			{"liveness_started", 7},
			{"liveness_cancelled", 8},
		},
		// is silent
		{{"verification_initialized", 0}, {"verification_started", 1}},
	} {
		acknowledgeAll(r, verification("a", events...))
	}
	got := r.Truth().Beginnings
	require.Len(t, got, 1)
	assert.Equal(t, Beginning{
		Start: time.Date(2026, 6, 9, 17, 0, 0, 0, time.UTC), Tracker: "a",
		Began: 6, Completed: 4, OnFirstAttempt: 2, AfterDropOff: 2, DropOff: 1, Abandoned: 1,
		Reached: map[string]int64{
			"verification_initialized": 6, "verification_started": 1, "liveness_started": 4, "liveness_passed": 3,
			"liveness_failed": 1, "liveness_cancelled": 1, "face_collision": 1, "verification_completed": 4,
		},
		Passed: map[string]int64{
			"verification_initialized": 6, "verification_started": 6, "account_created": 5, "consent_granted": 5,
			"liveness_started": 5, "liveness_passed": 4, "verification_completed": 4,
		},
		Stopped: map[string]map[Outcome]int64{
			"liveness_started":     {DropOff: 1},
			"verification_started": {Abandoned: 1},
		},
		Attempts: [4]AttemptShare{{2, 1}, {2, 2}, {1, 1}, {1, 0}},
		Transitions: map[string]map[string]int64{
			"":                         {"verification_initialized": 6},
			"verification_initialized": {"liveness_started": 4, "verification_completed": 1, "verification_started": 1},
			"verification_started":     {"": 1},
			"liveness_started":         {"liveness_failed": 1, "liveness_passed": 3, "liveness_cancelled": 1},
			"liveness_failed":          {"liveness_started": 1},
			"liveness_cancelled":       {"liveness_started": 1, "": 1},
			"liveness_passed":          {"verification_completed": 2, "face_collision": 1},
			"face_collision":           {"verification_completed": 1},
			"verification_completed":   {"": 4},
		},
	}, got[0])
}

// Quarters of an hour are those of the clock in UTC, whatever the zone of a time.
func TestBeginningsByQuarterAndTracker(t *testing.T) {
	r := NewRecorder()
	zone := time.FixedZone("", -7*60) // seven minutes behind UTC
	for _, began := range []struct {
		at      time.Time
		tracker string
	}{
		{time.Date(2026, 6, 9, 17, 15, 0, 0, time.UTC).In(zone), "b"},
		{time.Date(2026, 6, 9, 17, 14, 59, 999_999_000, time.UTC), "b"},
		{time.Date(2026, 6, 9, 17, 15, 0, 0, time.UTC), "b"},
		{time.Date(2026, 6, 9, 17, 29, 59, 0, time.UTC), ""},
		{time.Date(2026, 6, 9, 17, 29, 59, 0, time.UTC), "a"},
	} {
		acknowledgeAll(r, &population.Verification{Tracker: began.tracker, Events: []population.Event{
			{Stage: "verification_initialized", OccurredAt: began.at},
			{Stage: "verification_completed", OccurredAt: began.at.Add(time.Hour)},
		}})
	}
	type row struct {
		start, tracker   string
		began, completed int64
	}
	var rows []row
	for _, b := range r.Truth().Beginnings {
		rows = append(rows, row{b.Start.Format(time.RFC3339), b.Tracker, b.Began, b.Completed})
	}
	assert.Equal(t, []row{
		{"2026-06-09T17:00:00Z", "b", 1, 1},
		{"2026-06-09T17:15:00Z", "", 1, 1},
		{"2026-06-09T17:15:00Z", "a", 1, 1},
		{"2026-06-09T17:15:00Z", "b", 2, 2},
	}, rows)
}

// Whatever is sent, a beginning adds up as the Stats API promises.
func TestBeginningAddsUp(t *testing.T) {
	stages := []string{
		"verification_initialized", "verification_started", "liveness_started", "liveness_failed", "liveness_passed",
		"face_collision", "verification_completed", "document_scanned",
	}
	r := NewRecorder()
	for n := range 4096 { // all ways to pick four stages, with the first always there
		events := []at{{stages[0], 0}}
		for i := range 4 {
			events = append(events, at{stages[n>>(3*i)&7], float64(i + 1)})
		}
		acknowledgeAll(r, verification("", events...))
	}
	truth := r.Truth()
	require.Len(t, truth.Beginnings, 1)
	b := truth.Beginnings[0]
	assert.Equal(t, b.Began, b.Completed+b.DropOff+b.Abandoned)
	path := []string{
		"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
		"liveness_passed", "verification_completed",
	}
	for i, step := range path {
		var stopped, next int64
		for _, n := range b.Stopped[step] {
			stopped += n
		}
		if i+1 < len(path) {
			next = b.Passed[path[i+1]]
		} else {
			next = b.Completed
		}
		assert.Equal(t, b.Passed[step], next+stopped, step)
		assert.GreaterOrEqual(t, b.Passed[step], b.Reached[step], step)
	}
	var ofAttempts AttemptShare
	for _, row := range b.Attempts {
		ofAttempts.Verifications += row.Verifications
		ofAttempts.Completed += row.Completed
	}
	assert.Equal(t, AttemptShare{b.Began, b.Completed}, ofAttempts)
	assert.Equal(t, b.Completed, b.AfterDropOff+b.OnFirstAttempt+completedAfterRetries(stages))
}

// completedAfterRetries is how many of the verifications above complete after
// more than one attempt and without a drop-off.
func completedAfterRetries(stages []string) (n int64) {
	for pick := range 4096 {
		counts := map[string]int{}
		for i := range 4 {
			counts[stages[pick>>(3*i)&7]]++
		}
		if counts["verification_completed"] > 0 && counts["liveness_started"] > 1 &&
			counts["liveness_failed"]+counts["face_collision"] == 0 {
			n++
		}
	}
	return n
}

// A straggler counts among events, in reached and in beginnings, and in nothing
// that a metric says of how a verification ended.
func TestStragglers(t *testing.T) {
	r := NewRecorder()
	v := verification("a",
		at{"verification_initialized", 0}, at{"liveness_started", 1}, at{"liveness_failed", 2},
		at{"liveness_started", 4}, at{"verification_completed", 8})
	v.Events[0].Straggler = true
	v.Events[2].Straggler = true
	v.Events[3].Straggler = true
	acknowledgeAll(r, v)

	got := r.Truth()
	assert.Len(t, got.Events, 4)
	assert.Equal(t, []StageCount{
		{"verification_initialized", "a", 1},
		{"liveness_started", "a", 1},
		{"liveness_failed", "a", 1},
		{"verification_completed", "a", 1},
	}, got.Reached)
	assert.Equal(t, []EndCount{{Completed, "verification_completed", false, "a", 1}}, got.Ended)
	assert.Equal(t, []AttemptCount{{Completed, 1, "a", 1}}, got.Attempts)
	assert.Equal(t, []TrackerDuration{{"a", Durations{Count: 1, Sum: 7, Median: 7, P90: 7, P99: 7}}}, got.VerificationDurations)
	assert.Equal(t, []StageDuration{{"verification_completed", Durations{Count: 1, Sum: 7, Median: 7, P90: 7, P99: 7}}}, got.StageDurations)
	require.Len(t, got.Beginnings, 1)
	assert.Equal(t, start.Truncate(quarter), got.Beginnings[0].Start)
	assert.Equal(t, [4]AttemptShare{2: {1, 1}}, got.Beginnings[0].Attempts)
	assert.EqualValues(t, 1, got.Beginnings[0].AfterDropOff)
	assert.Equal(t, start, *got.FirstOccurredAt)
}

// Where the events after a straggler were given up, it is the last one that
// comes, and ends the verification as any other.
func TestStragglerThatIsLast(t *testing.T) {
	r := NewRecorder()
	v := verification("", at{"verification_initialized", 0}, at{"liveness_started", 1}, at{"liveness_failed", 2})
	v.Events[0].Straggler, v.Events[1].Straggler = true, true
	r.Acknowledge(v, 0)
	r.Acknowledge(v, 1)
	r.GiveUp(v, false)
	got := r.Truth()
	assert.Equal(t, []EndCount{{Abandoned, "liveness_started", false, "", 1}}, got.Ended)
	assert.Equal(t, []StageDuration{{"liveness_started", Durations{Count: 1, Sum: 1, Median: 1, P90: 1, P99: 1}}}, got.StageDurations)
}

func TestBeginningJSON(t *testing.T) {
	r := NewRecorder()
	acknowledgeAll(r, verification("a", at{"verification_initialized", 0}))
	text, err := json.Marshal(r.Truth().Beginnings)
	require.NoError(t, err)
	assert.JSONEq(t, `[{"start": "2026-06-09T17:00:00Z", "tracker": "a", "began": 1, "completed": 0, "on_first_attempt": 0,
		"after_drop_off": 0, "drop_off": 0, "abandoned": 1,
		"reached": {"verification_initialized": 1}, "passed": {"verification_initialized": 1},
		"stopped": {"verification_initialized": {"abandoned": 1}},
		"attempts": [{"verifications": 1, "completed": 0}, {"verifications": 0, "completed": 0},
			{"verifications": 0, "completed": 0}, {"verifications": 0, "completed": 0}],
		"transitions": {"": {"verification_initialized": 1}, "verification_initialized": {"": 1}}}]`, string(text))
}
