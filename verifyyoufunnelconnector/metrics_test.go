// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// allMetrics are those that the contract names.
var allMetrics = []string{
	metricReached, metricPassed, metricEnded, metricResumed, metricAttempts, metricActive, metricDuration, metricStageDuration, metricTrustScore,
}

// withMetric changes the generated settings of a metric.
func withMetric(t *testing.T, name string, settings map[string]any) func(*Config) {
	t.Helper()
	return func(c *Config) {
		require.NoError(t, confmap.NewFromStringMap(map[string]any{name: settings}).Unmarshal(&c.MetricsBuilderConfig.Metrics))
	}
}

// liveDay lets people of two trackers come: two complete, one of them after a drop-off and a resumption, one stays away.
func (a *adapter) liveDay() {
	a.t.Helper()
	tracked := func(second int, verification, stage, tracker string) plog.LogRecord {
		return recordAt(second, attrs{keyVerification: verification, attrStage: stage, attrTracker: tracker, "verifyyou.trust_score": 0.5})
	}
	a.take(0, tracked(0, "ver_1", "verification_started", "ads"), tracked(10, "ver_1", stageCompleted, "ads"))
	a.take(0, tracked(0, "ver_2", "verification_started", "news"), tracked(20, "ver_2", "face_collision", "news"))
	a.take(0, tracked(0, "ver_3", "verification_started", "ads"))
	a.flushAt(hour)
	a.take(hour, tracked(hour, "ver_2", stageCompleted, "news"))
	a.take(hour, tracked(hour, "ver_4", "verification_started", "news"))
	a.flushAt(hour + minute)
}

// names are the metrics of which points were exported.
func (a *adapter) names() map[string]bool {
	names := map[string]bool{}
	for _, e := range a.metrics {
		for _, m := range e.metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			names[m.Name()] = true
		}
	}
	return names
}

func TestEachMetricSwitchedOff(t *testing.T) {
	all := connect(t)
	all.liveDay()
	want := all.names()
	assert.Len(t, want, len(allMetrics))
	for off := range want {
		t.Run(off, func(t *testing.T) {
			a := connect(t, withMetric(t, off, map[string]any{"enabled": false}))
			a.liveDay()
			got := a.names()
			assert.NotContains(t, got, off)
			assert.Len(t, got, len(allMetrics)-1, "all others are there")
		})
	}
}

// TestChosenAttributes adds up what is not told apart any more.
func TestChosenAttributes(t *testing.T) {
	for _, tt := range []struct {
		metric     string
		attributes []any
		want       map[seenSeries]int64
	}{
		{metricReached, []any{attrStage}, map[seenSeries]int64{
			{metricReached, [3]string{"verification_started"}}: 4, {metricReached, [3]string{"face_collision"}}: 1, {metricReached, [3]string{stageCompleted}}: 2,
		}},
		{metricReached, []any{attrTracker}, map[seenSeries]int64{
			{metricReached, [3]string{"", "ads"}}: 3, {metricReached, [3]string{"", "news"}}: 4,
		}},
		{metricReached, []any{}, map[seenSeries]int64{{metricReached, [3]string{}}: 7}},
		{metricEnded, []any{semconv.AttrVerificationOutcome}, map[seenSeries]int64{
			{metricEnded, [3]string{endCompleted}}: 2, {metricEnded, [3]string{endAbandoned}}: 1, {metricEnded, [3]string{endDropOff}}: 1,
		}},
		{metricEnded, []any{semconv.AttrVerificationLastStage, attrTracker}, map[seenSeries]int64{
			{metricEnded, [3]string{"", stageCompleted, "ads"}}: 1, {metricEnded, [3]string{"", stageCompleted, "news"}}: 1,
			{metricEnded, [3]string{"", "face_collision", "news"}}: 1, {metricEnded, [3]string{"", "verification_started", "ads"}}: 1,
		}},
		{metricPassed, []any{attrStage}, map[seenSeries]int64{
			{metricPassed, [3]string{"verification_initialized"}}: 3, {metricPassed, [3]string{"verification_started"}}: 3,
			{metricPassed, [3]string{"account_created"}}: 2, {metricPassed, [3]string{"consent_granted"}}: 2,
			{metricPassed, [3]string{"liveness_started"}}: 2, {metricPassed, [3]string{"liveness_passed"}}: 2, {metricPassed, [3]string{stageCompleted}}: 2,
		}},
		{metricPassed, []any{attrTracker}, map[seenSeries]int64{
			{metricPassed, [3]string{"", "ads"}}: 9, {metricPassed, [3]string{"", "news"}}: 7,
		}},
		{metricEnded, []any{semconv.AttrVerificationOutcome, semconv.AttrVerificationDroppedOff}, map[seenSeries]int64{
			{metricEnded, [3]string{endCompleted}}: 1, {metricEnded, [3]string{endCompleted + afterDropOff}}: 1,
			{metricEnded, [3]string{endDropOff + afterDropOff}}: 1, {metricEnded, [3]string{endAbandoned}}: 1,
		}},
		{metricResumed, []any{semconv.AttrVerificationDroppedOff}, map[seenSeries]int64{{metricResumed, [3]string{afterDropOff}}: 1}},
		{metricResumed, []any{}, map[seenSeries]int64{{metricResumed, [3]string{}}: 1}},
		{metricActive, []any{attrTracker}, map[seenSeries]int64{
			{metricActive, [3]string{}}: 0, {metricActive, [3]string{"", "ads"}}: 0, {metricActive, [3]string{"", "news"}}: 1,
		}},
		{metricActive, []any{}, map[seenSeries]int64{{metricActive, [3]string{}}: 1}},
		{metricDuration, []any{}, map[seenSeries]int64{{metricDuration, [3]string{}}: 2}},
		{metricStageDuration, []any{}, map[seenSeries]int64{{metricStageDuration, [3]string{}}: 3}},
		{metricStageDuration, []any{attrTracker}, map[seenSeries]int64{
			{metricStageDuration, [3]string{"", "ads"}}: 1, {metricStageDuration, [3]string{"", "news"}}: 2,
		}},
		{metricAttempts, []any{semconv.AttrVerificationOutcome}, map[seenSeries]int64{
			{metricAttempts, [3]string{endCompleted}}: 2, {metricAttempts, [3]string{endAbandoned}}: 1, {metricAttempts, [3]string{endDropOff}}: 1,
		}},
		{metricAttempts, []any{attrTracker}, map[seenSeries]int64{
			{metricAttempts, [3]string{"", "ads"}}: 2, {metricAttempts, [3]string{"", "news"}}: 2,
		}},
		{metricTrustScore, []any{attrTracker}, map[seenSeries]int64{
			{metricTrustScore, [3]string{"", "ads"}}: 2, {metricTrustScore, [3]string{"", "news"}}: 2,
		}},
		{metricTrustScore, []any{}, map[seenSeries]int64{{metricTrustScore, [3]string{}}: 4}},
	} {
		t.Run(fmt.Sprint(tt.metric, tt.attributes), func(t *testing.T) {
			a := connect(t, withMetric(t, tt.metric, map[string]any{"attributes": tt.attributes}))
			a.liveDay()
			got := map[seenSeries]int64{}
			for _, e := range a.metrics {
				for _, p := range pointsOf(t, e.metrics) {
					switch {
					case p.metric != tt.metric:
					case p.metric == metricActive:
						got[p.seenSeries] = p.value
					default:
						got[p.seenSeries] += p.value + int64(p.distribution.count)
					}
				}
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestDescriptionsAndUnits are those of metadata.yaml, from which the documentation is generated.
func TestDescriptionsAndUnits(t *testing.T) {
	a := connect(t)
	a.liveDay()
	type described struct{ description, unit string }
	got := map[string]described{}
	for _, e := range a.metrics {
		sm := e.metrics.ResourceMetrics().At(0).ScopeMetrics().At(0)
		assert.Equal(t, "github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector", sm.Scope().Name())
		for _, m := range sm.Metrics().All() {
			got[m.Name()] = described{m.Description(), m.Unit()}
			if m.Type() == pmetric.MetricTypeSum {
				assert.Equal(t, m.Name() != metricActive, m.Sum().IsMonotonic())
			}
		}
	}
	metadataFile, err := confmaptest.LoadConf("metadata.yaml")
	require.NoError(t, err)
	want := map[string]described{}
	for name, m := range metadataFile.ToStringMap()["metrics"].(map[string]any) {
		m := m.(map[string]any)
		want[name] = described{m["description"].(string), m["unit"].(string)}
	}
	assert.Equal(t, want, got)
	assert.Equal(t, "{attempt}", got[metricAttempts].unit)
	assert.Len(t, got, len(allMetrics))
}

// TestKnownSeries lists what is there as 0 before anybody has come.
func TestKnownSeries(t *testing.T) {
	a := connect(t, cumulative)
	got := a.results()
	assert.Len(t, got.reached, len(tableOfStages))
	assert.Len(t, got.ended, len(tableOfStages))
	assert.Contains(t, got.ended, endSeries{endDropOff, "face_collision", ""})
	assert.Contains(t, got.ended, endSeries{endCompleted, stageCompleted, ""})
	assert.Contains(t, got.ended, endSeries{endAbandoned, "verification_started", ""})
	assert.Len(t, got.resumed, len(tableOfStages))
	assert.Len(t, got.active, len(tableOfStages))
	assert.Len(t, got.passed, len(tableOfStages)-3, "the happy path")
	assert.Contains(t, got.passed, stageTracker{stageCompleted, ""})
	assert.NotContains(t, got.passed, stageTracker{"liveness_failed", ""})
	assert.Len(t, got.histograms, 1+len(tableOfStages)+3+3)
}

// TestKnownSeriesOfOptIns lists what there is more of with all attributes: a drop-off before an end or none, and as much
// again for a tracker.
func TestKnownSeriesOfOptIns(t *testing.T) {
	a := connect(t, cumulative, allAttributes)
	count := func() map[string]int {
		seen := map[seenSeries]bool{}
		counts := map[string]int{}
		for _, p := range pointsOf(t, a.metrics[len(a.metrics)-1].metrics) {
			if !seen[p.seenSeries] {
				seen[p.seenSeries] = true
				counts[p.metric]++
				assert.Zero(t, p.value+int64(p.distribution.count))
			}
		}
		return counts
	}
	// Of the ten stages three are drop-offs, at which nobody ends without one.
	want := map[string]int{
		metricReached: 10, metricPassed: 7, metricEnded: 17, metricResumed: 17, metricActive: 10,
		metricDuration: 1, metricStageDuration: 10, metricTrustScore: 3, metricAttempts: 3,
	}
	assert.Equal(t, want, count())
	a.metrics = nil
	a.outputs[0].metrics.Tracker("ads", a.now())
	a.flushAt(1)
	for name := range want {
		want[name] *= 2
	}
	assert.Equal(t, want, count())
}

// TestAttemptBuckets are the same whatever the configuration says of durations.
func TestAttemptBuckets(t *testing.T) {
	a := connect(t, exponentialHistogram)
	for n, verification := range []string{"none", "one", "one more", "two", "eleven"} {
		for attempt := range []int{0, 1, 1, 2, 11}[n] {
			a.take(1, eventAt(attempt, verification, "liveness_started"), eventAt(attempt, verification, "liveness_started"))
		}
		a.take(1, eventAt(100, verification, stageCompleted))
	}
	a.metrics = nil
	a.flushAt(hour)
	found := false
	for _, m := range a.metrics[0].metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Name() != metricAttempts {
			continue
		}
		found = true
		require.Equal(t, pmetric.MetricTypeHistogram, m.Type())
		p := m.Histogram().DataPoints().At(0)
		assert.Equal(t, []float64{0, 1, 2, 3, 5, 10}, p.ExplicitBounds().AsRaw())
		assert.Equal(t, []uint64{1, 2, 1, 0, 0, 0, 1}, p.BucketCounts().AsRaw())
		assert.Equal(t, 15.0, p.Sum())
	}
	assert.True(t, found)
}

func TestTrackersAreBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   map[stageTracker]int64
	}{
		"max": {func(c *Config) { c.MaxExternalTrackers = 2 }, map[stageTracker]int64{
			{"verification_started", "ads"}: 2, {"verification_started", "news"}: 1, {"verification_started", cardinality.Other}: 3, {"verification_started", ""}: 1,
		}},
		"list": {func(c *Config) { c.ExternalTrackers = []string{"late"} }, map[stageTracker]int64{
			{"verification_started", "late"}: 1, {"verification_started", cardinality.Other}: 5, {"verification_started", ""}: 1,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := connect(t, tt.change)
			for n, tracker := range []string{strings.Repeat("x", 257), "ads", "ads", "news", cardinality.Other, "late", ""} {
				a.take(n, recordAt(n, attrs{keyVerification: fmt.Sprint("ver_", n), attrStage: "verification_started", attrTracker: tracker}))
			}
			a.flushAt(minute)
			got := withoutZeros(a.results().reached)
			assert.Equal(t, tt.want, got)
			a.flushAt(hour)
			var ended int64
			for _, n := range a.results().ended {
				ended += n
			}
			assert.EqualValues(t, 7, ended)
			assert.Len(t, a.results().summaries, 7)
		})
	}
}

// TestThousandStages reaches a thousand stages that nobody knows: 32 get series, each of the others counts once.
func TestThousandStages(t *testing.T) {
	a := connect(t)
	for n := range 250 {
		a.take(n, eventAt(n, "ver_1", fmt.Sprint("unknown_", n)), eventAt(1000+n, "ver_1", fmt.Sprint("unknown_", n)))
	}
	a.take(251, eventAt(2000, "ver_1", strings.Repeat("x", 65)))
	a.flushAt(252)
	got := a.results()
	assert.Len(t, withoutZeros(got.reached), cardinality.MaxUnknownStages+1)
	assert.EqualValues(t, 250-cardinality.MaxUnknownStages+1, got.reached[stageTracker{cardinality.Other, ""}])
	assert.Equal(t, map[string]int64{cardinality.Other: 1}, withoutZeros(got.active))
	a.flushAt(2 * hour)
	s := a.onlySummary()
	assert.EqualValues(t, 501, s.events)
	assert.Len(t, s.path, 256)
	assert.Equal(t, cardinality.Other, s.lastStage)
	assert.Len(t, a.results().spans, 257)
}

// TestManyEvents sends 10,000 events of one person.
func TestManyEvents(t *testing.T) {
	a := connect(t)
	for n := range 100 {
		var batch []plog.LogRecord
		for m := range 100 {
			batch = append(batch, eventAt(100*n+m, "ver_1", "liveness_started"))
		}
		a.take(n, batch...)
	}
	a.take(100, eventAt(5, "ver_1", stageCompleted), eventAt(20_000, "ver_1", "liveness_failed"))
	a.flushAt(hour)
	s := a.onlySummary()
	assert.EqualValues(t, 10_002, s.events)
	assert.Len(t, s.path, 256)
	assert.Contains(t, s.path, stageCompleted)
	assert.Equal(t, "liveness_failed", s.lastStage)
	assert.Equal(t, endCompleted, s.outcome)
	assert.InDelta(t, 20_000.0, s.durationSeconds, 0)
	assert.EqualValues(t, 1, a.results().reached[stageTracker{"liveness_started", ""}])
}

// TestTooManyVerifications lets those go first that have ended, then the longest silent.
func TestTooManyVerifications(t *testing.T) {
	a := connect(t, func(c *Config) { c.MaxVerifications = 2; c.Settle = time.Second })
	a.take(0, eventAt(0, "ver_1", "verification_started"))
	a.take(1, eventAt(0, "ver_2", stageCompleted))
	a.take(10, eventAt(0, "ver_3", "verification_started")) // in the place of the second
	assert.EqualValues(t, 0, ownSum(t, a, "ended_early")[""])
	a.take(11, eventAt(0, "ver_4", "verification_started")) // in the place of the first
	assert.EqualValues(t, 1, ownSum(t, a, "ended_early")[""])
	a.flushAt(12)
	got := a.results()
	assert.EqualValues(t, 1, got.ended[endSeries{endAbandoned, "verification_started", ""}])
	assert.EqualValues(t, 1, got.ended[endSeries{endCompleted, stageCompleted, ""}])
	assert.EqualValues(t, 3, got.reached[stageTracker{"verification_started", ""}])
	assert.Equal(t, map[string]int64{"verification_started": 2}, withoutZeros(got.active))
	require.Len(t, got.summaries, 2)
}
