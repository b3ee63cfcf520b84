// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVerifyyougen(t *testing.T) {
	c, cfg := start(t)
	right := verifyyougen(t, "send", "--endpoint", c.url+path, "--stage", "face_collision")
	wrong := verifyyougen(t, "send", "--endpoint", c.url+path, "--secret", "whsec_wrong")
	assert.Equal(t, 0, exitCode(t, right))
	assert.Equal(t, 1, exitCode(t, wrong))
	c.stop()

	records := cfg.records(t)
	require.Len(t, records, 1)
	assert.Equal(t, "verifyyou.face_collision", records[0].EventName())
}

// exitCode runs a program to its end.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	printed, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError), "%s", printed)
	}
	return cmd.ProcessState.ExitCode()
}
