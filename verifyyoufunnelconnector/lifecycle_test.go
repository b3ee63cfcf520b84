// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
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
	cfg.MaxVerifications = 1                       // so that each new one ends the one before
	cfg.Key = verificationkey.Key{keyVerification} // whose values are their own names
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

// TestConsumerHangs shows that a consumer which never returns, whatever becomes of its context, holds up neither the
// other signals nor the saving of state, and that Shutdown ends.
func TestConsumerHangs(t *testing.T) {
	for n, hangs := range allOutputs() {
		t.Run(hangs.String(), func(t *testing.T) {
			release := make(chan struct{})
			var called [3]atomic.Int32
			consume := func(n int) {
				called[n].Add(1)
				if allOutputs()[n] == hangs {
					<-release
				}
			}
			metrics, err := consumer.NewMetrics(func(context.Context, pmetric.Metrics) error {
				consume(slices.Index(allOutputs(), pipeline.SignalMetrics))
				return nil
			})
			require.NoError(t, err)
			traces, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error {
				consume(slices.Index(allOutputs(), pipeline.SignalTraces))
				return nil
			})
			require.NoError(t, err)
			logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error {
				consume(slices.Index(allOutputs(), pipeline.SignalLogs))
				return nil
			})
			require.NoError(t, err)
			disk := statetest.New()
			cfg := once()
			storing(cfg)
			all := instancesTo(t, cfg, metrics, traces, logs)
			c := all[0].(*output)
			c.traces.put(endOf("ver_0"))
			c.summaries.put(endOf("ver_0"))
			for _, o := range all {
				require.NoError(t, o.Start(t.Context(), &statusHost{extensions: map[component.ID]component.Component{statetest.ID: disk}}))
			}
			consumeAll(t, all, logsOf(eventAt(0, "ver_1", "verification_started"), eventAt(0, "ver_2", "verification_started")))
			require.Eventually(t, func() bool { return hangs == pipeline.SignalMetrics || called[n].Load() == 1 }, testTimeout, testTick)

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // for the 5 s that it has of its own
			defer cancel()
			require.ErrorContains(t, all[0].Shutdown(ctx), "the final flush timed out")
			for m := range called {
				assert.Positive(t, called[m].Load(), allOutputs()[m])
			}
			assert.EqualValues(t, 1, called[n].Load(), "no other send begins before that one has ended")
			assert.Zero(t, disk.Clients(), "the storage is free for the next")
			close(release)

			again := connectTo(t, disk, storing, withKey(keyVerification))
			again.take(0, eventAt(0, "ver_2", "verification_started"))
			assert.Equal(t, map[string]int64{takenAsDuplicate: 1}, withoutZeros(again.results().events), "the state was saved")
		})
	}
}

func endOf(key string) *funnel.Ended {
	return &funnel.Ended{Key: key, Trail: []funnel.Entry{{Stage: "verification_started", New: true}}}
}

// TestAllHostsAreTold of a fault, and of its end.
func TestAllHostsAreTold(t *testing.T) {
	disk := statetest.New()
	disk.Values[stateKey] = []byte("another's")
	cfg := once()
	storing(cfg)
	all := new(sinks).instances(t, cfg)
	hosts := make([]*statusHost, len(all))
	for n, o := range all {
		hosts[n] = &statusHost{extensions: map[component.ID]component.Component{statetest.ID: disk}}
		require.NoError(t, o.Start(t.Context(), hosts[n]))
	}
	require.Eventually(t, func() bool { return hosts[len(hosts)-1].last() == componentstatus.StatusOK }, testTimeout, testTick)
	shutdownAll(t, all)
	for _, host := range hosts {
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, host.reported)
	}
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
