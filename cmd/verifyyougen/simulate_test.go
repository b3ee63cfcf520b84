// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

var update = flag.Bool("update", false, "write what comes out as what is expected in testdata")

// unreliable refuses some posts, takes some and loses the answer, and hangs up
// on some. Which depends on the body and how often it has come, not on the order.
func unreliable() answer {
	var mu sync.Mutex
	came := map[string]int{}
	return func(w http.ResponseWriter, body string, l *endpointLog) {
		mu.Lock()
		came[body]++
		n := crc32.ChecksumIEEE(fmt.Append(nil, came[body], body)) % 100
		mu.Unlock()
		switch {
		case n < 10:
			w.WriteHeader(http.StatusServiceUnavailable)
		case n < 15:
			l.take(body)
			panic(http.ErrAbortHandler)
		case n < 20:
			panic(http.ErrAbortHandler)
		default:
			l.take(body)
			w.WriteHeader(http.StatusAccepted)
		}
	}
}

func TestTruthIsWhatWasTaken(t *testing.T) {
	s := simulate(t, unreliable(), "--seed", "1", "--verifications", "500", "--rate", "5", "--speed", "3")
	assert.Equal(t, exitOK, s.code, s.stderr)
	assertTruth(t, s.taken, s.truth)
	assert.EqualValues(t, 500, s.truth.Verifications)
	assert.EqualValues(t, 1, s.truth.Seed)
	assert.InDelta(t, 3, s.truth.Speed, 0)

	d := s.truth.Deliveries
	assert.Zero(t, d.GivenUp)
	assert.EqualValues(t, len(s.posts), d.Attempts)
	assert.Equal(t, d.Attempts, d.Answers["202"]+d.Answers["503"]+d.Answers["none"])
	assert.Equal(t, d.Answers["503"]+d.Answers["none"], d.Retries, "each was tried again")
	assert.Equal(t, d.Answers["202"], d.Acknowledged+d.Duplicates, "a duplicate comes after a 2xx, once")
	for what, n := range map[string]int64{"503": d.Answers["503"], "none": d.Answers["none"], "duplicates": d.Duplicates, "out of order": d.OutOfOrder} {
		assert.NotZero(t, n, what)
	}
	inOrder := slices.IsSortedFunc(s.taken, func(a, b string) int { return occurredAt(t, a).Compare(occurredAt(t, b)) })
	assert.False(t, inOrder, "the endpoint sees events out of order")
}

// With --session-ids runs are told apart by session_id alone.
func TestSessionIDs(t *testing.T) {
	s := simulate(t, unreliable(), "--seed", "1", "--verifications", "200", "--session-ids")
	assert.Equal(t, exitOK, s.code, s.stderr)
	assertTruth(t, s.taken, s.truth)
	assert.EqualValues(t, 200, s.truth.Verifications)
	for _, body := range s.taken {
		fields := decode(t, body)
		assert.Equal(t, "ver_configured_check", fields["verification_id"])
		assert.Regexp(t, "^ses_[0-9a-f]{32}$", fields["session_id"])
	}
}

// Without it there is no such field, as in VerifyYou's webhook documents.
func TestNoSessionIDs(t *testing.T) {
	s := simulate(t, takeAll, "--verifications", "10")
	for _, body := range s.taken {
		assert.NotContains(t, decode(t, body), "session_id")
	}
}

// Stragglers come when nothing else of their verification has come for as long
// as the scenario says.
func TestStragglersArePosted(t *testing.T) {
	s := simulate(t, takeAll, "--seed", "1", "--verifications", "50", "--speed", "60",
		"--scenario", writeFile(t, strings.Replace(string(scenario.DefaultYAML), "stragglers: 0\n", "stragglers: 0.2\n", 1)))
	assert.Equal(t, exitOK, s.code, s.stderr)
	latest, seen, stragglers := map[any]time.Time{}, map[string]bool{}, 0
	for _, p := range s.posts {
		id := decode(t, p.body)["verification_id"]
		if seen[p.body] {
			continue // delivered twice
		}
		seen[p.body] = true
		if p.at.Sub(occurredAt(t, p.body)) >= 40*time.Second {
			stragglers++
			assert.GreaterOrEqual(t, p.at.Sub(latest[id]), 40*time.Second)
			continue
		}
		latest[id] = p.at
	}
	assert.NotZero(t, stragglers)
	var began, inTime int64
	for _, row := range s.truth.Beginnings {
		began += row.Began
	}
	for _, row := range s.truth.StageDurations {
		inTime += row.Count
	}
	var reached int64
	for _, row := range s.truth.Reached {
		reached += row.Count
	}
	assert.EqualValues(t, 50, began)
	assert.Less(t, inTime, reached-began, "no duration leads to or from a straggler")
}

// Each line of the summary says what the truth says.
func TestSummary(t *testing.T) {
	s := simulate(t, unreliable(), "--seed", "1", "--verifications", "200", "--speed", "10")
	expect(t, "summary.txt", s.stdout)
}

func TestSameSeedSamePopulation(t *testing.T) {
	args := []string{"--seed", "7", "--verifications", "50", "--speed", "10"}
	first := simulate(t, takeAll, args...)
	second := simulate(t, unreliable(), args...)
	bodies := func(s simulation) []string {
		slices.Sort(s.taken)
		return slices.Compact(s.taken)
	}
	assert.Equal(t, bodies(first), bodies(second), "whatever the answers, in the same time")
}

// Without --seed, every run makes a population of its own.
func TestNewSeed(t *testing.T) {
	first := simulate(t, takeAll, "--verifications", "1")
	second := simulate(t, takeAll, "--verifications", "1")
	assert.NotEqual(t, first.truth.Seed, second.truth.Seed)
	assert.NotEqual(t, decode(t, first.taken[0])["verification_id"], decode(t, second.taken[0])["verification_id"])
}

const oneEvent = "stages: {verification_initialized: {}}\n"

func TestRetries(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ string, _ *endpointLog) { w.WriteHeader(http.StatusServiceUnavailable) }
	s := simulate(t, refuse, "--scenario", writeFile(t, oneEvent), "--verifications", "1", "--give-up-after", "30s")

	waits := []time.Duration{}
	for i, p := range s.posts[1:] {
		waits = append(waits, p.at.Sub(s.posts[i].at))
		assert.Equal(t, s.posts[0].body, p.body)
	}
	assert.Equal(t, []time.Duration{
		200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond,
		3200 * time.Millisecond, 6400 * time.Millisecond, 10 * time.Second,
	}, waits)
	assert.Equal(t, exitFailed, s.code)
	assert.Contains(t, s.stderr, "verifyyougen: 1 events were given up (see --give-up-after)\n")
	assert.Equal(t, truth.Deliveries{Attempts: 8, Retries: 7, GivenUp: 1, Answers: map[string]int64{"503": 8}}, s.truth.Deliveries)
	assert.Zero(t, s.truth.Verifications)
}

// A redirect or a client error is refused like anything that is not 2xx.
func TestRetriesWhateverIsNot2xx(t *testing.T) {
	statuses := []int{301, 400, 401, 404, 500, 204}
	n := 0
	s := simulate(t, func(w http.ResponseWriter, body string, l *endpointLog) {
		l.take(body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(statuses[n])
		n++
	}, "--scenario", writeFile(t, oneEvent), "--verifications", "1")
	assert.Equal(t, exitOK, s.code, s.stderr)
	assert.Equal(t, map[string]int64{"301": 1, "400": 1, "401": 1, "404": 1, "500": 1, "204": 1}, s.truth.Deliveries.Answers)
}

func TestGivenUpIsNotInTheTruth(t *testing.T) {
	refused := map[string]bool{}
	var mu sync.Mutex
	s := simulate(t, func(_ http.ResponseWriter, body string, l *endpointLog) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(body, `"liveness_started"`) {
			refused[body] = true
			panic(http.ErrAbortHandler)
		}
		l.take(body)
	}, "--seed", "3", "--give-up-after", "2s")
	assert.Equal(t, exitFailed, s.code)
	assertTruth(t, s.taken, s.truth)
	assert.EqualValues(t, len(refused), s.truth.Deliveries.GivenUp)
	assert.EqualValues(t, len(refused), s.truth.Deliveries.Unclear, "the endpoint may have taken them")
	assert.NotEmpty(t, refused)
}

// An endpoint that is not there has taken nothing.
func TestNoEndpoint(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	server := httptest.NewServer(nil)
	server.Close()
	file := filepath.Join(t.TempDir(), "truth.json")
	got := runWith(t, "", "simulate", "--endpoint", server.URL, "--verifications", "3", "--rate", "1000", "--speed", "10000", "--give-up-after", "0s", "--truth", file)
	assert.Equal(t, exitFailed, got.code)
	d := readTruth(t, file).Deliveries
	assert.Equal(t, d.Attempts, d.GivenUp)
	assert.Zero(t, d.Unclear)
	assert.Equal(t, map[string]int64{"none": d.Attempts}, d.Answers)
}

// occurredAt returns when the event of a body occurred.
func occurredAt(t *testing.T, body string) time.Time {
	t.Helper()
	text, _ := decode(t, body)["occurred_at"].(string)
	assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$`, text)
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// An event is posted when it occurs, unless it is late.
func TestOccurredAtIsTheRealTime(t *testing.T) {
	s := simulate(t, takeAll, "--seed", "5", "--verifications", "300", "--rate", "20", "--speed", "60")
	onTime, late, seen := 0, 0, map[string]bool{}
	for _, p := range s.posts {
		delay := p.at.Sub(occurredAt(t, p.body))
		require.GreaterOrEqual(t, delay, time.Duration(0))
		switch {
		case seen[p.body]: // a duplicate
		case delay == 0:
			onTime++
		default:
			late++
			assert.Less(t, delay, time.Second, "delays of deliveries are compressed too")
		}
		seen[p.body] = true
	}
	assert.InDelta(t, 0.05, float64(late)/float64(late+onTime), 0.02)
	assert.Less(t, s.took, 15*time.Second+5*time.Minute/60)
}

func TestRateAndDuration(t *testing.T) {
	s := simulate(t, takeAll, "--scenario", writeFile(t, oneEvent), "--rate", "4", "--duration", "1m")
	assert.EqualValues(t, 240, s.truth.Verifications)
	perSecond := map[int]int{}
	for _, p := range s.posts {
		perSecond[int(p.at.Sub(s.start)/time.Second)]++
	}
	assert.Len(t, perSecond, 60)
	for second, n := range perSecond {
		assert.Equal(t, 4, n, second)
	}
}

func TestConnections(t *testing.T) {
	var mu sync.Mutex
	var now, most int
	add := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		now += n
		most = max(most, now)
	}
	s := simulate(t, func(_ http.ResponseWriter, body string, l *endpointLog) {
		add(1)
		defer add(-1)
		time.Sleep(time.Second)
		l.take(body)
	}, "--connections", "7", "--rate", "100", "--speed", "1000")
	assert.Equal(t, exitOK, s.code, s.stderr)
	assert.Equal(t, 7, most)
	assertTruth(t, s.taken, s.truth)
}

func TestInterrupted(t *testing.T) {
	s := simulate(t, func(w http.ResponseWriter, body string, l *endpointLog) {
		if strings.Contains(body, `"liveness_started"`) {
			w.WriteHeader(http.StatusServiceUnavailable) // some have to be waiting for their next try
			return
		}
		time.Sleep(3 * time.Second) // and some for their answer
		l.mu.Lock()
		n := len(l.taken)
		l.mu.Unlock()
		if n >= 100 {
			l.interrupt()
		}
		l.take(body)
	}, "--seed", "1", "--verifications", "1000000")
	assert.Equal(t, exitFailed, s.code)
	assert.Contains(t, s.stderr, "verifyyougen: interrupted: only what was sent until then is counted\n")
	assertTruth(t, s.taken, s.truth)
	assert.Contains(t, s.stdout, "acknowledged  ")
	assert.NotZero(t, s.truth.Deliveries.GivenUp, "what was waiting for its next try")
	assert.Less(t, len(s.taken), 200, "what was waiting for its answer, and nothing after")
}

func TestCtrlC(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	log := &endpointLog{}
	var posts atomic.Int64
	server := httptest.NewServer(log.handler(func(_ http.ResponseWriter, body string, l *endpointLog) {
		l.take(body)
		if posts.Add(1) == 50 {
			assert.NoError(t, self.Signal(os.Interrupt))
		}
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "truth.json")
	got := runWith(t, "", "simulate", "--endpoint", server.URL, "--truth", file, "--verifications", "1000000000", "--rate", "200", "--speed", "100")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "interrupted")
	assertTruth(t, log.taken, readTruth(t, file))
}

func TestProgressLines(t *testing.T) {
	s := simulate(t, takeAll, "--scenario", writeFile(t, oneEvent), "--verifications", "250", "--rate", "10")
	assert.Equal(t, "10s: 100 of 250 verifications, 100 events acknowledged, 0 attempts not\n"+
		"20s: 200 of 250 verifications, 200 events acknowledged, 0 attempts not\n", s.stderr)
}

func TestProgressBar(t *testing.T) {
	var screen bytes.Buffer
	show, erase := bar(&screen, 200)
	show(truth.Progress{Ended: 50, Acknowledged: 230, Refused: 7})
	assert.Contains(t, screen.String(), "230 events acknowledged, 7 attempts not")
	assert.Contains(t, screen.String(), "50/200")
	erase()
}

func TestPrintScenario(t *testing.T) {
	got := runWith(t, "", "simulate", "--print-scenario")
	assert.Equal(t, result{exitOK, string(scenario.DefaultYAML), ""}, got)

	args := []string{"--seed", "1", "--verifications", "20"}
	builtIn := simulate(t, takeAll, args...)
	printed := simulate(t, takeAll, append(args, "--scenario", writeFile(t, got.stdout))...)
	assert.Equal(t, builtIn.taken, printed.taken)
}

// expect compares with a file in testdata.
func expect(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// presigned runs the program at the beginning of synctest's time.
func presigned(t *testing.T, args ...string) (targets, truthFile string) {
	t.Helper()
	t.Setenv(secretVariable, testSecret)
	startSignals()
	folder := t.TempDir()
	file := filepath.Join(folder, "targets.jsonl")
	truthFile = filepath.Join(folder, "truth.json")
	synctest.Test(t, func(t *testing.T) {
		got := runWith(t, "", append([]string{"simulate", "--presign", file, "--truth", truthFile}, args...)...)
		require.Equal(t, exitOK, got.code, got.stderr)
	})
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text), truthFile
}

// The same seed makes the same requests to the byte, on every machine.
func TestPresignSeed(t *testing.T) {
	targets, truthFile := presigned(t, "--seed", "42", "--verifications", "3", "--endpoint", "https://collector.example.com/webhooks/verifyyou")
	expect(t, "seed_42.jsonl", targets)
	text, err := os.ReadFile(truthFile)
	require.NoError(t, err)
	expect(t, "seed_42.truth.json", string(text))
}

func TestPresign(t *testing.T) {
	targets, truthFile := presigned(t, "--seed", "2", "--verifications", "300")
	expected := readTruth(t, truthFile)
	var bodies []string
	duplicates := 0
	seen := map[string]bool{}
	for scanner := bufio.NewScanner(strings.NewReader(targets)); scanner.Scan(); {
		var request struct {
			Method string              `json:"method"`
			URL    string              `json:"url"`
			Header map[string][]string `json:"header"`
			Body   []byte              `json:"body"`
		}
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &request))
		assert.Equal(t, http.MethodPost, request.Method)
		assert.Equal(t, "http://localhost:8787/webhooks/verifyyou", request.URL)
		body := string(request.Body)
		assert.Equal(t, http.Header{
			"Content-Type":          {"application/json"},
			"X-Verifyyou-Event":     {decode(t, body)["stage"].(string)},
			"X-Verifyyou-Signature": {"sha256=" + hmacByHand(request.Body)},
		}, http.Header(request.Header))
		if seen[body] {
			duplicates++
		}
		seen[body] = true
		bodies = append(bodies, body)
	}
	assertTruth(t, bodies, expected)
	assert.EqualValues(t, len(bodies), expected.Deliveries.Attempts)
	assert.EqualValues(t, duplicates, expected.Deliveries.Duplicates)
	assert.NotZero(t, duplicates)
	assert.NotZero(t, expected.Deliveries.OutOfOrder)
}

func TestPresignInterrupted(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"simulate", "--presign", filepath.Join(t.TempDir(), "targets.jsonl")}, nil, &stdout, &stderr)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stderr.String(), "interrupted")
}
