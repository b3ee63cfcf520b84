// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/pmetrictest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
)

var update = flag.Bool("update", false, "write what comes out as what is expected in testdata/cases")

// TestCases posts the request of each folder in testdata/cases and compares what comes out. A request is a body as
// VerifyYou could send it, to the byte; counters come out as deltas, which are empty for what is not counted. Where there
// is a config.yaml, the receiver is configured with it.
func TestCases(t *testing.T) {
	requests, err := filepath.Glob("testdata/cases/*/request")
	require.NoError(t, err)
	require.NotEmpty(t, requests)
	for _, request := range requests {
		folder := filepath.Dir(request)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			body, err := os.ReadFile(request)
			require.NoError(t, err)
			r := startSinks(t, testConfig(func(c *Config) {
				configureCase(t, filepath.Join(folder, "config.yaml"), c)
				c.MetricsTemporality = metricsconfig.Delta
				// The rest of the host's name would be in the expected files.
				instance := "00000000-0000-5000-8000-000000000000"
				c.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID.OverrideValue = &instance
			}))
			got := r.post(body)
			require.NoError(t, r.receiver.Shutdown(t.Context()))

			compareAnswer(t, filepath.Join(folder, "answer"), fmt.Sprintf("%d %s\n", got.status, got.body))
			require.Len(t, r.logs.AllLogs(), 1)
			compareLogs(t, filepath.Join(folder, "logs.yaml"), r.logs.AllLogs()[0])
			compareMetrics(t, filepath.Join(folder, "metrics.yaml"), r.metrics.AllMetrics())
		})
	}
}

func configureCase(t *testing.T, file string, c *Config) {
	t.Helper()
	if _, err := os.Stat(file); err != nil {
		return
	}
	conf, err := confmaptest.LoadConf(file)
	require.NoError(t, err)
	require.NoError(t, conf.Unmarshal(c))
}

func compareAnswer(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func compareLogs(t *testing.T, file string, got plog.Logs) {
	t.Helper()
	record := onlyRecord(got)
	assert.NotZero(t, record.ObservedTimestamp())
	record.SetObservedTimestamp(0)
	if *update {
		require.NoError(t, golden.WriteLogsToFile(file, got))
	}
	want, err := golden.ReadLogs(file)
	require.NoError(t, err)
	require.NoError(t, plogtest.CompareLogs(want, got))
	assert.Equal(t, onlyRecord(want).EventName(), record.EventName()) // which plogtest does not compare
}

// compareMetrics expects no file where nothing is counted.
func compareMetrics(t *testing.T, file string, got []pmetric.Metrics) {
	t.Helper()
	if len(got) == 0 {
		assert.NoFileExists(t, file)
		return
	}
	require.Len(t, got, 1)
	if *update {
		require.NoError(t, golden.WriteMetricsToFile(file, got[0]))
	}
	want, err := golden.ReadMetrics(file)
	require.NoError(t, err)
	require.NoError(t, pmetrictest.CompareMetrics(want, got[0], pmetrictest.IgnoreTimestamp(), pmetrictest.IgnoreStartTimestamp()))
}
