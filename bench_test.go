// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/deliveries"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
)

// benchReceiver returns a receiver that has been started, with own telemetry that is recorded.
func benchReceiver(b *testing.B, cfg *Config) *verifyyouReceiver {
	b.Helper()
	telemetry := componenttest.NewTelemetry()
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	set.TracerProvider = nooptrace.NewTracerProvider() // as in a Collector that exports no spans of its own
	_, err := NewFactory().CreateLogs(b.Context(), set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	made, err := NewFactory().CreateMetrics(b.Context(), set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, made.Start(b.Context(), componenttest.NewNopHost()))
	b.Cleanup(func() {
		require.NoError(b, made.Shutdown(context.Background()))
		require.NoError(b, telemetry.Shutdown(context.Background()))
	})
	return made.(*verifyyouReceiver)
}

// nothing is a response that nobody reads.
type nothing struct{ header http.Header }

func (n nothing) Header() http.Header       { return n.header }
func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) WriteHeader(int)             {}

// repeatedBody is a body that can be read again.
type repeatedBody struct{ *bytes.Reader }

func (repeatedBody) Close() error { return nil }

func benchBody(n int) []byte {
	return fmt.Appendf(nil, `{"stage": "verification_completed", "step": 6, "occurred_at": "2026-06-09T17:04:01.123456+00:00", "verification_id": "ver_%06d", "external_id": "user_123", "external_tracker": "signup-campaign", "trust_score": 0.92}`, n)
}

// benchRequests returns more requests for distinct events than the receiver remembers, so that each is new each time.
func benchRequests(b *testing.B, remembered int, signature func(body []byte) string) []*http.Request {
	b.Helper()
	all := make([]*http.Request, 2*remembered)
	for n := range all {
		body := benchBody(n)
		req, err := http.NewRequest(http.MethodPost, testPath, repeatedBody{bytes.NewReader(body)})
		require.NoError(b, err)
		req.ContentLength = int64(len(body))
		if s := signature(body); s != "" {
			req.Header.Set("X-VerifyYou-Signature", s)
		}
		all[n] = req
	}
	return all
}

// BenchmarkRequest is a request in the handler, without the server. One that is refused must cost less than one that
// is accepted.
func BenchmarkRequest(b *testing.B) {
	const remembered = 1000
	for _, bb := range []struct {
		name      string
		signature func([]byte) string
	}{
		{"accepted", func(body []byte) string { return sign(testSecret, body) }},
		{"unsigned", func([]byte) string { return "" }},
		{"malformed signature", func([]byte) string { return "sha256=0" }},
		{"wrong signature", func(body []byte) string { return sign("another secret", body) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := benchReceiver(b, testConfig(func(c *Config) { c.Deduplication.MaxEntries = remembered }))
			all := benchRequests(b, remembered, bb.signature)
			w := nothing{header: http.Header{}}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				req := all[n%len(all)]
				_, _ = req.Body.(repeatedBody).Seek(0, io.SeekStart)
				clear(w.header)
				r.handler.ServeHTTP(w, req)
				n++
			}
		})
	}
}

// BenchmarkStep is each step of an accepted request.
func BenchmarkStep(b *testing.B) {
	const remembered = 100_000
	r := benchReceiver(b, testConfig(func(c *Config) { c.Deduplication.MaxEntries = remembered }))
	body := []byte(sampleBody)
	header := http.Header{"X-Verifyyou-Signature": {sign(testSecret, body)}}
	e, err := r.handler.decoder.Decode(body)
	require.NoError(b, err)
	now := time.Now()
	n := 0
	next := func() event.ID {
		id := e.ID
		id[0], id[1], id[2], id[3] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
		n++
		return id
	}
	for range remembered {
		flight, _ := r.ledger.memory.Begin(new(deliveries.Flight), next(), now)
		r.ledger.memory.End(flight, nil, now)
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"signature", func() {
			claimed, _ := parseSignature(header)
			_, _ = r.keys.verify(body, &claimed)
		}},
		{"decode", func() { _, _ = r.handler.decoder.Decode(body) }},
		{"convert", func() { r.deliverer.records.Event(&e, body, now) }},
		{"remember", func() {
			flight, _ := r.ledger.memory.Begin(new(deliveries.Flight), next(), now)
			r.ledger.memory.End(flight, nil, now)
		}},
		{"count", func() { r.ledger.counters.Add(&e, now) }},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				step.do()
			}
		})
	}
}
