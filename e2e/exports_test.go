// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// readLines decodes the lines of a file exporter. A line without an end is still being written.
func readLines[T any](t *testing.T, file string, decode func([]byte) (T, error)) []T {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var decoded []T
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		value, err := decode(line)
		require.NoError(t, err)
		decoded = append(decoded, value)
	}
	return decoded
}

// records returns the log records that were exported.
func (cfg *configuration) records(t *testing.T) []plog.LogRecord {
	t.Helper()
	var records []plog.LogRecord
	var decoder plog.JSONUnmarshaler
	for _, logs := range readLines(t, filepath.Join(cfg.exports, "logs.jsonl"), decoder.UnmarshalLogs) {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					records = append(records, record)
				}
			}
		}
	}
	return records
}

// series is the attributes of a series of verifyyou.events.
type series struct{ stage, outcome, tracker string }

// points returns what was exported of each series, in this order.
func (cfg *configuration) points(t *testing.T) map[series][]pmetric.NumberDataPoint {
	t.Helper()
	points := map[series][]pmetric.NumberDataPoint{}
	var decoder pmetric.JSONUnmarshaler
	for _, metrics := range readLines(t, filepath.Join(cfg.exports, "metrics.jsonl"), decoder.UnmarshalMetrics) {
		for _, resource := range metrics.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					addPoints(t, points, metric)
				}
			}
		}
	}
	return points
}

func addPoints(t *testing.T, points map[series][]pmetric.NumberDataPoint, metric pmetric.Metric) {
	t.Helper()
	require.Equal(t, "verifyyou.events", metric.Name())
	require.Equal(t, "{event}", metric.Unit())
	require.True(t, metric.Sum().IsMonotonic())
	require.Equal(t, pmetric.AggregationTemporalityCumulative, metric.Sum().AggregationTemporality())
	for _, point := range metric.Sum().DataPoints().All() {
		attributes := point.Attributes().AsRaw()
		value := func(attribute string) string {
			value, _ := attributes[attribute].(string)
			return value
		}
		s := series{value("verifyyou.stage"), value("verifyyou.outcome"), value("verifyyou.external_tracker")}
		points[s] = append(points[s], point)
	}
}

// counts returns the last value of each series that moved.
func (cfg *configuration) counts(t *testing.T) map[series]int64 {
	t.Helper()
	counts := map[series]int64{}
	for s, points := range cfg.points(t) {
		if last := points[len(points)-1].IntValue(); last > 0 {
			counts[s] = last
		}
	}
	return counts
}

// checkSeries checks what lets a backend compute exact increases: a zero first, then later times from one start on.
func (cfg *configuration) checkSeries(t *testing.T) {
	t.Helper()
	for s, points := range cfg.points(t) {
		first := points[0]
		require.Zero(t, first.IntValue(), "first value of %v", s)
		for i, point := range points[1:] {
			require.Equal(t, first.StartTimestamp(), point.StartTimestamp(), "start of %v", s)
			require.GreaterOrEqual(t, point.IntValue(), points[i].IntValue(), "value of %v", s)
			require.Greater(t, milliseconds(point.Timestamp()), milliseconds(points[i].Timestamp()), "time of %v", s)
		}
	}
}

// milliseconds is a time as coarse as backends keep it.
func milliseconds(timestamp pcommon.Timestamp) int64 {
	return timestamp.AsTime().Truncate(time.Millisecond).UnixMilli()
}
