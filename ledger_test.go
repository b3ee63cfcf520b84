// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
)

// startWith starts a receiver with storage, into sinks.
func startWith(t *testing.T, d *statetest.Disk, changes ...func(*Config)) *running {
	t.Helper()
	logs, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
	r := startOn(t, storing(changes...), pipelines{logs: logs, metrics: metrics}, hostWith(d))
	r.logs, r.metrics = logs, metrics
	return r
}

func storing(changes ...func(*Config)) *Config {
	return testConfig(append(changes, func(c *Config) { c.Storage = &statetest.ID })...)
}

func hostWith(d *statetest.Disk) *statusHost {
	return &statusHost{extensions: map[component.ID]component.Component{statetest.ID: d}}
}

func (r *running) stop() {
	r.t.Helper()
	require.NoError(r.t, r.receiver.Shutdown(context.Background()))
}

// exportedPoint is one data point of verifyyou.events without a tracker.
type exportedPoint struct {
	start pcommon.Timestamp
	value int64
}

// points returns what was exported for liveness_passed, in order.
func (r *running) points() []exportedPoint {
	var all []exportedPoint
	for _, dp := range dataPoints(r.metrics.AllMetrics()...) {
		if attributeOf(dp.Attributes(), semconv.AttrStage) == "liveness_passed" {
			all = append(all, exportedPoint{dp.StartTimestamp(), dp.IntValue()})
		}
	}
	return all
}

func TestRestart(t *testing.T) {
	d := statetest.New()
	first := startWith(t, d)
	for n := range 3 {
		first.post(eventBody("liveness_passed", n))
	}
	first.stop()
	before := first.points()
	assert.EqualValues(t, 3, before[len(before)-1].value)

	second := startWith(t, d)
	assert.Equal(t, duplicate, second.post(eventBody("liveness_passed", 0)).body)
	assert.Equal(t, accepted, second.post(eventBody("liveness_passed", 3)).body)
	second.stop()
	after := second.points()
	assert.GreaterOrEqual(t, after[0].value, int64(3), "it goes on with its value")
	assert.EqualValues(t, 4, after[len(after)-1].value)
	for _, p := range after {
		assert.Equal(t, before[0].start, p.start, "no reset")
	}
	resource := func(md []pmetric.Metrics) any {
		return md[0].ResourceMetrics().At(0).Resource().Attributes().AsRaw()
	}
	assert.Equal(t, resource(first.metrics.AllMetrics()), resource(second.metrics.AllMetrics()))
}

// TestInstanceIDIsKept shows that a series keeps its writer's name on another host or port.
func TestInstanceIDIsKept(t *testing.T) {
	d := statetest.New()
	first := startWith(t, d)
	first.stop()
	elsewhere := startWith(t, d, func(c *Config) { c.ServerConfig.NetAddr.Endpoint = "localhost:0" })
	assert.Equal(t, first.receiver.ledger.instanceID, elsewhere.receiver.ledger.instanceID)
	elsewhere.stop()
	mine := "mine"
	overridden := startWith(t, d, func(c *Config) {
		c.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID.OverrideValue = &mine
	})
	overridden.post([]byte(sampleBody))
	overridden.stop()
	assert.Equal(t, "mine", attributeOf(overridden.logs.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes(), "service.instance.id"))
}

// TestCrash shows that after the end of a process no value is below one that was exported, and that no event is
// counted twice, wherever the end comes.
func TestCrash(t *testing.T) {
	for _, temporality := range []string{metricsconfig.Cumulative, metricsconfig.Delta} {
		t.Run(temporality, func(t *testing.T) {
			d := statetest.New()
			var mu sync.Mutex
			var crashed *statetest.Disk
			exported := int64(0)
			metrics := new(consumertest.MetricsSink)
			r := startOn(t, storing(func(c *Config) {
				c.MetricsTemporality = temporality
				c.MetricsFlushInterval = time.Hour
			}), pipelines{logs: consumertest.NewNop(), metrics: metricsConsumer(func(ctx context.Context, md pmetric.Metrics) error {
				mu.Lock()
				defer mu.Unlock()
				crashed, exported = d.Copied(), 0 // the crash is while this call is made, which still gets through
				for _, dp := range dataPoints(md) {
					exported += dp.IntValue()
				}
				return metrics.ConsumeMetrics(ctx, md)
			})}, hostWith(d))
			for n := range 10 {
				r.post(eventBody("liveness_passed", n))
			}
			r.stop()
			if temporality == metricsconfig.Delta {
				crashed = d.Copied() // right after the call
			}
			assert.EqualValues(t, 10, exported)

			again := startWith(t, crashed, func(c *Config) { c.MetricsTemporality = temporality })
			for n := range 10 {
				assert.Equal(t, duplicate, again.post(eventBody("liveness_passed", n)).body)
			}
			again.stop()
			for _, p := range again.points() {
				assert.Equal(t, exported, p.value, "not below, and nothing twice")
			}
			if temporality == metricsconfig.Delta {
				assert.Empty(t, again.points())
			}
		})
	}
}

// writeState stores a state as a component does.
func writeState(t *testing.T, d *statetest.Disk, value string) {
	t.Helper()
	store, err := state.Open(t.Context(), state.Settings{
		Host: hostWith(d), Logger: zap.NewNop(), Kind: component.KindReceiver, ID: component.NewID(metadata.Type), Extension: &statetest.ID,
	})
	require.NoError(t, err)
	require.NoError(t, store.Write(t.Context(), map[string][]byte{stateKey: []byte(value)}, nil))
	require.NoError(t, store.Close(t.Context()))
}

// TestDamagedState starts with what another has written, or what is broken: with a message, and with empty state.
func TestDamagedState(t *testing.T) {
	for name, damage := range map[string]func(*statetest.Disk){
		"foreign":          func(d *statetest.Disk) { d.Values["state"] = []byte(`{"counters": {}}`) },
		"empty":            func(d *statetest.Disk) { d.Values["state"] = []byte{} },
		"a bit":            func(d *statetest.Disk) { d.Values["state"][40] ^= 1 },
		"cut":              func(d *statetest.Disk) { d.Values["state"] = d.Values["state"][:50] },
		"segment missing":  func(d *statetest.Disk) { delete(d.Values, "deliveries/0") },
		"segment, a bit":   func(d *statetest.Disk) { d.Values["deliveries/0"][40] ^= 1 },
		"segment for it":   func(d *statetest.Disk) { d.Values["state"] = d.Values["deliveries/0"] },
		"it for a segment": func(d *statetest.Disk) { d.Values["deliveries/0"] = d.Values["state"] },
		"of nothing":       func(d *statetest.Disk) { writeState(t, d, "{}") },
	} {
		t.Run(name, func(t *testing.T) {
			d := statetest.New()
			before := startWith(t, d)
			before.post(eventBody("liveness_passed", 1))
			before.stop()
			damage(d)

			after := startWith(t, d)
			errs := after.logged.FilterLevelExact(zap.ErrorLevel).All()
			require.NotEmpty(t, errs)
			assert.Equal(t, "disk", errs[0].ContextMap()["storage"])
			assert.Contains(t, errs[0].ContextMap(), "error")
			assert.Equal(t, componentstatus.StatusRecoverableError, after.host.first())
			assert.Equal(t, accepted, after.post(eventBody("liveness_passed", 1)).body, "empty state")
			assert.Equal(t, duplicate, after.post(eventBody("liveness_passed", 1)).body)
			after.stop()
			assert.EqualValues(t, 1, after.points()[len(after.points())-1].value, "nothing of the damaged state is counted")

			again := startWith(t, d)
			assert.Equal(t, duplicate, again.post(eventBody("liveness_passed", 1)).body, "the state is good again")
			again.stop()
			assert.EqualValues(t, 1, again.points()[0].value)
		})
	}
}

func TestNoStorageExtension(t *testing.T) {
	cfg := storing()
	r := create(t, receivertest.NewNopSettings(metadata.Type), cfg, pipelines{logs: consumertest.NewNop()})
	err := r.Start(t.Context(), &statusHost{})
	require.ErrorContains(t, err, "storage: disk: there is no such extension")
	require.NoError(t, r.Shutdown(t.Context()))
}

// TestStorageCannotBeUsed does not run without the storage that it was told to use.
func TestStorageCannotBeUsed(t *testing.T) {
	for name, hinder := range map[string]func(*statetest.Disk){
		"opened": func(d *statetest.Disk) { d.OnOpen(func() error { return errors.New("timeout") }) },
		"read":   func(d *statetest.Disk) { d.Fail(errors.New("input/output error")) },
	} {
		t.Run(name, func(t *testing.T) {
			d := statetest.New()
			hinder(d)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // for the minute that it is tried for
			defer cancel()
			r := create(t, receivertest.NewNopSettings(metadata.Type), storing(), pipelines{logs: consumertest.NewNop()})
			require.ErrorContains(t, r.Start(ctx, hostWith(d)), "storage: disk: cannot be opened")
			require.NoError(t, r.Shutdown(t.Context()))
		})
	}
}

// TestStorageFails shows that events are taken while the disk is full, and that counters are kept back rather than
// exported without being saved.
func TestStorageFails(t *testing.T) {
	d := statetest.New()
	r := startWith(t, d, delta, func(c *Config) { c.MetricsFlushInterval = time.Millisecond })
	d.Fail(errors.New("no space left on device"))
	assert.Equal(t, accepted, r.post([]byte(sampleBody)).body)
	eventually(t, func() bool {
		for _, entry := range r.logged.All() {
			if text, _ := entry.ContextMap()["error"].(string); strings.Contains(text, "no space left") {
				return true
			}
		}
		return false
	})
	assert.Zero(t, totalDelta(r.metrics))
	d.Fail(nil)
	r.stop()
	assert.EqualValues(t, 1, totalDelta(r.metrics))
}

// TestOtherSettingsAfterRestart shows that counters by other attributes begin anew, and that deliveries stay known.
func TestOtherSettingsAfterRestart(t *testing.T) {
	d := statetest.New()
	first := startWith(t, d)
	first.post([]byte(sampleBody))
	first.stop()
	second := startWith(t, d, delta)
	assert.Equal(t, duplicate, second.post([]byte(sampleBody)).body)
	second.stop()
	assert.Empty(t, second.metrics.AllMetrics())

	onlyLogs := new(consumertest.LogsSink)
	third := startOn(t, storing(), pipelines{logs: onlyLogs}, hostWith(d))
	assert.Equal(t, duplicate, third.post([]byte(sampleBody)).body, "without a metrics pipeline too")
	third.post(eventBody("a", 1))
	third.stop()
	fourth := startOn(t, storing(), pipelines{logs: onlyLogs}, hostWith(d))
	assert.Equal(t, duplicate, fourth.post(eventBody("a", 1)).body)
	fourth.stop()
	off := startWith(t, d, func(c *Config) { c.Deduplication = DeduplicationConfig{} })
	assert.Equal(t, accepted, off.post([]byte(sampleBody)).body)
	off.stop()
	for key := range d.Values {
		assert.NotContains(t, key, "deliveries/", "what nobody reads any more is deleted")
	}
}
