// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package secrets

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// pipe makes one with nobody at either end.
func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

// serve waits for a reader of a pipe.
func serve(t *testing.T, path string) *os.File {
	t.Helper()
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	return w
}

// TestReadPipe has nobody who writes.
func TestReadPipe(t *testing.T) {
	_, err := Read(t.Context(), pipe(t))
	require.ErrorIs(t, err, ErrEmpty)
}

// TestReadSilentPipe has a writer who neither writes nor leaves.
func TestReadSilentPipe(t *testing.T) {
	path := pipe(t)
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer writer.Close()
	_, err = readWithin(t.Context(), func() ([]string, error) {
		_, readErr := readBounded(path, time.Now())
		return nil, readErr
	})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// TestWatchPipe shows that the end of a watch does not wait for a read of a pipe, and that the goroutine that reads ends
// with it.
func TestWatchPipe(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		Watch(ctx, path, time.Millisecond, nil, func([]string) { t.Error("changed") }, func(error) {})
	})
	w := serve(t, path) // a read is outstanding, and stays so while this is open
	cancel()
	watching.Wait()
	require.NoError(t, w.Close())
}

func TestFileWithoutEnd(t *testing.T) {
	for _, device := range []string{"/dev/zero", "/dev/urandom"} {
		_, err := Read(t.Context(), device)
		require.ErrorIs(t, err, ErrTooLarge, device)
	}
}
