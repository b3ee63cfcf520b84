// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
)

// connect starts a connector with its defaults but for changes, with all outputs, on a disk of its own. Its metrics are
// deltas, which say at once what has been counted.
func connect(t *testing.T, changes ...func(*Config)) *adapter {
	t.Helper()
	return connectTo(t, statetest.New(), changes...)
}

// connectTo starts a connector that uses a disk if storing is among the changes.
func connectTo(t *testing.T, disk *statetest.Disk, changes ...func(*Config)) *adapter {
	t.Helper()
	defaults := createDefaultConfig().(*Config)
	return newAdapter(t, harnessOptions{
		funnelRules: funnelRules{key: defaults.Key, abandonAfter: defaults.AbandonAfter, settle: defaults.Settle, window: defaults.Window},
		delta:       true,
		outputs:     allOutputs(),
	}, disk, changes...)
}

func storing(c *Config) { c.Storage = &statetest.ID }

func cumulative(c *Config) { c.MetricsTemporality = metricsconfig.Cumulative }

// keyedBy also tells the adapter how to read a summary.
func (a *adapter) keyedBy(names ...string) *adapter {
	a.options.key = names
	return a
}

func withKey(names ...string) func(*Config) {
	return func(c *Config) { c.Key = names }
}

// attrs are the attributes of a log record.
type attrs map[string]any

// recordAt is a record of a time that is given in seconds after the beginning of the test.
func recordAt(second int, a attrs) plog.LogRecord {
	lr := bareRecord(a)
	lr.SetTimestamp(pcommon.NewTimestampFromTime(after(second)))
	return lr
}

// bareRecord has no time.
func bareRecord(a attrs) plog.LogRecord {
	lr := plog.NewLogRecord()
	if err := lr.Attributes().FromRaw(a); err != nil {
		panic(err)
	}
	return lr
}

// flush does once what happens at every interval.
func (c *funnelConnector) flush(ctx context.Context, last bool) error {
	c.funnel.Advance(c.now())
	return errors.Join(c.flusher.Flush(ctx, last), c.traces.send(ctx), c.summaries.send(ctx))
}

// eventAt is a record as the receiver makes it of an event, but that it has no log.record.uid.
func eventAt(second int, verification, stage string) plog.LogRecord {
	return recordAt(second, attrs{keyVerification: verification, attrStage: stage})
}

func after(seconds int) time.Time {
	return scheduleStart.Add(time.Duration(seconds) * time.Second)
}

func logsOf(records ...plog.LogRecord) plog.Logs {
	ld := plog.NewLogs()
	to := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, lr := range records {
		lr.CopyTo(to.AppendEmpty())
	}
	return ld
}

// take hands over records so many seconds after the beginning.
func (a *adapter) take(second int, records ...plog.LogRecord) {
	a.t.Helper()
	a.consume(after(second), logsOf(records...))
}

// flushAt flushes so many seconds after the beginning.
func (a *adapter) flushAt(second int) {
	a.t.Helper()
	a.flush(after(second), false)
}

// onlySummary returns the one that was sent.
func (a *adapter) onlySummary() seenSummary {
	a.t.Helper()
	all := a.results().summaries
	require.Len(a.t, all, 1)
	return all[0]
}

const (
	minute = 60
	hour   = 60 * minute
)

func exponentialHistogram(c *Config) {
	c.Histogram.Exponential = configoptional.Some(ExponentialHistogramConfig{MaxSize: 160})
}

// ownSum returns a counter of own telemetry by its one attribute beside that of the connector.
func ownSum(t *testing.T, a *adapter, name string) map[string]int64 {
	t.Helper()
	m, err := a.telemetry.GetMetric("otelcol_connector_verifyyou_funnel_" + name)
	require.NoError(t, err)
	values := map[string]int64{}
	for _, dp := range m.Data.(metricdata.Sum[int64]).DataPoints {
		value := ""
		for _, kv := range dp.Attributes.ToSlice() {
			if kv.Key != "connector" {
				value = kv.Value.AsString()
			}
		}
		values[value] = dp.Value
	}
	return values
}

// For what happens in another goroutine; a test that waits so long fails.
const (
	testTimeout = 30 * time.Second
	testTick    = time.Millisecond
)
