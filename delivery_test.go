// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// shortDeadline leaves a pipeline 100 ms.
func shortDeadline(c *Config) { c.ServerConfig.WriteTimeout = answerTime + 100*time.Millisecond }

// slowPipeline does not heed its deadline: it answers each call with the next element of answers.
func slowPipeline(answers <-chan error, calls *atomic.Int32) func(context.Context, plog.Logs) error {
	return func(context.Context, plog.Logs) error {
		calls.Add(1)
		return <-answers
	}
}

// TestTakenAfterTheDeadline shows what becomes of an event that the pipeline takes after its request was answered 503:
// its retry is a duplicate, and it is counted once. Without deduplication nobody would know its retry: that is counted.
func TestTakenAfterTheDeadline(t *testing.T) {
	for name, tt := range map[string]struct {
		body   string
		change func(*Config)
		late   error
		retry  string
		calls  int32
		counts int64
	}{
		"taken":                 {sampleBody, shortDeadline, nil, duplicate, 1, 1},
		"unrecognized":          {"hello", shortDeadline, nil, duplicate, 1, 0},
		"refused":               {sampleBody, shortDeadline, errors.New("away"), accepted, 2, 1},
		"without deduplication": {sampleBody, func(c *Config) { shortDeadline(c); c.Deduplication = DeduplicationConfig{} }, nil, accepted, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			answers := make(chan error)
			var calls atomic.Int32
			metrics := new(consumertest.MetricsSink)
			r := start(t, testConfig(delta, tt.change), pipelines{logs: logsConsumer(slowPipeline(answers, &calls)), metrics: metrics})
			assert.Equal(t, 503, r.post([]byte(tt.body)).status)
			answers <- tt.late
			if tt.retry == duplicate {
				eventually(t, func() bool { return r.receiver.deliverer.inFlight.count() == 0 })
			} else {
				go func() { answers <- nil }()
			}
			assert.Equal(t, tt.retry, r.post([]byte(tt.body)).body)
			require.NoError(t, r.receiver.Shutdown(t.Context()))
			assert.Equal(t, tt.calls, calls.Load())
			assert.Equal(t, tt.counts, totalDelta(metrics))
			assert.EqualValues(t, 1, r.results()["refused"])
			if tt.counts > 0 {
				assert.EqualValues(t, 1, r.delays(), "own telemetry of accepted events has it once")
			}
		})
	}
}

func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

// TestTakenTwiceAfterTheDeadline shows that an event is counted once when the pipeline takes both of its deliveries,
// whichever is first.
func TestTakenTwiceAfterTheDeadline(t *testing.T) {
	for _, first := range []string{"the late one", "the retry"} {
		t.Run(first, func(t *testing.T) {
			late, retry := make(chan error), make(chan error)
			var calls atomic.Int32
			metrics := new(consumertest.MetricsSink)
			r := start(t, testConfig(delta, shortDeadline), pipelines{metrics: metrics, logs: logsConsumer(func(context.Context, plog.Logs) error {
				if calls.Add(1) == 1 {
					return <-late
				}
				return <-retry
			})})
			assert.Equal(t, 503, r.post([]byte(sampleBody)).status)
			done := make(chan answered)
			go func() {
				got, err := do(client, r.request([]byte(sampleBody)))
				done <- answered{got, err}
			}()
			eventually(t, func() bool { return calls.Load() == 2 })
			if first == "the late one" {
				late <- nil
				retry <- nil
			} else {
				retry <- nil
			}
			got := <-done
			require.NoError(t, got.err)
			assert.Contains(t, []int{200, 503}, got.status) // 503 where this machine is slower than the deadline
			if first == "the retry" {
				late <- nil
			}
			require.NoError(t, r.receiver.Shutdown(t.Context()))
			assert.EqualValues(t, 1, totalDelta(metrics))
			assert.EqualValues(t, 1, r.delays())
		})
	}
}

// answered is a response, or why there is none.
type answered struct {
	response
	err error
}

// delays returns how many events are in the histogram of delays.
func (r *running) delays() uint64 {
	m, err := r.telemetry.GetMetric("otelcol_receiver_verifyyou_delivery_delay")
	if err != nil {
		return 0 // none yet
	}
	var n uint64
	for _, dp := range m.Data.(metricdata.Histogram[float64]).DataPoints {
		n += dp.Count
	}
	return n
}

// TestHTTP2Deadline shows that the answer at the deadline is whole on HTTP/2 too, where it ends with the handler.
func TestHTTP2Deadline(t *testing.T) {
	c := newCertificate(t)
	answers := make(chan error)
	var calls atomic.Int32
	r := start(t, testConfig(shortDeadline, func(cfg *Config) {
		cfg.ServerConfig.TLS = configoptional.Some(configtls.ServerConfig{Config: configtls.Config{CertFile: c.certFile, KeyFile: c.keyFile}})
	}), pipelines{logs: logsConsumer(slowPipeline(answers, &calls))})
	got, err := do(c.client(t), r.overTLS(1))
	require.NoError(t, err)
	assert.Equal(t, 503, got.status)
	assert.Equal(t, `{"error":"the pipeline refuses for now: try again later"}`, got.body)
	assert.Equal(t, "10", got.header.Get("Retry-After"))
	answers <- nil
	eventually(t, func() bool { return r.delays() == 1 })
	got, err = do(c.client(t), r.overTLS(1))
	require.NoError(t, err)
	assert.Equal(t, duplicate, got.body, "taken late")
	assert.Equal(t, map[string]int64{"refused": 1, "duplicate": 1}, r.results())
}

// TestBodyAfterAbort completes a request after Shutdown has given up on those in flight.
func TestBodyAfterAbort(t *testing.T) {
	logs := new(consumertest.LogsSink)
	r := start(t, testConfig(), pipelines{logs: logs})
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-VerifyYou-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		testPath, sign(testSecret, []byte(sampleBody)), len(sampleBody), sampleBody[:10])
	require.NoError(t, err)
	r.receiver.deliverer.inFlight.abort()
	_, err = io.WriteString(conn, sampleBody[10:])
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Equal(t, 503, resp.StatusCode)
	assert.Zero(t, logs.LogRecordCount(), "not delivered")
	assert.Equal(t, map[string]int64{"refused": 1}, r.results())
}
