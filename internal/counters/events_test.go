// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// idle is how long a tracker without an event keeps its place.
const idle = 7 * 24 * time.Hour

// start has a monotonic reading, as what a clock returns has.
var start = time.Now()

// timeOf returns the time of a data point with the monotonic reading of a time that is as far from start.
func timeOf(ts pcommon.Timestamp) time.Time {
	return start.Add(ts.AsTime().Sub(start.Round(0)))
}

func settings() SetSettings {
	resource := pcommon.NewResource()
	resource.Attributes().PutStr("service.name", "verifyyou")
	scope := pcommon.NewInstrumentationScope()
	scope.SetName("scope")
	return SetSettings{Logger: zap.NewNop(), Resource: resource, Scope: scope, MaxTrackers: 50}
}

// eventsBy is the definition of a metric of events by so many attributes.
func eventsBy(attributes ...string) Definition {
	return Definition{
		Name: "verifyyou.events", Description: "Events.", Unit: "{event}",
		Stage:   Enabled(attributes, semconv.AttrStage),
		Outcome: Enabled(attributes, semconv.AttrOutcome),
		Tracker: Enabled(attributes, semconv.AttrExternalTracker),
		Step:    Enabled(attributes, semconv.AttrStep),
	}
}

func newEvents(s SetSettings, now time.Time) *Events {
	return NewEvents(s, eventsBy(semconv.AttrExternalTracker, semconv.AttrOutcome, semconv.AttrStage), now)
}

// exported is one data point.
type exported struct {
	start, at time.Time
	value     int64
}

// exports is what a flush exports, by attributes written as "stage/outcome/tracker".
type exports map[string][]exported

func (p exports) values() map[string]int64 {
	values := map[string]int64{}
	for name, all := range p {
		values[name] = all[len(all)-1].value
	}
	return values
}

func (p exports) total() (sum int64) {
	for _, v := range p.values() {
		sum += v
	}
	return sum
}

func nonzero(values map[string]int64) map[string]int64 {
	maps.DeleteFunc(values, func(_ string, v int64) bool { return v == 0 })
	return values
}

func readPoints(md pmetric.Metrics) exports {
	p := exports{}
	metrics := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	if metrics.Len() == 0 {
		return p
	}
	for _, dp := range metrics.At(0).Sum().DataPoints().All() {
		var name []string
		for _, attr := range []string{semconv.AttrStage, semconv.AttrOutcome, semconv.AttrExternalTracker, semconv.AttrStep} {
			if v, ok := dp.Attributes().Get(attr); ok {
				name = append(name, v.AsString())
			}
		}
		key := strings.Join(name, "/")
		p[key] = append(p[key], exported{timeOf(dp.StartTimestamp()), timeOf(dp.Timestamp()), dp.IntValue()})
	}
	return p
}

func accept(t *testing.T, c *Events, now time.Time) exports {
	t.Helper()
	return export(t, c, now, false)
}

func lastFlush(t *testing.T, c *Events, now time.Time) exports {
	t.Helper()
	return export(t, c, now, true)
}

func export(t *testing.T, c *Events, now time.Time, last bool) exports {
	t.Helper()
	x := c.Export(now, last)
	defer x.End()
	x.Commit()
	return readPoints(x.Metrics)
}

func refuse(c *Events, now time.Time) {
	c.Export(now, false).End()
}

func of(stage, tracker string) *event.Event {
	return &event.Event{Stage: stage, ExternalTracker: tracker}
}

func at(minutes int) time.Time {
	return start.Add(time.Duration(minutes) * time.Minute)
}

func TestMetric(t *testing.T) {
	for _, delta := range []bool{false, true} {
		s := settings()
		s.Delta = delta
		c := newEvents(s, start)
		c.Add(of("liveness_failed", ""), start)
		x := c.Export(at(1), false)
		defer x.End()
		rm := x.Metrics.ResourceMetrics().At(0)
		assert.Equal(t, map[string]any{"service.name": "verifyyou"}, rm.Resource().Attributes().AsRaw())
		assert.Equal(t, "scope", rm.ScopeMetrics().At(0).Scope().Name())
		m := rm.ScopeMetrics().At(0).Metrics().At(0)
		assert.Equal(t, "verifyyou.events", m.Name())
		assert.Equal(t, "Events.", m.Description())
		assert.Equal(t, "{event}", m.Unit())
		assert.True(t, m.Sum().IsMonotonic())
		want := pmetric.AggregationTemporalityCumulative
		if delta {
			want = pmetric.AggregationTemporalityDelta
		}
		assert.Equal(t, want, m.Sum().AggregationTemporality())
	}
}

func TestCumulativeBeginsWithZero(t *testing.T) {
	c := newEvents(settings(), start)
	p := accept(t, c, at(0))
	assert.Len(t, p, 10, "all known stages are there from the start")
	assert.Empty(t, nonzero(p.values()))

	c.Add(of("verification_started", ""), at(1))
	c.Add(of("verification_started", "spring"), at(1))
	c.Add(of("verification_started", "spring"), at(1))
	p = accept(t, c, at(2))
	assert.Len(t, p, 20, "a tracker brings a whole funnel")
	assert.Equal(t, map[string]int64{"verification_started/progress": 1}, nonzero(p.values()), "a new series begins with 0")
	assert.Equal(t, []exported{{at(1), at(2), 0}}, p["verification_started/progress/spring"])

	p = accept(t, c, at(3))
	assert.Equal(t, map[string]int64{"verification_started/progress": 1, "verification_started/progress/spring": 2}, nonzero(p.values()))
	assert.Equal(t, []exported{{at(1), at(3), 2}}, p["verification_started/progress/spring"])
	assert.Equal(t, []exported{{at(0), at(3), 1}}, p["verification_started/progress"])
	assert.Equal(t, p.values(), accept(t, c, at(4)).values(), "and go on")
}

func TestCumulativeRefused(t *testing.T) {
	c := newEvents(settings(), start)
	refuse(c, at(0))
	c.Add(of("liveness_failed", ""), at(0))
	refuse(c, at(1))
	assert.Empty(t, nonzero(accept(t, c, at(2)).values()), "the zero that was refused is exported first")
	refuse(c, at(3))
	c.Add(of("liveness_failed", ""), at(3))
	assert.EqualValues(t, 2, accept(t, c, at(4)).total())
}

func TestCumulativeLastFlush(t *testing.T) {
	c := newEvents(settings(), start)
	accept(t, c, at(0))
	c.Add(of("liveness_failed", ""), at(1))
	c.Add(of("liveness_failed", "spring"), at(1))
	p := lastFlush(t, c, at(2))
	assert.Equal(t, []exported{{at(0), at(2), 1}}, p["liveness_failed/drop_off"], "this one had begun")
	assert.Equal(t, []exported{{at(1), at(2), 0}, {at(1), at(2).Add(zeroToCount), 1}}, p["liveness_failed/drop_off/spring"])
	assert.Equal(t, []exported{{at(1), at(2), 0}}, p["liveness_passed/progress/spring"])
}

// TestLastFlushRightAfterFlush is the case in which a zero and its count could get the same time.
func TestLastFlushRightAfterFlush(t *testing.T) {
	c := newEvents(settings(), start)
	accept(t, c, at(0))
	c.Add(of("liveness_failed", "spring"), at(0))
	zero := accept(t, c, at(0))["liveness_failed/drop_off/spring"][0]
	count := lastFlush(t, c, at(0))["liveness_failed/drop_off/spring"][0]
	assert.Zero(t, zero.value)
	assert.EqualValues(t, 1, count.value)
	assert.Greater(t, count.at.UnixMilli(), zero.at.UnixMilli())
}

func TestDelta(t *testing.T) {
	s := settings()
	s.Delta = true
	c := newEvents(s, start)
	assert.Empty(t, accept(t, c, at(1)), "nothing was counted")
	c.Add(of("liveness_failed", ""), at(1))
	c.Add(of("liveness_failed", "spring"), at(1))
	assert.Equal(t, exports{
		"liveness_failed/drop_off":        {{at(0), at(2), 1}},
		"liveness_failed/drop_off/spring": {{at(1), at(2), 1}},
	}, accept(t, c, at(2)))
	assert.Empty(t, accept(t, c, at(3)))

	c.Add(of("liveness_failed", ""), at(3))
	refuse(c, at(4))
	c.Add(of("liveness_failed", ""), at(4))
	assert.Equal(t, exports{"liveness_failed/drop_off": {{at(2), at(5), 2}}}, accept(t, c, at(5)), "a refused flush goes with the next")

	c.Add(of("liveness_failed", "autumn"), at(5))
	assert.Equal(t, exports{"liveness_failed/drop_off/autumn": {{at(5), at(6), 1}}}, lastFlush(t, c, at(6)))
}

func TestAttributes(t *testing.T) {
	step := int64(4)
	for _, tt := range []struct {
		attributes []string
		want       map[string]int64
	}{
		{nil, map[string]int64{"": 3}},
		{[]string{semconv.AttrStage}, map[string]int64{"liveness_failed": 2, "new": 1}},
		{[]string{semconv.AttrOutcome}, map[string]int64{"drop_off": 2, "unknown": 1}},
		{[]string{semconv.AttrExternalTracker}, map[string]int64{"": 1, "spring": 2}},
		{[]string{semconv.AttrStep}, map[string]int64{"": 2, "4": 1}},
		{
			[]string{semconv.AttrStage, semconv.AttrOutcome, semconv.AttrExternalTracker, semconv.AttrStep},
			map[string]int64{"liveness_failed/drop_off": 1, "liveness_failed/drop_off/spring": 1, "new/unknown/spring/4": 1},
		},
	} {
		c := NewEvents(settings(), eventsBy(tt.attributes...), start)
		accept(t, c, at(0))
		c.Add(of("liveness_failed", ""), at(0))
		c.Add(of("liveness_failed", "spring"), at(0))
		c.Add(&event.Event{Stage: "new", ExternalTracker: "spring", Step: event.Number[int64]{Value: step, Valid: true}}, at(0))
		accept(t, c, at(1))
		assert.Equal(t, tt.want, nonzero(accept(t, c, at(2)).values()), tt.attributes)
	}
}

func TestStepLimit(t *testing.T) {
	c := NewEvents(settings(), eventsBy(semconv.AttrStep), start)
	for step := int64(-1000); step < 1000; step++ {
		c.Add(&event.Event{Stage: "a", Step: event.Number[int64]{Value: step, Valid: true}}, start)
	}
	accept(t, c, at(1))
	p := accept(t, c, at(2))
	assert.Len(t, p, maxStep+2)
	assert.EqualValues(t, 2000, p.total())
}

func TestTrackerLimit(t *testing.T) {
	s := settings()
	s.MaxTrackers = 2
	c := newEvents(s, start)
	overflow := 0
	for _, tracker := range []string{"a", "b", "c", "a", "c", "d", strings.Repeat("x", 257), "", cardinality.Other} {
		if c.Add(of("liveness_failed", tracker), start).Tracker {
			overflow++
		}
	}
	accept(t, c, at(1))
	p := accept(t, c, at(2))
	assert.Equal(t, map[string]int64{
		"liveness_failed/drop_off": 1, "liveness_failed/drop_off/a": 2, "liveness_failed/drop_off/b": 1, "liveness_failed/drop_off/_OTHER": 5,
	}, nonzero(p.values()))
	assert.Len(t, p, 40)
	assert.Equal(t, 5, overflow)
}

func TestTrackersByList(t *testing.T) {
	s := settings()
	s.MaxTrackers = 1
	s.Trackers = []string{"a", "b"}
	c := newEvents(s, start)
	for _, tracker := range []string{"c", "a", "b", ""} {
		c.Add(of("liveness_failed", tracker), start)
	}
	accept(t, c, at(1))
	assert.Equal(t, map[string]int64{
		"liveness_failed/drop_off": 1, "liveness_failed/drop_off/a": 1, "liveness_failed/drop_off/b": 1, "liveness_failed/drop_off/_OTHER": 1,
	}, nonzero(accept(t, c, at(2)).values()))
}

func TestLongestTracker(t *testing.T) {
	c := newEvents(settings(), start)
	longest := strings.Repeat("x", 256)
	assert.False(t, c.Add(of("liveness_failed", longest), start).Tracker)
	assert.Contains(t, accept(t, c, at(1)), "liveness_failed/drop_off/"+longest)
}

func TestIdleTrackersAreEvicted(t *testing.T) {
	for _, delta := range []bool{false, true} {
		s := settings()
		s.MaxTrackers = 1
		s.Delta = delta
		c := newEvents(s, start)
		c.Add(of("liveness_failed", "spring"), at(0))
		accept(t, c, at(1))
		week := start.Add(idle)

		assert.True(t, c.Add(of("liveness_failed", "autumn"), week.Add(-time.Minute)).Tracker, "the place is taken")
		accept(t, c, week)
		assert.True(t, c.Add(of("liveness_failed", "autumn"), week).Tracker, "seven days are not over")
		accept(t, c, week.Add(time.Minute))
		assert.False(t, c.Add(of("liveness_failed", "autumn"), week.Add(time.Minute)).Tracker)
		p := accept(t, c, week.Add(2*time.Minute))
		for name := range p {
			assert.NotContains(t, name, "spring")
		}

		// When it comes back, it is a new series.
		c.Add(of("liveness_failed", "autumn"), week.Add(2*time.Minute))
		assert.True(t, c.Add(of("liveness_failed", "spring"), week.Add(3*time.Minute)).Tracker)
	}
}

// TestIdleTrackerWithUnexportedCounts shows that a tracker is not evicted before all of its counts are exported.
func TestIdleTrackerWithUnexportedCounts(t *testing.T) {
	c := newEvents(settings(), start)
	c.Add(of("liveness_failed", "spring"), at(0))
	late := start.Add(2 * idle)
	refuse(c, late)
	assert.EqualValues(t, 0, accept(t, c, late.Add(1*time.Minute)).total())
	assert.EqualValues(t, 1, accept(t, c, late.Add(2*time.Minute)).total())
	assert.EqualValues(t, 0, accept(t, c, late.Add(3*time.Minute)).total(), "now it is evicted")
}

func TestStageLimit(t *testing.T) {
	c := newEvents(settings(), start)
	overflow := 0
	for i := range 40 {
		if c.Add(of(fmt.Sprintf("new_%02d", i), ""), start).Stage {
			overflow++
		}
	}
	c.Add(of("new_00", ""), start)
	if c.Add(of(strings.Repeat("x", 65), ""), start).Stage {
		overflow++
	}
	accept(t, c, at(1))
	values := nonzero(accept(t, c, at(2)).values())
	assert.EqualValues(t, 9, values["_OTHER/unknown"])
	assert.EqualValues(t, 2, values["new_00/unknown"])
	assert.Len(t, values, 33)
	assert.Equal(t, 9, overflow)
}

// TestExactUnderConcurrency adds and flushes from many goroutines, some flushes refused, trackers and stages beyond
// their limits, and compares with the truth: for cumulative the last value, for delta the sum of all.
func TestExactUnderConcurrency(t *testing.T) {
	const goroutines, each = 32, 2000
	for _, delta := range []bool{false, true} {
		t.Run(fmt.Sprintf("delta=%v", delta), func(t *testing.T) {
			s := settings()
			s.Delta = delta
			s.MaxTrackers = 8
			c := newEvents(s, start)
			truth := make([]map[string]int64, goroutines)
			got := map[string]int64{}
			flush := func(now time.Time, last bool) {
				x := c.Export(now, last)
				defer x.End()
				for name, value := range readPoints(x.Metrics).values() {
					if delta {
						got[name] += value
					} else {
						assert.GreaterOrEqual(t, value, got[name], "a cumulative value never falls")
						got[name] = value
					}
				}
				x.Commit()
			}

			var adding, flushing sync.WaitGroup
			done := make(chan struct{})
			flushing.Go(func() {
				for i := 1; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					now := start.Add(time.Duration(i) * time.Millisecond)
					if i%3 == 0 {
						refuse(c, now)
						continue
					}
					flush(now, false)
				}
			})
			stages := append(event.Stages(), "new_1", "new_2")
			for g := range goroutines {
				truth[g] = map[string]int64{}
				adding.Go(func() {
					for i := range each {
						stage := stages[(g+i)%len(stages)]
						tracker := fmt.Sprintf("t%d", i%12)
						o := c.Add(of(stage, tracker), start)
						if o.Tracker {
							tracker = cardinality.Other
						}
						truth[g][stage+"/"+string(event.OutcomeOf(stage))+"/"+tracker]++
					}
				})
			}
			adding.Wait()
			close(done)
			flushing.Wait()
			flush(at(1), true)

			want := map[string]int64{}
			for _, m := range truth {
				for name, n := range m {
					want[name] += n
				}
			}
			assert.Equal(t, want, nonzero(got))
		})
	}
}

// TestDeltasAreContiguous has each series go on where its own last point ended, over pauses, a refused flush and a
// restart: the Prometheus exporter, which adds deltas up, begins anew at a gap.
func TestDeltasAreContiguous(t *testing.T) {
	s := settings()
	s.Delta = true
	c := newEvents(s, start)
	const name = "liveness_failed/drop_off"
	end, total := at(0), int64(0)
	for n, tt := range []struct{ events, want int64 }{{5, 5}, {7, 12}, {3, 15}} {
		begin := 10 * (n + 1)
		for range tt.events {
			c.Add(of("liveness_failed", ""), at(begin))
		}
		c.Add(of("liveness_passed", ""), at(begin))
		refuse(c, at(begin+1))
		p := accept(t, c, at(begin+2))[name]
		require.Len(t, p, 1)
		assert.Equal(t, end, p[0].start)
		end, total = p[0].at, total+p[0].value
		assert.Equal(t, tt.want, total)

		assert.Empty(t, accept(t, c, at(begin+3)), "a pause")
		c.Add(of("liveness_passed", ""), at(begin+4))
		assert.NotContains(t, accept(t, c, at(begin+5)), name, "another series")
		c = restart(t, c, s, at(begin+6))
	}
}

// TestDeltaOfNewSeries covers some time although the series is created at the time of the flush.
func TestDeltaOfNewSeries(t *testing.T) {
	s := settings()
	s.Delta = true
	c := newEvents(s, start)
	c.Add(of("liveness_failed", "spring"), at(1))
	assert.Equal(t, exports{"liveness_failed/drop_off/spring": {{at(1).Add(-time.Millisecond), at(1), 1}}}, accept(t, c, at(1)))
}

// restart saves counters with their last flush, and restores them as after a restart.
func restart(t *testing.T, c *Events, s SetSettings, now time.Time) *Events {
	t.Helper()
	x := c.Export(now, true)
	x.Commit()
	text, err := json.Marshal(x.State())
	x.End()
	require.NoError(t, err)
	var state State
	require.NoError(t, json.Unmarshal(text, &state))
	restored := newEvents(s, now)
	require.NoError(t, restored.Restore(&state))
	return restored
}

func TestRestart(t *testing.T) {
	c := newEvents(settings(), start)
	accept(t, c, at(0))
	c.Add(of("liveness_failed", "spring"), at(1))
	c.Add(of("a_new_stage", ""), at(1))
	accept(t, c, at(2))
	c.Add(of("liveness_failed", "spring"), at(3))
	before := lastFlush(t, c, at(4))

	c = restart(t, c, settings(), at(5))
	after := accept(t, c, at(6))
	assert.Equal(t, before.values(), after.values())
	for name, all := range after {
		require.Len(t, all, 1, name)
		assert.Equal(t, before[name][0].start, all[0].start, "no reset")
	}
	c.Add(of("liveness_failed", "spring"), at(6))
	c.Add(of("liveness_failed", "autumn"), at(6))
	p := accept(t, c, at(7))
	assert.EqualValues(t, 3, p["liveness_failed/drop_off/spring"][0].value)
	assert.Equal(t, []exported{{at(6), at(7), 0}}, p["liveness_failed/drop_off/autumn"], "new series begin with 0")
	assert.Contains(t, accept(t, c, start.Add(idle)), "liveness_failed/drop_off/spring")
	c = restart(t, c, settings(), start.Add(idle))
	accept(t, c, start.Add(idle+7*time.Minute))
	assert.NotContains(t, accept(t, c, start.Add(idle+8*time.Minute)), "liveness_failed/drop_off/spring", "seven days, the restart included")
}

// TestRestartAtOnce shows that a count of the last flush does not share its millisecond with the first flush after it.
func TestRestartAtOnce(t *testing.T) {
	c := newEvents(settings(), start)
	c.Add(of("liveness_failed", ""), at(0))
	last := lastFlush(t, c, at(1))["liveness_failed/drop_off"]
	require.Len(t, last, 2)

	c = newEvents(settings(), start)
	c.Add(of("liveness_failed", ""), at(0))
	next := accept(t, restart(t, c, settings(), at(1)), at(1))["liveness_failed/drop_off"]
	require.Len(t, next, 1)
	assert.Greater(t, next[0].at.UnixMilli(), last[1].at.UnixMilli())
}

func TestRestartDelta(t *testing.T) {
	s := settings()
	s.Delta = true
	c := newEvents(s, start)
	c.Add(of("liveness_failed", ""), at(1))
	accept(t, c, at(2))
	c.Add(of("liveness_failed", ""), at(3))

	x := c.Export(at(4), true) // refused
	state := x.State()
	x.End()
	restored := newEvents(s, at(10))
	require.NoError(t, restored.Restore(&state))
	assert.Equal(t, exports{"liveness_failed/drop_off": {{at(2), at(11), 1}}}, accept(t, restored, at(11)), "what was not sent is sent")
	assert.Empty(t, accept(t, restart(t, restored, s, at(12)), at(13)), "and what was sent is not")
}

// TestStateIsNotBelowExport shows the promise of State while events come.
func TestStateIsNotBelowExport(t *testing.T) {
	c := newEvents(settings(), start)
	accept(t, c, at(0))
	done := make(chan struct{})
	var adding sync.WaitGroup
	for range 4 {
		adding.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					c.Add(of("liveness_failed", ""), at(1))
				}
			}
		})
	}
	for i := range 200 {
		x := c.Export(at(i+1), false)
		state := x.State()
		restored := newEvents(settings(), start)
		require.NoError(t, restored.Restore(&state))
		assert.GreaterOrEqual(t, accept(t, restored, at(i+1)).total(), readPoints(x.Metrics).total())
		x.Commit()
		x.End()
	}
	close(done)
	adding.Wait()
}

func TestRestoreUnderOtherSettings(t *testing.T) {
	s := settings()
	s.MaxTrackers = 3
	c := newEvents(s, start)
	for _, tracker := range []string{"a", "b", "c", "d"} {
		c.Add(of("liveness_failed", tracker), start)
	}
	s.MaxTrackers = 1
	fewer := restart(t, c, s, at(1))
	fewer.Add(of("liveness_failed", "c"), at(1))
	fewer.Add(of("liveness_failed", "e"), at(1))
	p := accept(t, fewer, at(2))
	assert.EqualValues(t, 2, p["liveness_failed/drop_off/c"][0].value, "who had a place keeps it")
	assert.EqualValues(t, 2, p["liveness_failed/drop_off/_OTHER"][0].value)

	s.Trackers = []string{"a"}
	listed := restart(t, c, s, at(1))
	listed.Add(of("liveness_failed", "b"), at(1))
	assert.Equal(t, map[string]int64{"liveness_failed/drop_off/a": 1, "liveness_failed/drop_off/_OTHER": 2}, nonzero(accept(t, listed, at(2)).values()))
}

func TestRestoreUnderOtherDefinition(t *testing.T) {
	c := newEvents(settings(), start)
	c.Add(of("liveness_failed", ""), at(0))
	x := c.Export(at(1), false)
	defer x.End()
	state := stored(t, x)
	delta := settings()
	delta.Delta = true
	for name, restored := range map[string]*Events{
		"attributes":  NewEvents(settings(), eventsBy(semconv.AttrStage), at(2)),
		"temporality": newEvents(delta, at(2)),
	} {
		require.ErrorIs(t, restored.Restore(state), ErrOtherSettings, name)
		assert.Zero(t, accept(t, restored, at(3)).total(), "it begins anew")
	}
}

// TestActiveTrackerKeepsItsSeries has an event every 6 days for a month, over a restart.
func TestActiveTrackerKeepsItsSeries(t *testing.T) {
	s := settings()
	s.MaxTrackers = 1
	c := newEvents(s, start)
	var p exports
	for n := range 6 {
		now := start.Add(time.Duration(n) * (idle - 24*time.Hour))
		assert.False(t, c.Add(of("liveness_failed", "spring"), now).Tracker)
		accept(t, c, now.Add(time.Minute))
		p = accept(t, c, now.Add(2*time.Minute))
		if n == 3 {
			c = restart(t, c, s, now.Add(3*time.Minute))
		}
	}
	assert.EqualValues(t, 6, p["liveness_failed/drop_off/spring"][0].value)
	assert.Equal(t, start, p["liveness_failed/drop_off/spring"][0].start, "one series all the time")
}

// TestStageLimitAfterRestart shows that stages which had series before a restart keep them and count against the limit.
func TestStageLimitAfterRestart(t *testing.T) {
	c := newEvents(settings(), start)
	add := func(prefix string, n int) (overflowed int) {
		for i := range n {
			if c.Add(of(fmt.Sprint(prefix, i), ""), start).Stage {
				overflowed++
			}
		}
		return overflowed
	}
	assert.Zero(t, add("first_", cardinality.MaxUnknownStages-2))
	c = restart(t, c, settings(), at(1))
	assert.Equal(t, 30, add("second_", 32), "two places are free")
	c = restart(t, c, settings(), at(2))
	assert.Equal(t, 32, add("third_", 32))
	assert.Zero(t, add("first_", cardinality.MaxUnknownStages-2), "these have theirs")
	accept(t, c, at(3))
	assert.Len(t, accept(t, c, at(4)), 10+cardinality.MaxUnknownStages+1)
}

// TestStagesNotCountedBy shows that a restored metric without stages takes no place of one.
func TestStagesNotCountedBy(t *testing.T) {
	c := NewEvents(settings(), eventsBy(semconv.AttrOutcome), start)
	c.Add(of("new", ""), start)
	x := c.Export(at(1), true)
	defer x.End()
	restored := NewEvents(settings(), eventsBy(semconv.AttrOutcome), at(2))
	require.NoError(t, restored.Restore(stored(t, x)))
	assert.Equal(t, event.Stages(), restored.stages.Names())
}

// BenchmarkFlush is a flush of so many series, ten of them for each tracker.
func BenchmarkFlush(b *testing.B) {
	for _, series := range []int{2_000, 20_000} {
		b.Run(strconv.Itoa(series), func(b *testing.B) {
			set := settings()
			set.MaxTrackers = series
			c := newEvents(set, start)
			for n := range series/10 - 1 { // and those without a tracker
				c.Add(&event.Event{Stage: "liveness_passed", ExternalTracker: fmt.Sprintf("campaign-%d", n)}, start)
			}
			now := start
			points := 0
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Minute)
				export := c.Export(now, false)
				points = export.Metrics.DataPointCount()
				export.Commit()
				export.End()
				// An event keeps its tracker, and its series, from ending.
				for name := range c.trackers.Seen() {
					c.trackers.Admit(name, now)
				}
			}
			require.Equal(b, series, points)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(series), "ns/series")
		})
	}
}
