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

	byDroppedOff = "verifyyou_verification_dropped_off"
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
			e.compareFunnel(want)
			e.compareDashboard("events", want, (*truth).eventCounts)
			e.runRules()
		})
	}
}

// simulateWithRestart lets people come in two crowds, and restarts the Collector between them. It is quiet before and
// after, so that Prometheus has seen all.
func (e *metricsExample) simulateWithRestart() *truth {
	e.t.Helper()
	require.EventuallyWithT(e.t, func(c *assert.CollectT) { assert.Zero(c, e.requests(c, "accepted")) }, deadline, poll)
	want := simulate(e.t, e.collector.url, "--seed", "1").wait()
	for range signatureFailures {
		require.Contains(e.t, mustSend(e.t, e.collector.newRequest(sample, sign("another body"))), "401")
	}
	require.EventuallyWithT(e.t, func(c *assert.CollectT) {
		assert.Equal(c, want.events(), e.events(c))
		assert.Equal(c, signatureFailures, e.requests(c, "unauthorized"))
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

// requests returns how many requests were answered so, or -1 if Prometheus does not know.
func (e *metricsExample) requests(t require.TestingT, result string) int {
	for _, sample := range e.query(t, `sum(otelcol_receiver_verifyyou_requests_total{result="`+result+`"})`, time.Now()) {
		return int(sample.Value)
	}
	return -1
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

// ending is the bar that an end is in.
func (c truthCount) ending() string {
	if c.Outcome == "completed" && c.DroppedOff {
		return "after a drop-off"
	}
	return c.Outcome
}

// tries is the bar that a number of attempts is in.
func (c truthCount) tries() string {
	names := []string{"none", "one", "two", "three", "more"}
	return names[min(int(c.Attempts), len(names)-1)]
}

// compareExactly compares counters with the truth.
func (e *metricsExample) compareExactly(c *assert.CollectT, want *truth) {
	assert.Equal(c, want.events(), e.events(c))
	assert.Equal(c, sum(want.Reached, truthCount.stageAndTracker),
		e.increases(c, "verifyyou_verification_reached_total", byStage, byTracker))
	assert.Equal(c, sum(want.Passed, truthCount.stageAndTracker),
		e.increases(c, "verifyyou_verification_passed_total", byStage, byTracker))
	assert.Equal(c, sum(want.Ended, func(c truthCount) string { return fmt.Sprint(c.end(), " ", c.DroppedOff, " ", c.Tracker) }),
		e.increases(c, "verifyyou_verification_ended_total", byOutcome, byLastStage, byDroppedOff, byTracker))
	assert.Equal(c, sum(want.Attempts, func(c truthCount) string { return c.Outcome + " " + c.Tracker }),
		e.increases(c, "verifyyou_verification_attempts_count", byOutcome, byTracker))
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

func (t *truth) funnelCounts() []panelCount {
	began, completed := of(t.Reached, happyPath[0]), of(t.Passed, happyPath[6])
	return []panelCount{
		{title: "Began", want: sum(began, truthCount.all)},
		{title: "Completed", want: sum(completed, truthCount.all)},
		{"Funnel", "B", []model.LabelName{byStage}, sum(t.Passed, truthCount.stage)},
		{"Funnel", "D", []model.LabelName{byStage}, t.stopped("drop_off")},
		{"Funnel", "E", []model.LabelName{byStage}, t.stopped("abandoned")},
		{"Funnel", "F", []model.LabelName{byStage}, sum(of(t.Reached, happyPath...), truthCount.stage)},
		{title: "How they ended", want: sum(t.Ended, truthCount.ending)},
		{title: "Attempts at liveness", want: sum(t.Attempts, truthCount.tries)},
		{"Outcome and last stage", "A", []model.LabelName{byOutcome, byLastStage}, sum(t.Ended, truthCount.end)},
		{"Time a stage takes", "C", []model.LabelName{byStage}, sum(t.StageDurations, truthCount.stage)},
		{"Trackers", "A", []model.LabelName{byTracker}, sum(began, truthCount.tracker)},
		{"Trackers", "B", []model.LabelName{byTracker}, sum(completed, truthCount.tracker)},
		{title: "Requests", want: map[string]int64{
			"signature failures": signatureFailures, "duplicates": t.Deliveries.Duplicates, "refused": 0,
		}},
		{title: "Connector", want: map[string]int64{"ended early": 0, "keys shared": 0, "dropped": 0}},
	}
}

// stopped returns how many did not complete, by the furthest step that they came to. In the built-in scenario nobody
// goes back to an earlier step, so that it is the step of the last stage as well.
func (t *truth) stopped(outcome string) map[string]int64 {
	stopped := map[string]int64{}
	for _, beginning := range t.Beginnings {
		for step, counts := range beginning.Stopped {
			stopped[step] += counts[outcome]
		}
	}
	return stopped
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

// panelRatio is what a panel that divides must show.
type panelRatio struct {
	title  string
	column string
	labels []model.LabelName
	want   map[string]float64
}

// ratios are what the panels of conversion and of attempts must show.
func (t *truth) ratios() []panelRatio {
	conversion := func(passed []truthCount) map[string]float64 {
		byStage, shares := sum(passed, truthCount.stage), map[string]float64{}
		for _, stage := range happyPath {
			shares[stage] = float64(byStage[stage]) / float64(byStage[happyPath[0]])
		}
		return shares
	}
	trackers := map[string]float64{}
	for _, c := range t.Passed {
		trackers[c.Tracker] = conversion(t.of(c.Tracker).Passed)[happyPath[6]]
	}
	var tried, attempts, first int64
	for _, c := range t.Attempts {
		attempts += c.Attempts * c.Count
		if c.Attempts > 0 {
			tried += c.Count
		}
		if c.Attempts == 1 && c.Outcome == "completed" {
			first += c.Count
		}
	}
	return []panelRatio{
		{title: "Conversion", want: map[string]float64{"": conversion(t.Passed)[happyPath[6]]}},
		{title: "First-try pass rate", want: map[string]float64{"": float64(first) / float64(tried)}},
		{title: "Attempts a person", want: map[string]float64{"": float64(attempts) / float64(tried)}},
		{"Funnel", "C", []model.LabelName{byStage}, conversion(t.Passed)},
		{"Trackers", "C", []model.LabelName{byTracker}, trackers},
	}
}

// before is the legend of the faint line of the range before, in which nothing was there yet.
const before = "the range before"

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
			if strings.HasPrefix(target.Expr, "round(") && target.Format != "heatmap" {
				counting++
			}
		}
	}
	late := counts(want.of(lateTracker))
	for i, c := range counts(want) {
		queries := targets(d, c.title, c.column)
		compared += len(queries)
		e.compareCounts(c, late[i].want, e.shown(queries, c.labels, ".*", at), at)
	}
	assert.Equal(e.t, counting, compared, "%s: queries that count, and that were compared", name)
}

// compareFunnel compares what the dashboard of the funnel shows beside counts.
func (e *metricsExample) compareFunnel(want *truth) {
	e.t.Helper()
	d, err := dashboards.Load("../dashboards/grafana/verifyyou-funnel.json")
	require.NoError(e.t, err)
	at := time.Now()
	e.compareRatios(d, want, at)
	e.compareOneTracker(d, want.of(lateTracker), at)
	e.compareTimes(d, want, at)
	e.compareSteps(d, at)
	e.compareRangeBefore(d, at)
}

func (e *metricsExample) compareRatios(d *dashboards.Dashboard, want *truth, at time.Time) {
	e.t.Helper()
	for _, r := range want.ratios() {
		shown := e.shown(targets(d, r.title, r.column), r.labels, ".*", at)
		assert.InDeltaMapValues(e.t, r.want, shown, 0.02, "%s %s", r.title, r.column)
	}
	overTime := targets(d, "Conversion over time", "A")
	require.Len(e.t, overTime, 1)
	for _, stream := range e.queryRange(e.substitute(overTime[0].Expr, ".*", at), at) {
		for _, point := range stream.Values {
			assert.LessOrEqual(e.t, float64(point.Value), 1.0)
		}
	}
}

// compareOneTracker compares the panels of counts that can be filtered.
func (e *metricsExample) compareOneTracker(d *dashboards.Dashboard, want *truth, at time.Time) {
	e.t.Helper()
	for _, c := range want.funnelCounts() {
		if !slices.Contains([]string{"Time a stage takes", "Requests", "Connector"}, c.title) {
			e.compareCounts(c, c.want, e.shown(targets(d, c.title, c.column), c.labels, escape(lateTracker), at), at)
		}
	}
}

// compareTimes compares the distribution of how long people took with how many they were, and with the median of one
// tracker: half of its people are in the buckets up to that time.
func (e *metricsExample) compareTimes(d *dashboards.Dashboard, want *truth, at time.Time) {
	e.t.Helper()
	distribution := targets(d, "Time to complete", "")
	buckets := func(tracker string) map[string]float64 {
		return e.shown(distribution, []model.LabelName{"le"}, tracker, at)
	}
	late := want.of(lateTracker).VerificationDurations
	require.Len(e.t, late, 1)
	completed := sum(of(want.Passed, happyPath[6]), truthCount.all)
	assert.InEpsilon(e.t, completed[""], buckets(".*")["+Inf"], 0.1)

	shown := buckets(escape(lateTracker))
	for le, n := range shown {
		bound, err := strconv.ParseFloat(le, 64)
		require.NoError(e.t, err)
		if share := n / shown["+Inf"]; bound < late[0].Median {
			assert.LessOrEqual(e.t, share, 0.55, "up to %s s, with a median of %v s", le, late[0].Median)
		} else {
			assert.GreaterOrEqual(e.t, share, 0.45, "up to %s s, with a median of %v s", le, late[0].Median)
		}
	}
}

// compareSteps shows that the funnel has its steps in order, and in them those who are open: some before the restart, and
// nobody now.
func (e *metricsExample) compareSteps(d *dashboards.Dashboard, at time.Time) {
	e.t.Helper()
	order, open := map[string]float64{}, map[string]float64{}
	for i, stage := range happyPath {
		order[stage], open[stage] = float64(i+1), 0
	}
	assert.Equal(e.t, order, e.shown(targets(d, "Funnel", "A"), []model.LabelName{byStage}, ".*", at))
	column := targets(d, "Funnel", "G")
	assert.Equal(e.t, open, e.shown(column, []model.LabelName{byStage}, ".*", at))
	var were float64
	for _, n := range e.shown(column, []model.LabelName{byStage}, ".*", e.restarted) {
		were += n
	}
	assert.Positive(e.t, were)
}

// compareRangeBefore shows that each faint line is a line of its panel, as it was one range before. The range is so long
// that it leads back to the first crowd.
func (e *metricsExample) compareRangeBefore(d *dashboards.Dashboard, at time.Time) {
	e.t.Helper()
	back := at.Sub(e.restarted).Truncate(time.Second)
	faint := 0
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			if target.LegendFormat != before {
				continue
			}
			faint++
			line := strings.ReplaceAll(target.Expr, " offset $__range", "")
			assert.True(e.t, slices.ContainsFunc(p.Targets, func(t dashboards.Target) bool { return t.Expr == line }), p.Title)
			inRange := strings.ReplaceAll(target.Expr, "$__range", fmt.Sprintf("%ds", int(back.Seconds())))
			then := e.query(e.t, e.substitute(line, ".*", at), at.Add(-back))
			now := e.query(e.t, e.substitute(inRange, ".*", at), at)
			require.Len(e.t, then, 1, p.Title)
			require.Len(e.t, now, 1, p.Title)
			assert.InDelta(e.t, float64(then[0].Value), float64(now[0].Value), 1e-9, p.Title)
		}
	}
	assert.Equal(e.t, 3, faint)
}

// targets returns the queries of a panel, or the one that makes a column.
func targets(d *dashboards.Dashboard, title, column string) []dashboards.Target {
	for _, p := range d.Panels {
		if p.Title == title {
			return slices.DeleteFunc(slices.Clone(p.Targets), func(t dashboards.Target) bool {
				return column != "" && t.RefID != column
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
	// The counters of the connector's health are not there before they first rise.
	if title != "Connector" && target.LegendFormat != before {
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
