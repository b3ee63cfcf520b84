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

// TestReadPipe and TestWatchPipe show that neither a read nor the end of a watch waits for a pipe, and that the
// goroutine that does ends when it is served.
func TestReadPipe(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Read(ctx, path)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, serve(t, path).Close())
}

func TestWatchPipe(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		Watch(ctx, path, time.Millisecond, nil, func([]string) { t.Error("changed") }, func(error) { t.Error("failed") })
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
