// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// clocked is a set with a metric of each kind, on a clock that can be set.
type clocked struct {
	*Set
	clock     *clocktest.Clock
	logs      *observer.ObservedLogs
	sum       *Sum
	histogram *Histogram
}

func newClocked(clock *clocktest.Clock, delta bool) *clocked {
	core, logs := observer.New(zap.WarnLevel)
	s := settings()
	s.Delta, s.Logger = delta, zap.New(core)
	set := NewSet(s, clock.Now())
	byStage := func(name string) Definition { return Definition{Name: name, Stage: semconv.AttrStage} }
	c := &clocked{Set: set, clock: clock, logs: logs, sum: set.AddSum(byStage("sum")), histogram: set.AddHistogram(byStage("histogram"), explicitBuckets)}
	set.AddUpDownCounter(byStage("active"), func() map[Key]int64 { return map[Key]int64{active("a", ""): 1} })
	return c
}

func (c *clocked) count() {
	c.sum.Add(active("a", ""), c.clock.Now())
	c.histogram.Record(active("a", ""), 5, c.clock.Now())
}

// interval is the time of a data point.
type interval struct {
	start, at time.Time
}

// flush returns the times of the points of each metric.
func (c *clocked) flush(accepted bool) map[string][]interval {
	x := c.Export(c.clock.Now(), false)
	defer x.End()
	if accepted {
		x.Commit()
	}
	return intervals(x.Metrics)
}

func intervals(md pmetric.Metrics) map[string][]interval {
	all := map[string][]interval{}
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		add := func(start, at pcommon.Timestamp) {
			all[m.Name()] = append(all[m.Name()], interval{start.AsTime(), at.AsTime()})
		}
		if m.Type() == pmetric.MetricTypeHistogram {
			for _, dp := range m.Histogram().DataPoints().All() {
				add(dp.StartTimestamp(), dp.Timestamp())
			}
			continue
		}
		for _, dp := range m.Sum().DataPoints().All() {
			add(dp.StartTimestamp(), dp.Timestamp())
		}
	}
	return all
}

// requireAll requires one point of each metric, with these times.
func requireAll(t *testing.T, got map[string][]interval, start, at time.Time, metrics ...string) {
	t.Helper()
	want := map[string][]interval{}
	for _, name := range metrics {
		want[name] = []interval{{start.UTC(), at.UTC()}}
	}
	require.Equal(t, want, got)
}

func utc(clock *clocktest.Clock) time.Time {
	return clock.Now().UTC().Round(0)
}

// TestClockSetBackALittle keeps a point right after the last one, also when a flush was refused.
func TestClockSetBackALittle(t *testing.T) {
	for _, back := range []time.Duration{0, time.Millisecond, time.Second, time.Minute} {
		clock := clocktest.New()
		c := newClocked(clock, false)
		created := utc(clock)
		c.count()
		first := utc(clock)
		c.flush(false)
		clock.Set(-back)
		requireAll(t, c.flush(true), created, first.Add(zeroToCount), "sum", "histogram", "active")
		requireAll(t, c.flush(true), created, first.Add(2*zeroToCount), "sum", "histogram", "active")
		clock.Advance(2 * time.Minute)
		requireAll(t, c.flush(true), created, utc(clock), "sum", "histogram", "active")
		assert.Zero(t, c.logs.Len(), "nothing worth a log")
	}
}

// TestClockSetBackTwice has two steps back that are small, and together are not.
func TestClockSetBackTwice(t *testing.T) {
	clock := clocktest.New()
	c := newClocked(clock, false)
	c.flush(true)
	last := utc(clock)
	clock.Set(-40 * time.Second)
	assert.Equal(t, last.Add(zeroToCount), c.flush(true)["active"][0].at)
	clock.Set(-40 * time.Second)
	assert.Equal(t, utc(clock), c.flush(true)["active"][0].at)
	assert.Equal(t, 1, c.logs.Len())
}

// TestClockSetBack follows the clock, logs that once, and keeps the start before its point, at one time.
func TestClockSetBack(t *testing.T) {
	for _, back := range []time.Duration{time.Minute + 1, time.Hour, 400 * 24 * time.Hour} {
		for _, accepted := range []bool{false, true} {
			clock := clocktest.New()
			c := newClocked(clock, false)
			c.count()
			c.flush(true)
			clock.Set(-back)
			now := utc(clock)
			requireAll(t, c.flush(accepted), now.Add(-time.Millisecond), now, "sum", "histogram", "active")
			clock.Advance(time.Second)
			c.count()
			requireAll(t, c.flush(true), now.Add(-time.Millisecond), utc(clock), "sum", "histogram", "active")
			require.Equal(t, 1, c.logs.Len())
			assert.Equal(t, back, c.logs.All()[0].ContextMap()["by"])

			clock.Set(-back)
			c.flush(true)
			assert.Equal(t, 2, c.logs.Len(), "another step")
		}
	}
}

// TestClockSetBackBetween has the clock ahead when the process starts, and right when it starts again.
func TestClockSetBackBetween(t *testing.T) {
	for _, delta := range []bool{false, true} {
		clock := clocktest.New()
		before := newClocked(clock, delta)
		before.count()
		x := before.Export(clock.Now(), true)
		x.Commit()
		state := stored(t, x)
		x.End()

		clock.Set(-time.Hour)
		after := newClocked(clock, delta)
		require.NoError(t, after.Restore(state))
		after.count()
		clock.Advance(time.Second)
		now := utc(clock)
		got := after.flush(true)
		delete(got, "active") // which begins at each start
		requireAll(t, got, now.Add(-time.Millisecond), now, "sum", "histogram")
		assert.Equal(t, 1, after.logs.Len())
		after.count()
		clock.Advance(time.Second)
		got = after.flush(true)
		assert.Equal(t, utc(clock), got["sum"][0].at)
		assert.Equal(t, 1, after.logs.Len(), "once")
	}
}

// TestClockAheadAndBack keeps values exact while a clock goes wrong and right again.
func TestClockAheadAndBack(t *testing.T) {
	clock := clocktest.New()
	c := newEvents(settings(), clock.Now())
	for _, step := range []time.Duration{0, time.Hour, -time.Hour, -3 * time.Minute, 3 * time.Minute} {
		clock.Set(step)
		clock.Advance(time.Second)
		c.Add(of("liveness_failed", ""), clock.Now())
		accept(t, c, clock.Now())
	}
	assert.EqualValues(t, 5, accept(t, c, clock.Now()).total())
}

// TestNoMonotonicReading keeps monotonic readings out, which compare otherwise than a clock that was set back shows.
func TestNoMonotonicReading(t *testing.T) {
	clock := clocktest.New()
	c := newClocked(clock, true)
	c.count()
	x := c.Export(clock.Now(), true)
	x.Commit()
	state := x.State()
	x.End()
	for _, now := range []time.Time{c.created, state.Stamp, state.Metrics["sum"].Series[0].Start, state.Metrics["histogram"].Series[0].Start} {
		assert.Equal(t, now.Round(0), now)
	}
}
