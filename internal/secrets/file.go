// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package secrets reads a file of secrets, and reads it again when it changes.
package secrets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// ErrEmpty means that a file holds no secret.
var ErrEmpty = errors.New("there is no secret in it")

// Read returns the secrets of a file: one a line, trimmed, without blank lines. There is at least one. An error does
// not name the file: where somebody has put a secret in the place of its name, it would be printed.
func Read(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		if named := (*fs.PathError)(nil); errors.As(err, &named) {
			err = named.Err
		}
		return nil, err
	}
	var secrets []string
	for line := range strings.Lines(string(content)) {
		if secret := strings.TrimSpace(line); secret != "" {
			secrets = append(secrets, secret)
		}
	}
	if len(secrets) == 0 {
		return nil, ErrEmpty
	}
	return secrets, nil
}

// checkInterval is how often a file is looked at although nothing has been heard of it: a network file system tells of
// no change, and a watch ends with the folder that it is on.
const checkInterval = 5 * time.Second

// Watch calls changed with the secrets of a file whenever they differ from those before, and failed whenever the file
// cannot be read for another reason than before, until ctx ends. It begins with what was read last, and returns an error
// if the system does not let it watch.
//
// The watch is on the file's folder, not on the file: an editor puts another file in its place, and Kubernetes another
// folder (a symlink beside it is swapped).
func Watch(ctx context.Context, file string, last []string, changed func([]string), failed func(error)) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	r := reader{file: file, last: last, changed: changed, failed: failed}
	for {
		// Again and again, for the folder can go and come back. If it is away, reading says so.
		_ = watcher.Add(filepath.Dir(file))
		r.read()
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
		case <-watcher.Errors: //nolint:errcheck // reading says what is wrong
		case <-ticker.C:
		}
	}
}

// reader remembers what was read, so that the same is not told twice.
type reader struct {
	file    string
	last    []string
	failure string
	changed func([]string)
	failed  func(error)
}

func (r *reader) read() {
	secrets, err := Read(r.file)
	if err != nil {
		if r.failure != err.Error() {
			r.failure = err.Error()
			r.failed(err)
		}
		return
	}
	if r.failure != "" || !slices.Equal(secrets, r.last) {
		r.failure, r.last = "", secrets
		r.changed(secrets)
	}
}
