// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
)

const (
	accepted     = `{"status":"accepted"}`
	unrecognized = `{"status":"unrecognized"}`
	unauthorized = `{"error":"no valid X-VerifyYou-Signature"}`
)

func TestAnswers(t *testing.T) {
	long := []byte(`{"stage": "` + strings.Repeat("s", 65536-13) + `"}`)
	require.Len(t, long, 65536)
	tests := map[string]struct {
		body   string
		change func(*http.Request)
		status int
		answer string
		result string // nothing is counted for it where empty
		allow  string
	}{
		"event":                   {body: sampleBody, status: 200, answer: accepted, result: "accepted"},
		"event without type":      {body: sampleBody, change: deleteHeader("Content-Type"), status: 200, answer: accepted, result: "accepted"},
		"event of another type":   {body: sampleBody, change: setHeader("Content-Type", "text/plain"), status: 200, answer: accepted, result: "accepted"},
		"query":                   {body: sampleBody, change: func(r *http.Request) { r.URL.RawQuery = "a=b" }, status: 200, answer: accepted, result: "accepted"},
		"identity":                {body: sampleBody, change: setHeader("Content-Encoding", "Identity"), status: 200, answer: accepted, result: "accepted"},
		"chunked":                 {body: sampleBody, change: chunked, status: 200, answer: accepted, result: "accepted"},
		"as large as allowed":     {body: string(long), status: 200, answer: accepted, result: "accepted"},
		"no JSON":                 {body: "hello", status: 200, answer: unrecognized, result: "unrecognized"},
		"no stage":                {body: "{}", status: 200, answer: unrecognized, result: "unrecognized"},
		"no bytes":                {body: "", status: 200, answer: unrecognized, result: "unrecognized"},
		"header in other letters": {body: sampleBody, change: lowerCaseHeader, status: 200, answer: accepted, result: "accepted"},
		"no signature":            {body: sampleBody, change: deleteHeader("X-VerifyYou-Signature"), status: 401, answer: unauthorized, result: "unauthorized"},
		"malformed signature":     {body: sampleBody, change: setHeader("X-VerifyYou-Signature", "sha256=12"), status: 401, answer: unauthorized, result: "unauthorized"},
		"two signatures":          {body: sampleBody, change: twoSignatures, status: 401, answer: unauthorized, result: "unauthorized"},
		"wrong signature":         {body: sampleBody, change: setHeader("X-VerifyYou-Signature", sign("another", []byte(sampleBody))), status: 401, answer: unauthorized, result: "unauthorized"},
		"wrong and not JSON":      {body: "hello", change: setHeader("X-VerifyYou-Signature", sign("another", []byte("hello"))), status: 401, answer: unauthorized, result: "unauthorized"},
		"signature of the stage":  {body: sampleBody, change: setHeader("X-VerifyYou-Signature", sign(testSecret, []byte("verification_completed"))), status: 401, answer: unauthorized, result: "unauthorized"},
		"another path":            {body: sampleBody, change: setPath("/"), status: 404, answer: `{"error":"not found"}`, result: "not_found"},
		"path with a slash more":  {body: sampleBody, change: setPath(testPath + "/"), status: 404, answer: `{"error":"not found"}`, result: "not_found"},
		"path to be cleaned":      {body: sampleBody, change: setPath("/webhooks/../webhooks/verifyyou"), status: 404, answer: `{"error":"not found"}`, result: "not_found"},
		"path with two slashes":   {body: sampleBody, change: setPath("/" + testPath), status: 404, answer: `{"error":"not found"}`, result: "not_found"},
		"another method":          {body: sampleBody, change: setMethod(http.MethodPut), status: 405, answer: `{"error":"method not allowed"}`, result: "method_not_allowed", allow: "POST"},
		"GET":                     {change: setMethod(http.MethodGet), status: 405, answer: `{"error":"method not allowed"}`, result: "method_not_allowed", allow: "POST"},
		"HEAD":                    {change: setMethod(http.MethodHead), status: 405, result: "method_not_allowed", allow: "POST"},
		"compressed":              {body: sampleBody, change: setHeader("Content-Encoding", "gzip"), status: 415, answer: `{"error":"content encoding not supported: send the body as it was signed"}`, result: "unsupported_encoding"},
		"compressed twice":        {body: sampleBody, change: setHeader("Content-Encoding", "identity, zstd"), status: 415, answer: `{"error":"content encoding not supported: send the body as it was signed"}`, result: "unsupported_encoding"},
		"too large":               {body: string(long) + " ", status: 413, answer: `{"error":"body too large"}`, result: "too_large"},
		"too large, chunked":      {body: string(long) + " ", change: chunked, status: 413, answer: `{"error":"body too large"}`, result: "too_large"},
		"health":                  {change: health(http.MethodGet), status: 200, answer: `{"status":"ok"}`},
		"health by HEAD":          {change: health(http.MethodHead), status: 200},
		"health by POST":          {change: health(http.MethodPost), status: 405, answer: `{"error":"method not allowed"}`, allow: "GET, HEAD"},

		// What is checked first wins.
		"path before method":        {change: func(r *http.Request) { r.URL.Path, r.Method = "/x", http.MethodGet }, status: 404, answer: `{"error":"not found"}`, result: "not_found"},
		"method before encoding":    {change: func(r *http.Request) { r.Method = http.MethodPut; r.Header.Set("Content-Encoding", "gzip") }, status: 405, answer: `{"error":"method not allowed"}`, result: "method_not_allowed", allow: "POST"},
		"encoding before signature": {change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip"); r.Header.Del("X-VerifyYou-Signature") }, status: 415, answer: `{"error":"content encoding not supported: send the body as it was signed"}`, result: "unsupported_encoding"},
		"form before size":          {body: string(long) + " ", change: deleteHeader("X-VerifyYou-Signature"), status: 401, answer: unauthorized, result: "unauthorized"},
		"size before signature":     {body: string(long) + " ", change: setHeader("X-VerifyYou-Signature", sign("another", nil)), status: 413, answer: `{"error":"body too large"}`, result: "too_large"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := startSinks(t, testConfig())
			req := r.request([]byte(tt.body))
			if tt.change != nil {
				tt.change(req)
			}
			got := r.send(req)
			assert.Equal(t, tt.status, got.status)
			assert.Equal(t, tt.answer, got.body)
			assert.Equal(t, "application/json", got.header.Get("Content-Type"))
			assert.Equal(t, tt.allow, got.header.Get("Allow"))
			assert.False(t, got.closes, "the connection is kept")
			want := map[string]int64{}
			if tt.result != "" {
				want[tt.result] = 1
			}
			assert.Equal(t, want, r.results())
			kept := 0
			if tt.result == "accepted" || tt.result == "unrecognized" {
				kept = 1
			}
			assert.Equal(t, kept, r.logs.LogRecordCount())

			assert.Equal(t, 200, r.post(eventBody("liveness_passed", 1)).status, "the receiver serves on")
		})
	}
}

func setHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func deleteHeader(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(name) }
}

func setPath(path string) func(*http.Request) {
	return func(r *http.Request) { r.URL.Path = path }
}

func setMethod(method string) func(*http.Request) {
	return func(r *http.Request) { r.Method = method }
}

func health(method string) func(*http.Request) {
	return func(r *http.Request) {
		r.Method, r.URL.Path = method, "/healthz"
		r.Header.Del("X-VerifyYou-Signature")
	}
}

func chunked(r *http.Request) {
	r.ContentLength = -1
	r.Body = io.NopCloser(io.MultiReader(r.Body)) // hides the size
}

func lowerCaseHeader(r *http.Request) {
	r.Header["x-verifyyou-signature"] = r.Header["X-Verifyyou-Signature"]
	delete(r.Header, "X-Verifyyou-Signature")
}

func twoSignatures(r *http.Request) {
	r.Header.Add("X-VerifyYou-Signature", r.Header.Get("X-VerifyYou-Signature"))
}

func TestHealthPathOff(t *testing.T) {
	r := startSinks(t, testConfig(func(c *Config) { c.HealthPath = "" }))
	req := r.request(nil)
	health(http.MethodGet)(req)
	assert.Equal(t, 404, r.send(req).status)
}

func TestMalformedWithoutLogsPipeline(t *testing.T) {
	metrics := new(consumertest.MetricsSink)
	r := start(t, testConfig(), pipelines{metrics: metrics})
	got := r.post([]byte("{}"))
	assert.Equal(t, 400, got.status)
	assert.Equal(t, `{"error":"no event in the body"}`, got.body)
	assert.Equal(t, 200, r.post([]byte(sampleBody)).status)
	assert.Equal(t, map[string]int64{"malformed": 1, "accepted": 1}, r.results())
}

func TestPipelineErrors(t *testing.T) {
	throttled, err := status.New(codes.ResourceExhausted, "slow down").
		WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(2500 * time.Millisecond)})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		consume    func() error
		status     int
		retryAfter string
		result     string
	}{
		"refuses for now":     {func() error { return errors.New("queue is full") }, 503, "10", "refused"},
		"with its own delay":  {func() error { return fmt.Errorf("sent on: %w", throttled.Err()) }, 503, "3", "refused"},
		"status, no delay":    {func() error { return status.Error(codes.Unavailable, "away") }, 503, "10", "refused"},
		"refuses for good":    {func() error { return consumererror.NewPermanent(errors.New("bad data")) }, 500, "", "failed"},
		"one branch for good": {func() error { return errors.Join(errors.New("x"), consumererror.NewPermanent(errors.New("bad data"))) }, 500, "", "failed"},
		"panics":              {func() error { panic("broken") }, 500, "", "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, body := range []string{sampleBody, "not an event"} {
				failing := true
				sink := new(consumertest.LogsSink)
				next := logsConsumer(func(ctx context.Context, logs plog.Logs) error {
					if failing {
						return tt.consume()
					}
					return sink.ConsumeLogs(ctx, logs)
				})
				metrics := new(consumertest.MetricsSink)
				r := start(t, testConfig(func(c *Config) { c.MetricsTemporality = metricsconfig.Delta }), pipelines{logs: next, metrics: metrics})

				got := r.post([]byte(body))
				assert.Equal(t, tt.status, got.status)
				assert.Equal(t, tt.retryAfter, got.header.Get("Retry-After"))
				assert.NotContains(t, got.body, "queue", "what is inside is nobody's business")
				assert.Equal(t, map[string]int64{tt.result: 1}, r.results())

				failing = false
				assert.Equal(t, 200, r.post([]byte(body)).status, "the retry is a first delivery")
				assert.Equal(t, 1, sink.LogRecordCount())
				require.NoError(t, r.receiver.Shutdown(t.Context()))
				if body == sampleBody {
					assert.EqualValues(t, 1, totalDelta(metrics), "counted once")
				}
			}
		})
	}
}

// TestSlowPipeline shows that an answer does not wait for a pipeline that ignores its deadline.
func TestSlowPipeline(t *testing.T) {
	release := make(chan struct{})
	deadline := make(chan time.Duration, 1)
	next := logsConsumer(func(ctx context.Context, _ plog.Logs) error {
		d, _ := ctx.Deadline()
		deadline <- time.Until(d)
		<-release
		return nil
	})
	r := start(t, testConfig(func(c *Config) { c.ServerConfig.WriteTimeout = 1100 * time.Millisecond }), pipelines{logs: next})
	got := r.post([]byte(sampleBody))
	assert.Equal(t, 503, got.status)
	assert.Equal(t, "10", got.header.Get("Retry-After"))
	assert.LessOrEqual(t, <-deadline, 100*time.Millisecond)
	close(release)
}

// TestRetryOfSlowDelivery shows that a delivery that was given up is answered once, and that its retry is a first one
// while the pipeline still has it.
func TestRetryOfSlowDelivery(t *testing.T) {
	release := make(chan struct{})
	var calls atomic.Int32
	next := logsConsumer(func(context.Context, plog.Logs) error {
		if calls.Add(1) == 1 {
			<-release
		}
		return nil
	})
	r := start(t, testConfig(func(c *Config) { c.ServerConfig.WriteTimeout = 1100 * time.Millisecond }), pipelines{logs: next})
	assert.Equal(t, 503, r.post([]byte(sampleBody)).status)
	assert.Equal(t, 200, r.post([]byte(sampleBody)).status)
	close(release)
	require.NoError(t, r.receiver.Shutdown(t.Context())) // waits for the handler of the first
	assert.Equal(t, map[string]int64{"refused": 1, "accepted": 1}, r.results())
}

// TestClientHangsUp shows that a delivery goes on without its client, with the values of its request.
func TestClientHangsUp(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	sink := new(consumertest.LogsSink)
	next := logsConsumer(func(ctx context.Context, logs plog.Logs) error {
		close(arrived)
		<-gone
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return sink.ConsumeLogs(ctx, logs)
	})
	r := start(t, testConfig(), pipelines{logs: next})
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-arrived
		hangUp()
	}()
	_, err := do(client, r.request([]byte(sampleBody)).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	// The server notices in its own time; give the other side the chance to be wrong.
	time.Sleep(20 * time.Millisecond)
	close(gone)
	eventually(t, func() bool { return r.results()["accepted"] == 1 })
	assert.Equal(t, 1, sink.LogRecordCount())
}

// TestUnsignedBodyIsNotAwaited shows that a stranger is answered though the body does not come.
func TestUnsignedBodyIsNotAwaited(t *testing.T) {
	r := startSinks(t, testConfig())
	for _, head := range []string{
		"POST " + testPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
		"POST " + testPath + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST " + testPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\nExpect: 100-continue\r\n\r\n",
		"POST " + testPath + " HTTP/1.0\r\nContent-Length: 60000\r\nX-VerifyYou-Signature: sha256=0\r\n\r\n",
	} {
		resp := r.raw(head, false)
		require.NotNil(t, resp, head)
		assert.Equal(t, 401, resp.StatusCode)
		assert.True(t, resp.Close)
	}
	assert.Equal(t, map[string]int64{"unauthorized": 4}, r.results())
}

// raw sends bytes as they are and returns what is answered, nil if the connection is closed without an answer.
func (r *running) raw(text string, closeWrite bool) *http.Response {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.address)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, text)
	require.NoError(r.t, err)
	if closeWrite {
		require.NoError(r.t, conn.(*net.TCPConn).CloseWrite())
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		require.ErrorIs(r.t, err, io.ErrUnexpectedEOF)
		return nil
	}
	return resp
}

func TestBodyThatNeverComes(t *testing.T) {
	head := "POST " + testPath + " HTTP/1.1\r\nHost: x\r\nX-VerifyYou-Signature: " + sign(testSecret, []byte(sampleBody)) + "\r\n"
	for name, tt := range map[string]struct {
		text       string
		closeWrite bool
	}{
		"cut short":          {head + "Content-Length: 1000\r\n\r\n" + sampleBody, true},
		"chunk cut short":    {head + "Transfer-Encoding: chunked\r\n\r\n400\r\n" + sampleBody, true},
		"chunk of no size":   {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + sampleBody, true},
		"late":               {head + "Content-Length: 1000\r\n\r\n" + sampleBody, false},
		"late, of no length": {head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(sampleBody), sampleBody), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := startSinks(t, testConfig(func(c *Config) { c.ServerConfig.ReadTimeout = 200 * time.Millisecond }))
			assert.Nil(t, r.raw(tt.text, tt.closeWrite), "closed without an answer")
			assert.Equal(t, map[string]int64{"incomplete": 1}, r.results())
			assert.Zero(t, r.logs.LogRecordCount())
			assert.Equal(t, 200, r.post([]byte(sampleBody)).status, "the receiver serves on")
		})
	}
}

func TestHTTP10(t *testing.T) {
	r := startSinks(t, testConfig())
	resp := r.raw(fmt.Sprintf("POST %s HTTP/1.0\r\nX-VerifyYou-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		testPath, sign(testSecret, []byte(sampleBody)), len(sampleBody), sampleBody), false)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, map[string]int64{"accepted": 1}, r.results())
}

// TestConnectionIsKept shows that honest requests, and refused ones whose body was read, share a connection.
func TestConnectionIsKept(t *testing.T) {
	r := startSinks(t, testConfig())
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	wrong := r.request([]byte(sampleBody))
	wrong.Header.Set("X-VerifyYou-Signature", sign("another", []byte(sampleBody)))
	for _, tt := range []struct {
		req    *http.Request
		status int
	}{
		{r.request([]byte(sampleBody)), 200}, {wrong, 401}, {r.request([]byte("hello")), 200}, {r.request(eventBody("liveness_failed", 1)), 200},
	} {
		require.NoError(t, tt.req.Write(conn))
		resp, err := http.ReadResponse(answers, tt.req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		assert.Equal(t, tt.status, resp.StatusCode)
	}
}

// denyAll is an authentication extension that lets nobody in.
type denyAll struct{ component.Component }

func (denyAll) Authenticate(context.Context, map[string][]string) (context.Context, error) {
	return nil, errors.New("not you")
}

// TestServerRefuses shows that what confighttp refuses on its own is answered as all else.
func TestServerRefuses(t *testing.T) {
	id := component.MustNewID("denyall")
	cfg := testConfig(func(c *Config) {
		c.ServerConfig.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: id}})
	})
	logs := new(consumertest.LogsSink)
	r := startOn(t, cfg, pipelines{logs: logs}, &statusHost{extensions: map[component.ID]component.Component{id: denyAll{}}})
	got := r.post([]byte(sampleBody))
	assert.Equal(t, 401, got.status)
	assert.Equal(t, `{"error":"unauthorized"}`, got.body)
	assert.Equal(t, "application/json", got.header.Get("Content-Type"))
	assert.Empty(t, r.results())
	assert.Zero(t, logs.LogRecordCount())
}

// TestNothingOfARefusedRequestIsSeen shows that neither the secret nor the body of a stranger gets anywhere.
func TestNothingOfARefusedRequestIsSeen(t *testing.T) {
	r := startSinks(t, testConfig())
	body := []byte(`{"stage": "intruder"}`)
	for _, signature := range []string{"", "sha256=intruder", sign("intruder", body)} {
		req := r.request(body)
		req.Header.Set("X-VerifyYou-Signature", signature)
		req.Header.Set("X-VerifyYou-Event", "intruder")
		assert.Equal(t, 401, r.send(req).status)
	}
	r.post([]byte(sampleBody))
	require.NoError(t, r.receiver.Shutdown(t.Context()))

	var seen bytes.Buffer
	for _, entry := range r.logged.All() {
		fmt.Fprintln(&seen, entry.Message, entry.ContextMap())
	}
	own, err := r.telemetry.GetMetric("otelcol_receiver_verifyyou_requests")
	require.NoError(t, err)
	fmt.Fprintln(&seen, own)
	fmt.Fprintln(&seen, r.telemetry.SpanRecorder.Ended())
	for _, md := range r.metrics.AllMetrics() {
		fmt.Fprintln(&seen, asJSON(t, md))
	}
	require.NotEmpty(t, seen.String())
	assert.NotContains(t, seen.String(), "intruder")
	assert.NotContains(t, seen.String(), testSecret)
	assert.Equal(t, 1, r.logs.LogRecordCount())
}
