// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// datadogInHaste is what changes in examples/datadog/collector.yaml for a test.
const datadogInHaste = `
receivers:
  verifyyou:
    endpoint: 127.0.0.1:%d
    metrics_flush_interval: 1s
connectors:
  verifyyou_funnel:
    abandon_after: 2s
    settle: 1s
    metrics_flush_interval: 1s
extensions:
  file_storage:
    directory: %s
`

// TestDatadogDashboardHasItsData runs the example for Datadog and looks for all that the dashboard asks for in what it
// sends: the metrics, as the kind that the queries take them for, and their tags.
func TestDatadogDashboardHasItsData(t *testing.T) {
	in := newIntake(t)
	t.Setenv("DATADOG_OTLP_ENDPOINT", in.url)
	t.Setenv("DD_API_KEY", "0123456789abcdef")
	port := freePorts(t, 1)[0]
	haste := writeFile(t, fmt.Sprintf(datadogInHaste, port, t.TempDir()))
	c := startWith(t, "../examples/datadog/collector.yaml", fmt.Sprintf("http://127.0.0.1:%d", port), "--config", haste)

	c.verify("completed", "verification_initialized", "verification_started", "account_created", "consent_granted",
		"liveness_started", "liveness_passed", "verification_completed")
	c.verify("dropped", "verification_initialized", "verification_started", "liveness_started", "liveness_failed")
	c.verify("abandoned", "verification_initialized", "verification_started")
	c.verify("flagged", "verification_initialized", "face_collision", "verification_completed")
	require.Eventually(t, func() bool {
		return maps.Equal(map[string]int64{"completed": 2, "drop_off": 1, "abandoned": 1},
			in.total("verifyyou.verification.ended", "verifyyou.verification.outcome"))
	}, deadline, poll, "two completed, a dropped and an abandoned verification must end")
	c.verify("abandoned", "consent_granted")
	c.verify("dropped", "liveness_started")
	c.verify("completed", "account_created")
	require.Eventually(t, func() bool {
		return maps.Equal(map[string]int64{"completed": 1, "drop_off": 1, "abandoned": 1},
			in.total("verifyyou.verification.resumed", "verifyyou.verification.outcome"))
	}, deadline, poll, "one of each must go on")
	c.stop()

	in.eachRequest(func(header http.Header) {
		assert.Equal(t, "0123456789abcdef", header.Get("dd-api-key"))
		assert.JSONEq(t, `{"resource_attributes_as_tags": true}`, header.Get("dd-otel-metric-config"))
	})
	assert.Equal(t, map[string]int64{
		"verification_initialized": 4, "verification_started": 3, "account_created": 1, "consent_granted": 2,
		"liveness_started": 2, "liveness_passed": 1, "liveness_failed": 1, "face_collision": 1, "verification_completed": 2,
	}, in.total("verifyyou.verification.reached", "verifyyou.stage"))
	assert.Subset(t, in.total("verifyyou.verification.passed", "verifyyou.stage"), map[string]int64{
		"verification_initialized": 4, "verification_started": 4, "liveness_started": 3, "liveness_passed": 2,
		"verification_completed": 2,
	})

	board := readBoard(t)
	kept := keep(t, in)
	for _, query := range board.queries {
		board.check(t, query, kept)
	}
	assert.Subset(t, dropOffAttributes(in), board.columns)
}

// verify posts events of one verification, in this order.
func (c *collector) verify(id string, stages ...string) {
	c.t.Helper()
	for _, stage := range stages {
		body := fmt.Sprintf(`{"stage": %q, "verification_id": %q, "external_tracker": "signup-campaign", "trust_score": 0.4, "occurred_at": %q}`,
			stage, id, time.Now().Format(time.RFC3339Nano))
		require.Equal(c.t, `200 {"status":"accepted"}`, mustSend(c.t, c.newRequest(body, sign(body))))
	}
}

// kind is what Datadog makes of an OTLP metric.
type kind string

const (
	count        kind = "count"
	gauge        kind = "gauge"
	distribution kind = "distribution"
)

// keptMetric is a metric as Datadog keeps it.
type keptMetric struct {
	kind kind
	tags map[string]map[string]bool // the values of each key
}

// keep returns what Datadog keeps of what was sent, by name. It fails on what Datadog's intake refuses: counters and
// histograms that are cumulative.
func keep(t *testing.T, in *intake) map[string]keptMetric {
	t.Helper()
	kept := map[string]keptMetric{}
	in.eachMetric(func(resource pcommon.Map, metric pmetric.Metric) {
		is, points := keptAs(t, metric)
		if was, ok := kept[metric.Name()]; ok {
			assert.Equal(t, was.kind, is, metric.Name())
		} else {
			kept[metric.Name()] = keptMetric{is, map[string]map[string]bool{}}
		}
		for _, attributes := range append(points, asTags(resource)) {
			kept[metric.Name()].tag(attributes)
		}
	})
	return kept
}

// keptAs returns what Datadog makes of a metric, and the attributes of its points.
func keptAs(t *testing.T, metric pmetric.Metric) (kind, []pcommon.Map) {
	t.Helper()
	var points []pcommon.Map
	switch metric.Type() {
	case pmetric.MetricTypeGauge:
		for _, point := range metric.Gauge().DataPoints().All() {
			points = append(points, point.Attributes())
		}
		return gauge, points
	case pmetric.MetricTypeHistogram:
		assert.Equal(t, pmetric.AggregationTemporalityDelta, metric.Histogram().AggregationTemporality(), metric.Name())
		for _, point := range metric.Histogram().DataPoints().All() {
			points = append(points, point.Attributes())
		}
		return distribution, points
	case pmetric.MetricTypeSum:
		for _, point := range metric.Sum().DataPoints().All() {
			points = append(points, point.Attributes())
		}
		if metric.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta {
			return count, points
		}
		assert.False(t, metric.Sum().IsMonotonic(), metric.Name())
		return gauge, points
	}
	require.Fail(t, "no such metric is expected", metric.Name())
	return "", nil
}

// asTags returns the attributes of a resource as resource_attributes_as_tags makes them tags: by their own names, and
// by Datadog's where it has one.
func asTags(resource pcommon.Map) pcommon.Map {
	tags := pcommon.NewMap()
	resource.CopyTo(tags)
	for attribute, tag := range map[string]string{"service.name": "service", "deployment.environment.name": "env"} {
		if value, ok := resource.Get(attribute); ok {
			value.CopyTo(tags.PutEmpty(tag))
		}
	}
	return tags
}

func (m keptMetric) tag(attributes pcommon.Map) {
	for key, value := range attributes.All() {
		if m.tags[key] == nil {
			m.tags[key] = map[string]bool{}
		}
		m.tags[key][value.AsString()] = true
	}
}

// board is what the dashboard asks for.
type board struct {
	queries  []string          // of metrics
	columns  []string          // attributes of logs
	variable map[string]string // the tag of each template variable
}

func readBoard(t *testing.T) board {
	t.Helper()
	file, err := os.ReadFile("../dashboards/datadog/verifyyou-funnel.json")
	require.NoError(t, err)
	var dashboard struct {
		TemplateVariables []struct{ Name, Prefix string } `json:"template_variables"`
		Widgets           any
	}
	require.NoError(t, json.Unmarshal(file, &dashboard))
	b := board{variable: map[string]string{}}
	for _, variable := range dashboard.TemplateVariables {
		b.variable["$"+variable.Name] = variable.Prefix
	}
	b.collect(dashboard.Widgets)
	require.NotEmpty(t, b.queries)
	require.NotEmpty(t, b.columns)
	return b
}

// collect looks for queries and columns, however deep.
func (b *board) collect(value any) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			b.collect(element)
		}
	case map[string]any:
		if query, ok := v["query"].(string); ok {
			b.queries = append(b.queries, query)
		}
		if field, ok := v["field"].(string); ok && strings.HasPrefix(field, "@") {
			b.columns = append(b.columns, strings.TrimPrefix(field, "@"))
		}
		for _, element := range v {
			b.collect(element)
		}
	}
}

var query = regexp.MustCompile(`^(\w+):([\w.]+)\{([^}]*)\}(?: by \{([^}]*)\})?(\.as_count\(\))?$`)

// check looks for the metric of a query and for its tags.
func (b *board) check(t *testing.T, text string, kept map[string]keptMetric) {
	t.Helper()
	parts := query.FindStringSubmatch(text)
	require.NotNil(t, parts, text)
	aggregation, metric, filters, groups, asCount := parts[1], kept[parts[2]], parts[3], parts[4], parts[5]

	want := []kind{gauge}
	switch {
	case asCount != "" && aggregation == "sum": // of a distribution, the sum of its values
		want = []kind{count, distribution}
	case asCount != "" && aggregation == "count", aggregation == "histogram", strings.HasPrefix(aggregation, "p"):
		want = []kind{distribution}
	}
	assert.Contains(t, want, metric.kind, text)
	for filter := range strings.SplitSeq(filters, ",") {
		key, value, _ := strings.Cut(strings.TrimPrefix(filter, "!"), ":")
		if tag, ok := b.variable[key]; ok {
			key = tag
		}
		assert.Contains(t, metric.tags, key, text)
		if value != "" && !strings.HasPrefix(filter, "!") {
			assert.Contains(t, metric.tags[key], value, text)
		}
	}
	if groups != "" {
		assert.Subset(t, keys(metric.tags), strings.Split(groups, ","), text)
	}
}

func keys[V any](m map[string]V) []string {
	var all []string
	for key := range m {
		all = append(all, key)
	}
	return all
}

// dropOffAttributes returns the attributes of the records that the dashboard lists.
func dropOffAttributes(in *intake) []string {
	found := map[string]any{}
	in.eachRecord(func(resource pcommon.Map, record plog.LogRecord) {
		if text(record.Attributes(), "verifyyou.outcome") == "drop_off" && text(resource, "service.name") == "verifyyou" {
			found = record.Attributes().AsRaw()
		}
	})
	return keys(found)
}
