// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// TestSharedKey has a verification_id that all people share, and no external_id, under the default key: they are taken
// for one, which is said.
func TestSharedKey(t *testing.T) {
	f := follow(t, "", "")
	nobody := scenario(t, "external_id: 0.8", "external_id: 0")
	simulate(t, f.url, "--session-ids", "--scenario", nobody, "--verifications", "20", "--rate", "50", "--speed", "1000").wait()
	require.Eventually(t, func() bool { return strings.Contains(f.printed(), "initialized again under the same key") }, deadline, poll)
	assert.EqualValues(t, 1, f.own("connector_verifyyou_funnel_reinitialized", `connector="verifyyou_funnel"`))
	assert.EqualValues(t, 1, f.ask(t, recently()).Began)
	f.stop()
	printed := f.printed()
	for _, remedy := range []string{"fields: [session_id]", "verification_key: [verifyyou.session_id]", "key: [verifyyou.session_id]"} {
		assert.Contains(t, printed, remedy)
	}
	assert.Equal(t, 1, strings.Count(printed, "initialized again under the same key"), "it is said once of a key")
}

// TestResumed has somebody who comes back after the end: the trace goes on, and does not begin again.
func TestResumed(t *testing.T) {
	f := follow(t, "", "    abandon_after: 2s\n    settle: 0s")
	ended := func(want int64) {
		t.Helper()
		require.Eventually(t, func() bool { return f.in.last("verifyyou.verification.ended").total().sum() == want }, deadline, poll)
	}
	f.verify("ver_1", "verification_initialized", "liveness_started", "liveness_failed")
	ended(1)
	f.verify("ver_1", "liveness_started", "liveness_passed", "verification_completed")
	ended(2)
	f.stop()

	const tracker = "signup-campaign"
	dropOff := truthCount{Outcome: "drop_off", LastStage: "liveness_failed", Tracker: tracker}
	completed := truthCount{Outcome: "completed", LastStage: "verification_completed", Tracker: tracker}
	assert.Equal(t, map[truthCount]int64{dropOff: 1, completed: 1}, f.in.lastSums("verifyyou.verification.ended"))
	assert.Equal(t, map[truthCount]int64{dropOff: 1}, f.in.lastSums("verifyyou.verification.resumed"))
	passed := map[truthCount]int64{}
	for _, stage := range stages {
		if onHappyPath(stage) {
			passed[truthCount{Stage: stage, Tracker: tracker}] = 1
		}
	}
	assert.Equal(t, passed, f.in.lastSums("verifyyou.verification.passed"))

	parents := map[string][]string{}
	f.in.spans(t) // no id comes twice
	names := map[pcommon.SpanID]string{}
	f.in.eachSpan(func(s ptrace.Span) { names[s.SpanID()] = s.Name() })
	traces := map[pcommon.TraceID]bool{}
	f.in.eachSpan(func(s ptrace.Span) {
		parent := names[s.ParentSpanID()]
		parents[parent] = append(parents[parent], s.Name())
		traces[s.TraceID()] = true
	})
	assert.Equal(t, map[string][]string{
		"":                     {"verification"},
		"verification":         {"verification_initialized", "liveness_started", "liveness_failed", "verification resumed"},
		"verification resumed": {"liveness_started", "liveness_passed", "verification_completed"},
	}, parents)
	var resumed []bool
	uids := map[string]bool{}
	f.in.eachRecord(func(_ pcommon.Map, record plog.LogRecord) {
		traces[record.TraceID()] = true
		if record.EventName() == summaryEvent {
			again, _ := record.Attributes().Get("verifyyou.verification.resumed")
			resumed = append(resumed, again.Bool())
			uids[text(record.Attributes(), "log.record.uid")] = true
		}
	})
	assert.Equal(t, []bool{false, true}, resumed)
	assert.Len(t, uids, 2)
	assert.Len(t, traces, 1, "records, spans and summaries have one trace id")
}

// TestPausedProcess has a Collector that does not run for longer than the silence after which verifications end.
func TestPausedProcess(t *testing.T) {
	t.Parallel()
	const abandonAfter, pause = 18 * time.Second, 20 * time.Second
	f := follow(t, "", fmt.Sprintf("    abandon_after: %s\n    settle: 1s", abandonAfter))
	f.verify("ver_1", "verification_initialized")
	f.verify("ver_2", "verification_initialized", "face_collision")
	require.NoError(t, f.cmd.Process.Signal(syscall.SIGSTOP))
	time.Sleep(pause)
	require.NoError(t, f.cmd.Process.Signal(syscall.SIGCONT))
	f.verify("ver_1", "verification_completed")
	f.verify("ver_2", "verification_completed")
	completed := truthCount{Outcome: "completed", LastStage: "verification_completed", Tracker: "signup-campaign"}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, map[truthCount]int64{completed: 2}, f.in.lastSums("verifyyou.verification.ended"))
	}, deadline, 10*poll)
	f.stop()
	assert.Empty(t, f.in.lastSums("verifyyou.verification.resumed"))
	assert.Equal(t, map[truthCount]int64{completed: 2}, f.in.lastSums("verifyyou.verification.ended"))
}

// twins is two receivers, each with a funnel, in one Collector.
const twins = `
receivers:
  verifyyou/a: {endpoint: 127.0.0.1:%[1]d, signing_secrets: ["${env:VERIFYYOU_SIGNING_SECRET}"]}
  verifyyou/b: {endpoint: 127.0.0.1:%[2]d, signing_secrets: ["${env:VERIFYYOU_SIGNING_SECRET}"]}
connectors:
  verifyyou_funnel/a: {stats: {endpoint: 127.0.0.1:%[3]d}}
  verifyyou_funnel/b: {stats: {endpoint: 127.0.0.1:%[4]d}}
exporters:
  otlp_http: {endpoint: %[6]s, sending_queue: {enabled: false}}
service:
  telemetry:
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[5]d}}}}]
  pipelines:
    logs/a: {receivers: [verifyyou/a], exporters: [verifyyou_funnel/a]}
    logs/b: {receivers: [verifyyou/b], exporters: [verifyyou_funnel/b]}
    metrics: {receivers: [verifyyou/a, verifyyou/b, verifyyou_funnel/a, verifyyou_funnel/b], exporters: [otlp_http]}
`

// startTwins returns the same Collector twice, as it takes events for a and for b, and the URL of its own telemetry.
func startTwins(t *testing.T, in *intake) (a, b *collector, telemetry string) {
	t.Helper()
	p := freePorts(t, 5)
	a = startWith(t, writeFile(t, fmt.Sprintf(twins, p[0], p[1], p[2], p[3], p[4], in.url)), fmt.Sprintf("http://127.0.0.1:%d", p[0]))
	other := *a
	other.url = fmt.Sprintf("http://127.0.0.1:%d", p[1])
	require.Eventually(t, other.healthy, deadline, poll)
	return a, &other, fmt.Sprintf("http://127.0.0.1:%d/metrics", p[4])
}

// TestTwins tells apart what two receivers and two funnels of one Collector say of themselves, and what those of two
// Collectors on one host count.
func TestTwins(t *testing.T) {
	in := newIntake(t)
	a, b, telemetry := startTwins(t, in)
	other, _, _ := startTwins(t, in)
	a.verify("ver_1", "verification_initialized", "verification_started")
	a.verify("ver_2", "verification_initialized")
	b.verify("ver_1", "verification_initialized")
	other.verify("ver_1", "verification_initialized")
	refused := b.newRequest(sample, "")
	assert.Contains(t, mustSend(t, refused), "401 ")

	for name, want := range map[string][]int64{"a": {3, 0, 2, 3, 1}, "b": {1, 1, 1, 1, 1}} {
		receiver, connector := fmt.Sprintf(`receiver="verifyyou/%s"`, name), fmt.Sprintf(`connector="verifyyou_funnel/%s"`, name)
		const requests = "receiver_verifyyou_requests"
		assert.Equal(t, want, []int64{
			ownTelemetry(telemetry, requests, receiver, `result="accepted"`),
			ownTelemetry(telemetry, requests, receiver, `result="unauthorized"`),
			ownTelemetry(telemetry, "connector_verifyyou_funnel_verifications", connector),
			ownTelemetry(telemetry, "connector_verifyyou_funnel_events", connector, `result="new"`),
			ownTelemetry(telemetry, "connector_verifyyou_funnel_cohorts", connector),
		}, name)
	}
	a.stop()
	other.stop()
	writers := map[string]int64{}
	for writer, reached := range in.last("verifyyou.verification.reached") {
		writers[writer] = reached.sum()
	}
	var counted []int64
	for _, n := range writers {
		counted = append(counted, n)
	}
	assert.ElementsMatch(t, []int64{3, 1, 1}, counted, "each funnel that counts is a writer of its own: %v", writers)
	in.checkSeries(t)
}

// TestDeltaInThePrometheusExporter adds deltas up that come with pauses.
func TestDeltaInThePrometheusExporter(t *testing.T) {
	metrics := freePorts(t, 1)[0]
	file, url := pipe(t, t.TempDir(), "    metrics_temporality: delta", fmt.Sprintf("  prometheus: {endpoint: 127.0.0.1:%d}", metrics), `
      exporters: [file/logs]`)
	c := startWith(t, file, url, "--config", writeFile(t, "service: {pipelines: {metrics: {exporters: [prometheus]}}}"))
	total, n := 0, 0
	for _, more := range []int{5, 7, 3} {
		for range more {
			n++
			c.verify(fmt.Sprintf("ver_%d", n), "verification_initialized")
		}
		total += more
		want := fmt.Sprintf(`verifyyou_stage="verification_initialized"} %d`, total)
		require.Eventually(t, func() bool {
			for line := range strings.Lines(get(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics))) {
				if strings.HasPrefix(line, "verifyyou_events_total{") && strings.Contains(line, "signup-campaign") &&
					strings.HasSuffix(line, want+"\n") {
					return true
				}
			}
			return false
		}, deadline, poll, "%d are not shown", total)
		time.Sleep(1500 * time.Millisecond) // in which nothing is sent, as nothing moves
	}
	c.stop()
}

// TestSecretsFileThatBlocks puts a pipe in the place of the secrets whose writer is silent: the old ones stay, and
// nothing else waits for it.
func TestSecretsFileThatBlocks(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.WriteFile(secrets, []byte(secret+"\n"), 0o600))
	cfg := configuration{exports: t.TempDir()}
	file, url := pipe(t, cfg.exports, "    signing_secrets_file: "+secrets, "", `
      exporters: [file/logs]`)
	c := startWith(t, file, url, "--config", writeFile(t, "receivers: {verifyyou: {signing_secrets: []}}"))
	c.verify("ver_1", "verification_initialized")
	require.NoError(t, os.Remove(secrets))
	require.NoError(t, syscall.Mkfifo(secrets, 0o600))
	writer, err := os.OpenFile(secrets, os.O_RDWR, 0)
	require.NoError(t, err)
	defer writer.Close()
	require.Eventually(t, func() bool { return strings.Contains(c.printed(), "reading it takes longer than 5s") }, deadline, poll, "it is said that reading hangs")
	c.verify("ver_2", "verification_initialized")
	c.stop()
	assert.Equal(t, map[series]int64{{"verification_initialized", "progress", "signup-campaign"}: 2}, cfg.counts(t))
	assert.Len(t, cfg.records(t), 2)
}
