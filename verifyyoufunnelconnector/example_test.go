// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"flag"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/pmetrictest"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/ptracetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

var update = flag.Bool("update", false, "write what comes out as what is expected in testdata/example")

// TestExample follows the verification in testdata/example/logs.yaml: someone whose first try at liveness fails. It
// compares all that comes out; the metrics are deltas, which leave out what is 0.
func TestExample(t *testing.T) {
	a := connect(t, func(c *Config) {
		// The rest of the host's name would be in the expected files.
		instance := "00000000-0000-5000-8000-000000000000"
		c.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID.OverrideValue = &instance
	})
	a.metrics = nil // of the flush at the beginning
	logs, err := golden.ReadLogs("testdata/example/logs.yaml")
	require.NoError(t, err)
	a.consume(after(minute), logs)
	a.flushAt(2 * minute)
	require.Len(t, a.metrics, 1)
	require.Len(t, a.traces, 1)
	require.Len(t, a.summaries, 1)
	compareMetrics(t, a.metrics[0].metrics)
	compareTraces(t, a.traces[0])
	compareSummaries(t, a.summaries[0])
}

func compareMetrics(t *testing.T, got pmetric.Metrics) {
	t.Helper()
	const file = "testdata/example/metrics.yaml"
	if *update {
		require.NoError(t, golden.WriteMetricsToFile(file, got, golden.SkipMetricTimestampNormalization()))
	}
	want, err := golden.ReadMetrics(file)
	require.NoError(t, err)
	require.NoError(t, pmetrictest.CompareMetrics(want, got, pmetrictest.IgnoreMetricDataPointsOrder()))
}

func compareTraces(t *testing.T, got ptrace.Traces) {
	t.Helper()
	const file = "testdata/example/traces.yaml"
	if *update {
		require.NoError(t, golden.WriteTracesToFile(file, got))
	}
	want, err := golden.ReadTraces(file)
	require.NoError(t, err)
	require.NoError(t, ptracetest.CompareTraces(want, got))
}

func compareSummaries(t *testing.T, got plog.Logs) {
	t.Helper()
	const file = "testdata/example/summaries.yaml"
	if *update {
		require.NoError(t, golden.WriteLogsToFile(file, got))
	}
	want, err := golden.ReadLogs(file)
	require.NoError(t, err)
	require.NoError(t, plogtest.CompareLogs(want, got))
	name := func(ld plog.Logs) string {
		return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).EventName()
	}
	assert.Equal(t, name(want), name(got)) // which plogtest does not compare
}
