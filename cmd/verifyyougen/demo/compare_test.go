// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

func TestCompare(t *testing.T) {
	want := &truth.Truth{Beginnings: []truth.Beginning{
		{Began: 2, Completed: 1, OnFirstAttempt: 1, Abandoned: 1, Passed: map[string]int64{"verification_started": 2}},
		{Began: 1, DropOff: 1, Passed: map[string]int64{"verification_started": 1}},
	}}
	three := int64(3)
	got := func() *statsapi.Funnel {
		return &statsapi.Funnel{
			Began:     3,
			Completed: statsapi.Completed{Verifications: 1, OnFirstAttempt: 1},
			Stages:    []statsapi.Stage{{Name: "verification_started", Passed: &three}, {Name: "liveness_failed"}},
			Ended:     []statsapi.End{{Outcome: "completed", Verifications: 1}, {Outcome: "drop_off", Verifications: 1}, {Outcome: "abandoned", Verifications: 1}},
		}
	}
	var printed strings.Builder
	require.NoError(t, compare(&printed, want, got()))
	assert.Contains(t, printed.String(), "passed verification_started  3          3")
	assert.Contains(t, printed.String(), "exactly what was sent")

	for name, wrong := range map[string]func(*statsapi.Funnel){
		"began":     func(f *statsapi.Funnel) { f.Began++ },
		"passed":    func(f *statsapi.Funnel) { f.Stages[0].Passed = &f.Began; f.Began = 3; *f.Stages[0].Passed = 4 },
		"completed": func(f *statsapi.Funnel) { f.Completed.Verifications = 0 },
		"attempts":  func(f *statsapi.Funnel) { f.Completed.OnFirstAttempt = 0 },
		"ended":     func(f *statsapi.Funnel) { f.Ended = f.Ended[:2] },
	} {
		f := got()
		wrong(f)
		printed.Reset()
		require.Error(t, compare(&printed, want, f), name)
		assert.NotContains(t, printed.String(), "exactly", name)
	}
}
