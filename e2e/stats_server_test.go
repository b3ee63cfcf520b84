// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// intoTheFunnel is where the logs of a piped configuration go.
const intoTheFunnel = `
      exporters: [verifyyou_funnel]
    metrics/funnel: {receivers: [verifyyou_funnel], exporters: [file/metrics]}`

// TestStatsConfiguration has what does not start.
func TestStatsConfiguration(t *testing.T) {
	for name, test := range map[string]struct{ settings, want string }{
		"retention below the window": {"window: 48h\n    stats: {retention: 47h}", `stats::retention: is 47h0m0s, but verifications are followed for 48h0m0s`},
		"too few cohorts":            {"stats: {max_cohorts: 51}", `stats::max_cohorts: is 51, but`},
		"unknown key":                {"stats: {retain: 48h}", `StatsConfig' has invalid keys: retain`},
		"no port":                    {"stats: {endpoint: localhost}", `stats::endpoint: `},
		"no duration":                {"stats: {retention: long}", `'retention' time: invalid duration`},
	} {
		t.Run(name, func(t *testing.T) {
			file, _ := pipe(t, t.TempDir(), "", "connectors:\n  verifyyou_funnel:\n    "+test.settings, intoTheFunnel)
			printed, err := otelcol(t, "validate", "--config", file).CombinedOutput()
			require.ErrorAs(t, err, new(*exec.ExitError), "%s", printed)
			assert.Contains(t, string(printed), test.want)
		})
	}
}

func TestStatsPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	file, url := pipe(t, t.TempDir(), "", fmt.Sprintf("connectors:\n  verifyyou_funnel:\n    stats: {endpoint: %q}", taken.Addr()), intoTheFunnel)
	c := launch(t, file, url)
	c.wait()
	assert.Equal(t, 1, c.cmd.ProcessState.ExitCode())
	assert.Contains(t, c.printed(), fmt.Sprintf("stats::endpoint: cannot listen on %s: ", taken.Addr()))
}

// TestStatsEndWithASlowReader has a reader that takes its answers a byte a second, and no limit for writing one.
func TestStatsEndWithASlowReader(t *testing.T) {
	f := follow(t, "", "      write_timeout: 0s")
	f.verify("ver_1", "verification_initialized")
	address, err := url.Parse(f.stats)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", address.Host)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
	const request = "GET /api/v1/funnel?from=100d&step=15m HTTP/1.1\r\nHost: localhost\r\n\r\n"
	_, err = conn.Write([]byte(strings.Repeat(request, 50))) // more than the buffers in between hold
	require.NoError(t, err)
	reader := bufio.NewReaderSize(conn, 16)
	answer, err := reader.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK\r\n", answer)
	go func() {
		for _, err := reader.ReadByte(); err == nil; _, err = reader.ReadByte() {
			time.Sleep(time.Second)
		}
	}()
	f.stop()
	assert.Equal(t, map[string]int64{"verification_initialized": 1}, stageTotals(f.in.lastSums("verifyyou.verification.reached")), "the last flush")
}

func stageTotals(values map[truthCount]int64) map[string]int64 {
	sums := map[string]int64{}
	for labels, n := range values {
		sums[labels.Stage] += n
	}
	return sums
}

// TestStatsOfOtherCenturies has clocks of senders that are far off: what they send is taken, and counted elsewhere.
func TestStatsOfOtherCenturies(t *testing.T) {
	f := follow(t, "", "")
	for id, at := range map[string]string{"ver_old": "1970-01-01T00:00:01Z", "ver_new": "2262-04-11T23:47:16.854775807Z"} {
		body := fmt.Sprintf(`{"stage": "verification_initialized", "verification_id": %q, "occurred_at": %q}`, id, at)
		require.Equal(t, `200 {"status":"accepted"}`, mustSend(t, f.newRequest(body, sign(body))))
	}
	f.verify("ver_now", "verification_initialized")
	const outside = "connector_verifyyou_funnel_outside_retention"
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.EqualValues(c, 1, f.own(outside, `reason="too_old"`))
		assert.EqualValues(c, 1, f.own(outside, `reason="too_new"`))
	}, deadline, 10*poll)
	assert.Zero(t, f.own(outside, `reason="too_many"`))
	assert.Contains(t, get(f.telemetryURL), `reason="too_many"`)
	assert.EqualValues(t, 1, f.ask(t, recently()).Began)
	assert.Contains(t, f.answer(t, "/"), "verification_initialized")
	f.stop()
	assert.Equal(t, map[string]int64{"verification_initialized": 3}, stageTotals(f.in.lastSums("verifyyou.verification.reached")))
}

// TestStatsOf10000Trackers has a browser that invents values.
func TestStatsOf10000Trackers(t *testing.T) {
	t.Parallel()
	const people, told = 10_000, 50
	f := follow(t, "", "")
	queue := make(chan int)
	go func() {
		defer close(queue)
		for i := range people {
			queue <- i
		}
	}()
	failed := make(chan error, 16)
	for range cap(failed) {
		go func() { failed <- f.postTrackers(queue) }()
	}
	for range cap(failed) {
		require.NoError(t, <-failed)
	}

	answer := f.ask(t, recently())
	assert.EqualValues(t, people, answer.Began)
	require.Len(t, answer.Trackers, told+1)
	assert.Equal(t, "_OTHER", *answer.Trackers[0].Tracker)
	assert.EqualValues(t, people-told, answer.Trackers[0].Began)
	assert.EqualValues(t, people-told, f.ask(t, recently("_OTHER")).Began)
	assert.EqualValues(t, 1, f.ask(t, recently(*answer.Trackers[1].Tracker)).Began)
	assert.NotContains(t, f.answer(t, "/"), "<script>alert")
	assert.LessOrEqual(t, f.own("connector_verifyyou_funnel_cohorts"), int64(2*(told+1)))
	f.stop()
	reached := f.in.lastSums("verifyyou.verification.reached")
	assert.Len(t, reached, told+1)
	assert.Equal(t, map[string]int64{"verification_initialized": people}, stageTotals(reached))
}

func (f *follower) postTrackers(queue <-chan int) error {
	for i := range queue {
		body := fmt.Sprintf(`{"stage": "verification_initialized", "verification_id": "ver_%d", "external_tracker": "<script>alert(%d)</script>", "occurred_at": %q}`,
			i, i, time.Now().Format(time.RFC3339Nano))
		answer, err := send(f.newRequest(body, sign(body)))
		if err != nil {
			return err
		}
		if answer != `200 {"status":"accepted"}` {
			return fmt.Errorf("a tracker is not taken: %s", answer)
		}
	}
	return nil
}

// TestStatsAfterACrash kills the Collector while people come: what it had not saved is not there, and the rest adds up.
func TestStatsAfterACrash(t *testing.T) {
	t.Parallel()
	f := follow(t, "", "    abandon_after: 6s\n    settle: 2s")
	people := simulate(t, f.url, "--seed", "3", "--speed", speed, "--verifications", "400", "--rate", "50")
	require.Eventually(t, func() bool { return f.own("receiver_verifyyou_requests", `result="accepted"`) > 1000 }, deadline, poll)
	f.kill()
	f.start(t)
	f.ask(t, recently()).checkSums(t)
	want := people.wait()
	f.ask(t, recently()).checkSums(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Zero(c, f.ask(t, recently()).Open) }, deadline, 10*poll)

	got := f.ask(t, recently())
	got.checkSums(t)
	all := &truthBeginning{}
	all.add(want.Beginnings...)
	assert.Positive(t, got.Began)
	assert.LessOrEqual(t, got.Began, all.Began)
	assert.LessOrEqual(t, got.Completed.Verifications, all.Completed)
	for _, stage := range got.Stages {
		assert.LessOrEqual(t, stage.Reached, all.Reached[stage.Stage], stage.Stage)
		if stage.Passed != nil {
			assert.LessOrEqual(t, *stage.Passed, all.Passed[stage.Stage], stage.Stage)
		}
	}
	f.stop()
	f.in.checkSeries(t)
}

// checkSums checks what holds of any answer.
func (a *funnelAnswer) checkSums(t *testing.T) {
	t.Helper()
	ended, of, points, attempts := a.Open, int64(0), int64(0), int64(0)
	for _, e := range a.Ended {
		assert.Positive(t, e.Verifications)
		ended += e.Verifications
	}
	for _, tracker := range a.Trackers {
		of += tracker.Began
		assert.GreaterOrEqual(t, tracker.Open, int64(0))
	}
	for _, p := range a.Series.Points {
		points += p.Began
	}
	for _, row := range a.Attempts {
		attempts += row.Verifications
		assert.GreaterOrEqual(t, row.Completed, int64(0))
		assert.LessOrEqual(t, row.Completed, row.Verifications)
	}
	for name, total := range map[string]int64{"open and ended": ended, "trackers": of, "points": points, "attempts": attempts} {
		assert.Equal(t, a.Began, total, name)
	}
	assert.GreaterOrEqual(t, a.Open, int64(0))
	assert.LessOrEqual(t, a.Completed.OnFirstAttempt+a.Completed.AfterDropOff, a.Completed.Verifications)
	left := a.Began
	for _, stage := range a.Stages {
		assert.GreaterOrEqual(t, stage.Reached, int64(0))
		if stage.Passed == nil {
			continue
		}
		assert.LessOrEqual(t, *stage.Passed, left, stage.Stage)
		assert.GreaterOrEqual(t, *stage.Passed, stage.Reached, stage.Stage)
		left = *stage.Passed - stage.Stopped.Open - stage.Stopped.DropOff - stage.Stopped.Abandoned
		if stage.Stage == "verification_completed" {
			assert.Equal(t, a.Completed.Verifications, left)
		}
	}
}

// TestStatsOnAUnixSocket has sockets that a crash has left behind.
func TestStatsOnAUnixSocket(t *testing.T) {
	dir := t.TempDir()
	file, _ := pipe(t, dir, "", fmt.Sprintf("connectors:\n  verifyyou_funnel:\n    stats: {transport: unix, endpoint: %s/stats.sock}", dir), intoTheFunnel)
	haste := writeFile(t, fmt.Sprintf("receivers:\n  verifyyou: {transport: unix, endpoint: %s/receiver.sock}", dir))
	for range 2 {
		c := launch(t, file, "", "--config", haste)
		for _, socket := range []string{"receiver", "stats"} {
			require.Eventually(t, func() bool { return answersOn(fmt.Sprintf("%s/%s.sock", dir, socket)) }, deadline, poll, socket)
		}
		c.kill()
	}
}

// answersOn says whether a server is healthy that listens on a unix socket.
func answersOn(socket string) bool {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Timeout: deadline, Transport: transport}).Get("http://localhost/healthz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}
