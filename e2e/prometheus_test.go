// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

const (
	prometheusAdvice = "install Prometheus: apt-get install --no-install-recommends prometheus"

	// abandonAfter must be longer than any delay of the simulation, and than the Collector is away.
	abandonAfter = 15 * time.Second
)

// metricsExample is the example of Grafana, with addresses and intervals of a test.
type metricsExample struct {
	t          *testing.T
	config     string        // the Collector's configuration
	port       int           // of the receiver
	sampled    time.Duration // from one sample of a counter to the next
	prometheus promv1.API
	collector  *collector
	began      time.Time // when Prometheus had nothing yet
	restarted  time.Time // when the Collector was away
}

// startExample starts Prometheus and the Collector with examples/grafana/collector-<way>.yaml.
func startExample(t *testing.T, way string, sampled time.Duration) *metricsExample {
	t.Helper()
	ports := freePorts(t, 4)
	rules, err := filepath.Abs("../dashboards/prometheus/rules.yaml")
	require.NoError(t, err)
	loki := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(loki.Close)

	address := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	changes := strings.NewReplacer(
		"0.0.0.0:8787", address(ports[0]),
		"0.0.0.0:8889", address(ports[1]), "collector:8889", address(ports[1]),
		"host: 0.0.0.0", "host: 127.0.0.1",
		"port: 8888", fmt.Sprintf("port: %d", ports[2]), "collector:8888", address(ports[2]),
		"prometheus:9090", address(ports[3]),
		"http://loki:3100", loki.URL,
		"/var/lib/otelcol", t.TempDir(),
		"/etc/prometheus/verifyyou/rules.yaml", rules,
		"metrics_flush_interval: 30s", "metrics_flush_interval: 2s",
		"scrape_interval: 15s", "scrape_interval: 1s",
		"  verifyyou_funnel:\n", fmt.Sprintf("  verifyyou_funnel:\n    abandon_after: %s\n    settle: 5s\n", abandonAfter),
	)
	changed := func(name string) string {
		text, err := os.ReadFile("../examples/grafana/" + name)
		require.NoError(t, err)
		return writeFile(t, changes.Replace(string(text)))
	}

	e := &metricsExample{t: t, config: changed("collector-" + way + ".yaml"), port: ports[0], sampled: sampled}
	e.prometheus = startPrometheus(t, changed("prometheus.yml"), address(ports[3]))
	e.began = time.Now()
	e.startCollector()
	return e
}

func (e *metricsExample) startCollector() {
	e.t.Helper()
	e.collector = startWith(e.t, e.config, fmt.Sprintf("http://127.0.0.1:%d", e.port))
}

// startPrometheus starts a Prometheus that ends with the test, and waits until it answers.
func startPrometheus(t *testing.T, config, address string) promv1.API {
	t.Helper()
	cmd := program(t, prometheusAdvice, "prometheus", "--config.file="+config, "--web.listen-address="+address,
		"--storage.tsdb.path="+t.TempDir(), "--web.enable-remote-write-receiver")
	printed, err := os.Create(filepath.Join(t.TempDir(), "prometheus.txt"))
	require.NoError(t, err)
	defer printed.Close()
	cmd.Stdout, cmd.Stderr = printed, printed
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Wait() // the end of the test's context has killed it
		if t.Failed() {
			text, _ := os.ReadFile(printed.Name())
			t.Logf("Prometheus printed:\n%s", text)
		}
	})
	require.Eventually(t, func() bool { return get("http://"+address+"/-/ready") != "" }, deadline, poll)
	apiClient, err := api.NewClient(api.Config{Address: "http://" + address})
	require.NoError(t, err)
	return promv1.NewAPI(apiClient)
}

// query returns the values of an expression at a time.
func (e *metricsExample) query(t require.TestingT, expr string, at time.Time) model.Vector {
	value, warnings, err := e.prometheus.Query(e.t.Context(), expr, at)
	require.NoError(t, err, expr)
	require.Empty(t, warnings, expr)
	return value.(model.Vector)
}

// queryRange returns the graph of an expression over the whole test.
func (e *metricsExample) queryRange(expr string, until time.Time) model.Matrix {
	e.t.Helper()
	value, warnings, err := e.prometheus.QueryRange(e.t.Context(), expr, promv1.Range{Start: e.began, End: until, Step: 5 * time.Second})
	require.NoError(e.t, err, expr)
	require.Empty(e.t, warnings, expr)
	return value.(model.Matrix)
}

// increases returns by how much a counter rose since Prometheus began, by some of its labels. It is exact: it adds up the
// steps of every second, none of which is seen twice or left out. A value that falls has begun again from 0; one that is
// not there, since nothing is there to be scraped, is the last one.
func (e *metricsExample) increases(t require.TestingT, counter string, labels ...model.LabelName) map[string]int64 {
	at := time.Now()
	value := "last_over_time(" + counter + "[5m])"
	before := "last_over_time(" + counter + "[5m] offset 1s)"
	rose := fmt.Sprintf("sum_over_time(((%s - %s >= 0) or %s * 1)[%ds:1s])", value, before, value, 1+int(at.Sub(e.began).Seconds()))
	counts := map[string]int64{}
	for _, sample := range e.query(t, rose, at) {
		if sample.Value > 0 {
			counts[nameOf(sample.Metric, labels)] += int64(sample.Value)
		}
	}
	return counts
}

// nameOf joins the values of labels.
func nameOf(metric model.Metric, labels []model.LabelName) string {
	values := make([]string, len(labels))
	for i, label := range labels {
		values[i] = string(metric[label])
	}
	return strings.Join(values, " ")
}
