// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
)

// TestOneReceiverForBothSignals starts and stops a receiver as the Collector does: each signal for itself.
func TestOneReceiverForBothSignals(t *testing.T) {
	cfg := testConfig()
	set := receivertest.NewNopSettings(metadata.Type)
	logs, err := NewFactory().CreateLogs(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	metrics, err := NewFactory().CreateMetrics(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	assert.Same(t, logs, metrics)
	other, err := NewFactory().CreateLogs(t.Context(), set, testConfig(), consumertest.NewNop())
	require.NoError(t, err)
	assert.NotSame(t, logs, other)

	host := componenttest.NewNopHost()
	for range 2 {
		require.NoError(t, logs.Start(t.Context(), host))
		require.NoError(t, metrics.Start(t.Context(), host))
		require.NoError(t, metrics.Shutdown(t.Context()))
		require.NoError(t, logs.Shutdown(t.Context()))

		again, err := NewFactory().CreateLogs(t.Context(), set, cfg, consumertest.NewNop())
		require.NoError(t, err)
		assert.NotSame(t, logs, again, "a new one after Shutdown")
		logs = again
		metrics, err = NewFactory().CreateMetrics(t.Context(), set, cfg, consumertest.NewNop())
		require.NoError(t, err)
	}
	require.NoError(t, logs.Shutdown(t.Context()), "without Start")
	require.NoError(t, other.Shutdown(t.Context()))
}

func TestPortInUse(t *testing.T) {
	first := startSinks(t, testConfig())
	cfg := testConfig(func(c *Config) { c.ServerConfig.NetAddr.Endpoint = first.address })
	second := create(t, receivertest.NewNopSettings(metadata.Type), cfg, pipelines{logs: consumertest.NewNop(), metrics: consumertest.NewNop()})
	err := second.Start(t.Context(), componenttest.NewNopHost())
	require.ErrorContains(t, err, first.address)
	require.ErrorContains(t, err, "address already in use")
	require.Error(t, second.Start(t.Context(), componenttest.NewNopHost()), "also for the other signal")
	require.NoError(t, second.Shutdown(t.Context()))
	assert.Equal(t, 200, first.post([]byte(sampleBody)).status)
}

// TestListenerFails shows that the Collector is told when requests can no longer be taken.
func TestListenerFails(t *testing.T) {
	host := &statusHost{}
	r := create(t, receivertest.NewNopSettings(metadata.Type), testConfig(), pipelines{logs: consumertest.NewNop()})
	r.status.AddHost(host)
	r.deliverer = &deliverer{}
	server, err := r.cfg.ServerConfig.ToServer(t.Context(), nil, componenttest.NewNopTelemetrySettings(), http.NotFoundHandler())
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	r.serve(server, listener)
	r.serving.Wait()
	require.Len(t, host.events, 1)
	assert.Equal(t, componentstatus.StatusFatalError, host.events[0].Status())
	require.NoError(t, r.Shutdown(t.Context()))
}

func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "verifyyou.sock")
	logs := new(consumertest.LogsSink)
	r := start(t, testConfig(func(c *Config) {
		c.ServerConfig.NetAddr = confignet.AddrConfig{Endpoint: socket, Transport: confignet.TransportTypeUnix}
	}), pipelines{logs: logs})
	overSocket := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer overSocket.CloseIdleConnections()
	req := r.request([]byte(sampleBody))
	req.URL = &url.URL{Scheme: "http", Host: "collector", Path: testPath}
	got, err := do(overSocket, req)
	require.NoError(t, err)
	assert.Equal(t, 200, got.status)
	assert.Equal(t, 1, logs.LogRecordCount())
}

// TestStaleUnixSocket starts where a crash has left a socket behind, but not where somebody listens or a file stands.
func TestStaleUnixSocket(t *testing.T) {
	folder := t.TempDir()
	stale, used, file := filepath.Join(folder, "stale"), filepath.Join(folder, "used"), filepath.Join(folder, "file")
	crashed, err := net.Listen("unix", stale)
	require.NoError(t, err)
	crashed.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, crashed.Close())
	require.FileExists(t, stale)
	listening, err := net.Listen("unix", used)
	require.NoError(t, err)
	defer listening.Close()
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))

	on := func(socket string) error {
		r := create(t, receivertest.NewNopSettings(metadata.Type), testConfig(func(c *Config) {
			c.ServerConfig.NetAddr = confignet.AddrConfig{Endpoint: socket, Transport: confignet.TransportTypeUnix}
		}), pipelines{logs: consumertest.NewNop()})
		defer func() { require.NoError(t, r.Shutdown(t.Context())) }()
		return r.Start(t.Context(), &statusHost{})
	}
	require.NoError(t, on(stale))
	require.ErrorContains(t, on(used), "address already in use")
	require.ErrorContains(t, on(file), "address already in use")
	require.FileExists(t, file)
}

// TestShutdownInFlight shuts down while requests wait in the pipeline: each is answered, and what was answered 200 is
// there, also in the last flush.
func TestShutdownInFlight(t *testing.T) {
	const requests = 50
	var arrived atomic.Int32
	release := make(chan struct{})
	logs, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
	next := logsConsumer(func(ctx context.Context, l plog.Logs) error {
		arrived.Add(1)
		<-release
		return logs.ConsumeLogs(ctx, l)
	})
	r := start(t, testConfig(func(c *Config) { c.MetricsTemporality = metricsconfig.Delta }), pipelines{logs: next, metrics: metrics})
	var sending sync.WaitGroup
	var answered atomic.Int32
	for n := range requests {
		sending.Go(func() {
			if got, err := do(client, r.request(eventBody("liveness_passed", n))); err == nil && got.status == 200 {
				answered.Add(1)
			}
		})
	}
	eventually(t, func() bool { return arrived.Load() == requests })
	down := make(chan error)
	go func() { down <- r.receiver.Shutdown(context.Background()) }()
	eventually(t, func() bool {
		_, err := net.Dial("tcp", r.address)
		return err != nil
	})
	close(release)
	require.NoError(t, <-down)
	sending.Wait()
	assert.EqualValues(t, requests, answered.Load())
	assert.Equal(t, requests, logs.LogRecordCount())
	assert.EqualValues(t, requests, totalDelta(metrics))
}

// TestShutdownWaitsForWhatTheServerDoesNot has a request that came on a connection just as the server closed it, of which
// the server knows nothing any more.
func TestShutdownWaitsForWhatTheServerDoesNot(t *testing.T) {
	d := statetest.New()
	arrived, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	r := startOn(t, storing(), pipelines{logs: logsConsumer(func(context.Context, plog.Logs) error {
		if calls.Add(1) == 1 {
			close(arrived)
			<-release
		}
		return nil
	})}, hostWith(d))
	serve := func(body []byte) (status int) {
		w := httptest.NewRecorder()
		r.receiver.handler.ServeHTTP(w, r.request(body))
		return w.Code
	}
	var serving sync.WaitGroup
	serving.Go(func() { serve([]byte(sampleBody)) })
	<-arrived
	down := make(chan error, 1)
	go func() { down <- r.receiver.Shutdown(context.Background()) }()
	n := 0
	eventually(t, func() bool {
		n++
		return serve(eventBody("liveness_passed", n)) == 503 // nothing is taken any more
	})
	assert.Empty(t, down, "it waits")
	close(release)
	require.NoError(t, <-down)
	serving.Wait()
	assert.Equal(t, duplicate, startWith(t, d).post([]byte(sampleBody)).body, "it was remembered")
}

// TestShutdownWithPipelinesThatHang shows that Shutdown ends, and that nobody is told 200. Its deadline stands for the
// bounds that Shutdown has of its own.
func TestShutdownWithPipelinesThatHang(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	logs := logsConsumer(func(context.Context, plog.Logs) error {
		close(arrived)
		<-release
		return nil
	})
	metrics := metricsConsumer(func(context.Context, pmetric.Metrics) error {
		<-release
		return nil
	})
	r := start(t, testConfig(), pipelines{logs: logs, metrics: metrics})
	answered := make(chan response, 1)
	go func() {
		got, _ := do(client, r.request([]byte(sampleBody)))
		answered <- got
	}()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, r.receiver.Shutdown(ctx), "the final flush timed out; unexported metrics are lost")
	assert.NotEqual(t, 200, (<-answered).status)
	close(release)
}

// TestAbort shows the answer to a request that Shutdown no longer waits for.
func TestAbort(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	r := start(t, testConfig(), pipelines{logs: logsConsumer(func(context.Context, plog.Logs) error {
		close(arrived)
		<-release
		return errors.New("too late")
	})})
	go func() {
		<-arrived
		r.receiver.deliverer.inFlight.abort()
	}()
	got := r.post([]byte(sampleBody))
	assert.Equal(t, 503, got.status)
	assert.Equal(t, map[string]int64{"refused": 1}, r.results())
	close(release)
}

// TestLastFlushRefused shows that a backend that is away does not make of the end of the Collector a failure.
func TestLastFlushRefused(t *testing.T) {
	r := start(t, testConfig(), pipelines{logs: consumertest.NewNop(), metrics: metricsConsumer(func(context.Context, pmetric.Metrics) error {
		return errors.New("away")
	})})
	r.post([]byte(sampleBody))
	require.NoError(t, r.receiver.Shutdown(t.Context()))
	assert.Len(t, r.logged.FilterMessageSnippet("The final flush failed").All(), 1)
}
