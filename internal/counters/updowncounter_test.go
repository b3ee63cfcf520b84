// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// activeSet is a set with nothing but an UpDownCounter, whose values are those in the field.
type activeSet struct {
	*Set
	values map[Key]int64
}

func newActive(s SetSettings, attributes ...string) *activeSet {
	a := &activeSet{Set: NewSet(s, start)}
	a.AddUpDownCounter(Definition{
		Name:    "active",
		Stage:   Enabled(attributes, semconv.AttrVerificationLastStage),
		Tracker: Enabled(attributes, semconv.AttrExternalTracker),
		Known:   func(tracker string) []Key { return []Key{active("started", tracker), active("failed", tracker)} },
	}, func() map[Key]int64 { return a.values })
	return a
}

func active(stage, tracker string) Key {
	return Key{Stage: stage, Tracker: tracker, Step: NoStep}
}

// flush returns the exported values by "stage/tracker".
func (a *activeSet) flush(t *testing.T, now time.Time, accepted bool) map[string]int64 {
	t.Helper()
	x := a.Export(now, false)
	defer x.End()
	if accepted {
		x.Commit()
	}
	sum := x.Metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum()
	assert.False(t, sum.IsMonotonic())
	assert.Equal(t, pmetric.AggregationTemporalityCumulative, sum.AggregationTemporality())
	got := map[string]int64{}
	for _, dp := range sum.DataPoints().All() {
		stage, _ := dp.Attributes().Get(semconv.AttrVerificationLastStage)
		tracker, _ := dp.Attributes().Get(semconv.AttrExternalTracker)
		got[stage.Str()+"/"+tracker.Str()] = dp.IntValue()
		assert.Equal(t, now, timeOf(dp.Timestamp()))
	}
	return got
}

func TestUpDownCounter(t *testing.T) {
	for _, delta := range []bool{false, true} {
		s := settings()
		s.Delta = delta
		a := newActive(s, semconv.AttrVerificationLastStage)
		a.values = map[Key]int64{active("started", "ads"): 3, active("new", ""): 1}
		assert.Equal(t, map[string]int64{"started/": 3, "failed/": 0, "new/": 1}, a.flush(t, at(1), false))
		a.values = map[Key]int64{active("started", ""): 1}
		assert.Equal(t, map[string]int64{"started/": 1, "failed/": 0, "new/": 0}, a.flush(t, at(2), true), "what is over is 0")
	}
}

// TestUpDownCounterWithoutAttributes adds up what no attribute tells apart.
func TestUpDownCounterWithoutAttributes(t *testing.T) {
	a := newActive(settings())
	a.values = map[Key]int64{active("started", "ads"): 3, active("failed", ""): 4}
	assert.Equal(t, map[string]int64{"/": 7}, a.flush(t, at(1), true))
}

// TestUpDownCounterByTracker has series for each tracker that holds a place, from its first event until it is evicted.
func TestUpDownCounterByTracker(t *testing.T) {
	s := settings()
	s.MaxTrackers = 1
	a := newActive(s, semconv.AttrVerificationLastStage, semconv.AttrExternalTracker)
	assert.Equal(t, map[string]int64{"started/": 0, "failed/": 0}, a.flush(t, at(1), true))
	a.Tracker("ads", at(1))
	assert.Equal(t, map[string]int64{"started/": 0, "failed/": 0, "started/ads": 0, "failed/ads": 0}, a.flush(t, at(2), true))

	a.values = map[Key]int64{active("started", "ads"): 3, active("started", "news"): 2, active("started", "mail"): 1, active("failed", ""): 4}
	want := map[string]int64{"started/": 0, "failed/": 4, "started/ads": 3, "failed/ads": 0, "started/_OTHER": 3}
	assert.Equal(t, want, a.flush(t, at(3), true), "past the limit")
	assert.Equal(t, cardinality.Other, a.Tracker("news", at(3)))
	want["failed/_OTHER"] = 0
	assert.Equal(t, want, a.flush(t, at(4), true))

	late := start.Add(idle + time.Hour)
	a.flush(t, late, true)
	want = map[string]int64{"started/": 0, "failed/": 4, "started/_OTHER": 6, "failed/_OTHER": 0}
	assert.Equal(t, want, a.flush(t, late.Add(time.Minute), true), "the total stays when a tracker is evicted")
}

// TestUpDownCounterRestart shows that the trackers which have series keep them, at 0 until something is counted.
func TestUpDownCounterRestart(t *testing.T) {
	a := newActive(settings(), semconv.AttrVerificationLastStage, semconv.AttrExternalTracker)
	a.Tracker("ads", at(0))
	a.values = map[Key]int64{active("started", "ads"): 3}
	x := a.Export(at(1), true)
	state := x.State()
	x.End()
	b := newActive(settings(), semconv.AttrVerificationLastStage, semconv.AttrExternalTracker)
	require.NoError(t, b.Restore(&state))
	assert.Equal(t, map[string]int64{"started/": 0, "failed/": 0, "started/ads": 0, "failed/ads": 0}, b.flush(t, at(2), true))
}

// TestHistogramByTracker has the known series of a histogram for each tracker that holds a place, as a sum does.
func TestHistogramByTracker(t *testing.T) {
	s := settings()
	s.MaxTrackers = 1
	set := NewSet(s, start)
	attempts := set.AddHistogram(Definition{
		Name: "attempts", Outcome: semconv.AttrVerificationOutcome, Tracker: semconv.AttrExternalTracker,
		Known: func(tracker string) []Key {
			return []Key{{Outcome: "completed", Tracker: tracker, Step: NoStep}, {Outcome: "drop_off", Tracker: tracker, Step: NoStep}}
		},
	}, Buckets{Bounds: []float64{0, 1, 2, 3, 5, 10}})
	flush := func(now time.Time) map[string][]uint64 {
		x := set.Export(now, false)
		defer x.End()
		x.Commit()
		got := map[string][]uint64{}
		for _, dp := range x.Metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Histogram().DataPoints().All() {
			outcome, _ := dp.Attributes().Get(semconv.AttrVerificationOutcome)
			tracker, _ := dp.Attributes().Get(semconv.AttrExternalTracker)
			got[outcome.Str()+"/"+tracker.Str()] = dp.BucketCounts().AsRaw()
			assert.Equal(t, start, timeOf(dp.StartTimestamp()))
		}
		return got
	}
	for n, tracker := range []string{"ads", "ads", "news", ""} {
		attempts.Record(Key{Outcome: "completed", Tracker: set.Tracker(tracker, start), Step: NoStep}, float64(n), start)
	}
	zero := []uint64{0, 0, 0, 0, 0, 0, 0}
	want := map[string][]uint64{
		"completed/": zero, "drop_off/": zero, "completed/ads": zero, "drop_off/ads": zero, "completed/_OTHER": zero, "drop_off/_OTHER": zero,
	}
	assert.Equal(t, want, flush(at(1)))
	want["completed/ads"] = []uint64{1, 1, 0, 0, 0, 0, 0}
	want["completed/_OTHER"] = []uint64{0, 0, 1, 0, 0, 0, 0}
	want["completed/"] = []uint64{0, 0, 0, 1, 0, 0, 0}
	assert.Equal(t, want, flush(at(2)))
}
