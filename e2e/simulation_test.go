// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// followed is the configuration of a Collector that follows verifications, with the statistics: receiver, statistics
// and own telemetry are on the ports %[1]d to %[3]d, %[4]s takes what is exported, %[5]s has the state; a test adds
// settings of the receiver and of the funnel.
const followed = `
receivers:
  verifyyou:
    endpoint: 127.0.0.1:%[1]d
    signing_secrets: ["${env:VERIFYYOU_SIGNING_SECRET}"]
    metrics_flush_interval: 1s
    storage: file_storage
%[6]s
connectors:
  verifyyou_funnel:
    metrics_flush_interval: 1s
    storage: file_storage
    stats:
      endpoint: 127.0.0.1:%[2]d
%[7]s
exporters:
  otlp_http:
    endpoint: %[4]s
    sending_queue: {enabled: false}
  otlp_http/records:
    endpoint: %[4]s
    sending_queue: {sizer: items, queue_size: 100000, batch: {sizer: items, flush_timeout: 200ms, min_size: 1000, max_size: 5000}}
extensions:
  file_storage:
    directory: %[5]s
service:
  extensions: [file_storage]
  telemetry:
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[3]d}}}}]
  pipelines:
    logs: {receivers: [verifyyou], exporters: [verifyyou_funnel, otlp_http/records]}
    metrics: {receivers: [verifyyou, verifyyou_funnel], exporters: [otlp_http]}
    traces: {receivers: [verifyyou_funnel], exporters: [otlp_http]}
    logs/summaries: {receivers: [verifyyou_funnel], exporters: [otlp_http]}
`

// follower is a Collector with that configuration.
type follower struct {
	*collector
	in           *intake
	file         string
	url          string // of the receiver
	stats        string // the URL of the statistics
	telemetryURL string
}

func follow(t *testing.T, receiver, funnel string) *follower {
	t.Helper()
	in := newIntake(t)
	ports := freePorts(t, 3)
	f := &follower{
		in:           in,
		file:         writeFile(t, fmt.Sprintf(followed, ports[0], ports[1], ports[2], in.url, t.TempDir(), receiver, funnel)),
		url:          fmt.Sprintf("http://127.0.0.1:%d", ports[0]),
		stats:        fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		telemetryURL: fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[2]),
	}
	f.start(t)
	return f
}

// start starts it, again with the same state.
func (f *follower) start(t *testing.T) {
	t.Helper()
	f.collector = startWith(t, f.file, f.url)
}

// own adds up the series of own telemetry whose lines have all of these labels.
func (f *follower) own(metric string, labels ...string) int64 {
	return ownTelemetry(f.telemetryURL, metric, labels...)
}

func ownTelemetry(url, metric string, labels ...string) (total int64) {
	for _, line := range regexp.MustCompile(`(?m)^otelcol_`+metric+`(?:_total)?\{(.*)} (\S+)$`).FindAllStringSubmatch(get(url), -1) {
		if !slices.ContainsFunc(labels, func(label string) bool { return !strings.Contains(line[1], label) }) {
			value, _ := strconv.ParseFloat(line[2], 64)
			total += int64(value)
		}
	}
	return total
}

// People are 120 times as fast as in life: none takes more than 2.4 s for a step, nor is an event more than 0.3 s late.
// Stragglers come 18 s after all else, which has ended then. A machine that is slower than that by more than slowness
// makes other ends than people did.
const (
	speed          = "120"
	silence        = 12 * time.Second
	slowness       = 4 * time.Second
	simulatedInput = `
    abandon_after: 12s
    settle: 5s
    metrics:
      verifyyou.verification.ended:
        attributes:
          - verifyyou.external_tracker
          - verifyyou.verification.dropped_off
          - verifyyou.verification.last_stage
          - verifyyou.verification.outcome
      verifyyou.verification.attempts:
        attributes: [verifyyou.external_tracker, verifyyou.verification.outcome]`
)

func stragglers(t *testing.T) (scenarioFile string) {
	t.Helper()
	return scenario(t, "stragglers: 0\n", "stragglers: 0.03\n", "straggler_wait: 40m", "straggler_wait: 36m")
}

// TestSimulation lets people go through VerifyYou, a verification_id each, and compares all that comes out with what
// they did; then also what is left of it after a restart and after a crash.
func TestSimulation(t *testing.T) {
	t.Parallel()
	f := follow(t, "", simulatedInput)
	key := []string{"verifyyou.verification_id", "verifyyou.external_id"}
	f.compareAll(t, key, "--verifications", "5000", "--rate", "200")
}

// TestSimulationOfSessions does so where all share a verification_id, as in VerifyYou's newer documents.
func TestSimulationOfSessions(t *testing.T) {
	t.Parallel()
	f := follow(t, `
    fields: [session_id]
    verification_key: [verifyyou.session_id]`, "    key: [verifyyou.session_id]\n"+simulatedInput)
	f.compareAll(t, []string{"verifyyou.session_id"}, "--session-ids", "--verifications", "1500", "--rate", "100")
}

func (f *follower) compareAll(t *testing.T, key []string, args ...string) {
	t.Helper()
	want := simulate(t, f.url, append([]string{"--seed", "1", "--speed", speed, "--scenario", stragglers(t)}, args...)...).wait()
	f.waitUntilAllHaveEnded(t, want)
	verifications := f.in.verifications(t, key)
	checkPace(t, verifications)
	f.compareOwnTelemetry(t, want)
	f.compareStatistics(t, want, verifications)
	f.stop() // with a last flush
	f.compareMetrics(t, want)
	f.compareEnds(t, want, verifications)

	f.start(t)
	f.compareStatistics(t, want, verifications)
	f.kill()
	f.start(t)
	f.compareStatistics(t, want, verifications)
	f.stop()
	f.compareMetrics(t, want)
	f.compareEnds(t, want, verifications)
	f.in.checkSeries(t)
}

func (f *follower) waitUntilAllHaveEnded(t *testing.T, want *truth) {
	t.Helper()
	total := func(counts []truthCount) int64 { return sum(counts, truthCount.all)[""] }
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, want.Verifications, f.in.last("verifyyou.verification.ended").total().sum())
		assert.Equal(c, total(want.Reached), f.in.last("verifyyou.verification.reached").total().sum())
		assert.EqualValues(c, want.Verifications, f.in.summarized())
		assert.EqualValues(c, total(want.Events), f.in.recorded())
	}, deadline, 10*poll)
}

// checkPace fails where the truth does not hold, and says why.
func checkPace(t *testing.T, verifications map[pcommon.TraceID]*verification) {
	t.Helper()
	var slowest time.Duration
	for _, v := range verifications {
		for _, e := range v.inTime(silence).events {
			slowest = max(slowest, e.observed.Sub(e.at))
		}
	}
	require.Less(t, slowest, slowness, "this machine is too slow, or too busy, for a simulation of this size")
}

func (f *follower) compareOwnTelemetry(t *testing.T, want *truth) {
	t.Helper()
	const events = "connector_verifyyou_funnel_events"
	total := sum(want.Events, truthCount.all)[""]
	assert.Equal(t, total, f.own("receiver_verifyyou_requests", `result="accepted"`))
	assert.Equal(t, total, f.own(events, `result="new"`)+f.own(events, `result="straggler"`))
	assert.Positive(t, f.own(events, `result="straggler"`))
	assert.Equal(t, want.Verifications, f.own("connector_verifyyou_funnel_verifications"))
	for _, none := range []string{"ended_early", "dropped", "reinitialized", "outside_retention"} {
		assert.Zero(t, f.own("connector_verifyyou_funnel_"+none), none)
	}
}

// compareMetrics compares each metric of the funnel with the truth.
func (f *follower) compareMetrics(t *testing.T, want *truth) {
	t.Helper()
	const prefix = "verifyyou.verification."
	assert.Equal(t, tally(want.Reached), f.in.lastSums(prefix+"reached"), "reached")
	assert.Equal(t, tally(want.Passed), f.in.lastSums(prefix+"passed"), "passed")
	assert.Equal(t, tally(want.Ended), f.in.lastSums(prefix+"ended"), "ended")
	assert.Empty(t, f.in.lastSums(prefix+"resumed"), "resumed")
	assert.Empty(t, f.in.lastSums(prefix+"active"), "active")

	attempts := map[truthCount][]uint64{}
	for labels, point := range f.in.lastHistograms(prefix + "attempts") {
		attempts[labels] = append([]uint64{point.Count(), uint64(point.Sum())}, point.BucketCounts().AsRaw()...)
	}
	assert.Equal(t, attemptBuckets(want.Attempts), attempts, "attempts")

	var took []truthCount
	for _, d := range want.VerificationDurations {
		took = append(took, truthCount{Tracker: d.Tracker, Count: d.Count, Sum: d.Sum})
	}
	compareDurations(t, took, f.in.lastHistograms(prefix+"duration"))
	compareDurations(t, want.StageDurations, f.in.lastHistograms("verifyyou.stage.duration"))
}

func compareDurations(t *testing.T, want []truthCount, got map[truthCount]pmetric.HistogramDataPoint) {
	t.Helper()
	assert.Len(t, got, len(want))
	for _, w := range want {
		point, ok := got[w.labels()]
		if assert.True(t, ok, "%+v", w) {
			assert.EqualValues(t, w.Count, point.Count(), "%+v", w)
			assert.InDelta(t, w.Sum, point.Sum(), 1e-6*(1+w.Sum), "%+v", w)
		}
	}
}

// attemptBuckets has count, sum and buckets of the histogram of attempts.
func attemptBuckets(counts []truthCount) map[truthCount][]uint64 {
	bounds := []int{0, 1, 2, 3, 5, 10}
	buckets := map[truthCount][]uint64{}
	for _, c := range counts {
		labels := c.labels()
		if buckets[labels] == nil {
			buckets[labels] = make([]uint64, 2+len(bounds)+1)
		}
		n := uint64(c.Count)
		buckets[labels][0] += n
		buckets[labels][1] += n * uint64(c.Attempts)
		buckets[labels][2+sort.SearchInts(bounds, int(c.Attempts))] += n
	}
	return buckets
}

// compareEnds compares summaries and traces with the records, and the summaries together with the truth.
func (f *follower) compareEnds(t *testing.T, want *truth, verifications map[pcommon.TraceID]*verification) {
	t.Helper()
	require.Len(t, verifications, int(want.Verifications))
	summaries, spans := f.in.summaries(t), f.in.spans(t)
	require.Len(t, summaries, len(verifications))
	require.Len(t, spans, len(verifications))
	ended, attempts := map[truthCount]int64{}, map[truthCount]int64{}
	scores := map[truthCount]float64{}
	for trace, v := range verifications {
		v = v.inTime(silence)
		require.Equal(t, v.summary(), summaries[trace])
		require.Equal(t, v.spans(), spans[trace])
		tracker, _ := v.names["verifyyou.external_tracker"].(string)
		ended[truthCount{Outcome: v.end(), LastStage: v.last().stage, DroppedOff: v.dropOffs() != nil, Tracker: tracker}]++
		attempts[truthCount{Outcome: v.end(), Attempts: v.count("liveness_started"), Tracker: tracker}]++
		if score, ok := summaries[trace]["verifyyou.trust_score"].(float64); ok {
			scores[truthCount{Outcome: v.end()}] += score
		}
	}
	assert.Equal(t, tally(want.Ended), ended)
	counted := map[truthCount]int64{}
	for _, c := range want.Attempts {
		counted[truthCount{Outcome: c.Outcome, Attempts: c.Attempts, Tracker: c.Tracker}] = c.Count
	}
	assert.Equal(t, counted, attempts)
	known := f.in.lastHistograms("verifyyou.verification.trust_score")
	assert.Len(t, known, len(scores))
	for labels, total := range scores {
		assert.InDelta(t, total, known[labels].Sum(), 1e-6*total)
	}
}

// labels returns what is counted, without the count.
func (c truthCount) labels() truthCount {
	return truthCount{Stage: c.Stage, Outcome: c.Outcome, LastStage: c.LastStage, DroppedOff: c.DroppedOff, Tracker: c.Tracker}
}

func tally(counts []truthCount) map[truthCount]int64 {
	totals := map[truthCount]int64{}
	for _, c := range counts {
		totals[c.labels()] += c.Count
	}
	return totals
}

func labelsOf(attributes pcommon.Map) truthCount {
	return truthCount{
		Stage:      text(attributes, "verifyyou.stage"),
		Outcome:    text(attributes, "verifyyou.verification.outcome"),
		LastStage:  text(attributes, "verifyyou.verification.last_stage"),
		DroppedOff: text(attributes, "verifyyou.verification.dropped_off") == "true",
		Tracker:    text(attributes, "verifyyou.external_tracker"),
	}
}

// lastSums returns the last values of a sum, without those that are 0.
func (in *intake) lastSums(name string) map[truthCount]int64 {
	last := map[truthCount]pmetric.NumberDataPoint{}
	in.eachMetric(func(_ pcommon.Map, metric pmetric.Metric) {
		if metric.Name() == name {
			for _, point := range metric.Sum().DataPoints().All() {
				labels := labelsOf(point.Attributes())
				if before, ok := last[labels]; !ok || point.Timestamp() > before.Timestamp() {
					last[labels] = point
				}
			}
		}
	})
	values := map[truthCount]int64{}
	for labels, point := range last {
		if n := point.IntValue(); n != 0 {
			values[labels] = n
		}
	}
	return values
}

// lastHistograms returns the last points of a histogram, without those that are empty.
func (in *intake) lastHistograms(name string) map[truthCount]pmetric.HistogramDataPoint {
	last := map[truthCount]pmetric.HistogramDataPoint{}
	in.eachMetric(func(_ pcommon.Map, metric pmetric.Metric) {
		if metric.Name() == name {
			for _, point := range metric.Histogram().DataPoints().All() {
				labels := labelsOf(point.Attributes())
				before, ok := last[labels]
				if !ok || point.Timestamp() > before.Timestamp() {
					last[labels] = point
				}
			}
		}
	})
	maps.DeleteFunc(last, func(_ truthCount, point pmetric.HistogramDataPoint) bool { return point.Count() == 0 })
	return last
}
