// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"context"
	"slices"
	"time"
)

// Interval is how often Watch should read a file, for a change to be in use after two intervals at most. It always
// reads: size and time of a file can stay the same, and notifications need what a machine may lack (inotify instances
// are few, and a network file system has none).
const Interval = 2 * time.Second

// Watch reads a file at every interval, until ctx ends. It begins with the secrets that were read last.
//
// It calls changed with the secrets whenever they differ from those before, and when the file is good again; failed
// once when the file can no longer be read, until it is good again. What it tells, it has seen in two reads in a row:
// while somebody writes the file (echo new > file), it is empty or half-written for a moment. Both are called in the
// goroutine that called Watch.
//
// One read at most is outstanding. Nothing waits for it, the end of Watch included: a goroutine stays with a read that
// hangs. It is reported as a failure after 5 s, and the next read follows when it has ended.
func Watch(ctx context.Context, file string, interval time.Duration, last []string, changed func([]string), failed func(error)) {
	w := watcher{
		read:    func() ([]string, error) { return readFile(file) },
		current: last, before: result{secrets: last},
		changed: changed, failed: failed,
	}
	w.run(ctx, interval)
}

type watcher struct {
	read    func() ([]string, error)
	current []string // the secrets told last
	before  result   // of the last read
	failing bool     // failed has been called, and changed not since
	changed func([]string)
	failed  func(error)
}

func (w *watcher) run(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var outstanding <-chan result // nil: none
	var began time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-outstanding:
			outstanding = nil
			w.see(r)
		case <-ticker.C:
			switch {
			case outstanding == nil:
				outstanding, began = begin(w.read), time.Now()
			case time.Since(began) >= timeout:
				w.fail(ErrTimeout)
			}
		}
	}
}

// see tells what has been read twice in a row, unless it is known.
func (w *watcher) see(r result) {
	again := (r.err != nil) == (w.before.err != nil) && slices.Equal(r.secrets, w.before.secrets)
	w.before = r
	switch {
	case !again:
	case r.err != nil:
		w.fail(r.err)
	case w.failing || !slices.Equal(r.secrets, w.current):
		w.failing, w.current = false, r.secrets
		w.changed(r.secrets)
	}
}

func (w *watcher) fail(err error) {
	if !w.failing {
		w.failing = true
		w.failed(err)
	}
}
