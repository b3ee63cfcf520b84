// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
)

// signedWith posts a new event and returns the status of the answer.
func (r *running) signedWith(secret string, n int) int {
	r.t.Helper()
	body := eventBody("liveness_passed", n)
	req := r.request(body)
	req.Header.Set("X-VerifyYou-Signature", sign(secret, body))
	return r.send(req).status
}

// TestRotation replaces a secret in its file as the README says, while events signed with both come.
func TestRotation(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	write := func(content string) { require.NoError(t, os.WriteFile(file, []byte(content), 0o600)) }
	write("old\n")
	r := startSinks(t, testConfig(func(c *Config) {
		c.SigningSecrets = nil
		c.SigningSecretsFile = file
	}))
	n := 0
	status := func(secret string) int {
		n++
		return r.signedWith(secret, n)
	}
	becomes := func(secret string, want int) {
		t.Helper()
		eventually(t, func() bool { return status(secret) == want })
	}
	assert.Equal(t, 200, status("old"))
	assert.Equal(t, 401, status("new"))

	write("new\nold\n")
	becomes("new", 200)
	assert.Equal(t, 200, status("old"))

	write("\n") // a mistake: the last good ones stay
	eventually(t, func() bool { return r.host.last() == componentstatus.StatusRecoverableError })
	assert.Equal(t, 200, status("new"))
	assert.Equal(t, 200, status("old"))

	write("new\n")
	becomes("old", 401)
	assert.Equal(t, 200, status("new"))
	assert.Equal(t, componentstatus.StatusOK, r.host.last())

	require.NoError(t, os.Remove(file))
	eventually(t, func() bool { return r.host.last() == componentstatus.StatusRecoverableError })
	assert.Equal(t, 200, status("new"))

	for _, entry := range r.logged.All() {
		for _, value := range entry.ContextMap() {
			text, _ := value.(string)
			assert.False(t, strings.Contains(text, "old") || strings.Contains(text, "new"), text)
		}
	}
}

func TestSecretsOfBoth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.WriteFile(file, []byte("file-a\nfile-b\n"), 0o600))
	r := startSinks(t, testConfig(func(c *Config) { c.SigningSecretsFile = file }))
	assert.Equal(t, map[string]int64{"0": 0, "file/0": 0, "file/1": 0}, r.ownSum("signature_matches"))
	for n, secret := range []string{testSecret, "file-a", "file-b", "file-b"} {
		assert.Equal(t, 200, r.signedWith(secret, n))
	}
	assert.Equal(t, map[string]int64{"0": 1, "file/0": 1, "file/1": 2}, r.ownSum("signature_matches"))
}

func TestSecretsFileAtStart(t *testing.T) {
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	const misplaced = "whsec_misplaced" // a secret where the name of its file should be
	for _, file := range []string{empty, filepath.Join(folder, "none"), folder, misplaced} {
		cfg := testConfig(func(c *Config) { c.SigningSecretsFile = file })
		require.NoError(t, cfg.Validate())
		r := create(t, receivertest.NewNopSettings(metadata.Type), cfg, pipelines{logs: consumertest.NewNop()})
		err := r.Start(t.Context(), &statusHost{})
		require.ErrorContains(t, err, "signing_secrets_file: cannot be used")
		assert.NotContains(t, err.Error(), misplaced)
		require.NoError(t, r.Shutdown(t.Context()))
	}
}
