// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// exampleState is the state of a set with a count of 1 that was exported.
func exampleState(tb testing.TB) *State {
	tb.Helper()
	c := newClocked(clocktest.New(), false)
	c.count()
	c.next(false, true)
	x := c.Export(c.clock.Now(), false)
	defer x.End()
	x.Commit()
	return stored(tb, x)
}

func TestRestoreInvalidState(t *testing.T) {
	for name, change := range map[string]func(sum, histogram *seriesState){
		"negative value":               func(sum, _ *seriesState) { sum.Value = -1 },
		"negative exported":            func(sum, _ *seriesState) { sum.Exported = -1 },
		"more exported than counted":   func(sum, _ *seriesState) { sum.Exported = 2 },
		"no start":                     func(sum, _ *seriesState) { sum.Start = time.Time{} },
		"more unexported than counted": func(_, histogram *seriesState) { histogram.Unexported = 2 },
		"more counted than in buckets": func(_, histogram *seriesState) { histogram.Values.Count = 2 },
		"more in buckets than counted": func(_, histogram *seriesState) { histogram.Values.Negative.Counts = []uint64{1} },
		"minimum over maximum":         func(_, histogram *seriesState) { histogram.Values.Min = 6 },
		"count that is no int": func(_, histogram *seriesState) {
			histogram.Values.Count, histogram.Values.Positive.Counts[0] = math.MaxUint64, math.MaxUint64-1
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := exampleState(t)
			change(&state.Metrics["sum"].Series[0], &state.Metrics["histogram"].Series[0])
			restored := newClocked(clocktest.New(), false)
			require.EqualError(t, restored.Restore(state), "invalid counter state")
			assert.Empty(t, restored.next(false, true), "it is as it was")
		})
	}
}

// FuzzRestore shows that no stored state makes a set panic, and that what was restored can be stored again.
func FuzzRestore(f *testing.F) {
	for _, b := range []Buckets{explicitBuckets, exponentialBuckets} {
		s := newTimed(false, b)
		for _, value := range []float64{0, 5, -1, 1e300} {
			s.record("a", value, at(1))
		}
		s.byTracker.Record(Key{Tracker: s.Tracker("ads", at(1)), Step: NoStep}, 7, at(1))
		x := s.Export(at(2), true)
		written, err := json.Marshal(x.State())
		x.End()
		require.NoError(f, err)
		f.Add(written, b.MaxSize > 0)
	}
	// The counts of a state of another time: without starts.
	f.Add([]byte(`{"metrics":{"stages":{"counted_by":["`+semconv.AttrStage+`","","",""],"series":[{"stage":"a","created":"2026-06-09T17:00:00Z"}]}}}`), false)
	f.Fuzz(func(t *testing.T, stateJSON []byte, exponential bool) {
		var state State
		if json.Unmarshal(stateJSON, &state) != nil {
			return
		}
		b := explicitBuckets
		if exponential {
			b = exponentialBuckets
		}
		s := newTimed(state.Delta, b)
		_ = s.Restore(&state)
		s.record("a", 1, at(1))
		s.refused(at(1))
		s.stored(t, at(2), true)
		s.accepted(at(3), true)
	})
}
