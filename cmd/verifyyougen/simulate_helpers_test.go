// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

// post is one delivery as the endpoint sees it.
type post struct {
	at   time.Time
	body string
}

// endpointLog is what came to an endpoint.
type endpointLog struct {
	interrupt func() // ends the run

	mu    sync.Mutex
	posts []post
	taken []string // bodies that were answered, or would have been, with 200; in that order
}

// take is the endpoint's answer 200. The answer may be lost afterwards.
func (l *endpointLog) take(body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = append(l.taken, body)
}

// answer answers a post, and calls take if it takes it.
type answer func(w http.ResponseWriter, body string, l *endpointLog)

func takeAll(_ http.ResponseWriter, body string, l *endpointLog) { l.take(body) }

// handler refuses what is not signed with testSecret and has answer do the rest.
func (l *endpointLog) handler(answer answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || err != nil || r.Header.Get("X-VerifyYou-Signature") != "sha256="+hmacByHand(body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		l.mu.Lock()
		l.posts = append(l.posts, post{time.Now(), string(body)})
		l.mu.Unlock()
		answer(w, string(body), l)
	})
}

// memoryListener is a network within a process: the time of synctest goes on
// while somebody waits for it.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newMemoryListener() *memoryListener {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.close()
	return nil
}

func (*memoryListener) Addr() net.Addr { return &net.UnixAddr{} }

func (l *memoryListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l.conns <- server
	return client, nil
}

// os/signal starts a goroutine at its first use that never ends, which must not
// be within a bubble of synctest. The signal itself is of no interest.
var startSignals = sync.OnceFunc(func() { signal.Notify(make(chan os.Signal, 1), syscall.SIGWINCH) })

// simulation is what a user and an endpoint see of one run.
type simulation struct {
	result
	*endpointLog
	start time.Time
	took  time.Duration
	truth truth.Truth
}

// simulate runs the program with time that passes as soon as everybody waits
// for it, against an endpoint within the process.
func simulate(t *testing.T, answer answer, args ...string) (s simulation) {
	t.Helper()
	t.Setenv(secretVariable, testSecret)
	startSignals()
	truthFile := filepath.Join(t.TempDir(), "truth.json")
	args = append([]string{"simulate", "--endpoint", "http://memory/hook", "--truth", truthFile}, args...)
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		s.endpointLog = &endpointLog{interrupt: interrupt}
		listener := newMemoryListener()
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: s.handler(answer)}}
		server.Start()
		defer server.Close()
		s.start = time.Now()
		var stdout, stderr bytes.Buffer
		root := newRootCommand(&simulateCommand{dial: listener.dial}, new(funnelCommand))
		s.code = execute(ctx, root, args, nil, &stdout, &stderr)
		s.took = time.Since(s.start)
		s.stdout, s.stderr = stdout.String(), stderr.String()
	})
	assert.NotContains(t, s.stdout+s.stderr, testSecret)
	s.truth = readTruth(t, truthFile)
	return s
}

func readTruth(t *testing.T, file string) (read truth.Truth) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &read))
	return read
}

// received is an event as its receiver reads it.
type received struct {
	Stage      string    `json:"stage"`
	OccurredAt time.Time `json:"occurred_at"`
	ID         string    `json:"verification_id"`
	SessionID  string    `json:"session_id"`
	ExternalID *string   `json:"external_id"`
	Tracker    *string   `json:"external_tracker"`
}

// recount is what bodies come to, each counted once, by the rules of the funnel.
type recount struct {
	verifications          int64
	events, reached, ended map[string]int64
	passed, attempts       map[string]int64
	began, completed       map[string]int64 // by quarter of an hour and tracker
	took, stageTook        map[string][]float64
	first, last            time.Time
}

func count(t *testing.T, bodies []string) recount {
	t.Helper()
	c := recount{
		events: map[string]int64{}, reached: map[string]int64{}, ended: map[string]int64{},
		passed: map[string]int64{}, attempts: map[string]int64{}, began: map[string]int64{}, completed: map[string]int64{},
		took: map[string][]float64{}, stageTook: map[string][]float64{},
	}
	verifications := map[string][]received{}
	slices.Sort(bodies)
	for _, body := range slices.Compact(bodies) {
		var e received
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		key := e.ID
		if e.SessionID != "" {
			key = e.SessionID
		}
		verifications[key] = append(verifications[key], e)
	}
	c.verifications = int64(len(verifications))
	for _, events := range verifications {
		c.add(t, events)
	}
	return c
}

func (c *recount) add(t *testing.T, events []received) {
	t.Helper()
	slices.SortFunc(events, func(a, b received) int { return a.OccurredAt.Compare(b.OccurredAt) })
	tracker := ""
	if events[0].Tracker != nil {
		tracker = *events[0].Tracker
	}
	first, last := events[0], events[len(events)-1]
	outcome := map[string]string{
		"liveness_failed": "drop_off", "liveness_cancelled": "drop_off", "face_collision": "drop_off",
	}[last.Stage]
	if outcome == "" {
		outcome = "abandoned"
	}
	seen := map[string]bool{}
	attempts, droppedOff := 0, false
	for i, e := range events {
		assert.Equal(t, first.ExternalID, e.ExternalID, "it is constant within a verification")
		switch e.Stage {
		case "liveness_started":
			attempts++
		case "liveness_failed", "liveness_cancelled", "face_collision":
			droppedOff = true
		}
		c.events[e.Stage+"/"+tracker]++
		if i > 0 {
			require.True(t, e.OccurredAt.After(events[i-1].OccurredAt), "the order of a verification's events is known")
		}
		if seen[e.Stage] {
			continue
		}
		seen[e.Stage] = true
		c.reached[e.Stage+"/"+tracker]++
		if i > 0 {
			c.stageTook[e.Stage] = append(c.stageTook[e.Stage], e.OccurredAt.Sub(events[i-1].OccurredAt).Seconds())
		}
		if e.Stage == "verification_completed" {
			outcome = "completed"
			c.took[tracker] = append(c.took[tracker], e.OccurredAt.Sub(first.OccurredAt).Seconds())
		}
	}
	c.ended[fmt.Sprint(outcome, " ", last.Stage, " ", droppedOff, " ", tracker)]++
	c.attempts[fmt.Sprint(outcome, " ", attempts, " ", tracker)]++
	furthest := slices.IndexFunc(stepsBackwards, func(step string) bool { return seen[step] })
	for _, step := range stepsBackwards[furthest:] {
		c.passed[step+"/"+tracker]++
	}
	beginning := first.OccurredAt.Format("2006-01-02 15:") + strconv.Itoa(first.OccurredAt.Minute()/15) + tracker
	c.began[beginning]++
	if outcome == "completed" {
		c.completed[beginning]++
	}
	if c.first.IsZero() || first.OccurredAt.Before(c.first) {
		c.first = first.OccurredAt
	}
	if last.OccurredAt.After(c.last) {
		c.last = last.OccurredAt
	}
}

var stepsBackwards = []string{
	"verification_completed", "liveness_passed", "liveness_started", "consent_granted", "account_created",
	"verification_started", "verification_initialized",
}

// assertTruth checks a truth against the bodies that an endpoint took.
func assertTruth(t *testing.T, bodies []string, got truth.Truth) {
	t.Helper()
	want := count(t, slices.Clone(bodies))
	assert.Equal(t, want.verifications, got.Verifications)
	assert.Equal(t, want.events, stageCounts(got.Events))
	assert.Equal(t, want.reached, stageCounts(got.Reached))
	assert.Equal(t, want.passed, stageCounts(got.Passed))
	ended, attempts := map[string]int64{}, map[string]int64{}
	for _, row := range got.Ended {
		ended[fmt.Sprint(row.Outcome, " ", row.LastStage, " ", row.DroppedOff, " ", row.Tracker)] = row.Count
	}
	for _, row := range got.Attempts {
		attempts[fmt.Sprint(row.Outcome, " ", row.Attempts, " ", row.Tracker)] = row.Count
	}
	assert.Equal(t, want.ended, ended)
	assert.Equal(t, want.attempts, attempts)
	began, completed := map[string]int64{}, map[string]int64{}
	for _, row := range got.Beginnings {
		beginning := row.Start.Format("2006-01-02 15:") + strconv.Itoa(row.Start.Minute()/15) + row.Tracker
		began[beginning] = row.Began
		if row.Completed > 0 {
			completed[beginning] = row.Completed
		}
	}
	assert.Equal(t, want.began, began)
	assert.Equal(t, want.completed, completed)

	assert.Len(t, got.VerificationDurations, len(want.took))
	for _, row := range got.VerificationDurations {
		assertDurations(t, row.Tracker, want.took[row.Tracker], row.Durations)
	}
	assert.Len(t, got.StageDurations, len(want.stageTook))
	for _, row := range got.StageDurations {
		assertDurations(t, row.Stage, want.stageTook[row.Stage], row.Durations)
	}
	assert.True(t, want.first.Equal(*got.FirstOccurredAt))
	assert.True(t, want.last.Equal(*got.LastOccurredAt))
	var acknowledged int64
	for _, n := range want.events {
		acknowledged += n
	}
	assert.Equal(t, acknowledged, got.Deliveries.Acknowledged)
}

func stageCounts(rows []truth.StageCount) map[string]int64 {
	counts := map[string]int64{}
	for _, row := range rows {
		counts[row.Stage+"/"+row.Tracker] = row.Count
	}
	return counts
}

func assertDurations(t *testing.T, of string, want []float64, got truth.Durations) {
	t.Helper()
	slices.Sort(want)
	require.Len(t, want, int(got.Count), of)
	sum := 0.0
	for _, d := range want {
		sum += d
	}
	const digits = 1e-6
	assert.InEpsilon(t, sum, got.Sum, digits, of)
	assert.InEpsilon(t, want[int(math.Ceil(float64(len(want))*0.5))-1], got.Median, digits, of)
	assert.InEpsilon(t, want[int(math.Ceil(float64(len(want))*0.9))-1], got.P90, digits, of)
	assert.InEpsilon(t, want[int(math.Ceil(float64(len(want))*0.99))-1], got.P99, digits, of)
}
