// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// This file reads what a connector sent into results.

const (
	metricReached = "verifyyou.verification.reached"
	metricPassed  = "verifyyou.verification.passed"
	metricEnded   = "verifyyou.verification.ended"
	metricResumed = "verifyyou.verification.resumed"
	metricActive  = "verifyyou.verification.active"

	attrStage   = "verifyyou.stage"
	attrTracker = "verifyyou.external_tracker"
	attrUID     = "log.record.uid"

	attrDroppedOff = "verifyyou.verification.dropped_off"
	afterDropOff   = " after a drop-off"

	summaryEventName = "verifyyou.verification.summary"
)

// attributesOf are the attributes that each metric may have.
var attributesOf = map[string][]string{
	metricReached:       {attrStage, attrTracker},
	metricPassed:        {attrStage, attrTracker},
	metricEnded:         {semconv.AttrVerificationOutcome, semconv.AttrVerificationLastStage, attrTracker},
	metricResumed:       {semconv.AttrVerificationOutcome, semconv.AttrVerificationLastStage, attrTracker},
	metricActive:        {semconv.AttrVerificationLastStage, attrTracker},
	metricDuration:      {attrTracker},
	metricStageDuration: {attrStage, attrTracker},
	metricTrustScore:    {semconv.AttrVerificationOutcome, attrTracker},
	metricAttempts:      {semconv.AttrVerificationOutcome, attrTracker},
}

// exported is one call of the next consumer of metrics.
type exported struct {
	metrics pmetric.Metrics
	refused bool
}

// seenSeries names a series: a metric and the values of the attributes that it may have, in the order of attributesOf;
// that it ended after a drop-off stands behind the outcome.
type seenSeries struct {
	metric     string
	attributes [3]string
}

// seenPoint is a data point of a sum (value) or of a histogram (distribution).
type seenPoint struct {
	seenSeries
	start, at    time.Time
	value        int64
	distribution distribution
	delta        bool
	monotonic    bool
}

// pointsOf are the points of an export in order of time. It fails on what the contract does not know.
func pointsOf(t testingT, metrics pmetric.Metrics) []seenPoint {
	t.Helper()
	var points []seenPoint
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				points = append(points, pointsOfMetric(t, m)...)
			}
		}
	}
	slices.SortStableFunc(points, func(a, b seenPoint) int { return a.at.Compare(b.at) })
	return points
}

func pointsOfMetric(t testingT, m pmetric.Metric) []seenPoint {
	t.Helper()
	require.Contains(t, attributesOf, m.Name())
	var points []seenPoint
	switch m.Type() {
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			points = append(points, seenPoint{
				seenSeries: seriesOf(t, m.Name(), p.Attributes()),
				start:      p.StartTimestamp().AsTime(),
				at:         p.Timestamp().AsTime(),
				value:      p.IntValue(),
				delta:      m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta,
				monotonic:  m.Sum().IsMonotonic(),
			})
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			points = append(points, seenPoint{
				seenSeries:   seriesOf(t, m.Name(), p.Attributes()),
				start:        p.StartTimestamp().AsTime(),
				at:           p.Timestamp().AsTime(),
				distribution: readDistribution(t, p),
				delta:        m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta,
				monotonic:    true,
			})
		}
	default:
		require.Failf(t, "unexpected type of metric", "%s is a %s", m.Name(), m.Type())
	}
	return points
}

func seriesOf(t testingT, metric string, attributes pcommon.Map) seenSeries {
	t.Helper()
	series := seenSeries{metric: metric}
	known := 0
	for i, name := range attributesOf[metric] {
		if value, ok := attributes.Get(name); ok {
			series.attributes[i] = value.AsString()
			known++
		}
	}
	if value, ok := attributes.Get(attrDroppedOff); ok {
		require.Contains(t, []string{metricEnded, metricResumed}, metric, attrDroppedOff)
		if value.Bool() {
			series.attributes[0] += afterDropOff
		}
		known++
	}
	require.Equal(t, known, attributes.Len(), "attributes of %s: %v", metric, attributes.AsRaw())
	return series
}

func readDistribution(t testingT, p pmetric.HistogramDataPoint) distribution {
	t.Helper()
	d := distribution{
		count:   p.Count(),
		sum:     p.Sum(),
		bounds:  p.ExplicitBounds().AsRaw(),
		buckets: p.BucketCounts().AsRaw(),
	}
	require.Len(t, d.buckets, len(d.bounds)+1)
	return d
}

func (d distribution) plus(other distribution) distribution {
	if d.buckets == nil {
		return other
	}
	sum := distribution{d.count + other.count, d.sum + other.sum, d.bounds, slices.Clone(d.buckets)}
	for i := range sum.buckets {
		sum.buckets[i] += other.buckets[i]
	}
	return sum
}

// readResults reads all that was taken of what a connector with this key sent. Own telemetry is left to the caller.
func readResults(
	t testingT, key []string, metrics []exported, traces []ptrace.Traces, summaries []plog.Logs,
) results {
	t.Helper()
	r := results{
		reached:             map[stageTracker]int64{},
		passed:              map[stageTracker]int64{},
		ended:               map[endSeries]int64{},
		resumed:             map[endSeries]int64{},
		endedAfterDropOff:   map[endSeries]int64{},
		resumedAfterDropOff: map[endSeries]int64{},
		active:              map[string]int64{},
		activeTracked:       map[stageTracker]int64{},
		histograms:          map[histogramSeries]distribution{},
		trackedHistograms:   map[trackedSeries]distribution{},
		ids:                 map[string]string{},
	}
	r.addMetrics(totalsOf(t, metrics))
	r.addTraces(t, key, traces)
	for _, logs := range summaries {
		r.addSummaries(t, key, logs)
	}
	return r
}

// totalsOf takes the last value of each series that is cumulative and adds up deltas.
func totalsOf(t testingT, metrics []exported) map[seenSeries]seenPoint {
	t.Helper()
	totals := map[seenSeries]seenPoint{}
	for _, e := range metrics {
		if e.refused {
			continue
		}
		points := pointsOf(t, e.metrics)
		if slices.ContainsFunc(points, func(p seenPoint) bool { return p.metric == metricActive }) {
			maps.DeleteFunc(totals, func(s seenSeries, _ seenPoint) bool { return s.metric == metricActive }) // of these an export says all
		}
		for _, p := range points {
			if p.delta {
				p.value += totals[p.seenSeries].value
				p.distribution = totals[p.seenSeries].distribution.plus(p.distribution)
			}
			totals[p.seenSeries] = p
		}
	}
	return totals
}

// addMetrics adds up the series that the results do not tell apart.
func (r *results) addMetrics(totals map[seenSeries]seenPoint) {
	for _, p := range totals {
		a := p.attributes
		switch p.metric {
		case metricReached:
			addPoint(r.reached, stageTracker{a[0], a[1]}, p)
		case metricPassed:
			addPoint(r.passed, stageTracker{a[0], a[1]}, p)
		case metricEnded:
			addEnd(r.ended, r.endedAfterDropOff, p)
		case metricResumed:
			addEnd(r.resumed, r.resumedAfterDropOff, p)
		case metricActive:
			r.active[a[0]] += p.value
			r.activeTracked[stageTracker{a[0], a[1]}] += p.value
		case metricDuration:
			addDistribution(r.histograms, histogramSeries{p.metric, a[0]}, p)
			addDistribution(r.trackedHistograms, trackedSeries{histogramSeries{p.metric, a[0]}, a[0]}, p)
		default:
			addDistribution(r.histograms, histogramSeries{p.metric, a[0]}, p)
			addDistribution(r.trackedHistograms, trackedSeries{histogramSeries{p.metric, a[0]}, a[1]}, p)
		}
	}
}

func addPoint[K comparable](to map[K]int64, series K, p seenPoint) {
	to[series] += p.value
}

// addEnd also puts ends after a drop-off into a map of their own.
func addEnd(ends, endsAfterDropOff map[endSeries]int64, p seenPoint) {
	outcome, dropped := strings.CutSuffix(p.attributes[0], afterDropOff)
	series := endSeries{outcome, p.attributes[1], p.attributes[2]}
	addPoint(ends, series, p)
	if dropped {
		addPoint(endsAfterDropOff, series, p)
	}
}

func addDistribution[K comparable](to map[K]distribution, series K, p seenPoint) {
	to[series] = to[series].plus(p.distribution)
}

// addTraces also checks what holds of all traces: a span is a root or below one that was sent, and ids follow from what
// they stand for, over ends, exports and restarts.
func (r *results) addTraces(t testingT, key []string, traces []ptrace.Traces) {
	t.Helper()
	spans := spansOf(traces)
	names := map[pcommon.TraceID]string{}
	children := map[spanKey][]string{}
	byID := map[spanKey]ptrace.Span{}
	for _, s := range spans {
		require.False(t, s.TraceID().IsEmpty() || s.SpanID().IsEmpty(), "a span without id")
		id := spanKey{s.TraceID(), s.SpanID()}
		if _, ok := byID[id]; ok {
			r.repeated = append(r.repeated, s.Name())
		}
		byID[id] = s
		if uid := textOf(s.Attributes(), attrUID); uid != "" {
			if least, ok := names[s.TraceID()]; !ok || uid < least {
				names[s.TraceID()] = uid
			}
			parent := spanKey{s.TraceID(), s.ParentSpanID()}
			children[parent] = append(children[parent], uid)
		}
	}
	for _, s := range spans {
		seen := readSpan(s, key)
		seen.trace = names[s.TraceID()]
		if !s.ParentSpanID().IsEmpty() {
			require.Contains(t, byID, spanKey{s.TraceID(), s.ParentSpanID()}, "the parent of %s is missing", seen.name)
			seen.parent = byID[spanKey{s.TraceID(), s.ParentSpanID()}].Name()
		}
		name := cmp.Or(seen.uid, fmt.Sprintf("%s of %s over %s", seen.name, seen.trace, sorted(children[spanKey{s.TraceID(), s.SpanID()}])))
		sameID(t, r.ids, name, s.TraceID().String()+"/"+s.SpanID().String(), "ids of "+name)
		r.spans = append(r.spans, seen)
	}
	sortSpans(r.spans)
	slices.Sort(r.repeated)
}

func sorted(uids []string) []string {
	uids = slices.Clone(uids)
	slices.Sort(uids)
	return uids
}

type spanKey struct {
	trace pcommon.TraceID
	span  pcommon.SpanID
}

func spansOf(traces []ptrace.Traces) []ptrace.Span {
	var spans []ptrace.Span
	for _, payload := range traces {
		for _, rs := range payload.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					spans = append(spans, s)
				}
			}
		}
	}
	return spans
}

// sameID remembers an id and fails if it was another one before.
func sameID[K, V comparable](t testingT, ids map[K]V, key K, id V, what string) {
	t.Helper()
	before, ok := ids[key]
	require.False(t, ok && before != id, "%s: %v, then %v", what, before, id)
	ids[key] = id
}

// readSpan reads all but the place in the trace.
func readSpan(s ptrace.Span, names []string) seenSpan {
	key := map[string]string{}
	for _, name := range names {
		if value := textOf(s.Attributes(), name); value != "" {
			key[name] = value
		}
	}
	return seenSpan{
		name:         s.Name(),
		start:        s.StartTimestamp().AsTime(),
		end:          s.EndTimestamp().AsTime(),
		failed:       s.Status().Code() == ptrace.StatusCodeError,
		key:          formatKey(key),
		tracker:      textOf(s.Attributes(), attrTracker),
		stage:        textOf(s.Attributes(), attrStage),
		stageOutcome: textOf(s.Attributes(), "verifyyou.outcome"),
		uid:          textOf(s.Attributes(), attrUID),
		outcome:      textOf(s.Attributes(), semconv.AttrVerificationOutcome),
		lastStage:    textOf(s.Attributes(), semconv.AttrVerificationLastStage),
	}
}

// textOf is empty where there is no such attribute.
func textOf(attributes pcommon.Map, name string) string {
	if value, ok := attributes.Get(name); ok {
		return value.AsString()
	}
	return ""
}

// addSummaries takes every record as a summary.
func (r *results) addSummaries(t testingT, key []string, logs plog.Logs) {
	t.Helper()
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				r.summaries = append(r.summaries, readSummary(t, key, lr))
			}
		}
	}
	sortSummaries(r.summaries)
}

func readSummary(t testingT, key []string, lr plog.LogRecord) seenSummary {
	t.Helper()
	require.Equal(t, summaryEventName, lr.EventName())
	a := lr.Attributes()
	require.NotContains(t, a.AsRaw(), attrStage, "a funnel must not take a summary for an event")
	s := seenSummary{
		key:             map[string]string{},
		externalID:      textOf(a, keyExternal),
		tracker:         textOf(a, attrTracker),
		outcome:         textOf(a, semconv.AttrVerificationOutcome),
		lastStage:       textOf(a, semconv.AttrVerificationLastStage),
		start:           startOf(t, a),
		last:            lr.Timestamp().AsTime(),
		attempts:        intOf(a, "verifyyou.verification.attempts"),
		dropOffs:        listOf(a, "verifyyou.verification.drop_offs"),
		path:            listOf(a, "verifyyou.verification.path"),
		events:          valueOf(t, a, "verifyyou.verification.events", pcommon.ValueTypeInt).Int(),
		resumed:         valueOf(t, a, "verifyyou.verification.resumed", pcommon.ValueTypeBool).Bool(),
		durationSeconds: valueOf(t, a, metricDuration, pcommon.ValueTypeDouble).Double(),
		uid:             textOf(a, attrUID),
	}
	require.NotEmpty(t, s.uid)
	for _, name := range key {
		if value := textOf(a, name); value != "" {
			s.key[name] = value
		}
	}
	if score, ok := a.Get("verifyyou.trust_score"); ok {
		s.trustScore, s.scored = score.Double(), true
	}
	return s
}

func valueOf(t testingT, attributes pcommon.Map, name string, want pcommon.ValueType) pcommon.Value {
	t.Helper()
	value, ok := attributes.Get(name)
	require.True(t, ok, "no attribute %s", name)
	require.Equal(t, want, value.Type(), name)
	return value
}

// startOf is zero where there is no such attribute.
func startOf(t testingT, attributes pcommon.Map) time.Time {
	t.Helper()
	text := textOf(attributes, "verifyyou.verification.start_time")
	if text == "" {
		return time.Time{}
	}
	start, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	require.Equal(t, time.UTC, start.Location(), text)
	return start
}

// intOf and listOf are zero where there is no such attribute, or one of another type.
func intOf(attributes pcommon.Map, name string) int64 {
	value, ok := attributes.Get(name)
	if !ok || value.Type() != pcommon.ValueTypeInt {
		return 0
	}
	return value.Int()
}

func listOf(attributes pcommon.Map, name string) []string {
	value, ok := attributes.Get(name)
	if !ok || value.Type() != pcommon.ValueTypeSlice {
		return nil
	}
	var list []string
	for _, element := range value.Slice().All() {
		list = append(list, element.Str())
	}
	return list
}
