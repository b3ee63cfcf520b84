// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

// withStats is what a configuration has of the statistics.
type withStats struct {
	Stats configoptional.Optional[StatsConfig] `mapstructure:"stats"`
}

func readStats(t *testing.T, values map[string]any) *withStats {
	t.Helper()
	cfg := &withStats{Stats: configoptional.Default(defaultStatsConfig())}
	require.NoError(t, confmap.NewFromStringMap(values).Unmarshal(cfg))
	return cfg
}

func TestStatsAreOffUnlessTheyAreThere(t *testing.T) {
	assert.False(t, readStats(t, nil).Stats.HasValue())
	for name, values := range map[string]map[string]any{"nothing below": {"stats": nil}, "empty": {"stats": map[string]any{}}} {
		cfg := readStats(t, values)
		require.True(t, cfg.Stats.HasValue(), name)
		assert.Equal(t, defaultStatsConfig(), *cfg.Stats.Get(), name)
	}
}

func TestStatsDefaults(t *testing.T) {
	cfg := defaultStatsConfig()
	assert.Equal(t, "localhost:8790", cfg.ServerConfig.NetAddr.Endpoint)
	assert.Equal(t, confignet.TransportTypeTCP, cfg.ServerConfig.NetAddr.Transport)
	assert.Equal(t, 5*time.Second, cfg.ServerConfig.ReadHeaderTimeout)
	assert.Equal(t, 10*time.Second, cfg.ServerConfig.ReadTimeout)
	assert.Equal(t, 30*time.Second, cfg.ServerConfig.WriteTimeout)
	assert.Equal(t, 744*time.Hour, cfg.Retention)
	assert.Equal(t, 160_000, cfg.MaxCohorts)
	assert.NoError(t, cfg.faults(24*time.Hour, 50))
}

func TestStatsSettingsAreRead(t *testing.T) {
	cfg := readStats(t, map[string]any{"stats": map[string]any{
		"endpoint": "0.0.0.0:9000", "retention": "48h", "max_cohorts": 52, "write_timeout": "5s", "response_headers": map[string]any{"X-Test": "yes"},
	}}).Stats.Get()
	assert.Equal(t, "0.0.0.0:9000", cfg.ServerConfig.NetAddr.Endpoint)
	assert.Equal(t, 5*time.Second, cfg.ServerConfig.WriteTimeout)
	assert.Equal(t, 10*time.Second, cfg.ServerConfig.ReadTimeout, "others keep their defaults")
	assert.Equal(t, 48*time.Hour, cfg.Retention)
	require.NoError(t, cfg.faults(48*time.Hour, 50), "as little as can be")
	assert.Error(t, confmap.NewFromStringMap(map[string]any{"stats": map[string]any{"retenton": "1h"}}).Unmarshal(&withStats{}))
}

func TestStatsFaultsNameTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*StatsConfig)
		want   []string
	}{
		"retention below window":  {func(c *StatsConfig) { c.Retention = 23 * time.Hour }, []string{"stats::retention: is 23h0m0s, but verifications are followed for 24h0m0s (window); use at least that, 744h for example"}},
		"no retention":            {func(c *StatsConfig) { c.Retention = 0 }, []string{"stats::retention: is 0s,"}},
		"negative retention":      {func(c *StatsConfig) { c.Retention = -1 }, []string{"stats::retention: is -1ns,"}},
		"too few cohorts":         {func(c *StatsConfig) { c.MaxCohorts = 51 }, []string{"stats::max_cohorts: is 51, but the trackers of one quarter of an hour alone can be 52 "}},
		"negative cohorts":        {func(c *StatsConfig) { c.MaxCohorts = -1 }, []string{"stats::max_cohorts: is -1,"}},
		"no endpoint":             {func(c *StatsConfig) { c.ServerConfig.NetAddr.Endpoint = "" }, []string{"stats::endpoint: is empty; set the address to listen on, localhost:8790 for example"}},
		"no port":                 {func(c *StatsConfig) { c.ServerConfig.NetAddr.Endpoint = "localhost" }, []string{"stats::endpoint: address localhost: missing port in address; use host:port, localhost:8790 for example"}},
		"negative read timeout":   {func(c *StatsConfig) { c.ServerConfig.ReadTimeout = -time.Second }, []string{"stats::read_timeout: is negative (-1s)"}},
		"negative header timeout": {func(c *StatsConfig) { c.ServerConfig.ReadHeaderTimeout = -time.Second }, []string{"stats::read_header_timeout: is negative (-1s)"}},
		"negative write timeout":  {func(c *StatsConfig) { c.ServerConfig.WriteTimeout = -time.Second }, []string{"stats::write_timeout: is negative (-1s)"}},
		"negative body size":      {func(c *StatsConfig) { c.ServerConfig.MaxRequestBodySize = -1 }, []string{"stats::max_request_body_size: is negative (-1)"}},
		"all at once": {
			func(c *StatsConfig) { c.MaxCohorts, c.Retention, c.ServerConfig.NetAddr.Endpoint = 0, 0, "" },
			[]string{"stats::endpoint: ", "stats::retention: ", "stats::max_cohorts: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaultStatsConfig()
			c.change(&cfg)
			err := cfg.faults(24*time.Hour, 50)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			assert.Len(t, strings.Split(err.Error(), "\n"), len(c.want))
		})
	}
}

func TestStatsTakeAUnixSocketWithoutAPort(t *testing.T) {
	cfg := defaultStatsConfig()
	cfg.ServerConfig.NetAddr = confignet.AddrConfig{Endpoint: "/run/stats.sock", Transport: confignet.TransportTypeUnix}
	assert.NoError(t, cfg.faults(24*time.Hour, 50))
}

// statsHarness is a server of some verifications, and what it logged.
type statsHarness struct {
	*statsServer
	set  component.TelemetrySettings
	logs *observer.ObservedLogs
}

func newStatsHarness(t *testing.T, changes ...func(*StatsConfig)) *statsHarness {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	set := componenttest.NewNopTelemetrySettings()
	set.Logger = zap.New(core)
	cfg := defaultStatsConfig()
	cfg.ServerConfig.NetAddr.Endpoint = "127.0.0.1:0"
	for _, change := range changes {
		change(&cfg)
	}
	now := time.Now()
	source := statstest.New(10_000, now)
	source.Simulate(300, now.Add(-24*time.Hour), now, now, "campaign")
	h := &statsHarness{&statsServer{cfg: &cfg, source: source, now: time.Now, failed: func(err error) { t.Error(err) }}, set, logs}
	t.Cleanup(func() { assert.NoError(t, h.shutdown(context.Background())) })
	return h
}

func (h *statsHarness) address(t *testing.T) string {
	t.Helper()
	entries := h.logs.FilterMessage("Serving the funnel page and the Stats API").All()
	require.Len(t, entries, 1)
	return entries[0].ContextMap()["endpoint"].(string)
}

func (h *statsHarness) start(t *testing.T) string {
	t.Helper()
	require.NoError(t, h.statsServer.start(t.Context(), componenttest.NewNopHost(), h.set))
	return h.address(t)
}

func getStats(t *testing.T, url string) (status int) {
	t.Helper()
	status, err := getStatsWith(t.Context(), http.DefaultClient, url)
	require.NoError(t, err)
	return status
}

func getStatsWith(ctx context.Context, client *http.Client, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func TestStatsServerAnswersUntilShutdown(t *testing.T) {
	h := newStatsHarness(t)
	at := h.start(t)
	for _, path := range []string{"/", "/api/v1/funnel", "/api/v1/funnel.csv", "/api/v1/openapi.json", "/healthz"} {
		status := getStats(t, "http://"+at+path)
		assert.Equal(t, http.StatusOK, status, path)
	}
	require.NoError(t, h.shutdown(t.Context()))
	_, err := new(net.Dialer).DialContext(t.Context(), "tcp", at)
	require.Error(t, err)
	require.NoError(t, h.shutdown(t.Context()), "once more")
}

func TestStatsServerThatWasNotStartedIsShutDown(t *testing.T) {
	assert.NoError(t, (&statsServer{}).shutdown(t.Context()))
}

func TestNothingOfARequestIsLogged(t *testing.T) {
	h := newStatsHarness(t)
	at := h.start(t)
	for _, path := range []string{"/?external_tracker=secret", "/api/v1/funnel?external_tracker=secret", "/api/v1/funnel?from=secret", "/secret", "/api/v1/funnel?secret"} {
		getStats(t, "http://"+at+path)
	}
	assert.Equal(t, 1, h.logs.Len(), "that it serves")
}

func TestStatsPortThatIsTakenIsNamed(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	h := newStatsHarness(t, func(c *StatsConfig) { c.ServerConfig.NetAddr.Endpoint = taken.Addr().String() })
	err = h.statsServer.start(t.Context(), componenttest.NewNopHost(), h.set)
	require.ErrorContains(t, err, "stats::endpoint: cannot listen on "+taken.Addr().String())
	require.ErrorContains(t, err, "address already in use")
}

func TestStatsServerThatCannotBeMadeIsNamed(t *testing.T) {
	h := newStatsHarness(t, func(c *StatsConfig) {
		c.ServerConfig.TLS = configoptional.Some(configtls.ServerConfig{Config: configtls.Config{CertFile: "/nothing", KeyFile: "/nothing"}})
	})
	require.ErrorContains(t, h.statsServer.start(t.Context(), componenttest.NewNopHost(), h.set), "stats::")
	h = newStatsHarness(t, func(c *StatsConfig) { c.ServerConfig.Auth = configoptional.Some(confighttp.AuthConfig{}) })
	require.ErrorContains(t, h.statsServer.start(t.Context(), componenttest.NewNopHost(), h.set), "stats: ")
}

func TestStatsListenOnASocketThatACrashedProcessLeft(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	require.NoError(t, err)
	left.SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	h := newStatsHarness(t, func(c *StatsConfig) {
		c.ServerConfig.NetAddr = confignet.AddrConfig{Endpoint: socket, Transport: confignet.TransportTypeUnix}
	})
	h.start(t)
}

// connect asks for a path and reads nothing.
func connectStats(t *testing.T, at, path string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	require.NoError(t, err)
	return conn
}

// crowd gives a server so many cohorts that their table does not fit into what is between a server and a client.
func crowd(h *statsHarness) {
	now := time.Now()
	source := statstest.New(10_000, now)
	for i := range 40_000 {
		tracker := fmt.Sprintf("%d %s", i%10_000, strings.Repeat("long ", 45))
		source.Add(now, now.Add(-time.Duration(1+i/10_000)*time.Hour), tracker, cohorts.Open, 10, "verification_initialized")
	}
	h.source = source
}

func TestSlowReadersHoldTheirOwnConnectionAlone(t *testing.T) {
	const writeTimeout = 3 * time.Second
	h := newStatsHarness(t, func(c *StatsConfig) { c.ServerConfig.WriteTimeout = writeTimeout })
	crowd(h)
	at := h.start(t)
	whole := httptest.NewRecorder() // no deadline there
	h.handler.ServeHTTP(whole, httptest.NewRequest(http.MethodGet, "/api/v1/funnel.csv", http.NoBody))
	require.Greater(t, whole.Body.Len(), 8<<20)
	var all sync.WaitGroup
	for range 20 {
		conn := connectStats(t, at, "/api/v1/funnel.csv")
		all.Go(func() {
			slow := &slowReader{conn: conn, until: time.Now().Add(2 * writeTimeout)}
			_, err := io.Copy(io.Discard, slow)
			assert.NoError(t, err) //nolint:testifylint // require ends the test from its own goroutine only
			assert.Less(t, slow.read, whole.Body.Len(), "the server gives up at the end of write_timeout")
		})
	}
	for _, path := range []string{"/healthz", "/?from=1h", "/api/v1/funnel?from=1h", "/api/v1/openapi.json"} {
		status := getStats(t, "http://"+at+path)
		assert.Equal(t, http.StatusOK, status, path)
	}
	all.Wait()
}

// slowReader reads a byte at a time, with a pause after each, until a time, and then what is left.
type slowReader struct {
	conn  net.Conn
	until time.Time
	read  int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if time.Now().Before(r.until) {
		time.Sleep(10 * time.Millisecond)
		p = p[:1]
	}
	n, err := r.conn.Read(p)
	r.read += n
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF
	}
	return n, err
}

func TestShutdownDoesNotWaitForSlowReaders(t *testing.T) {
	h := newStatsHarness(t)
	crowd(h)
	at := h.start(t)
	conn := connectStats(t, at, "/api/v1/funnel.csv")
	_, err := conn.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, h.shutdown(t.Context())) // write_timeout is half a minute
	_, err = new(net.Dialer).DialContext(t.Context(), "tcp", at)
	require.Error(t, err)
}

func TestAThousandClientsAtOnce(t *testing.T) {
	h := newStatsHarness(t)
	at := h.start(t)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			path := []string{"/", "/api/v1/funnel?from=7d", "/api/v1/funnel.csv?from=31d", "/healthz"}[i%4]
			status, err := getStatsWith(t.Context(), client, "http://"+at+path)
			assert.NoError(t, err) //nolint:testifylint // require ends the test from its own goroutine only
			assert.Equal(t, http.StatusOK, status)
		})
	}
	all.Wait()
}
