// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/instance"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadatatest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/version"
)

// TestExactUnderConcurrency posts distinct events from many clients and compares records and counters with the truth.
func TestExactUnderConcurrency(t *testing.T) {
	const clients, each = 16, 100
	r := startSinks(t, testConfig(func(c *Config) { c.MetricsFlushInterval = time.Millisecond }))
	stages := append(event.Stages(), "a_new_stage")
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := range each {
				n := client*each + i
				assert.Equal(t, 200, r.post(eventBody(stages[n%len(stages)], n)).status)
			}
		})
	}
	wg.Wait()
	require.NoError(t, r.receiver.Shutdown(t.Context()))

	want := map[string]int64{}
	for n := range clients * each {
		want[stages[n%len(stages)]]++
	}
	last := map[string]int64{}
	for _, dp := range dataPoints(r.metrics.AllMetrics()...) {
		stage := attributeOf(dp.Attributes(), semconv.AttrStage).(string)
		assert.GreaterOrEqual(t, dp.IntValue(), last[stage])
		last[stage] = dp.IntValue()
	}
	assert.Equal(t, want, last)

	ids, stagesSeen := map[any]bool{}, map[string]int64{}
	for _, logs := range r.logs.AllLogs() {
		attrs := onlyRecord(logs).Attributes()
		ids[attributeOf(attrs, "verifyyou.verification_id")] = true
		stagesSeen[attributeOf(attrs, "verifyyou.stage").(string)]++
	}
	assert.Len(t, ids, clients*each)
	assert.Equal(t, want, stagesSeen)
	assert.Equal(t, map[string]int64{"accepted": clients * each}, r.results())
}

// TestBodiesAreNotMixedUp posts bodies of different lengths at once, through one pool of buffers.
func TestBodiesAreNotMixedUp(t *testing.T) {
	r := startSinks(t, testConfig())
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for i := range 50 {
				body := fmt.Appendf(nil, `{"stage": "s", "verification_id": "%d-%d", "x": "%s"}`, n, i, strings.Repeat("x", n*i*7))
				assert.Equal(t, 200, r.post(body).status)
			}
		})
	}
	wg.Wait()
	for _, logs := range r.logs.AllLogs() {
		lr := onlyRecord(logs)
		e, err := new(event.Decoder).Decode([]byte(lr.Body().Str()))
		require.NoError(t, err)
		assert.Equal(t, e.VerificationID, attributeOf(lr.Attributes(), "verifyyou.verification_id"))
	}
	assert.Equal(t, 16*50, r.logs.LogRecordCount())
}

// TestFirstEventIsSeen shows what a backend gets of a first event: a zero, then the count, both with one start.
func TestFirstEventIsSeen(t *testing.T) {
	r := startSinks(t, testConfig(func(c *Config) { c.MetricsFlushInterval = time.Hour }))
	eventually(t, func() bool { return len(r.metrics.AllMetrics()) == 1 })
	for _, dp := range dataPoints(r.metrics.AllMetrics()...) {
		assert.Zero(t, dp.IntValue())
	}
	assert.Len(t, dataPoints(r.metrics.AllMetrics()...), len(event.Stages()))

	r.post([]byte(sampleBody))
	require.NoError(t, r.receiver.Shutdown(t.Context()))
	require.Len(t, r.metrics.AllMetrics(), 2, "the last flush is one call")
	var of []pmetric.NumberDataPoint
	for _, dp := range dataPoints(r.metrics.AllMetrics()[1]) {
		if attributeOf(dp.Attributes(), semconv.AttrExternalTracker) == "signup-campaign" && attributeOf(dp.Attributes(), semconv.AttrStage) == "verification_completed" {
			of = append(of, dp)
		}
	}
	require.Len(t, of, 2)
	assert.EqualValues(t, 0, of[0].IntValue())
	assert.EqualValues(t, 1, of[1].IntValue())
	assert.Equal(t, of[0].StartTimestamp(), of[1].StartTimestamp())
	assert.Greater(t, of[1].Timestamp().AsTime().UnixMilli(), of[0].Timestamp().AsTime().UnixMilli())
}

// TestMetricsPipelineFails shows that counts stay and that logs do not notice.
func TestMetricsPipelineFails(t *testing.T) {
	for name, fail := range map[string]func() error{
		"refuses": func() error { return errors.New("away") },
		"panics":  func() error { panic("broken") },
	} {
		for _, temporality := range []string{metricsconfig.Cumulative, metricsconfig.Delta} {
			t.Run(name+" "+temporality, func(t *testing.T) {
				var mu sync.Mutex
				failing, refused := true, 0
				sink, logs := new(consumertest.MetricsSink), new(consumertest.LogsSink)
				next := metricsConsumer(func(ctx context.Context, md pmetric.Metrics) error {
					mu.Lock()
					defer mu.Unlock()
					if failing {
						refused++
						return fail()
					}
					return sink.ConsumeMetrics(ctx, md)
				})
				r := start(t, testConfig(func(c *Config) {
					c.MetricsFlushInterval = time.Millisecond
					c.MetricsTemporality = temporality
				}), pipelines{logs: logs, metrics: next})
				for n := range 10 {
					assert.Equal(t, 200, r.post(eventBody("liveness_passed", n)).status)
				}
				refusedTimes := func(times int) func() bool {
					return func() bool {
						mu.Lock()
						defer mu.Unlock()
						return refused >= times
					}
				}
				eventually(t, refusedTimes(3))
				mu.Lock()
				failing = false
				mu.Unlock()
				require.NoError(t, r.receiver.Shutdown(t.Context()))
				assert.Equal(t, 10, logs.LogRecordCount())
				if temporality == metricsconfig.Delta {
					assert.EqualValues(t, 10, totalDelta(sink))
					return
				}
				last := int64(0)
				for _, dp := range dataPoints(sink.AllMetrics()...) {
					if attributeOf(dp.Attributes(), semconv.AttrStage) == "liveness_passed" {
						last = dp.IntValue()
					}
				}
				assert.EqualValues(t, 10, last)
			})
		}
	}
}

// TestMetricDefinition holds the metric that is built by hand against the one that mdatagen would build.
func TestMetricDefinition(t *testing.T) {
	r := startSinks(t, testConfig())
	eventually(t, func() bool { return len(r.metrics.AllMetrics()) > 0 })
	got := r.metrics.AllMetrics()[0].ResourceMetrics().At(0).ScopeMetrics().At(0)

	mb := metadata.NewMetricsBuilder(metadata.NewDefaultMetricsBuilderConfig(), receivertest.NewNopSettings(metadata.Type))
	mb.RecordVerifyyouEventsDataPoint(0, 0, "", metadata.AttributeVerifyyouOutcomeProgress, "", 0)
	want := mb.Emit().ResourceMetrics().At(0).ScopeMetrics().At(0)
	assert.Equal(t, want.Scope().Name(), got.Scope().Name())
	assert.Equal(t, version.Version, got.Scope().Version())
	assert.Equal(t, want.Metrics().At(0).Name(), got.Metrics().At(0).Name())
	assert.Equal(t, want.Metrics().At(0).Description(), got.Metrics().At(0).Description())
	assert.Equal(t, want.Metrics().At(0).Unit(), got.Metrics().At(0).Unit())
	assert.Equal(t, want.Metrics().At(0).Sum().IsMonotonic(), got.Metrics().At(0).Sum().IsMonotonic())
	assert.Equal(t, want.Metrics().At(0).Sum().AggregationTemporality(), got.Metrics().At(0).Sum().AggregationTemporality())
}

func TestMetricSettings(t *testing.T) {
	events := func(c *Config) *metadata.VerifyyouEventsMetricConfig {
		return &c.MetricsBuilderConfig.Metrics.VerifyyouEvents
	}
	t.Run("off", func(t *testing.T) {
		r := startSinks(t, testConfig(delta, func(c *Config) { events(c).Enabled = false }))
		assert.Equal(t, 200, r.post([]byte(sampleBody)).status)
		require.NoError(t, r.receiver.Shutdown(t.Context()))
		assert.Empty(t, r.metrics.AllMetrics())
		assert.Equal(t, 1, r.logs.LogRecordCount())
	})
	t.Run("attributes", func(t *testing.T) {
		r := startSinks(t, testConfig(delta, func(c *Config) {
			events(c).EnabledAttributes = []metadata.VerifyyouEventsMetricAttributeKey{
				metadata.VerifyyouEventsMetricAttributeKeyVerifyyouStep, metadata.VerifyyouEventsMetricAttributeKeyVerifyyouOutcome,
			}
		}))
		r.post([]byte(sampleBody))
		require.NoError(t, r.receiver.Shutdown(t.Context()))
		dps := dataPoints(r.metrics.AllMetrics()...)
		require.Len(t, dps, 1)
		assert.Equal(t, map[string]any{"verifyyou.outcome": "completed", "verifyyou.step": int64(6)}, dps[0].Attributes().AsRaw())
	})
	t.Run("no ids by default", func(t *testing.T) {
		r := startSinks(t, testConfig(delta))
		r.post([]byte(sampleBody))
		require.NoError(t, r.receiver.Shutdown(t.Context()))
		assert.Equal(t, map[string]any{
			"verifyyou.stage": "verification_completed", "verifyyou.outcome": "completed", "verifyyou.external_tracker": "signup-campaign",
		}, dataPoints(r.metrics.AllMetrics()...)[0].Attributes().AsRaw())
	})
}

func TestResource(t *testing.T) {
	instanceOf := func(name, endpoint string, changes ...func(*Config)) any {
		cfg := testConfig(append(changes, func(c *Config) { c.ServerConfig.NetAddr.Endpoint = endpoint })...)
		id, err := instance.ID(component.NewIDWithName(metadata.Type, name).String(), endpoint)
		require.NoError(t, err)
		res := instance.Resource(metadata.NewResourceBuilder(cfg.MetricsBuilderConfig.ResourceAttributes), id)
		assert.Equal(t, "verifyyou", attributeOf(res.Attributes(), "service.name"))
		return attributeOf(res.Attributes(), "service.instance.id")
	}
	id := instanceOf("", "localhost:8787")
	assert.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", id)
	assert.Equal(t, id, instanceOf("", "localhost:8787"), "the same after a restart")
	assert.NotEqual(t, id, instanceOf("", "localhost:8788"))
	assert.NotEqual(t, id, instanceOf("other", "localhost:8787"))
	assert.Equal(t, "mine", instanceOf("", "localhost:8787", func(c *Config) {
		mine := "mine"
		c.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID.OverrideValue = &mine
	}))
	assert.Nil(t, instanceOf("", "localhost:8787", func(c *Config) {
		c.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID.Enabled = false
	}))
}

// TestSameResource shows that logs and metrics name the same writer.
func TestSameResource(t *testing.T) {
	r := startSinks(t, testConfig())
	r.post([]byte(sampleBody))
	require.NoError(t, r.receiver.Shutdown(t.Context()))
	ofLogs := r.logs.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes().AsRaw()
	assert.Equal(t, ofLogs, r.metrics.AllMetrics()[0].ResourceMetrics().At(0).Resource().Attributes().AsRaw())
	assert.Len(t, ofLogs, 2)
}

func TestOwnTelemetry(t *testing.T) {
	r := startSinks(t, testConfig(func(c *Config) {
		c.SigningSecrets = append(c.SigningSecrets, "old")
		c.MaxExternalTrackers = 0
	}))
	want := map[string]int64{}
	for result := range metadata.MapAttributeResult {
		want[result] = 0
	}
	assert.Equal(t, want, r.ownSum("requests"), "all of them are there from the start")
	assert.Equal(t, map[string]int64{"0": 0, "1": 0}, r.ownSum("signature_matches"))

	r.post([]byte(sampleBody)) // overflows, as there is a tracker
	req := r.request(eventBody(strings.Repeat("x", 65), 1))
	req.Header.Set("X-VerifyYou-Signature", sign("old", eventBody(strings.Repeat("x", 65), 1)))
	req.Header.Set("X-VerifyYou-Event", "another")
	assert.Equal(t, 200, r.send(req).status)
	same := r.request(eventBody("liveness_passed", 2))
	same.Header.Set("X-VerifyYou-Event", "liveness_passed")
	assert.Equal(t, 200, r.send(same).status)
	unread := r.request([]byte("{}"))
	unread.Header.Set("X-VerifyYou-Event", "another")
	assert.Equal(t, 200, r.send(unread).status)

	assert.Equal(t, map[string]int64{"accepted": 3, "unrecognized": 1}, r.results())
	assert.Equal(t, map[string]int64{"0": 3, "1": 1}, r.ownSum("signature_matches"))
	assert.Equal(t, map[string]int64{"": 1}, r.ownSum("event_header_mismatches"))
	assert.Equal(t, map[string]int64{"verifyyou.external_tracker": 1, "verifyyou.stage": 1}, r.ownSum("overflow"))
	metadatatest.AssertEqualReceiverVerifyyouDeliveryDelay(t, r.telemetry,
		[]metricdata.HistogramDataPoint[float64]{{Attributes: attribute.NewSet(attribute.String("receiver", r.id.String()))}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreValue(), metricdatatest.IgnoreExemplars())
}

// TestInvalidFields shows that fields of a wrong type are counted, those of accepted events.
func TestInvalidFields(t *testing.T) {
	r := startSinks(t, testConfig())
	want := map[string]int64{}
	for field := range metadata.MapAttributeField {
		want[field] = 0
	}
	assert.Len(t, want, 7)
	assert.Equal(t, want, r.ownSum("invalid_fields"))
	invalid := []byte(`{"stage": "s", "step": "1", "occurred_at": "yesterday", "trust_score": "high"}`)
	r.post(invalid)
	r.post(invalid) // a duplicate
	r.post([]byte(`{"stage": 1, "step": "1"}`))
	r.post([]byte(`{"stage": "s", "step": [], "verification_id": 1}`))
	want["step"], want["occurred_at"], want["trust_score"], want["verification_id"] = 2, 1, 1, 1
	assert.Equal(t, want, r.ownSum("invalid_fields"))
}

// TestTwoReceivers shows that the receivers of one Collector have series of their own.
func TestTwoReceivers(t *testing.T) {
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, tel.Shutdown(context.Background())) })
	for _, name := range []string{"production", "sandbox"} {
		set := receivertest.NewNopSettings(metadata.Type)
		set.ID = component.NewIDWithName(metadata.Type, name)
		set.TelemetrySettings = tel.NewTelemetrySettings()
		r := create(t, set, testConfig(), pipelines{logs: consumertest.NewNop()})
		require.NoError(t, r.Start(t.Context(), &statusHost{}))
		t.Cleanup(func() { assert.NoError(t, r.Shutdown(context.Background())) })
	}
	for _, name := range []string{"requests", "signature_matches", "deliveries_forgotten", "event_header_mismatches", "invalid_fields", "overflow"} {
		m, err := tel.GetMetric("otelcol_receiver_verifyyou_" + name)
		require.NoError(t, err)
		receivers := map[string]int{}
		for _, dp := range m.Data.(metricdata.Sum[int64]).DataPoints {
			id, _ := dp.Attributes.Value("receiver")
			receivers[id.AsString()]++
		}
		assert.Len(t, receivers, 2, name)
		assert.Equal(t, receivers["verifyyou/production"], receivers["verifyyou/sandbox"], name)
	}
}

// TestRoute shows that own telemetry of the server has the route, also behind an authentication that hands on a copy of
// the request.
func TestRoute(t *testing.T) {
	id := component.MustNewID("allowall")
	r := startOn(t, testConfig(func(c *Config) {
		c.ServerConfig.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: id}})
	}), pipelines{logs: consumertest.NewNop()}, &statusHost{extensions: map[component.ID]component.Component{id: allowAll{}}})
	r.post([]byte(sampleBody))
	for _, change := range []func(*http.Request){setPath("/elsewhere/4711"), health(http.MethodGet)} {
		req := r.request(nil)
		change(req)
		r.send(req)
	}
	require.NoError(t, r.receiver.Shutdown(t.Context()))
	names := []string{}
	for _, span := range r.telemetry.SpanRecorder.Ended() {
		if span.SpanKind() == trace.SpanKindServer {
			names = append(names, span.Name())
		}
	}
	assert.ElementsMatch(t, []string{"POST " + testPath, "POST", "GET /healthz"}, names)
	m, err := r.telemetry.GetMetric("http.server.request.duration")
	require.NoError(t, err)
	routes := []string{}
	for _, dp := range m.Data.(metricdata.Histogram[float64]).DataPoints {
		route, _ := dp.Attributes.Value("http.route")
		routes = append(routes, route.AsString())
	}
	assert.ElementsMatch(t, []string{testPath, "/healthz", ""}, routes)
}

// allowAll is an authentication extension that hands on a context of its own.
type allowAll struct{ component.Component }

func (allowAll) Authenticate(ctx context.Context, _ map[string][]string) (context.Context, error) {
	return context.WithoutCancel(ctx), nil
}

// TestDeliveryDelay shows that a clock ahead of ours does not make a delay negative.
func TestDeliveryDelay(t *testing.T) {
	r := startSinks(t, testConfig())
	r.post(fmt.Appendf(nil, `{"stage": "s", "occurred_at": %q}`, time.Now().Add(time.Hour).Format(time.RFC3339)))
	r.post([]byte(`{"stage": "s"}`)) // says no time
	m, err := r.telemetry.GetMetric("otelcol_receiver_verifyyou_delivery_delay")
	require.NoError(t, err)
	dps := m.Data.(metricdata.Histogram[float64]).DataPoints
	require.Len(t, dps, 1)
	assert.EqualValues(t, 1, dps[0].Count)
	assert.Zero(t, dps[0].Sum)
}

// TestReceiverMetrics shows the standard metrics of all receivers.
func TestReceiverMetrics(t *testing.T) {
	refuse := false
	next := logsConsumer(func(context.Context, plog.Logs) error {
		if refuse {
			return errors.New("away")
		}
		return nil
	})
	r := start(t, testConfig(), pipelines{logs: next})
	r.post(eventBody("a", 1))
	r.post(eventBody("a", 2))
	refuse = true
	r.post(eventBody("a", 3))
	for name, want := range map[string]int64{"accepted": 2, "refused": 1} {
		m, err := r.telemetry.GetMetric("otelcol_receiver_" + name + "_log_records")
		require.NoError(t, err)
		assert.Equal(t, want, m.Data.(metricdata.Sum[int64]).DataPoints[0].Value, name)
	}
}

// FuzzHandler sends any request through the whole handler: there is an answer, and only what is signed gets anywhere.
func FuzzHandler(f *testing.F) {
	f.Add("POST", testPath, "", "right", "verification_completed", []byte(sampleBody))
	f.Add("POST", testPath, "", "sha256=00", "", []byte(sampleBody))
	f.Add("POST", testPath, "gzip", "right", "", []byte("{}"))
	f.Add("GET", "/healthz", "", "", "", []byte(""))
	f.Add("POST", testPath, "", "right", "", []byte(`{"stage":"\xff","occurred_at":"2026-06-09T17:04:01"}`))
	f.Add("POST", testPath, "", "right", "", []byte(`[[[`))

	logs := new(consumertest.LogsSink)
	cfg := testConfig(func(c *Config) { c.Deduplication.Window = 0 })
	made, err := NewFactory().CreateLogs(context.Background(), receivertest.NewNopSettings(metadata.Type), cfg, logs)
	require.NoError(f, err)
	receiver := made.(*verifyyouReceiver)
	require.NoError(f, receiver.Start(context.Background(), componenttest.NewNopHost()))
	f.Cleanup(func() { assert.NoError(f, receiver.Shutdown(context.Background())) })
	f.Fuzz(func(t *testing.T, method, path, encoding, signature, stage string, body []byte) {
		logs.Reset()
		if signature == "right" {
			signature = sign(testSecret, body)
		}
		req := &http.Request{
			Method: method, URL: &url.URL{Path: path}, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
			Header: http.Header{"Content-Encoding": {encoding}, signatureHeader: {signature}, eventHeader: {stage}},
			Body:   io.NopCloser(bytes.NewReader(body)),
		}
		w := httptest.NewRecorder()
		receiver.handler.ServeHTTP(w, req.WithContext(t.Context()))
		assert.NotZero(t, w.Code)
		taken := signature == sign(testSecret, body) && method == http.MethodPost && path == testPath &&
			(encoding == "" || strings.EqualFold(encoding, "identity")) && len(body) <= 65536
		assert.Equal(t, taken, w.Code == http.StatusOK && path != "/healthz")
		if taken {
			assert.Equal(t, 1, logs.LogRecordCount())
		} else {
			assert.Zero(t, logs.LogRecordCount())
		}
	})
}
