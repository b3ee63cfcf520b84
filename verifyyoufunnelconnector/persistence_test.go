// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/instance"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// resources returns the resource of each export.
func (a *adapter) resources() []map[string]any {
	var all []map[string]any
	for _, e := range a.metrics {
		all = append(all, e.metrics.ResourceMetrics().At(0).Resource().Attributes().AsRaw())
	}
	return all
}

// isAsNew checks that a connector has forgotten ver_1, and works.
func (a *adapter) isAsNew(second int) {
	a.t.Helper()
	a.take(second, eventAt(0, "ver_1", "verification_started"))
	assert.Equal(a.t, map[string]int64{takenAsNew: 1}, withoutZeros(a.results().events))
	a.flushAt(second + 1)
	a.flushAt(second + 2)
	assert.EqualValues(a.t, 1, a.results().reached[stageTracker{"verification_started", ""}])
}

func TestInstanceIDIsKept(t *testing.T) {
	first := connect(t, storing)
	first.outputs[0].state.instanceID = "another host's"
	first.flushAt(1)
	again := connectTo(t, first.disk.Copied(), storing)
	again.take(2, eventAt(0, "ver_1", "verification_started"))
	again.flushAt(2)
	for _, resource := range again.resources() {
		assert.Equal(t, map[string]any{"service.name": "verifyyou", "service.instance.id": "another host's"}, resource)
	}
	assert.NotEqual(t, "another host's", connect(t).outputs[0].state.instanceID)
}

// TestInstanceIDWithoutStorage is not that of another process with the same configuration on the same host, nor of the
// same connector in its life before.
func TestInstanceIDWithoutStorage(t *testing.T) {
	id := func(a *adapter) any { return a.resources()[0]["service.instance.id"] }
	one, two := connect(t), connect(t)
	assert.NotEqual(t, id(one), id(two))
	collector := pcommon.NewResource()
	collector.Attributes().PutStr("service.instance.id", one.process)
	assert.Equal(t, instance.InCollector(collector, ownID), id(one))
	before := id(one)
	one.restart(after(1), after(2))
	one.metrics = nil
	one.flushAt(3)
	assert.NotEqual(t, before, id(one))
}

// TestKill starts on what a disk had when the process was killed: no series goes on below what was exported, and what
// had been saved is known.
func TestKill(t *testing.T) {
	a := connect(t, storing, cumulative)
	a.take(1, eventAt(1, "ver_1", "verification_started"), eventAt(9, "ver_1", "verification_completed"))
	a.take(1, eventAt(1, "ver_2", "liveness_failed"))
	a.flushAt(minute)
	a.flushAt(2 * minute)
	exported := a.results()
	killed := a.disk.Copied()
	a.take(3*minute, eventAt(3*minute, "ver_2", "liveness_started")) // which is lost

	again := connectTo(t, killed, storing, cumulative)
	assert.Empty(t, difference(nonZero(resultsOfMetrics(exported)), nonZero(resultsOfMetrics(again.results()))), "the first flush says no less")
	again.take(4*minute, eventAt(1, "ver_1", "verification_started"), eventAt(9, "ver_1", "verification_completed"),
		eventAt(1, "ver_2", "liveness_failed"), eventAt(3*minute, "ver_2", "liveness_started"))
	assert.Equal(t, map[string]int64{takenAsDuplicate: 3, takenAsNew: 1}, withoutZeros(again.results().events))
	again.flushAt(5 * minute)
	got := again.results()
	assert.EqualValues(t, 1, got.reached[stageTracker{"liveness_failed", ""}])
	assert.EqualValues(t, 1, got.reached[stageTracker{"liveness_started", ""}])
	assert.EqualValues(t, 1, got.ended[endSeries{endCompleted, stageCompleted, ""}])
}

// TestKillAfterDelta shows that what was taken as a delta is not sent again.
func TestKillAfterDelta(t *testing.T) {
	a := connect(t, storing)
	a.take(1, eventAt(1, "ver_1", "verification_started"))
	a.flushAt(minute)
	a.flushAt(hour)
	assert.EqualValues(t, 1, a.results().ended[endSeries{endAbandoned, "verification_started", ""}])
	again := connectTo(t, a.disk.Copied(), storing)
	again.flushAt(2 * hour)
	got := nonZero(again.results())
	assert.Empty(t, got.reached)
	assert.Empty(t, got.ended)
	assert.Empty(t, got.histograms)
}

// resultsOfMetrics leaves out all else.
func resultsOfMetrics(r results) results {
	return results{reached: r.reached, ended: r.ended, resumed: r.resumed, active: r.active, histograms: r.histograms}
}

// TestHistogramsAreKept compares what is exported before and after a restart, to the last bucket.
func TestHistogramsAreKept(t *testing.T) {
	for name, changes := range map[string][]func(*Config){
		"explicit":          {storing, cumulative},
		"exponential":       {storing, cumulative, exponentialHistogram},
		"exponential delta": {storing, exponentialHistogram},
	} {
		t.Run(name, func(t *testing.T) {
			straight, cut := connect(t, changes...), connect(t, changes...)
			for _, a := range []*adapter{straight, cut} {
				for n, verification := range []string{"ver_1", "ver_2", "ver_3"} {
					started, passed := eventAt(0, verification, "liveness_started"), eventAt(0, verification, "liveness_passed")
					passed.Attributes().PutDouble("verifyyou.trust_score", 0.3*float64(n))
					a.take(n, started, passed, eventAt(n*n*700, verification, stageCompleted))
				}
				a.flushAt(minute)
				a.metrics = nil
			}
			cut.take(minute, eventAt(5, "ver_4", stageCompleted), eventAt(0, "ver_4", "liveness_started"))
			straight.take(minute, eventAt(5, "ver_4", stageCompleted), eventAt(0, "ver_4", "liveness_started"))
			cut.restart(after(minute+1), after(hour))
			cut.take(hour, eventAt(0, "ver_5", stageCompleted))
			straight.take(minute+2, eventAt(0, "ver_5", stageCompleted))
			cut.flushAt(hour + minute)
			straight.flushAt(2*minute + 2)
			for _, a := range []*adapter{straight, cut} {
				a.flush(a.at.Add(time.Minute), true)
			}
			assert.Equal(t, histogramsOf(straight.metrics), histogramsOf(cut.metrics))
			assert.NotEmpty(t, histogramsOf(cut.metrics))
		})
	}
}

// bucketed is what a series of a histogram of any kind says; deltas are added up as far as they can be.
type bucketed struct {
	Count, Zero      uint64
	Sum, Least, Most float64
	Scale, Offset    int32
	Buckets          []uint64
}

// histogramsOf returns the last of each series that is cumulative, and all that are deltas, without when.
func histogramsOf(all []exported) map[string][]bucketed {
	found := map[string][]bucketed{}
	add := func(metric string, attributes pcommon.Map, delta bool, b bucketed) {
		series := fmt.Sprint(metric, attributes.AsRaw())
		if b.Count == 0 {
			return
		}
		if !delta {
			found[series] = nil
		}
		found[series] = append(found[series], b)
	}
	for _, e := range all {
		for _, m := range e.metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			switch m.Type() {
			case pmetric.MetricTypeHistogram:
				for _, p := range m.Histogram().DataPoints().All() {
					add(m.Name(), p.Attributes(), m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta,
						bucketed{Count: p.Count(), Sum: p.Sum(), Least: p.Min(), Most: p.Max(), Buckets: p.BucketCounts().AsRaw()})
				}
			case pmetric.MetricTypeExponentialHistogram:
				for _, p := range m.ExponentialHistogram().DataPoints().All() {
					add(m.Name(), p.Attributes(), m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta,
						bucketed{p.Count(), p.ZeroCount(), p.Sum(), p.Min(), p.Max(), p.Scale(), p.Positive().Offset(), p.Positive().BucketCounts().AsRaw()})
				}
			default:
			}
		}
	}
	return found
}

// TestUnusableState starts with an empty state, says so, and replaces what is stored.
func TestUnusableState(t *testing.T) {
	chunk := chunkKey(funnel.Verifications, 0)
	for name, damage := range map[string]func(map[string][]byte){
		"damaged state":   func(v map[string][]byte) { v[stateKey][len(v[stateKey])-1] ^= 1 },
		"damaged chunk":   func(v map[string][]byte) { v[chunk][len(v[chunk])-1] ^= 1 },
		"shortened chunk": func(v map[string][]byte) { v[chunk] = v[chunk][:len(v[chunk])-1] },
		"missing chunk":   func(v map[string][]byte) { delete(v, chunk) },
		"another's state": func(v map[string][]byte) { v[stateKey] = []byte("{}") },
		"another's chunk": func(v map[string][]byte) { v[chunk] = []byte{1, 2, 3} },
		"exchanged":       func(v map[string][]byte) { v[stateKey], v[chunk] = v[chunk], v[stateKey] },
	} {
		t.Run(name, func(t *testing.T) {
			a := connect(t, storing, cumulative)
			a.take(1, eventAt(0, "ver_1", "verification_started"))
			a.flushAt(1)
			a.flushAt(2)
			disk := a.disk.Copied()
			damage(disk.Values)

			again := connectTo(t, disk, storing, cumulative)
			assert.Equal(t, 1, again.logged.FilterLevelExact(zap.ErrorLevel).FilterMessage("Stored state cannot be used; starting with an empty state").Len())
			assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, again.host.reported,
				"until the first flush has written good state")
			again.isAsNew(3)
			healed := connectTo(t, disk.Copied(), storing, cumulative)
			assert.Empty(t, healed.host.reported)
			assert.Equal(t, 1, healed.outputs[0].funnel.Len())
		})
	}
}

func TestNoStorage(t *testing.T) {
	other := component.MustNewID("other")
	cfg := createDefaultConfig().(*Config)
	cfg.Storage = &other
	c, err := NewFactory().CreateLogsToMetrics(t.Context(), connectortest.NewNopSettings(metadata.Type), cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, c.Start(t.Context(), &statusHost{}), "storage: other: there is no such extension")
	require.NoError(t, c.Shutdown(t.Context()))
}

// TestStorageCannotBeOpened does not run without the storage that it was told to use.
func TestStorageCannotBeOpened(t *testing.T) {
	disk := statetest.New()
	disk.OnOpen(func() error { return errors.New("locked by another process") })
	cfg := createDefaultConfig().(*Config)
	storing(cfg)
	c, err := NewFactory().CreateLogsToMetrics(t.Context(), connectortest.NewNopSettings(metadata.Type), cfg, consumertest.NewNop())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // for the minute that it is tried for
	defer cancel()
	host := &statusHost{extensions: map[component.ID]component.Component{statetest.ID: disk}}
	require.ErrorContains(t, c.Start(ctx, host), "storage: disk: cannot be opened")
	require.NoError(t, c.Shutdown(t.Context()))
}

// TestDiskFails exports nothing that is not saved, and makes up for it.
func TestDiskFails(t *testing.T) {
	a := connect(t, storing)
	a.take(1, eventAt(0, "ver_1", "verification_started"))
	a.disk.Fail(errors.New("full"))
	a.at = after(2)
	require.ErrorContains(t, a.outputs[0].flush(context.Background(), false), "storage: disk: full")
	assert.Empty(t, a.results().reached)
	a.disk.Fail(nil)
	a.flushAt(3)
	assert.EqualValues(t, 1, a.results().reached[stageTracker{"verification_started", ""}])
	again := connectTo(t, a.disk.Copied(), storing)
	again.take(4, eventAt(0, "ver_1", "verification_started"))
	assert.Equal(t, map[string]int64{takenAsDuplicate: 1}, withoutZeros(again.results().events), "it was written with the next")
}

// TestNobodyIsLeft restarts after all have been forgotten: an empty chunk is not a missing one.
func TestNobodyIsLeft(t *testing.T) {
	a := connect(t, storing)
	a.take(1, eventAt(0, "ver_1", "verification_started"))
	a.flushAt(2)
	a.flushAt(25 * hour)
	again := connectTo(t, a.disk.Copied(), storing)
	assert.Empty(t, again.host.reported)
	again.isAsNew(26 * hour)
}

// TestKeyChanges from what was once the default to what it is now.
func TestKeyChanges(t *testing.T) {
	a := connect(t, storing, cumulative, withKey(keyVerification)).keyedBy(keyVerification)
	a.take(1, eventAt(0, "ver_1", "verification_started"))
	a.flushAt(1)
	a.flushAt(2)
	again := connectTo(t, a.disk.Copied(), storing, cumulative)
	assert.Empty(t, again.host.reported)
	assert.Equal(t, 1, again.logged.FilterMessageSnippet("key has changed").Len())
	assert.Zero(t, again.outputs[0].funnel.Len())
	assert.NotContains(t, again.disk.Copied().Values, chunkKey(funnel.Verifications, 0), "what is followed no more is not stored for ever")
	again.take(3, eventAt(0, "ver_1", "verification_started"))
	again.flushAt(3)
	got := again.results()
	assert.Equal(t, map[string]int64{takenAsNew: 1}, withoutZeros(got.events))
	assert.EqualValues(t, 2, got.reached[stageTracker{"verification_started", ""}], "the counter goes on")

	third := connectTo(t, again.disk.Copied(), storing, cumulative)
	third.take(4, eventAt(0, "ver_1", "verification_started"))
	assert.Equal(t, map[string]int64{takenAsDuplicate: 1}, withoutZeros(third.results().events))
}

func TestTemporalityChanges(t *testing.T) {
	a := connect(t, storing, cumulative)
	a.take(1, eventAt(0, "ver_1", "verification_started"))
	a.flushAt(1)
	a.flushAt(2)
	again := connectTo(t, a.disk.Copied(), storing)
	assert.Equal(t, 1, again.logged.FilterMessage("Some metrics begin anew").Len())
	again.take(3, eventAt(0, "ver_1", "verification_started"), eventAt(1, "ver_1", "liveness_started"))
	again.flushAt(4)
	assert.Equal(t, map[stageTracker]int64{{"liveness_started", ""}: 1}, again.results().reached)
	assert.Equal(t, map[string]int64{takenAsDuplicate: 1, takenAsNew: 1}, withoutZeros(again.results().events), "the verifications go on")
}

func TestSettingsChange(t *testing.T) {
	a := connect(t, storing)
	a.take(0, eventAt(0, "ver_1", "verification_started"))
	a.take(5*minute, eventAt(1, "ver_2", "verification_started"))
	a.take(5*minute+1, eventAt(2, "ver_3", "verification_started"))
	a.flushAt(6 * minute)
	ended := func(a *adapter) (keys []string) {
		for _, s := range a.results().summaries {
			keys = append(keys, s.key[keyVerification])
		}
		slices.Sort(keys)
		return keys
	}

	sooner := connectTo(t, a.disk.Copied(), storing, func(c *Config) { c.AbandonAfter = 3 * time.Minute })
	assert.Equal(t, []string{"ver_1"}, ended(sooner), "as if it had been silent for 6 minutes")
	sooner.flushAt(2*minute + 1)
	assert.Equal(t, []string{"ver_1", "ver_2", "ver_3"}, ended(sooner))

	fewer := connectTo(t, a.disk.Copied(), storing, func(c *Config) { c.MaxVerifications = 1 })
	assert.Equal(t, []string{"ver_1", "ver_2"}, ended(fewer))
	assert.EqualValues(t, 2, ownSum(t, fewer, "ended_early")[""])
	fewer.take(1, eventAt(2, "ver_3", "verification_started"))
	assert.Equal(t, map[string]int64{takenAsDuplicate: 1}, withoutZeros(fewer.results().events))
}
