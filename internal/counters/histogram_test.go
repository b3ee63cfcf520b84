// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"pgregory.net/rapid"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

var (
	explicitBuckets    = Buckets{Bounds: []float64{1, 10}}
	exponentialBuckets = Buckets{MaxSize: 4}
)

// timed is a set with a histogram by stage, whose stages are known, and one by tracker.
type timed struct {
	*Set
	byStage, byTracker *Histogram
}

func newTimed(delta bool, b Buckets) *timed {
	s := settings()
	s.Delta = delta
	set := NewSet(s, start)
	return &timed{
		Set: set,
		byStage: set.AddHistogram(Definition{Name: "stages", Unit: "s", Stage: semconv.AttrStage, Known: func(tracker string) []Key {
			return []Key{{Stage: "a", Tracker: tracker, Step: NoStep}, {Stage: "b", Tracker: tracker, Step: NoStep}}
		}}, b),
		byTracker: set.AddHistogram(Definition{Name: "trackers", Tracker: semconv.AttrExternalTracker, Known: func(tracker string) []Key {
			return []Key{{Tracker: tracker, Step: NoStep}}
		}}, b),
	}
}

func (s *timed) record(stage string, value float64, now time.Time) {
	s.byStage.Record(Key{Stage: stage, Step: NoStep}, value, now)
}

// span is one data point of a histogram with explicit buckets.
type span struct {
	start, at time.Time
	sum       float64
	counts    []uint64
}

// spans returns the points of a histogram by what tells its series apart.
func spans(md pmetric.Metrics, metric string) map[string][]span {
	all := map[string][]span{}
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Name() != metric {
			continue
		}
		for _, dp := range m.Histogram().DataPoints().All() {
			name := ""
			for _, v := range dp.Attributes().All() {
				name = v.Str()
			}
			all[name] = append(all[name], span{timeOf(dp.StartTimestamp()), timeOf(dp.Timestamp()), dp.Sum(), dp.BucketCounts().AsRaw()})
		}
	}
	return all
}

// accepted exports, and the export is accepted.
func (s *timed) accepted(now time.Time, last bool) pmetric.Metrics {
	x := s.Export(now, last)
	defer x.End()
	x.Commit()
	return x.Metrics
}

func (s *timed) refused(now time.Time) pmetric.Metrics {
	x := s.Export(now, false)
	defer x.End()
	return x.Metrics
}

func TestHistogramMetric(t *testing.T) {
	s := newTimed(false, explicitBuckets)
	s.accepted(at(0), false)
	s.record("a", 1, at(1))
	s.record("a", 1.5, at(1))
	s.record("a", 99, at(1))
	m := s.accepted(at(1), false).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	assert.Equal(t, "stages", m.Name())
	assert.Equal(t, "s", m.Unit())
	assert.Equal(t, pmetric.AggregationTemporalityCumulative, m.Histogram().AggregationTemporality())
	for _, dp := range m.Histogram().DataPoints().All() {
		assert.Equal(t, []float64{1, 10}, dp.ExplicitBounds().AsRaw())
		if stage, _ := dp.Attributes().Get(semconv.AttrStage); stage.Str() == "b" {
			assert.False(t, dp.HasMin() || dp.HasMax(), "of nothing")
			continue
		}
		assert.EqualValues(t, 3, dp.Count())
		assert.Equal(t, []uint64{1, 1, 1}, dp.BucketCounts().AsRaw(), "a bound belongs to the bucket below it")
		assert.InDelta(t, 101.5, dp.Sum(), 0)
		assert.InDelta(t, 1.0, dp.Min(), 0)
		assert.InDelta(t, 99.0, dp.Max(), 0)
	}
}

func TestHistogramBeginsWithZero(t *testing.T) {
	s := newTimed(false, explicitBuckets)
	s.record("a", 5, at(0))
	s.record("new", 7, at(1))
	zero := spans(s.refused(at(2)), "stages")
	assert.Equal(t, map[string][]span{
		"a": {{at(0), at(2), 0, []uint64{0, 0, 0}}}, "b": {{at(0), at(2), 0, []uint64{0, 0, 0}}}, "new": {{at(1), at(2), 0, []uint64{0, 0, 0}}},
	}, zero)
	again := spans(s.accepted(at(3), false), "stages")
	assert.Equal(t, []span{{at(1), at(3), 0, []uint64{0, 0, 0}}}, again["new"], "the zero that was refused first")
	s.record("late", 20, at(3))
	got := spans(s.accepted(at(4), false), "stages")
	assert.Equal(t, []span{{at(1), at(4), 7, []uint64{0, 1, 0}}}, got["new"])
	assert.Equal(t, []span{{at(3), at(4), 0, []uint64{0, 0, 0}}}, got["late"])
	assert.Equal(t, []uint64{0, 0, 0}, got["b"][0].counts)
}

func TestHistogramLastFlush(t *testing.T) {
	s := newTimed(false, explicitBuckets)
	s.accepted(at(0), false)
	s.record("a", 5, at(1))
	s.record("new", 7, at(1))
	got := spans(s.accepted(at(2), true), "stages")
	assert.Equal(t, []span{{at(0), at(2), 5, []uint64{0, 1, 0}}}, got["a"], "this one had begun")
	assert.Equal(t, []span{
		{at(1), at(2), 0, []uint64{0, 0, 0}}, {at(1), at(2).Add(zeroToCount), 7, []uint64{0, 1, 0}},
	}, got["new"])
}

func TestHistogramDelta(t *testing.T) {
	for name, b := range map[string]Buckets{"explicit": explicitBuckets, "exponential": exponentialBuckets} {
		t.Run(name, func(t *testing.T) {
			s := newTimed(true, b)
			assert.Zero(t, s.accepted(at(1), false).DataPointCount(), "nothing was counted")
			s.record("a", 5, at(1))
			refused := pointsOf(t, s.refused(at(2)))
			s.record("a", 3, at(2))
			s.refused(at(3))
			got := pointsOf(t, s.accepted(at(4), false))
			assert.Len(t, got, 1)
			assert.EqualValues(t, 1, refused["a"].Count())
			assert.EqualValues(t, 2, got["a"].Count(), "with what was refused")
			assert.InDelta(t, 8.0, got["a"].Sum(), 0)
			assert.InDelta(t, 3.0, got["a"].Min(), 0)
			assert.InDelta(t, 5.0, got["a"].Max(), 0)
			assert.Equal(t, at(0), timeOf(got["a"].StartTimestamp()), "since its creation")
			assert.Empty(t, pointsOf(t, s.accepted(at(5), false)))
			s.record("a", 4, at(5))
			next := pointsOf(t, s.accepted(at(6), true))["a"]
			assert.InDelta(t, 4.0, next.Min(), 0, "not that of before")
			assert.Equal(t, at(4), timeOf(next.StartTimestamp()), "since its last point")
		})
	}
}

// readPoint is what the points of both kinds of histograms can be asked for.
type readPoint interface {
	dataPoint
	Count() uint64
	HasSum() bool
	Sum() float64
	Min() float64
	Max() float64
	StartTimestamp() pcommon.Timestamp
}

// pointsOf returns the last point of each stage.
func pointsOf(t *testing.T, md pmetric.Metrics) map[string]readPoint {
	t.Helper()
	all := map[string]readPoint{}
	add := func(dp readPoint) {
		if stage, ok := dp.Attributes().Get(semconv.AttrStage); ok {
			all[stage.Str()] = dp
		}
	}
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Type() == pmetric.MetricTypeHistogram {
			for _, dp := range m.Histogram().DataPoints().All() {
				add(dp)
			}
			continue
		}
		for _, dp := range m.ExponentialHistogram().DataPoints().All() {
			add(dp)
		}
	}
	return all
}

// TestRecordedMeanwhile records while an export is under way: it is in the next one, whatever becomes of the first.
func TestRecordedMeanwhile(t *testing.T) {
	for _, accepted := range []bool{true, false} {
		s := newTimed(true, explicitBuckets)
		s.record("a", 2, at(0))
		x := s.Export(at(1), false)
		s.record("a", 20, at(1))
		if accepted {
			x.Commit()
		}
		x.End()
		got := spans(s.accepted(at(2), false), "stages")["a"]
		want := []span{{at(1), at(2), 20, []uint64{0, 0, 1}}}
		if !accepted {
			want = []span{{at(0), at(2), 22, []uint64{0, 1, 1}}}
		}
		assert.Equal(t, want, got)
	}
}

// TestNewMeanwhile begins a series while an export is under way: it was not in that, and has its zero in the next one.
func TestNewMeanwhile(t *testing.T) {
	s := newTimed(false, Buckets{Bounds: []float64{1, 10}})
	x := s.Export(at(1), false)
	s.record("new", 5, at(1))
	x.Commit()
	x.End()
	next := spans(s.accepted(at(2), false), "stages")["new"]
	require.Len(t, next, 1)
	assert.Equal(t, []uint64{0, 0, 0}, next[0].counts)
	assert.Equal(t, []uint64{0, 1, 0}, spans(s.accepted(at(3), false), "stages")["new"][0].counts)
}

func TestIdleTrackerOfHistogram(t *testing.T) {
	s := newTimed(false, explicitBuckets)
	s.byTracker.Record(Key{Tracker: s.Tracker("ads", at(0)), Step: NoStep}, 5, at(0))
	s.accepted(at(0), false)
	assert.Contains(t, spans(s.accepted(start.Add(idle+time.Hour), false), "trackers"), "ads", "its count is pending until then")
	assert.NotContains(t, spans(s.accepted(start.Add(idle+2*time.Hour), false), "trackers"), "ads")
	assert.Contains(t, spans(s.accepted(start.Add(idle+3*time.Hour), false), "trackers"), "")
}

// stored is the state of a set as it comes back from storage.
func (s *timed) stored(t *testing.T, now time.Time, commit bool) *State {
	t.Helper()
	x := s.Export(now, false)
	defer x.End()
	if commit {
		x.Commit()
	}
	return stored(t, x)
}

// stored is the state during an export as it comes back from storage.
func stored(t require.TestingT, x *Export) *State {
	return unmarshal(t, marshal(t, x))
}

func marshal(t require.TestingT, x *Export) []byte {
	written, err := json.Marshal(x.State())
	require.NoError(t, err)
	return written
}

func unmarshal(t require.TestingT, written []byte) *State {
	var state State
	require.NoError(t, json.Unmarshal(written, &state))
	return &state
}

func TestHistogramRestart(t *testing.T) {
	s := newTimed(false, explicitBuckets)
	s.accepted(at(0), false)
	s.record("a", 0.5, at(1))
	s.record("a", 20, at(1))
	state := s.stored(t, at(2), true)

	again := newTimed(false, explicitBuckets)
	require.NoError(t, again.Restore(state))
	again.record("a", 5, at(3))
	got := pointsOf(t, again.accepted(at(3), false))["a"].(pmetric.HistogramDataPoint)
	assert.Equal(t, []uint64{1, 1, 1}, got.BucketCounts().AsRaw())
	assert.InDelta(t, 25.5, got.Sum(), 0)
	assert.InDelta(t, 0.5, got.Min(), 0)
	assert.InDelta(t, 20.0, got.Max(), 0)
	assert.Equal(t, at(0), timeOf(got.StartTimestamp()))
}

// TestHistogramRestartDelta keeps a delta that was refused, also one that was under way.
func TestHistogramRestartDelta(t *testing.T) {
	s := newTimed(true, explicitBuckets)
	s.accepted(at(0), false)
	s.record("a", 5, at(1))
	s.refused(at(1))
	s.record("a", 6, at(1))
	for _, tt := range []struct {
		state *State
		want  map[string][]span
	}{
		{s.stored(t, at(2), false), map[string][]span{"a": {{at(0), at(3), 11, []uint64{0, 2, 0}}}}},
		{s.stored(t, at(2), true), map[string][]span{}},
	} {
		again := newTimed(true, explicitBuckets)
		require.NoError(t, again.Restore(tt.state))
		assert.Equal(t, tt.want, spans(again.accepted(at(3), false), "stages"))
	}
}

func TestOtherBuckets(t *testing.T) {
	s := newTimed(false, explicitBuckets)
	s.record("a", 5, at(0))
	state := s.stored(t, at(1), true)
	for name, b := range map[string]Buckets{"bounds": {Bounds: []float64{1, 11}}, "kind": exponentialBuckets} {
		t.Run(name, func(t *testing.T) {
			again := newTimed(false, b)
			require.ErrorIs(t, again.Restore(state), ErrOtherSettings)
			got := pointsOf(t, again.accepted(at(2), false))
			assert.Zero(t, got["a"].Count(), "it begins anew")
		})
	}
	wrong := *state.Metrics["stages"].Series[0].Values
	wrong.Positive.Counts = wrong.Positive.Counts[1:]
	_, ok := explicitBuckets.restore(&wrong)
	assert.False(t, ok, "fewer counts than buckets")
}

// exported writes a distribution as a data point.
func exportedPoint(d distribution) pmetric.ExponentialHistogramDataPoint {
	dp := pmetric.NewExponentialHistogramDataPoint()
	d.write(dp)
	return dp
}

func requireSame(t require.TestingT, want, got pmetric.ExponentialHistogramDataPoint, message string) {
	require.Equal(t, want.Count(), got.Count(), message)
	require.InDelta(t, want.Sum(), got.Sum(), 1e-9*(1+math.Abs(want.Min())+math.Abs(want.Max())), message)
	require.InDelta(t, want.Min(), got.Min(), 0, message)
	require.InDelta(t, want.Max(), got.Max(), 0, message)
	require.Equal(t, want.HasSum(), got.HasSum(), message)
	require.Equal(t, want.Scale(), got.Scale(), message)
	require.Equal(t, want.ZeroCount(), got.ZeroCount(), message)
	for _, side := range [][2]pmetric.ExponentialHistogramDataPointBuckets{
		{want.Positive(), got.Positive()}, {want.Negative(), got.Negative()},
	} {
		require.Equal(t, side[0].BucketCounts().AsRaw(), side[1].BucketCounts().AsRaw(), message)
		if side[0].BucketCounts().Len() > 0 {
			require.Equal(t, side[0].Offset(), side[1].Offset(), message)
		}
	}
}

// TestExponentialRestart shows that a restored histogram is the same in every respect, and goes on as the other does.
func TestExponentialRestart(t *testing.T) {
	magnitudes := rapid.SampledFrom([]float64{1, 1.0000001, 1.001, 1.5, 2, 3, 10, 100, 3600, 86400, 1e-3, 1e-300, 1e300, 0.92})
	value := rapid.Custom(func(t *rapid.T) float64 {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 8:
			return 0
		case 9:
			return -magnitudes.Draw(t, "negative")
		default:
			return magnitudes.Draw(t, "magnitude") * float64(rapid.IntRange(1, 9).Draw(t, "times"))
		}
	})
	again := func(t require.TestingT, b *Buckets, d distribution) distribution {
		written, err := json.Marshal(d.state())
		require.NoError(t, err)
		var values distributionState
		require.NoError(t, json.Unmarshal(written, &values))
		restored, ok := b.restore(&values)
		require.True(t, ok)
		requireSame(t, exportedPoint(d), exportedPoint(restored), "restored")
		return restored
	}
	// Values for which narrower buckets are nearly enough, and values in one bucket.
	for _, values := range [][]float64{{8.0000008, 1.5, 0}, {-8.0000008, -1.5, 0}, {1, 1.0000001}, {0}, {}} {
		b := Buckets{MaxSize: 20}
		d := b.newDistribution()
		for _, v := range values {
			d.record(v)
		}
		again(t, &b, d)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := Buckets{MaxSize: rapid.SampledFrom([]int32{2, 4, 20, 160}).Draw(t, "max size")}
		d := b.newDistribution()
		for _, v := range rapid.SliceOfN(value, 0, 40).Draw(t, "values") {
			d.record(v)
		}
		restored := again(t, &b, d)
		for _, v := range rapid.SliceOfN(value, 0, 5).Draw(t, "more values") {
			d.record(v)
			restored.record(v)
			requireSame(t, exportedPoint(d), exportedPoint(restored), fmt.Sprint("with ", v))
		}
	})
}

// TestExponentialMerge shows that a delta which was refused is merged as if it had never left.
func TestExponentialMerge(t *testing.T) {
	b := exponentialBuckets
	all, left, right := b.newDistribution(), b.newDistribution(), b.newDistribution()
	for _, v := range []float64{0, 1, 1.1, 7} {
		all.record(v)
		left.record(v)
	}
	for _, v := range []float64{0.001, 3600, 0} {
		all.record(v)
		right.record(v)
	}
	right.merge(b.newDistribution())
	empty := b.newDistribution()
	empty.merge(left)
	empty.merge(right)
	requireSame(t, exportedPoint(all), exportedPoint(empty), "merged")
}

// TestNegativeValue leaves the sum out from the first negative value on, over a restart too; with delta temporality only
// where the delta has one.
func TestNegativeValue(t *testing.T) {
	for name, b := range map[string]Buckets{"explicit": explicitBuckets, "exponential": exponentialBuckets} {
		for _, delta := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, delta=%v", name, delta), func(t *testing.T) {
				s := newTimed(delta, b)
				s.accepted(at(0), false)
				s.record("a", 5, at(1))
				s.record("a", 0, at(1))
				got := pointsOf(t, s.accepted(at(1), false))["a"]
				assert.True(t, got.HasSum())
				assert.InDelta(t, 5.0, got.Sum(), 0)

				s.record("a", -1, at(2))
				s.record("a", 3, at(2))
				refused := pointsOf(t, s.refused(at(2)))["a"]
				assert.False(t, refused.HasSum())
				s.record("a", 2, at(3))
				state := s.stored(t, at(3), false)
				s = newTimed(delta, b)
				require.NoError(t, s.Restore(state))
				got = pointsOf(t, s.accepted(at(4), false))["a"]
				assert.False(t, got.HasSum(), "with what was refused, after a restart")
				assert.InDelta(t, -1.0, got.Min(), 0)
				assert.InDelta(t, map[bool]float64{false: 5, true: 3}[delta], got.Max(), 0)
				assert.EqualValues(t, map[bool]int{false: 5, true: 3}[delta], got.Count())

				s.record("a", 4, at(5))
				assert.Equal(t, delta, pointsOf(t, s.accepted(at(5), false))["a"].HasSum())
			})
		}
	}
}

// TestValuesThatAreNotFinite are ignored: they cannot be stored.
func TestValuesThatAreNotFinite(t *testing.T) {
	for name, b := range map[string]Buckets{"explicit": explicitBuckets, "exponential": exponentialBuckets} {
		t.Run(name, func(t *testing.T) {
			s := newTimed(false, b)
			s.accepted(at(0), false)
			for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.MaxFloat64, 1} {
				s.record("a", value, at(1))
			}
			state := s.stored(t, at(1), true)
			s = newTimed(false, b)
			require.NoError(t, s.Restore(state))
			got := pointsOf(t, s.accepted(at(2), false))["a"]
			assert.EqualValues(t, 3, got.Count())
			assert.InDelta(t, math.MaxFloat64, got.Sum(), 0, "as large as can be stored")
			assert.InDelta(t, 1.0, got.Min(), 0)
			assert.InDelta(t, math.MaxFloat64, got.Max(), 0)
		})
	}
}
