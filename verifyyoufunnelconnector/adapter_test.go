// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// adapter is a connector as the Collector handles it, but that its clock and its flushes are driven by the test.
type adapter struct {
	t       testingT
	options harnessOptions
	changes []func(*Config)
	disk    *statetest.Disk
	host    *statusHost
	logged  *observer.ObservedLogs
	at      time.Time     // by the wall clock
	ran     time.Duration // by the monotonic one
	refused []pipeline.Signal
	refusal error // of those; nil is one that is not for good

	process   string // what the Collector calls itself: another at each start
	telemetry *componenttest.Telemetry
	outputs   []*output

	metrics   []exported
	traces    []ptrace.Traces
	summaries []plog.Logs

	// Own telemetry of the runs before this one.
	events        map[string]int64 // by result
	reinitialized int64
}

// ownID is that of every connector that an adapter starts.
var ownID = component.MustNewIDWithName("verifyyou_funnel", "test")

func newHarness(t testingT, options harnessOptions) harness {
	t.Helper()
	return newAdapter(t, options, statetest.New(), allAttributes)
}

// allAttributes has every metric count by all that it can.
func allAttributes(c *Config) {
	outcomeOfEnd := []any{semconv.AttrVerificationOutcome, semconv.AttrVerificationLastStage, semconv.AttrVerificationDroppedOff, attrTracker}
	settings := map[string]any{}
	for name, attributes := range map[string][]any{
		metricEnded:         outcomeOfEnd,
		metricResumed:       outcomeOfEnd,
		metricActive:        {semconv.AttrVerificationLastStage, attrTracker},
		metricStageDuration: {attrStage, attrTracker},
		metricTrustScore:    {semconv.AttrVerificationOutcome, attrTracker},
		metricAttempts:      {semconv.AttrVerificationOutcome, attrTracker},
	} {
		settings[name] = map[string]any{"attributes": attributes}
	}
	if err := confmap.NewFromStringMap(settings).Unmarshal(&c.MetricsBuilderConfig.Metrics); err != nil {
		panic(err)
	}
}

// newAdapter starts a connector on a disk, with changes to its configuration.
func newAdapter(t testingT, options harnessOptions, disk *statetest.Disk, changes ...func(*Config)) *adapter {
	t.Helper()
	a := &adapter{t: t, options: options, changes: changes, disk: disk, at: scheduleStart, events: map[string]int64{}}
	a.start()
	a.flush(a.at, false) // as a Collector does at once
	t.Cleanup(func() {
		a.outputs[0].stop()
		require.NoError(t, a.telemetry.Shutdown(context.Background()))
	})
	return a
}

func (a *adapter) config() *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Key = a.options.key
	cfg.AbandonAfter, cfg.Settle, cfg.Window = a.options.abandonAfter, a.options.settle, a.options.window
	if a.options.delta {
		cfg.MetricsTemporality = metricsconfig.Delta
	}
	if a.options.storage {
		cfg.Storage = &statetest.ID
	}
	for _, change := range a.changes {
		change(cfg)
	}
	require.NoError(a.t, cfg.Validate())
	return cfg
}

// start makes one instance for each output.
func (a *adapter) start() {
	a.telemetry = componenttest.NewTelemetry()
	set := connectortest.NewNopSettings(metadata.Type)
	set.ID = ownID
	set.TelemetrySettings = a.telemetry.NewTelemetrySettings()
	a.process = uuid.NewString()
	set.Resource.Attributes().PutStr("service.instance.id", a.process)
	var core zapcore.Core
	core, a.logged = observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	a.host = &statusHost{extensions: map[component.ID]component.Component{statetest.ID: a.disk}}
	cfg := a.config()
	a.outputs = nil
	for _, signal := range a.options.outputs {
		made, err := a.create(signal, set, cfg)
		require.NoError(a.t, err)
		a.outputs = append(a.outputs, made.(*output))
	}
	c := a.outputs[0].funnelConnector
	c.now = a.now
	c.status.AddHost(a.host)
	require.NoError(a.t, c.begin(context.Background(), a.host))
	c.started = c.created
}

func (a *adapter) create(signal pipeline.Signal, set connector.Settings, cfg *Config) (connector.Logs, error) {
	f := NewFactory()
	ctx := context.Background()
	switch signal {
	case pipeline.SignalMetrics:
		next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
			kept := pmetric.NewMetrics()
			md.CopyTo(kept)
			err := a.refuses(signal)
			a.metrics = append(a.metrics, exported{metrics: kept, refused: err != nil})
			return err
		})
		require.NoError(a.t, err)
		return f.CreateLogsToMetrics(ctx, set, cfg, next)
	case pipeline.SignalTraces:
		next, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
			if err := a.refuses(signal); err != nil {
				return err
			}
			a.traces = append(a.traces, td)
			return nil
		})
		require.NoError(a.t, err)
		return f.CreateLogsToTraces(ctx, set, cfg, next)
	default:
		next, err := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
			if err := a.refuses(signal); err != nil {
				return err
			}
			a.summaries = append(a.summaries, ld)
			return nil
		})
		require.NoError(a.t, err)
		return f.CreateLogsToLogs(ctx, set, cfg, next)
	}
}

func (a *adapter) refuses(signal pipeline.Signal) error {
	if !slices.Contains(a.refused, signal) {
		return nil
	}
	if a.refusal != nil {
		return a.refusal
	}
	return errors.New("away")
}

// statusHost has extensions, and remembers what components report of their status.
type statusHost struct {
	extensions map[component.ID]component.Component
	mu         sync.Mutex
	reported   []componentstatus.Status
}

func (h *statusHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

func (h *statusHost) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reported = append(h.reported, e.Status())
}

// last returns the status that was reported last, none if none was.
func (h *statusHost) last() componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.reported) == 0 {
		return componentstatus.StatusNone
	}
	return h.reported[len(h.reported)-1]
}

// now is as time.Now: it has a monotonic reading.
func (a *adapter) now() time.Time { return clocktest.Time(a.at, a.ran) }

// run lets the connector run until its clock shows a time.
func (a *adapter) run(until time.Time) {
	for {
		pause := min(until.Sub(a.at), lookInterval)
		a.pass(pause)
		a.look()
		if pause < lookInterval {
			return
		}
	}
}

func (a *adapter) pass(d time.Duration) {
	a.at, a.ran = a.at.Add(d), a.ran+d
}

func (a *adapter) look() { a.outputs[0].funnel.Advance(a.now()) }

// pause ends with a look: that was overdue.
func (a *adapter) pause(d time.Duration) {
	a.pass(d)
	a.look()
}

func (a *adapter) setClock(d time.Duration) {
	a.at = a.at.Add(d)
}

func (a *adapter) consume(at time.Time, logs plog.Logs) {
	a.run(at)
	for _, o := range a.outputs {
		require.NoError(a.t, o.ConsumeLogs(context.Background(), logs))
	}
}

func (a *adapter) flush(at time.Time, last bool) {
	a.run(at)
	err := a.outputs[0].flush(context.Background(), last)
	if len(a.refused) == 0 {
		require.NoError(a.t, err)
	}
}

func (a *adapter) refuse(signals ...pipeline.Signal) {
	a.refused = signals
}

func (a *adapter) restart(stopped, started time.Time) {
	a.run(stopped)
	for _, o := range a.outputs {
		require.NoError(a.t, o.Shutdown(context.Background()))
	}
	a.events, a.reinitialized = a.eventCounts(), a.reinitializedKeys()
	require.NoError(a.t, a.telemetry.Shutdown(context.Background()))
	a.pass(started.Sub(stopped))
	a.start()
}

func (a *adapter) results() results {
	a.t.Helper()
	r := readResults(a.t, a.options.key, a.metrics, a.traces, a.summaries)
	r.events = a.eventCounts()
	r.reinitialized = a.reinitializedKeys()
	return r
}

// reinitializedKeys are those of the runs before and of this one.
func (a *adapter) reinitializedKeys() int64 {
	got, err := a.telemetry.GetMetric("otelcol_connector_verifyyou_funnel_reinitialized")
	require.NoError(a.t, err)
	return a.reinitialized + got.Data.(metricdata.Sum[int64]).DataPoints[0].Value
}

func (a *adapter) exports() []exported { return a.metrics }

// eventCounts are those of the runs before and of this one.
func (a *adapter) eventCounts() map[string]int64 {
	counts := map[string]int64{}
	for result, n := range a.events {
		counts[result] = n
	}
	got, err := a.telemetry.GetMetric("otelcol_connector_verifyyou_funnel_events")
	require.NoError(a.t, err)
	for _, dp := range got.Data.(metricdata.Sum[int64]).DataPoints {
		result, _ := dp.Attributes.Value("result")
		counts[result.AsString()] += dp.Value
	}
	return counts
}
