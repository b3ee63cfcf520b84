// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// population is the requests of people whom verifyyougen simulates, and what a funnel has to make of them.
type population struct {
	requests               []simulatedRequest
	verifications          int
	reached, passed, ended counts
}

// presign returns the same people for the same seed.
func presign(t *testing.T, seed, verifications int) *population {
	t.Helper()
	dir := t.TempDir()
	requests, truth := filepath.Join(dir, "requests.jsonl"), filepath.Join(dir, "truth.json")
	output(t, verifyyougen(t, "simulate", "--seed", strconv.Itoa(seed), "--verifications", strconv.Itoa(verifications),
		"--presign", requests, "--truth", truth))
	p := readTruth(t, truth)
	p.requests = readLines(t, requests, func(line []byte) (r simulatedRequest, err error) {
		err = json.Unmarshal(line, &r)
		return r, err
	})
	require.NotEmpty(t, p.requests)
	return p
}

func readTruth(t *testing.T, file string) *population {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var truth struct {
		Verifications   int
		Reached, Passed []struct {
			Stage, Tracker string
			Count          int64
		}
		Ended []struct {
			Outcome   string
			LastStage string `json:"last_stage"`
			Tracker   string
			Count     int64
		}
	}
	require.NoError(t, json.Unmarshal(content, &truth))
	p := &population{verifications: truth.Verifications, reached: counts{}, passed: counts{}, ended: counts{}}
	for _, r := range truth.Reached {
		p.reached[series{stage: r.Stage, tracker: r.Tracker}] = r.Count
	}
	for _, r := range truth.Passed {
		p.passed[series{stage: r.Stage, tracker: r.Tracker}] = r.Count
	}
	for _, e := range truth.Ended {
		p.ended[series{stage: e.LastStage, outcome: e.Outcome, tracker: e.Tracker}] += e.Count
	}
	return p
}
