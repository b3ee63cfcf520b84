// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// sinks are what comes after a connector.
type sinks struct {
	metrics consumertest.MetricsSink
	traces  consumertest.TracesSink
	logs    consumertest.LogsSink
}

// instances makes the three instances of a connector as the Collector does, and starts none.
func (s *sinks) instances(t *testing.T, cfg *Config) []connector.Logs {
	t.Helper()
	return instancesTo(t, cfg, &s.metrics, &s.traces, &s.logs)
}

func instancesTo(t *testing.T, cfg *Config, metrics consumer.Metrics, traces consumer.Traces, logs consumer.Logs) []connector.Logs {
	t.Helper()
	f, set := NewFactory(), connectortest.NewNopSettings(metadata.Type)
	toMetrics, err := f.CreateLogsToMetrics(t.Context(), set, cfg, metrics)
	require.NoError(t, err)
	toTraces, err := f.CreateLogsToTraces(t.Context(), set, cfg, traces)
	require.NoError(t, err)
	toLogs, err := f.CreateLogsToLogs(t.Context(), set, cfg, logs)
	require.NoError(t, err)
	return []connector.Logs{toMetrics, toTraces, toLogs}
}

// once flushes at the beginning and at the end only.
func once() *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.MetricsFlushInterval = time.Hour
	cfg.MetricsTemporality = metricsconfig.Delta
	cfg.MaxVerifications = 1 // so that each new one ends the one before
	return cfg
}

func startAll(t *testing.T, all []connector.Logs) {
	t.Helper()
	for _, o := range all {
		require.NoError(t, o.Start(t.Context(), &statusHost{}))
	}
}

func shutdownAll(t *testing.T, all []connector.Logs) {
	t.Helper()
	for _, o := range all {
		require.NoError(t, o.Shutdown(t.Context()))
	}
}

// consumeAll hands the same records to every instance, as a fan-out does.
func consumeAll(t *testing.T, all []connector.Logs, ld plog.Logs) {
	t.Helper()
	for _, o := range all {
		assert.False(t, o.Capabilities().MutatesData)
		require.NoError(t, o.ConsumeLogs(t.Context(), ld))
	}
}

func (s *sinks) reached(t *testing.T) int64 {
	t.Helper()
	var exports []exported
	for _, md := range s.metrics.AllMetrics() {
		exports = append(exports, exported{metrics: md})
	}
	r := readResults(t, []string{keyVerification}, exports, nil, nil)
	return r.reached[stageTracker{"verification_started", ""}]
}

// TestThreeOutputs shows that the instances share one state, count each record once, and flush a last time at the first
// Shutdown, whichever that is of.
func TestThreeOutputs(t *testing.T) {
	for first := range 3 {
		s := new(sinks)
		all := s.instances(t, once())
		startAll(t, all)
		consumeAll(t, all, logsOf(eventAt(0, "ver_1", "verification_started"), eventAt(0, "ver_2", "verification_started")))
		require.NoError(t, all[first].Shutdown(t.Context()))
		assert.EqualValues(t, 2, s.reached(t))
		assert.Equal(t, 2, s.traces.SpanCount(), "a root and a child")
		assert.Equal(t, 1, s.logs.LogRecordCount())
		exports := len(s.metrics.AllMetrics())
		shutdownAll(t, all)
		shutdownAll(t, all)
		assert.Len(t, s.metrics.AllMetrics(), exports, "the others have nothing to say, nor has a second Shutdown")
		assert.Equal(t, 1, s.logs.LogRecordCount())
	}
}

// TestNothingBeforeAllAreStarted: the consumers of those that are not started may not be ready.
func TestNothingBeforeAllAreStarted(t *testing.T) {
	s := new(sinks)
	all := s.instances(t, createDefaultConfig().(*Config))
	startAll(t, all[:2])
	require.NoError(t, all[0].Shutdown(t.Context()))
	require.NoError(t, all[1].Shutdown(t.Context()))
	require.NoError(t, all[2].Shutdown(t.Context()), "it was never started")
	assert.Empty(t, s.metrics.AllMetrics())
	assert.Zero(t, s.traces.SpanCount()+s.logs.LogRecordCount())
}

func TestNeverStarted(t *testing.T) {
	s := new(sinks)
	cfg := createDefaultConfig().(*Config)
	all := s.instances(t, cfg)
	shutdownAll(t, all)
	shutdownAll(t, all)
	assert.Empty(t, s.metrics.AllMetrics())

	again := s.instances(t, cfg)
	assert.NotSame(t, all[0].(*output).funnelConnector, again[0].(*output).funnelConnector, "a new one after Shutdown")
	startAll(t, again)
	shutdownAll(t, again)
	assert.NotEmpty(t, s.metrics.AllMetrics())
}

// TestTwoConnectors have a state each.
func TestTwoConnectors(t *testing.T) {
	one, two := new(sinks), new(sinks)
	allOfOne, allOfTwo := one.instances(t, once()), two.instances(t, once())
	startAll(t, allOfOne)
	startAll(t, allOfTwo)
	consumeAll(t, allOfOne, logsOf(eventAt(0, "ver_1", "verification_started")))
	consumeAll(t, allOfTwo, logsOf(eventAt(0, "ver_1", "verification_started"), eventAt(0, "ver_2", "verification_started")))
	shutdownAll(t, allOfOne)
	consumeAll(t, allOfTwo, logsOf(eventAt(0, "ver_3", "verification_started")))
	shutdownAll(t, allOfTwo)
	assert.EqualValues(t, 1, one.reached(t))
	assert.EqualValues(t, 3, two.reached(t))
}

// TestConsumersFail shows that what comes after the connector never makes it refuse a record, nor keeps it from an end.
func TestConsumersFail(t *testing.T) {
	for name, fail := range map[string]func() error{
		"refuse": func() error { return errors.New("away") },
		"panic":  func() error { panic("broken") },
	} {
		t.Run(name, func(t *testing.T) {
			metrics, err := consumer.NewMetrics(func(context.Context, pmetric.Metrics) error { return fail() })
			require.NoError(t, err)
			traces, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return fail() })
			require.NoError(t, err)
			logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return fail() })
			require.NoError(t, err)
			all := instancesTo(t, once(), metrics, traces, logs)
			startAll(t, all)
			for n := range 10 {
				consumeAll(t, all, logsOf(eventAt(0, fmt.Sprint("ver_", n), "verification_started")))
			}
			shutdownAll(t, all)
		})
	}
}

// TestConsumerHangs shows that Shutdown ends with its context although a consumer does not heed its own.
func TestConsumerHangs(t *testing.T) {
	release, called := make(chan struct{}), make(chan struct{})
	metrics, err := consumer.NewMetrics(func(context.Context, pmetric.Metrics) error {
		close(called)
		<-release
		return errors.New("too late")
	})
	require.NoError(t, err)
	c, err := NewFactory().CreateLogsToMetrics(t.Context(), connectortest.NewNopSettings(metadata.Type), once(), metrics)
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), &statusHost{}))
	<-called
	require.NoError(t, c.ConsumeLogs(t.Context(), logsOf(eventAt(0, "ver_1", "verification_started"))), "it goes on")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, c.Shutdown(ctx), "the last flush did not end in time")
	called = make(chan struct{}) // for the last flush
	close(release)
	<-called
}

// TestManyAtOnce consumes from many goroutines while flushes are under way, for the race detector.
func TestManyAtOnce(t *testing.T) {
	s := new(sinks)
	cfg := once()
	cfg.MaxVerifications = 100_000
	cfg.MetricsFlushInterval = time.Millisecond
	all := s.instances(t, cfg)
	startAll(t, all)
	const callers, verifications = 4, 200
	var consuming sync.WaitGroup
	var refused atomic.Int64
	for caller := range callers {
		consuming.Go(func() {
			for n := range verifications {
				ld := logsOf(eventAt(0, fmt.Sprint("ver_", (n+caller*50)%verifications), "verification_started"))
				for _, o := range all {
					if o.ConsumeLogs(context.Background(), ld) != nil {
						refused.Add(1)
					}
				}
			}
		})
	}
	consuming.Wait()
	shutdownAll(t, all)
	assert.Zero(t, refused.Load())
	assert.EqualValues(t, verifications, s.reached(t))
}

// TestOneOutput connects a single signal: the others are nobody's.
func TestOneOutput(t *testing.T) {
	for _, signal := range allOutputs() {
		a := newAdapter(t, harnessOptions{
			funnelRules: funnelRules{key: []string{keyVerification}, abandonAfter: time.Minute, settle: time.Second, window: time.Hour},
			delta:       true, outputs: []pipeline.Signal{signal},
		}, nil)
		a.take(0, eventAt(0, "ver_1", "verification_started"))
		a.flushAt(2 * minute)
		got := a.results()
		assert.Equal(t, signal == pipeline.SignalMetrics, len(got.ended) > 0)
		assert.Equal(t, signal == pipeline.SignalTraces, len(got.spans) > 0)
		assert.Equal(t, signal == pipeline.SignalLogs, len(got.summaries) > 0)
		assert.Empty(t, a.outputs[0].traces.waiting, "nothing is kept that nobody wants")
		assert.Empty(t, a.outputs[0].summaries.waiting)
	}
}

func TestFactory(t *testing.T) {
	f := NewFactory()
	assert.Equal(t, component.MustNewType("verifyyou_funnel"), f.Type())
	assert.Equal(t, component.StabilityLevelAlpha, f.LogsToMetricsStability())
	assert.Equal(t, component.StabilityLevelAlpha, f.LogsToTracesStability())
	assert.Equal(t, component.StabilityLevelAlpha, f.LogsToLogsStability())
}
