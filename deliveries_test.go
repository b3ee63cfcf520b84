// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
)

const duplicate = `{"status":"duplicate"}`

func delta(c *Config) { c.MetricsTemporality = metricsconfig.Delta }

func TestDuplicates(t *testing.T) {
	for name, body := range map[string]string{
		"event":        sampleBody,
		"no id":        `{"stage": "liveness_failed", "occurred_at": "2026-06-09T17:04:01Z"}`,
		"unrecognized": "hello",
	} {
		t.Run(name, func(t *testing.T) {
			r := startSinks(t, testConfig(delta))
			first := r.post([]byte(body))
			assert.Equal(t, 200, first.status)
			assert.NotEqual(t, duplicate, first.body)
			for range 3 {
				again := r.post([]byte(body))
				assert.Equal(t, 200, again.status)
				assert.Equal(t, duplicate, again.body)
			}
			assert.EqualValues(t, 3, r.results()["duplicate"])
			assert.Equal(t, 1, r.logs.LogRecordCount())
			require.NoError(t, r.receiver.Shutdown(t.Context()))
			if name != "unrecognized" {
				assert.EqualValues(t, 1, totalDelta(r.metrics))
			}
		})
	}
}

// TestSameEventInOtherWords shows that fields which do not identify an event do not make another of it.
func TestSameEventInOtherWords(t *testing.T) {
	r := startSinks(t, testConfig())
	r.post([]byte(sampleBody))
	assert.Equal(t, duplicate, r.post([]byte(strings.Replace(sampleBody, "0.92", "0.93", 1))).body)
	assert.Equal(t, accepted, r.post([]byte(strings.Replace(sampleBody, "user_123", "user_124", 1))).body)
	assert.Equal(t, accepted, r.post([]byte(strings.Replace(sampleBody, ".123456", ".123457", 1))).body)
}

func TestDeduplicationOff(t *testing.T) {
	r := startSinks(t, testConfig(func(c *Config) { c.Deduplication = DeduplicationConfig{} }))
	for range 2 {
		assert.Equal(t, accepted, r.post([]byte(sampleBody)).body)
	}
	uids := map[any]bool{}
	for _, logs := range r.logs.AllLogs() {
		uids[attributeOf(onlyRecord(logs).Attributes(), "log.record.uid")] = true
	}
	assert.Equal(t, 2, r.logs.LogRecordCount())
	assert.Len(t, uids, 1)
}

func TestDeduplicationBounds(t *testing.T) {
	r := startSinks(t, testConfig(func(c *Config) { c.Deduplication.MaxEntries = 2 }))
	for n := range 3 {
		r.post(eventBody("a", n))
	}
	assert.Equal(t, duplicate, r.post(eventBody("a", 1)).body)
	assert.Equal(t, accepted, r.post(eventBody("a", 0)).body)
	assert.Equal(t, map[string]int64{"": 2}, r.ownSum("deliveries_forgotten"))
}

func TestDeduplicationWindow(t *testing.T) {
	var later atomic.Int64
	r := start(t, testConfig(), pipelines{logs: consumertest.NewNop(), now: func() time.Time {
		return time.Now().Add(time.Duration(later.Load()))
	}})
	r.post([]byte(sampleBody))
	later.Store(int64(72*time.Hour - time.Minute))
	assert.Equal(t, duplicate, r.post([]byte(sampleBody)).body)
	later.Store(int64(72 * time.Hour))
	assert.Equal(t, accepted, r.post([]byte(sampleBody)).body)
}

// TestDuplicateInFlight posts an event many times while it waits in the pipeline: all are answered as the first.
func TestDuplicateInFlight(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func() error
		status int
	}{
		"taken":   {func() error { return nil }, 200},
		"refused": {func() error { return errors.New("away") }, 503},
		"panics":  {func() error { panic("broken") }, 500},
	} {
		t.Run(name, func(t *testing.T) {
			const others = 20
			release := make(chan struct{})
			arrived := make(chan struct{}, others+1)
			var consumed atomic.Int32
			r := start(t, testConfig(), pipelines{logs: logsConsumer(func(context.Context, plog.Logs) error {
				consumed.Add(1)
				arrived <- struct{}{}
				<-release
				return tt.end()
			})})
			var sending sync.WaitGroup
			statuses := make(chan int, others+1)
			send := func() {
				got, err := do(client, r.request([]byte(sampleBody)))
				assert.NoError(t, err)
				statuses <- got.status
			}
			sending.Go(send)
			<-arrived
			for range others {
				sending.Go(send)
			}
			// All of them have come when their signatures have matched.
			eventually(t, func() bool { return r.ownSum("signature_matches")["0"] == others+1 })
			close(release)
			sending.Wait()
			close(statuses)
			for status := range statuses {
				assert.Equal(t, tt.status, status)
			}
			if tt.status == 200 {
				assert.EqualValues(t, 1, consumed.Load())
				assert.Equal(t, map[string]int64{"accepted": 1, "duplicate": others}, r.results())
			}
		})
	}
}

// TestWaiterLeaves shows that a duplicate in flight is not held when its client has gone.
func TestWaiterLeaves(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	r := start(t, testConfig(), pipelines{logs: logsConsumer(func(context.Context, plog.Logs) error {
		close(arrived)
		<-release
		return nil
	})})
	var first sync.WaitGroup
	first.Go(func() { assert.Equal(t, accepted, r.post([]byte(sampleBody)).body) })
	<-arrived
	ctx, leave := context.WithCancel(t.Context())
	var second sync.WaitGroup
	second.Go(func() {
		_, err := do(client, r.request([]byte(sampleBody)).WithContext(ctx))
		assert.ErrorIs(t, err, context.Canceled)
	})
	eventually(t, func() bool { return r.ownSum("signature_matches")["0"] == 2 })
	leave()
	second.Wait()
	eventually(t, func() bool { return r.results()["refused"] == 1 })
	close(release)
	first.Wait()
}

// TestFanOut shows what several exporters behind one receiver mean: when one refuses, the other gets the event again,
// with the same uid, and it is counted once.
func TestFanOut(t *testing.T) {
	good, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
	failing := true
	// The Collector puts the same between a receiver and its pipelines: it calls all of them and joins their errors.
	fanOut := logsConsumer(func(ctx context.Context, logs plog.Logs) error {
		err := good.ConsumeLogs(ctx, logs)
		if failing {
			return errors.Join(err, errors.New("the other is away"))
		}
		return err
	})
	r := start(t, testConfig(delta), pipelines{logs: fanOut, metrics: metrics})
	assert.Equal(t, 503, r.post([]byte(sampleBody)).status)
	failing = false
	assert.Equal(t, accepted, r.post([]byte(sampleBody)).body)
	assert.Equal(t, duplicate, r.post([]byte(sampleBody)).body)
	require.NoError(t, r.receiver.Shutdown(t.Context()))

	require.Equal(t, 2, good.LogRecordCount())
	uid := func(n int) any { return attributeOf(onlyRecord(good.AllLogs()[n]).Attributes(), "log.record.uid") }
	assert.Equal(t, uid(0), uid(1))
	assert.EqualValues(t, 1, totalDelta(metrics))
}

// TestRetriesAreExact posts events over and over, as VerifyYou does, to a pipeline that takes some of them only at the
// third time, or panics, and compares with the truth.
func TestRetriesAreExact(t *testing.T) {
	const events = 300
	logs, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
	var calls atomic.Int64
	r := start(t, testConfig(delta, func(c *Config) { c.MetricsFlushInterval = time.Millisecond }), pipelines{
		logs: logsConsumer(func(ctx context.Context, l plog.Logs) error {
			switch calls.Add(1) % 5 {
			case 0:
				return errors.New("away")
			case 1:
				panic("broken")
			}
			return logs.ConsumeLogs(ctx, l)
		}),
		metrics: metrics,
	})
	var sending sync.WaitGroup
	for n := range events {
		for range 2 { // each event is sent twice, at the same time
			sending.Go(func() {
				for {
					got, err := do(client, r.request(eventBody("liveness_passed", n)))
					if assert.NoError(t, err) && got.status == 200 {
						return
					}
				}
			})
		}
	}
	sending.Wait()
	require.NoError(t, r.receiver.Shutdown(t.Context()))
	assert.Equal(t, events, logs.LogRecordCount())
	assert.EqualValues(t, events, totalDelta(metrics))
	assert.EqualValues(t, events, r.results()["accepted"])
	assert.EqualValues(t, events, r.results()["duplicate"])
}
