// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
)

const (
	testSecret = "whsec_test"
	testPath   = "/webhooks/verifyyou"
	sampleBody = `{"stage": "verification_completed", "step": 6, "occurred_at": "2026-06-09T17:04:01.123456+00:00", "verification_id": "ver_abc123", "external_id": "user_123", "external_tracker": "signup-campaign", "trust_score": 0.92}`
)

// sign is the signature header of a body.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// eventBody is a body that differs from that of every other n.
func eventBody(stage string, n int) []byte {
	return fmt.Appendf(nil, `{"stage": %q, "occurred_at": "2026-06-09T17:04:01Z", "verification_id": "ver_%d"}`, stage, n)
}

func testConfig(changes ...func(*Config)) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.ServerConfig.NetAddr.Endpoint = "127.0.0.1:0"
	cfg.SigningSecrets = []configopaque.String{testSecret}
	for _, change := range changes {
		change(cfg)
	}
	return cfg
}

// statusHost remembers what components report of their status.
type statusHost struct {
	extensions map[component.ID]component.Component
	mu         sync.Mutex
	events     []*componentstatus.Event
}

func (h *statusHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

func (h *statusHost) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// running is a receiver that has been started, with all that can be seen of it from outside.
type running struct {
	t         *testing.T
	id        component.ID
	receiver  *verifyyouReceiver
	address   string
	logs      *consumertest.LogsSink
	metrics   *consumertest.MetricsSink
	telemetry *componenttest.Telemetry
	logged    *observer.ObservedLogs
	host      *statusHost
}

// pipelines are the consumers of a receiver; nil is a signal without a pipeline. A clock can be given with them.
type pipelines struct {
	logs    consumer.Logs
	metrics consumer.Metrics
	now     func() time.Time
}

// startSinks starts a receiver for both signals into sinks.
func startSinks(t *testing.T, cfg *Config) *running {
	t.Helper()
	logs, metrics := new(consumertest.LogsSink), new(consumertest.MetricsSink)
	r := start(t, cfg, pipelines{logs: logs, metrics: metrics})
	r.logs, r.metrics = logs, metrics
	return r
}

func start(t *testing.T, cfg *Config, next pipelines) *running {
	t.Helper()
	return startOn(t, cfg, next, &statusHost{})
}

func startOn(t *testing.T, cfg *Config, next pipelines, host *statusHost) *running {
	t.Helper()
	require.NoError(t, cfg.Validate())
	r := &running{t: t, telemetry: componenttest.NewTelemetry(), host: host}
	var core zapcore.Core
	core, r.logged = observer.New(zap.DebugLevel)
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = r.telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)
	r.id = set.ID
	r.receiver = create(t, set, cfg, next)
	r.receiver.secretsInterval = time.Millisecond
	if next.now != nil {
		r.receiver.now = next.now
	}
	require.NoError(t, r.receiver.Start(t.Context(), r.host))
	t.Cleanup(func() {
		assert.NoError(t, r.receiver.Shutdown(context.Background()))
		assert.NoError(t, r.telemetry.Shutdown(context.Background()))
	})
	r.address = r.logged.FilterMessage("Taking VerifyYou webhooks").All()[0].ContextMap()["endpoint"].(string)
	return r
}

// create makes a receiver as the Collector does: once for each signal.
func create(t *testing.T, set receiver.Settings, cfg *Config, next pipelines) *verifyyouReceiver {
	t.Helper()
	var made component.Component
	var err error
	if next.logs != nil {
		made, err = NewFactory().CreateLogs(t.Context(), set, cfg, next.logs)
		require.NoError(t, err)
	}
	if next.metrics != nil {
		made, err = NewFactory().CreateMetrics(t.Context(), set, cfg, next.metrics)
		require.NoError(t, err)
	}
	return made.(*verifyyouReceiver)
}

// response is what came back for a request.
type response struct {
	status int
	body   string
	header http.Header
	closes bool // it said Connection: close
}

func (r *running) url(path string) string {
	return "http://" + r.address + path
}

// post sends a body with a right signature.
func (r *running) post(body []byte) response {
	r.t.Helper()
	return r.send(r.request(body))
}

func (r *running) request(body []byte) *http.Request {
	req, err := http.NewRequest(http.MethodPost, r.url(testPath), bytes.NewReader(body))
	require.NoError(r.t, err)
	req.Header.Set("X-VerifyYou-Signature", sign(testSecret, body))
	return req
}

func (r *running) send(req *http.Request) response {
	r.t.Helper()
	got, err := do(client, req)
	require.NoError(r.t, err)
	return got
}

// client gives up on a request that is not answered, so that a test fails rather than hangs.
var client = &http.Client{Timeout: 30 * time.Second}

func do(client *http.Client, req *http.Request) (response, error) {
	resp, err := client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, string(body), resp.Header, resp.Close}, err
}

// ownSum returns a counter of own telemetry by its one attribute beside the receiver's id.
func (r *running) ownSum(name string) map[string]int64 {
	r.t.Helper()
	m, err := r.telemetry.GetMetric("otelcol_receiver_verifyyou_" + name)
	require.NoError(r.t, err)
	values := map[string]int64{}
	for _, dp := range m.Data.(metricdata.Sum[int64]).DataPoints {
		value := ""
		for _, kv := range dp.Attributes.ToSlice() {
			if kv.Key == "receiver" {
				assert.Equal(r.t, r.id.String(), kv.Value.AsString())
				continue
			}
			value = kv.Value.AsString()
		}
		assert.True(r.t, dp.Attributes.HasValue("receiver"), name)
		values[value] = dp.Value
	}
	return values
}

// results returns the requests by result, without those that did not happen.
func (r *running) results() map[string]int64 {
	r.t.Helper()
	values := r.ownSum("requests")
	for result, n := range values {
		if n == 0 {
			delete(values, result)
		}
	}
	return values
}

// eventually waits for something to happen; it fails only where it never does.
func eventually(t *testing.T, what func() bool) {
	t.Helper()
	require.Eventually(t, what, 30*time.Second, time.Millisecond)
}

func attributeOf(attrs pcommon.Map, key string) any {
	v, ok := attrs.Get(key)
	if !ok {
		return nil
	}
	return v.AsRaw()
}

func logsConsumer(f consumer.ConsumeLogsFunc) consumer.Logs {
	c, _ := consumer.NewLogs(f) // fails only without a function
	return c
}

func metricsConsumer(f consumer.ConsumeMetricsFunc) consumer.Metrics {
	c, _ := consumer.NewMetrics(f)
	return c
}

func onlyRecord(logs plog.Logs) plog.LogRecord {
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// dataPoints returns all data points of verifyyou.events in the order of their export.
func dataPoints(all ...pmetric.Metrics) []pmetric.NumberDataPoint {
	var dps []pmetric.NumberDataPoint
	for _, md := range all {
		for _, rm := range md.ResourceMetrics().All() {
			for _, dp := range rm.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
				dps = append(dps, dp)
			}
		}
	}
	return dps
}

// totalDelta adds up what was exported as deltas.
func totalDelta(sink *consumertest.MetricsSink) (sum int64) {
	for _, dp := range dataPoints(sink.AllMetrics()...) {
		sum += dp.IntValue()
	}
	return sum
}

func asJSON(t *testing.T, md pmetric.Metrics) string {
	t.Helper()
	text, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(md)
	require.NoError(t, err)
	return string(text)
}

// first returns the status that was reported first.
func (h *statusHost) first() componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 {
		return componentstatus.StatusNone
	}
	return h.events[0].Status()
}

// last returns the status that was reported last.
func (h *statusHost) last() componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 {
		return componentstatus.StatusNone
	}
	return h.events[len(h.events)-1].Status()
}
