// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	for content, want := range map[string][]string{
		"one":                         {"one"},
		"one\n":                       {"one"},
		"\r\n  one \r\n\n\ttwo\n \n":  {"one", "two"},
		"with space inside\nand: #\n": {"with space inside", "and: #"},
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		got, err := Read(file)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, content := range []string{"", "\n", " \r\n\t\n"} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		_, err := Read(file)
		require.ErrorIs(t, err, ErrEmpty)
	}
	_, err := Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// heard is what Watch has told.
type heard struct {
	mu       sync.Mutex
	secrets  []string
	failures []string
}

func (h *heard) changed(secrets []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets = secrets
}

func (h *heard) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = append(h.failures, err.Error())
}

func (h *heard) has(t *testing.T, what func(*heard) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return what(h)
	}, time.Minute, time.Millisecond)
}

func (h *heard) secretsAre(t *testing.T, want ...string) {
	t.Helper()
	h.has(t, func(h *heard) bool { return assert.ObjectsAreEqual(want, h.secrets) })
}

func (h *heard) failuresAre(t *testing.T, want int) {
	t.Helper()
	h.has(t, func(h *heard) bool { return len(h.failures) == want })
}

func watch(t *testing.T, file string) *heard {
	t.Helper()
	last, err := Read(file)
	require.NoError(t, err)
	h := &heard{}
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { assert.NoError(t, Watch(ctx, file, last, h.changed, h.failed)) })
	t.Cleanup(func() {
		stop()
		watching.Wait()
	})
	return h
}

func write(t *testing.T, file, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

func TestWatchFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	write(t, file, "old")
	h := watch(t, file)
	write(t, file, "old\nnew")
	h.secretsAre(t, "old", "new")

	write(t, file, "")
	h.failuresAre(t, 1)
	h.secretsAre(t, "old", "new")
	write(t, file, "old\nnew\n")
	h.secretsAre(t, "old", "new")

	require.NoError(t, os.Remove(file))
	h.has(t, func(h *heard) bool { return len(h.failures) > 1 })
	write(t, file+".tmp", "newer")
	require.NoError(t, os.Rename(file+".tmp", file))
	h.secretsAre(t, "newer")
}

// TestWatchFolder takes the whole folder away, and the watch with it.
func TestWatchFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	file := filepath.Join(folder, "secrets")
	require.NoError(t, os.Mkdir(folder, 0o700))
	write(t, file, "old")
	h := watch(t, file)
	require.NoError(t, os.RemoveAll(folder))
	h.has(t, func(h *heard) bool { return len(h.failures) > 0 })
	require.NoError(t, os.Mkdir(folder, 0o700))
	write(t, file, "new")
	h.secretsAre(t, "new")
}

// TestWatchKubernetes changes a mounted Secret as the kubelet does: the file is a symlink through ..data, a symlink to
// a folder of a time, which is replaced by renaming another over it.
func TestWatchKubernetes(t *testing.T) {
	mount := t.TempDir()
	publish := func(name, content string) {
		require.NoError(t, os.Mkdir(filepath.Join(mount, name), 0o700))
		write(t, filepath.Join(mount, name, "secrets"), content)
		require.NoError(t, os.Symlink(name, filepath.Join(mount, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	publish("..2026_06_09_17_04_01", "old")
	file := filepath.Join(mount, "secrets")
	require.NoError(t, os.Symlink(filepath.Join("..data", "secrets"), file))
	h := watch(t, file)
	for _, secret := range []string{"new", "newer", "newest"} {
		publish("..2026_06_10_"+secret, secret)
		h.secretsAre(t, secret)
	}
	assert.Empty(t, h.failures)
}
