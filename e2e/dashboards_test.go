// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/e2e/dashboards"
)

const (
	rulesFile = "../dashboards/prometheus/rules.yaml"

	// signatureFailures is how many requests with a wrong signature are sent.
	signatureFailures = 3

	// lateTracker appears after the restart, and must be escaped in a query.
	lateTracker = "spring (a+b)"

	byTracker   = "verifyyou_external_tracker"
	byStage     = "verifyyou_stage"
	byOutcome   = "verifyyou_verification_outcome"
	byLastStage = "verifyyou_verification_last_stage"
)

// TestRules runs the tests of the Prometheus rules.
func TestRules(t *testing.T) {
	output(t, program(t, prometheusAdvice, "promtool", "check", "rules", rulesFile))
	output(t, program(t, prometheusAdvice, "promtool", "test", "rules", "../dashboards/prometheus/rules_test.yaml"))
}

// TestDashboardsInPrometheus compares what the dashboards show with what was sent, over a restart of the Collector and
// with a tracker that appears after it.
func TestDashboardsInPrometheus(t *testing.T) {
	for way, sampled := range map[string]time.Duration{"scrape": time.Second, "remote-write": 2 * time.Second} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			e := startExample(t, way, sampled)
			want := e.simulateWithRestart()
			require.EventuallyWithT(t, func(c *assert.CollectT) { e.compareExactly(c, want) }, 2*deadline, time.Second)
			e.compareDashboard("funnel", want, (*truth).funnelCounts)
			e.compareDashboard("events", want, (*truth).eventCounts)
			e.runRules()
		})
	}
}

// simulateWithRestart lets people come in two crowds, and restarts the Collector between them. It is quiet before and
// after, so that Prometheus has seen all.
func (e *metricsExample) simulateWithRestart() *truth {
	e.t.Helper()
	require.EventuallyWithT(e.t, func(c *assert.CollectT) { assert.Len(c, e.requests(c, "accepted"), 1) }, deadline, poll)
	want := simulate(e.t, e.collector.url, "--seed", "1").wait()
	for range signatureFailures {
		require.Contains(e.t, mustSend(e.t, e.collector.newRequest(sample, sign("another body"))), "401")
	}
	require.EventuallyWithT(e.t, func(c *assert.CollectT) {
		assert.Equal(c, want.events(), e.events(c))
		assert.Equal(c, signatureFailures, int(e.requests(c, "unauthorized")[0].Value))
	}, deadline, time.Second)
	e.collector.stop()

	e.restarted = time.Now()
	refused := refuse(e.t, fmt.Sprintf("127.0.0.1:%d", e.port))
	second := simulate(e.t, e.collector.url, "--seed", "2", "--scenario", scenario(e.t, "newsletter", lateTracker))
	refused()
	e.startCollector()
	want.add(second.wait())
	require.Zero(e.t, want.Deliveries.GivenUp)
	require.Positive(e.t, want.Deliveries.Retries)
	require.Positive(e.t, want.Deliveries.Duplicates)
	return want
}

func (e *metricsExample) requests(t require.TestingT, result string) model.Vector {
	return e.query(t, `otelcol_receiver_verifyyou_requests_total{result="`+result+`"}`, time.Now())
}

func (e *metricsExample) events(t require.TestingT) map[string]int64 {
	return e.increases(t, "verifyyou_events_total", byStage, byTracker)
}

func (t *truth) events() map[string]int64 {
	return sum(t.Events, truthCount.stageAndTracker)
}

func (c truthCount) stage() string           { return c.Stage }
func (c truthCount) tracker() string         { return c.Tracker }
func (c truthCount) stageAndTracker() string { return c.Stage + " " + c.Tracker }
func (c truthCount) stageAndOutcome() string { return c.Stage + " " + outcome(c.Stage) }
func (c truthCount) end() string             { return c.Outcome + " " + c.LastStage }
func (truthCount) all() string               { return "" }

// compareExactly compares counters with the truth.
func (e *metricsExample) compareExactly(c *assert.CollectT, want *truth) {
	assert.Equal(c, want.events(), e.events(c))
	assert.Equal(c, sum(want.Reached, truthCount.stageAndTracker),
		e.increases(c, "verifyyou_verification_reached_total", byStage, byTracker))
	assert.Equal(c, sum(want.Ended, func(c truthCount) string { return c.end() + " " + c.Tracker }),
		e.increases(c, "verifyyou_verification_ended_total", byOutcome, byLastStage, byTracker))
}

var (
	happyPath = []string{
		"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
		"liveness_passed", "verification_completed",
	}
	dropOffs = []string{"liveness_failed", "liveness_cancelled", "face_collision"}
)

// outcome is what the receiver says of a stage.
func outcome(stage string) string {
	switch {
	case stage == happyPath[6]:
		return "completed"
	case slices.Contains(dropOffs, stage):
		return "drop_off"
	default:
		return "progress"
	}
}

// panelCount is what a panel that counts must show.
type panelCount struct {
	title  string
	column string            // the query of a table; of another panel, all of them
	labels []model.LabelName // what names a row of a table; another panel has a legend
	want   map[string]int64
}

func number(n int64) map[string]int64 { return map[string]int64{"": n} }

func (t *truth) funnelCounts() []panelCount {
	began, completed := of(t.Reached, happyPath[0]), of(t.Reached, happyPath[6])
	return []panelCount{
		{title: "Began", want: sum(began, truthCount.all)},
		{title: "Completed", want: sum(completed, truthCount.all)},
		{title: "Came back", want: number(0)},
		{title: "Reached", want: sum(of(t.Reached, happyPath...), truthCount.stage)},
		{title: "Outcome", want: sum(t.Ended, func(c truthCount) string { return c.Outcome })},
		{"Outcome and last stage", "A", []model.LabelName{byOutcome, byLastStage}, sum(t.Ended, truthCount.end)},
		{"Time a stage takes", "C", []model.LabelName{byStage}, sum(t.StageDurations, truthCount.stage)},
		{"Trackers", "A", []model.LabelName{byTracker}, sum(began, truthCount.tracker)},
		{"Trackers", "B", []model.LabelName{byTracker}, sum(completed, truthCount.tracker)},
		{title: "Signature failures", want: number(signatureFailures)},
		{title: "Duplicates", want: number(t.Deliveries.Duplicates)},
		{title: "Refused by the pipeline", want: number(0)},
		{title: "Ended early", want: number(0)},
	}
}

func (t *truth) eventCounts() []panelCount {
	return []panelCount{
		{title: "Events", want: sum(t.Events, truthCount.all)},
		{title: "Completions", want: sum(of(t.Events, happyPath[6]), truthCount.all)},
		{title: "Drop-offs", want: sum(of(t.Events, dropOffs...), truthCount.all)},
		{"Events by stage and outcome", "A", []model.LabelName{byStage, "verifyyou_outcome"}, sum(t.Events, truthCount.stageAndOutcome)},
		{"Events by tracker", "A", []model.LabelName{byTracker}, sum(t.Events, truthCount.tracker)},
	}
}

// ratios are what the panels of conversion must show.
func (t *truth) ratios() map[string]map[string]float64 {
	reached := sum(t.Reached, truthCount.stage)
	ofBegan, ofBefore := map[string]float64{}, map[string]float64{}
	for i, stage := range happyPath {
		ofBegan[stage] = float64(reached[stage]) / float64(reached[happyPath[0]])
		if i > 0 {
			ofBefore[stage] = float64(reached[stage]) / float64(reached[happyPath[i-1]])
		}
	}
	return map[string]map[string]float64{
		"Completion rate":     {"": ofBegan[happyPath[6]]},
		"Of those that began": ofBegan,
		"Of the step before":  ofBefore,
	}
}

// mayBeEmpty are the panels of counters that are not there before they first rise.
var mayBeEmpty = []string{"Came back", "Ended early"}

// compareDashboard runs all queries of a dashboard, and compares those that count with the truth.
func (e *metricsExample) compareDashboard(name string, want *truth, counts func(*truth) []panelCount) {
	e.t.Helper()
	d, err := dashboards.Load("../dashboards/grafana/verifyyou-" + name + ".json")
	require.NoError(e.t, err)
	at := time.Now()
	counting, compared := 0, 0
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			e.run(p.Title, target, at)
			if strings.HasPrefix(target.Expr, "round(") {
				counting++
			}
		}
	}
	late := counts(want.of(lateTracker))
	for i, c := range counts(want) {
		targets := c.targets(d)
		compared += len(targets)
		e.compareCounts(c, late[i].want, e.shown(targets, c.labels, ".*", at), at)
	}
	assert.Equal(e.t, counting, compared, "%s: queries that count, and that were compared", name)
	if name == "funnel" {
		e.compareConversion(d, want, at)
		e.compareOneTracker(d, want.of(lateTracker), at)
	}
}

func (e *metricsExample) compareConversion(d *dashboards.Dashboard, want *truth, at time.Time) {
	e.t.Helper()
	for title, ratios := range want.ratios() {
		shown := e.shown(panelCount{title: title}.targets(d), nil, ".*", at)
		assert.InDeltaMapValues(e.t, ratios, shown, 0.02, title)
	}
}

func (e *metricsExample) compareOneTracker(d *dashboards.Dashboard, want *truth, at time.Time) {
	e.t.Helper()
	c := panelCount{title: "Reached", want: sum(of(want.Reached, happyPath...), truthCount.stage)}
	e.compareCounts(c, c.want, e.shown(c.targets(d), nil, escape(lateTracker), at), at)
}

// targets returns the queries of a panel, or the one that makes a column.
func (c panelCount) targets(d *dashboards.Dashboard) []dashboards.Target {
	for _, p := range d.Panels {
		if p.Title == c.title && p.Type != "timeseries" {
			return slices.DeleteFunc(slices.Clone(p.Targets), func(t dashboards.Target) bool {
				return c.column != "" && t.RefID != c.column
			})
		}
	}
	return nil
}

// escape makes a regular expression of a tracker that a user chose, as Grafana does.
func escape(tracker string) string {
	quoted := strconv.Quote(regexp.QuoteMeta(tracker))
	return quoted[1 : len(quoted)-1]
}

// substitute gives variables values, as Grafana does.
func (e *metricsExample) substitute(expr, tracker string, at time.Time) string {
	return dashboards.Substitute(expr, map[string]string{
		"__range":         fmt.Sprintf("%ds", int(at.Sub(e.began).Seconds())),
		"__rate_interval": "15s",
		"window":          "1m",
		"tracker":         tracker,
	})
}

// run runs a query of a panel, which must have a result.
func (e *metricsExample) run(title string, target dashboards.Target, at time.Time) {
	e.t.Helper()
	expr := e.substitute(target.Expr, ".*", at)
	if title == "Since the last event" {
		at = at.Add(time.Minute) // it looks at whole minutes
	}
	results := 0
	if target.Instant {
		results = e.query(e.t, expr, at).Len()
	} else {
		results = e.queryRange(expr, at).Len()
	}
	if !slices.Contains(mayBeEmpty, title) {
		assert.Positive(e.t, results, "%s: nothing comes of %s", title, expr)
	}
}

// shown returns what queries show, by the legend or by labels.
func (e *metricsExample) shown(targets []dashboards.Target, labels []model.LabelName, tracker string, at time.Time) map[string]float64 {
	e.t.Helper()
	values := map[string]float64{}
	for _, target := range targets {
		for _, sample := range e.query(e.t, e.substitute(target.Expr, tracker, at), at) {
			name := target.LegendFormat
			if labels != nil {
				name = nameOf(sample.Metric, labels)
			}
			values[name] = float64(sample.Value)
		}
	}
	return values
}

// compareCounts allows the error that the descriptions of the panels state: twice the time from one sample to the next,
// over the range or, for what is counted by series that are late, over their age; and what rounding does.
func (e *metricsExample) compareCounts(c panelCount, late map[string]int64, shown map[string]float64, at time.Time) {
	e.t.Helper()
	over := func(since time.Time) float64 { return 2 * e.sampled.Seconds() / at.Sub(since).Seconds() }
	for name, want := range c.want {
		got, ok := shown[name]
		assert.True(e.t, ok || want == 0, "%s does not show %q", c.title, name)
		allowed := 0.5 + float64(want)*over(e.began) + float64(late[name])*over(e.restarted)
		assert.InDelta(e.t, want, got, allowed, "%s %s: %q", c.title, c.column, name)
	}
	for name, got := range shown {
		if _, ok := c.want[name]; !ok {
			assert.Zero(e.t, got, "%s %s: %q is not in the truth", c.title, c.column, name)
		}
	}
}

// runRules shows that Prometheus has taken the rules, and that what they record of counters is there.
func (e *metricsExample) runRules() {
	e.t.Helper()
	loaded, err := e.prometheus.Rules(e.t.Context())
	require.NoError(e.t, err)
	require.Len(e.t, loaded.Groups, 1)
	rules, err := dashboards.LoadRules(rulesFile)
	require.NoError(e.t, err)
	require.Len(e.t, loaded.Groups[0].Rules, len(rules))
	recorded := 0
	for _, rule := range rules {
		results := e.query(e.t, rule.Expr, time.Now())
		if rule.Record != "" && strings.Contains(rule.Expr, "increase(") {
			recorded++
			assert.NotEmpty(e.t, results, rule.Record)
		}
	}
	assert.Positive(e.t, recorded)
}
