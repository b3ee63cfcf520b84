// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// truth is what a Collector has to show of one or more simulations; verifyyougen simulate --help says more.
type truth struct {
	Verifications         int64            `json:"verifications"`
	Events                []truthCount     `json:"events"`
	Reached               []truthCount     `json:"reached"`
	Passed                []truthCount     `json:"passed"`
	Ended                 []truthCount     `json:"ended"`
	Attempts              []truthCount     `json:"attempts"`
	VerificationDurations []truthDuration  `json:"verification_duration"`
	StageDurations        []truthCount     `json:"stage_duration"`
	Beginnings            []truthBeginning `json:"beginnings"`
	Deliveries            struct {
		Retries    int64 `json:"retries"`
		Duplicates int64 `json:"duplicates"`
		GivenUp    int64 `json:"given_up"`
	} `json:"deliveries"`
}

// truthCount is a count by what of the rest it has. A tracker of "" is none.
type truthCount struct {
	Stage      string `json:"stage"`
	Outcome    string `json:"outcome"`
	LastStage  string `json:"last_stage"`
	DroppedOff bool   `json:"dropped_off"`
	Attempts   int64  `json:"attempts"` // at liveness
	Tracker    string `json:"tracker"`
	Count      int64  `json:"count"`
	// Sum is of what has durations, in seconds.
	Sum float64 `json:"sum"`
}

// truthBeginning is what became of those who began in the same quarter of an hour with the same tracker.
type truthBeginning struct {
	Start          time.Time                   `json:"start"`
	Tracker        string                      `json:"tracker"`
	Began          int64                       `json:"began"`
	Completed      int64                       `json:"completed"`
	OnFirstAttempt int64                       `json:"on_first_attempt"`
	AfterDropOff   int64                       `json:"after_drop_off"`
	DropOff        int64                       `json:"drop_off"`
	Abandoned      int64                       `json:"abandoned"`
	Reached        map[string]int64            `json:"reached"`
	Passed         map[string]int64            `json:"passed"`
	Stopped        map[string]map[string]int64 `json:"stopped"` // who did not complete, by furthest step and outcome
	Attempts       [4]struct {
		Verifications int64 `json:"verifications"`
		Completed     int64 `json:"completed"`
	} `json:"attempts"` // by how many, 3 or more in the last
	Transitions map[string]map[string]int64 `json:"transitions"` // "" comes before the first event and after the last
}

// truthDuration is how many completed verifications of a tracker there are, and how long they took in seconds: all
// together, and what half of them did not exceed.
type truthDuration struct {
	Tracker string  `json:"tracker"`
	Count   int64   `json:"count"`
	Sum     float64 `json:"sum"`
	Median  float64 `json:"median"`
}

func (t *truth) add(other *truth) {
	t.Verifications += other.Verifications
	t.Events = append(t.Events, other.Events...)
	t.Reached = append(t.Reached, other.Reached...)
	t.Passed = append(t.Passed, other.Passed...)
	t.Ended = append(t.Ended, other.Ended...)
	t.Attempts = append(t.Attempts, other.Attempts...)
	t.VerificationDurations = append(t.VerificationDurations, other.VerificationDurations...)
	t.Beginnings = append(t.Beginnings, other.Beginnings...)
	t.StageDurations = append(t.StageDurations, other.StageDurations...)
	t.Deliveries.Retries += other.Deliveries.Retries
	t.Deliveries.Duplicates += other.Deliveries.Duplicates
	t.Deliveries.GivenUp += other.Deliveries.GivenUp
}

// of returns what is counted of a tracker. Not all is counted by tracker.
func (t *truth) of(tracker string) *truth {
	only := func(counts []truthCount) []truthCount {
		return slices.DeleteFunc(slices.Clone(counts), func(c truthCount) bool { return c.Tracker != tracker })
	}
	return &truth{
		Events: only(t.Events), Reached: only(t.Reached), Passed: only(t.Passed), Ended: only(t.Ended), Attempts: only(t.Attempts),
		VerificationDurations: slices.DeleteFunc(slices.Clone(t.VerificationDurations), func(d truthDuration) bool {
			return d.Tracker != tracker
		}),
		Beginnings: slices.DeleteFunc(slices.Clone(t.Beginnings), func(b truthBeginning) bool { return b.Tracker != tracker }),
	}
}

// sum adds counts up by a name.
func sum(counts []truthCount, name func(truthCount) string) map[string]int64 {
	sums := map[string]int64{}
	for _, c := range counts {
		sums[name(c)] += c.Count
	}
	return sums
}

// of returns the counts of some stages.
func of(counts []truthCount, stages ...string) []truthCount {
	return slices.DeleteFunc(slices.Clone(counts), func(c truthCount) bool { return !slices.Contains(stages, c.Stage) })
}

// simulation is verifyyougen simulate as a process.
type simulation struct {
	t       *testing.T
	cmd     *exec.Cmd
	printed bytes.Buffer
	truth   string
}

// simulate starts to post what people do who are 60 times as fast as in life.
func simulate(t *testing.T, url string, args ...string) *simulation {
	t.Helper()
	s := &simulation{t: t, truth: filepath.Join(t.TempDir(), "truth.json")}
	s.cmd = verifyyougen(t, append([]string{
		"simulate", "--endpoint", url + path, "--truth", s.truth, "--verifications", "80", "--rate", "20", "--speed", "60",
	}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.printed, &s.printed
	require.NoError(t, s.cmd.Start())
	return s
}

// wait returns the truth once all is posted.
func (s *simulation) wait() *truth {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Wait(), "%s", &s.printed)
	text, err := os.ReadFile(s.truth)
	require.NoError(s.t, err)
	read := &truth{}
	require.NoError(s.t, json.Unmarshal(text, read))
	return read
}

// scenario writes the built-in scenario with other texts in the place of some, a tracker for example.
func scenario(t *testing.T, oldAndNew ...string) (file string) {
	t.Helper()
	text, err := verifyyougen(t, "simulate", "--print-scenario").Output()
	require.NoError(t, err)
	for i := 0; i < len(oldAndNew); i += 2 {
		require.Contains(t, string(text), oldAndNew[i])
	}
	return writeFile(t, strings.NewReplacer(oldAndNew...).Replace(string(text)))
}

// refuse answers 503 in the place of a Collector until something was posted several times.
func refuse(t *testing.T, address string) (done func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	var refused atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refused.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})}
	go func() { _ = server.Serve(listener) }()
	return func() {
		t.Helper()
		require.Eventually(t, func() bool { return refused.Load() > 10 }, deadline, poll)
		require.NoError(t, server.Shutdown(t.Context()))
	}
}
