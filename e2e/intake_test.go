// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// intake is a backend that takes OTLP over HTTP and keeps it.
type intake struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	headers []http.Header
	metrics []pmetric.Metrics
	logs    []plog.Logs
	traces  []ptrace.Traces
}

func newIntake(t *testing.T) *intake {
	t.Helper()
	in := &intake{t: t}
	server := httptest.NewServer(in)
	t.Cleanup(server.Close)
	in.url = server.URL
	return in
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		return // the exporter has gone and sends it again
	}
	if err := in.take(r, body); !assert.NoError(in.t, err) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // of an empty response
}

func read(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

func (in *intake) take(r *http.Request, body []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.headers = append(in.headers, r.Header)
	switch r.URL.Path {
	case "/v1/logs":
		request := plogotlp.NewExportRequest()
		err := request.UnmarshalProto(body)
		in.logs = append(in.logs, request.Logs())
		return err
	case "/v1/metrics":
		request := pmetricotlp.NewExportRequest()
		err := request.UnmarshalProto(body)
		in.metrics = append(in.metrics, request.Metrics())
		return err
	case "/v1/traces":
		request := ptraceotlp.NewExportRequest()
		err := request.UnmarshalProto(body)
		in.traces = append(in.traces, request.Traces())
		return err
	}
	return fmt.Errorf("nothing is taken at %s", r.URL.Path)
}

// eachRequest calls f with the headers of every request that came so far.
func (in *intake) eachRequest(f func(http.Header)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, header := range in.headers {
		f(header)
	}
}

// eachMetric calls f with every metric that came so far, and the attributes of its resource.
func (in *intake) eachMetric(f func(resource pcommon.Map, metric pmetric.Metric)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, metrics := range in.metrics {
		for _, resource := range metrics.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					f(resource.Resource().Attributes(), metric)
				}
			}
		}
	}
}

// eachRecord calls f with every log record that came so far, and the attributes of its resource.
func (in *intake) eachRecord(f func(resource pcommon.Map, record plog.LogRecord)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, logs := range in.logs {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					f(resource.Resource().Attributes(), record)
				}
			}
		}
	}
}

// eachSpan calls f with every span that came so far.
func (in *intake) eachSpan(f func(span ptrace.Span)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, traces := range in.traces {
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					f(span)
				}
			}
		}
	}
}

// text returns the value of an attribute, or nothing where there is none.
func text(attributes pcommon.Map, name string) string {
	value, ok := attributes.Get(name)
	if !ok {
		return ""
	}
	return value.AsString()
}

// total adds up a counter that is sent as deltas, by the values of an attribute of its points or else of the resource.
func (in *intake) total(name, by string) map[string]int64 {
	totals := map[string]int64{}
	in.eachMetric(func(resource pcommon.Map, metric pmetric.Metric) {
		if metric.Name() != name || metric.Type() != pmetric.MetricTypeSum {
			return
		}
		for _, point := range metric.Sum().DataPoints().All() {
			group := text(point.Attributes(), by)
			if group == "" {
				group = text(resource, by)
			}
			totals[group] += point.IntValue()
		}
	})
	return totals
}
