// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"cmp"
	"slices"
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
	metricEnded   = "verifyyou.verification.ended"
	metricResumed = "verifyyou.verification.resumed"
	metricActive  = "verifyyou.verification.active"

	attrStage   = "verifyyou.stage"
	attrTracker = "verifyyou.external_tracker"
	attrUID     = "log.record.uid"

	summaryEventName = "verifyyou.verification.summary"
)

// attributesOf are the attributes that each metric may have.
var attributesOf = map[string][]string{
	metricReached:       {attrStage, attrTracker},
	metricEnded:         {semconv.AttrVerificationOutcome, semconv.AttrVerificationLastStage, attrTracker},
	metricResumed:       {semconv.AttrVerificationOutcome, semconv.AttrVerificationLastStage, attrTracker},
	metricActive:        {semconv.AttrVerificationLastStage},
	metricDuration:      {attrTracker},
	metricStageDuration: {attrStage},
	metricTrustScore:    {semconv.AttrVerificationOutcome},
}

// exported is one call of the next consumer of metrics.
type exported struct {
	metrics pmetric.Metrics
	refused bool
}

// seenSeries names a series: a metric and the values of the attributes that it may have, in the order of attributesOf.
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
		reached:    map[stageTracker]int64{},
		ended:      map[endSeries]int64{},
		resumed:    map[endSeries]int64{},
		active:     map[string]int64{},
		histograms: map[histogramSeries]distribution{},
		ids:        map[string]string{},
	}
	for _, e := range metrics {
		if !e.refused {
			r.addMetrics(pointsOf(t, e.metrics))
		}
	}
	r.addTraces(t, traces)
	for _, logs := range summaries {
		r.addSummaries(t, key, logs)
	}
	return r
}

// addMetrics takes the last value of what is cumulative and adds up deltas.
func (r *results) addMetrics(points []seenPoint) {
	if slices.ContainsFunc(points, func(p seenPoint) bool { return p.metric == metricActive }) {
		clear(r.active) // of these an export says all
	}
	for _, p := range points {
		a := p.attributes
		switch p.metric {
		case metricReached:
			addPoint(r.reached, stageTracker{a[0], a[1]}, p)
		case metricEnded:
			addPoint(r.ended, endSeries{a[0], a[1], a[2]}, p)
		case metricResumed:
			addPoint(r.resumed, endSeries{a[0], a[1], a[2]}, p)
		case metricActive:
			addPoint(r.active, a[0], p)
		default:
			series := histogramSeries{p.metric, a[0]}
			if p.delta {
				r.histograms[series] = r.histograms[series].plus(p.distribution)
			} else {
				r.histograms[series] = p.distribution
			}
		}
	}
}

func addPoint[K comparable](to map[K]int64, series K, p seenPoint) {
	if p.delta {
		to[series] += p.value
	} else {
		to[series] = p.value
	}
}

// addTraces also checks what holds of all traces: a span is a root or the child of the root of its trace, and ids
// follow from what they stand for, over ends, exports and restarts.
func (r *results) addTraces(t testingT, traces []ptrace.Traces) {
	t.Helper()
	names := map[pcommon.TraceID]string{}
	roots := map[pcommon.TraceID]pcommon.SpanID{}
	for _, s := range spansOf(traces) {
		require.False(t, s.TraceID().IsEmpty() || s.SpanID().IsEmpty(), "a span without id")
		if s.ParentSpanID().IsEmpty() {
			sameID(t, roots, s.TraceID(), s.SpanID(), "root of a trace")
			continue
		}
		if uid := textOf(s.Attributes(), attrUID); names[s.TraceID()] == "" || uid < names[s.TraceID()] {
			names[s.TraceID()] = uid
		}
	}
	for _, s := range spansOf(traces) {
		seen := readSpan(s)
		seen.trace = names[s.TraceID()]
		if !seen.root {
			require.Equal(t, roots[s.TraceID()], s.ParentSpanID(), "the parent of a span is not the root of its trace")
		}
		name := cmp.Or(seen.uid, "root of "+seen.trace)
		sameID(t, r.ids, name, s.TraceID().String()+"/"+s.SpanID().String(), "ids of "+name)
		r.spans = append(r.spans, seen)
	}
	sortSpans(r.spans)
	r.checkIDsDiffer(t)
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

// checkIDsDiffer fails if two events, or an event and a root, have the same ids.
func (r *results) checkIDsDiffer(t testingT) {
	t.Helper()
	names := map[string]string{}
	for name, id := range r.ids {
		sameID(t, names, id, name, "who has the ids "+id)
	}
}

func readSpan(s ptrace.Span) seenSpan {
	return seenSpan{
		root:    s.ParentSpanID().IsEmpty(),
		name:    s.Name(),
		start:   s.StartTimestamp().AsTime(),
		end:     s.EndTimestamp().AsTime(),
		failed:  s.Status().Code() == ptrace.StatusCodeError,
		stage:   textOf(s.Attributes(), attrStage),
		outcome: textOf(s.Attributes(), "verifyyou.outcome"),
		uid:     textOf(s.Attributes(), attrUID),
	}
}

// stringOf is empty where there is no such attribute.
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
		last:            lr.Timestamp().AsTime(),
		path:            pathOf(t, a),
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

func pathOf(t testingT, attributes pcommon.Map) []string {
	t.Helper()
	var path []string
	for _, stage := range valueOf(t, attributes, "verifyyou.verification.path", pcommon.ValueTypeSlice).Slice().All() {
		path = append(path, stage.Str())
	}
	return path
}
