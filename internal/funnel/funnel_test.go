// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

func TestUnknownStages(t *testing.T) {
	f, h := funnelFor(10)
	long := strings.Repeat("x", 65)
	for n := range 2 { // each stage twice
		f.observe(at(1_000+n, "ver_1", long), start)
		for stage := range 400 {
			f.observe(at(10_000*(n+1)+stage, "ver_1", fmt.Sprint("unknown_", stage)), start)
		}
	}
	f.observe(at(1, "ver_2", long), start)
	f.observe(at(2, "ver_2", "unknown_0"), start)
	for stage := range cardinality.MaxUnknownStages {
		assert.Equal(t, map[bool]int{true: 2, false: 1}[stage == 0], h.reached[fmt.Sprint("unknown_", stage)], stage)
	}
	assert.Len(t, h.reached, cardinality.MaxUnknownStages+1)
	assert.Equal(t, maxEntries+1, h.reached[cardinality.Other], "as many distinct ones as are kept of a verification, and one of the other")
	active := f.Active()
	assert.EqualValues(t, 1, active[ActiveKey{LastStage: cardinality.Other}])
	assert.EqualValues(t, 1, active[ActiveKey{LastStage: "unknown_0"}])
	assert.Len(t, active, cardinality.MaxUnknownStages+1)
}

// TestStageNamedOther takes the name for that of all stages that have no series.
func TestStageNamedOther(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(1, "ver_1", cardinality.Other), start)
	f.observe(at(1, "ver_2", strings.Repeat("x", 65)), start)
	assert.Equal(t, 2, h.reached[cardinality.Other])
	assert.Equal(t, map[ActiveKey]int64{{LastStage: cardinality.Other}: 2}, f.Active())
}

// TestTooMany shows who has to leave.
func TestTooMany(t *testing.T) {
	f, h := funnelFor(3)
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	f.observe(at(0, "settling", "verification_completed"), second(0))
	f.observe(at(1, "silent", "verification_started"), second(1))
	f.observe(at(2, "talking", "verification_started"), second(2))
	f.run(second(30)) // the first has ended
	require.Len(t, h.ended, 1)
	f.observe(at(3, "silent", "consent_granted"), second(31))
	f.observe(at(4, "new_1", "verification_completed"), second(32))
	assert.Len(t, h.ended, 1, "one that has ended leaves first")
	assert.Equal(t, 0, h.early)
	assert.Equal(t, New, f.observe(at(5, "talking", "consent_granted"), second(33)))

	f.observe(at(6, "new_2", "verification_started"), second(34))
	assert.Equal(t, "silent", h.lastEnd(t).Key, "the longest silent, whatever the order of the first events")
	assert.Equal(t, Abandoned, h.lastEnd(t).Outcome)
	f.observe(at(7, "new_3", "verification_started"), second(35))
	assert.Equal(t, "new_1", h.lastEnd(t).Key, "one that settles is silent too")
	assert.Equal(t, Completed, h.lastEnd(t).Outcome)
	f.observe(at(8, "new_4", "verification_started"), second(36))
	assert.Equal(t, "talking", h.lastEnd(t).Key)
	assert.Equal(t, 3, h.early)
	assert.Equal(t, 3, f.Len())
	assert.Equal(t, map[ActiveKey]int64{
		{LastStage: "verification_started"}: 3, {LastStage: "consent_granted"}: 0, {LastStage: "verification_completed"}: 0,
	}, f.Active())
}

// TestOnlyPlace follows one verification at a time.
func TestOnlyPlace(t *testing.T) {
	f, h := funnelFor(1)
	for n := range 100 {
		assert.Equal(t, New, f.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start))
	}
	assert.Equal(t, 99, h.early)
	assert.Equal(t, 1, f.Len())
	assert.Len(t, f.table.chunks, 1)
	assert.Equal(t, 100, h.reached["verification_started"])
}

// TestDeadlines looks at the moments at which a verification ends and is forgotten.
func TestDeadlines(t *testing.T) {
	for name, tt := range map[string]struct {
		stages []string // each a minute after the one before
		ends   time.Duration
		as     Outcome
	}{
		"silence":                     {[]string{"verification_started"}, 30 * time.Minute, Abandoned},
		"silence after a drop-off":    {[]string{"verification_started", "face_collision"}, 31 * time.Minute, DropOff},
		"a drop-off that went on":     {[]string{"liveness_failed", "liveness_started"}, 31 * time.Minute, Abandoned},
		"completion":                  {[]string{"verification_started", "verification_completed"}, time.Minute + 30*time.Second, Completed},
		"what no stage is documented": {[]string{"verification_started", "something_new"}, 31 * time.Minute, Abandoned},
	} {
		t.Run(name, func(t *testing.T) {
			f, h := funnelFor(10)
			for i, stage := range tt.stages {
				f.observe(at(60*i, "ver_1", stage), start.Add(time.Duration(i)*time.Minute))
			}
			f.run(start.Add(tt.ends - 1))
			assert.Empty(t, h.ended)
			f.run(start.Add(tt.ends))
			require.Len(t, h.ended, 1)
			assert.Equal(t, tt.as, h.ended[0].Outcome)
			f.run(start.Add(24*time.Hour - 1))
			assert.Equal(t, 1, f.Len())
			f.run(start.Add(24 * time.Hour))
			assert.Equal(t, 0, f.Len())
			assert.Len(t, h.ended, 1)
		})
	}
}

// TestTimesFarApart has an event of 1970 and one of a time that no Duration reaches.
func TestTimesFarApart(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(&Event{Key: "ver_1", Stage: "verification_started", ID: idOf(1)}, start)
	f.observe(&Event{Key: "ver_1", Stage: "verification_completed", At: 1 << 63, ID: idOf(2)}, start)
	f.run(start.Add(time.Hour))
	e := h.lastEnd(t)
	assert.InDelta(t, 9223372036.854775808, e.Duration.Value, 1e-3)
	assert.InDelta(t, 9223372036.854775808, e.Seconds(), 1e-3)
}

func TestSecondCompletion(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_started"), start)
	f.observe(at(9, "ver_1", "verification_completed"), start)
	f.observe(at(5, "ver_1", "verification_completed"), start.Add(29*time.Second))
	f.run(start.Add(30 * time.Second))
	assert.Equal(t, event.Number[float64]{Value: 5, Valid: true}, h.lastEnd(t).Duration, "to the first of them")
	f.observe(at(20, "ver_1", "verification_completed"), start.Add(time.Minute))
	assert.Len(t, h.resumed, 1)
	f.run(start.Add(time.Minute + 30*time.Second))
	assert.False(t, h.lastEnd(t).Duration.Valid, "once a verification")
	assert.True(t, h.lastEnd(t).Resumed())
}

// TestLateCompletion resumes a verification that had ended otherwise, although the completion is not its last event.
func TestLateCompletion(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(9, "ver_1", "liveness_failed"), start)
	f.run(start.Add(time.Hour))
	assert.Equal(t, New, f.observe(at(5, "ver_1", "verification_completed"), start.Add(time.Hour)))
	assert.Len(t, h.resumed, 1)
	f.run(start.Add(time.Hour + 30*time.Second))
	assert.Equal(t, Completed, h.lastEnd(t).Outcome)
	assert.Equal(t, "liveness_failed", h.lastEnd(t).LastStage())
	assert.Equal(t, Straggler, f.observe(at(4, "ver_1", "verification_completed"), start.Add(time.Hour+time.Minute)))
}

// TestFirstNames keeps the first external id and the first tracker that come.
func TestFirstNames(t *testing.T) {
	f, h := funnelFor(10)
	for n, name := range []string{"", "first", "second", ""} {
		e := at(10-n, "ver_1", "verification_started")
		e.ExternalID, e.ExternalTracker = name, name
		f.observe(e, start)
	}
	f.run(start.Add(time.Hour))
	assert.Equal(t, "first", h.lastEnd(t).ExternalID)
	assert.Equal(t, "first", h.lastEnd(t).Tracker)
}

// TestManyAtOnce calls all methods from many goroutines, for the race detector.
func TestManyAtOnce(t *testing.T) {
	f, h := funnelFor(100)
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			for n := range 500 {
				now := start.Add(time.Duration(n) * time.Second)
				f.Observe(at(n, fmt.Sprintf("ver_%d_%d", caller, n/5), "verification_started"), now)
				f.Advance(now)
				f.Active()
				if caller == 0 {
					keepAll(f)
				}
			}
		})
	}
	callers.Wait()
	assert.Equal(t, 100, f.Len())
	assert.GreaterOrEqual(t, h.reached["verification_started"], 400, "more if one had to leave before its last event")
}
