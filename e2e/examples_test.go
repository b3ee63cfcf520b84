// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExamplesAreValid(t *testing.T) {
	files, err := filepath.Glob("../examples/*/collector.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			output(t, otelcol(t, "validate", "--config", file))
		})
	}
}

// TestLocalExample needs the ports that the example has: 8787, 8888 and 8889.
func TestLocalExample(t *testing.T) {
	c := startWith(t, "../examples/local/collector.yaml", "http://localhost:8787")
	output(t, verifyyougen(t, "send", "--stage", "consent_granted"))

	counted := regexp.MustCompile(`(?m)^verifyyou_events_total\{[^}]*verifyyou_stage="consent_granted"[^}]*} 1$`)
	require.Eventually(t, func() bool { return counted.MatchString(get("http://localhost:8889/metrics")) }, deadline, poll)
	assert.Regexp(t, `otelcol_receiver_verifyyou_requests\{[^}]*result="accepted"[^}]*} 1\n`, get("http://localhost:8888/metrics"))
	c.stop()
	assert.Contains(t, c.printed(), "EventName: verifyyou.consent_granted")
}
