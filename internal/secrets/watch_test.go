// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watched is a file under Watch in a bubble of package synctest, whose clock only goes on when all there waits.
type watched struct {
	t    *testing.T
	mu   sync.Mutex
	told []string // the secrets of each call of changed, or the error of each call of failed
}

func (w *watched) changed(secrets []string) { w.tell(strings.Join(secrets, " ")) }
func (w *watched) failed(err error)         { w.tell(err.Error()) }

func (w *watched) tell(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, what)
}

// background runs a watch until the test ends.
func (w *watched) background(watch func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { watch(ctx) })
	w.t.Cleanup(func() {
		stop()
		watching.Wait()
	})
}

func watch(t *testing.T, file string) *watched {
	t.Helper()
	last, err := Read(t.Context(), file)
	require.NoError(t, err)
	w := &watched{t: t}
	w.background(func(ctx context.Context) { Watch(ctx, file, Interval, last, w.changed, w.failed) })
	time.Sleep(Interval / 2) // from here on, what is done is done between two reads
	return w
}

// after expects what has been told since the last call, some reads later.
func (w *watched) after(reads int, want ...string) {
	w.t.Helper()
	time.Sleep(time.Duration(reads) * Interval)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Equal(w.t, want, w.told)
	w.told = nil
}

// many is more reads than it takes to see anything, in less than the 10 s in which a change must be in use.
const many = 4

func TestInterval(t *testing.T) {
	assert.LessOrEqual(t, many*Interval+Interval/2, 10*time.Second)
}

func TestWatchFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "secrets")
		write(t, file, "old")
		w := watch(t, file)
		w.after(many)
		write(t, file, "old\nnew")
		w.after(many, "old new")
		write(t, file, "\uFEFFold\r\n\r\nnew\r\n") // the same secrets
		w.after(many)

		write(t, file, "")
		w.after(many, ErrEmpty.Error())
		require.NoError(t, os.Remove(file)) // still no good
		w.after(many)
		write(t, file, "n\x00e\x00w\x00")
		w.after(many)
		write(t, file, "old\nnew\n")
		w.after(many, "old new")

		require.NoError(t, os.Remove(file))
		w.after(many, "no such file or directory")
		write(t, file+".tmp", "newer")
		require.NoError(t, os.Rename(file+".tmp", file))
		w.after(many, "newer")
	})
}

// TestWatchSameSizeAndTime changes nothing but the content.
func TestWatchSameSizeAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "secrets")
		modified := time.Unix(1, 0)
		write(t, file, "old")
		require.NoError(t, os.Chtimes(file, modified, modified))
		w := watch(t, file)
		write(t, file, "new")
		require.NoError(t, os.Chtimes(file, modified, modified))
		w.after(2, "new")
	})
}

// TestWatchRotation reads in each of the moments that writing a file has.
func TestWatchRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "secrets")
		write(t, file, "old")
		w := watch(t, file)
		for _, moment := range []string{"", "ne", "new", "new\nol", ""} {
			write(t, file, moment)
			w.after(1)
		}
		write(t, file, "new\nold\n")
		w.after(1)
		w.after(1, "new old")

		require.NoError(t, os.Remove(file)) // and created again
		w.after(1)
		write(t, file, "newest\n")
		w.after(2, "newest")
	})
}

// TestWatchFolder takes the whole folder away.
func TestWatchFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "folder")
		file := filepath.Join(folder, "secrets")
		require.NoError(t, os.Mkdir(folder, 0o700))
		write(t, file, "old")
		w := watch(t, file)
		require.NoError(t, os.RemoveAll(folder))
		w.after(many, "no such file or directory")
		require.NoError(t, os.Mkdir(folder, 0o700))
		write(t, file, "old")
		w.after(many, "old") // good again, though the same
		w.after(many)
	})
}

// TestWatchKubernetes changes a mounted Secret as the kubelet does: the file is a symlink through ..data, a symlink to
// a folder of a time, which is replaced by renaming another over it.
func TestWatchKubernetes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
		w := watch(t, file)
		for _, secret := range []string{"new", "newer", "newest"} {
			publish("..2026_06_10_"+secret, secret)
			w.after(many, secret)
		}
	})
}

// TestWatchHang has a read that hangs, then one that is slow, and a watch that ends while one hangs.
func TestWatchHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		served := make(chan result)
		defer close(served)
		w := &watched{t: t}
		loop := watcher{
			read: func() ([]string, error) {
				reads.Add(1)
				r := <-served
				return r.secrets, r.err
			},
			current: []string{"old"}, before: result{secrets: []string{"old"}},
			changed: w.changed, failed: w.failed,
		}
		w.background(func(ctx context.Context) { loop.run(ctx, Interval) })
		time.Sleep(Interval / 2)
		w.after(3) // one since 2 s, and its hanging is not yet 5 s old
		w.after(1, ErrTimeout.Error())
		w.after(100)
		assert.EqualValues(t, 1, reads.Load())

		served <- result{secrets: []string{"old"}}
		w.after(0, "old") // good again
		w.after(1)
		for range 2 {
			w.after(1) // slow, but not for 5 s
			served <- result{secrets: []string{"new"}}
			time.Sleep(Interval)
		}
		w.after(0, "new")
		assert.EqualValues(t, 4, reads.Load())

		served <- result{err: errors.New("a")}
		w.after(1)
		served <- result{err: errors.New("b")}
		w.after(1, "b")
		served <- result{secrets: []string{"new"}}
		w.after(1)
	})
}
