// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package secrets reads a file of secrets, and reads it again when it changes.
package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// Why a file is refused, beside what the system says. No error of this package has the file's name or content in it:
// where somebody has put a secret in the place of the name, it would be printed.
var (
	ErrEmpty    = errors.New("there is no secret in it")
	ErrNotUTF8  = errors.New("it is in UTF-16 or has a NUL byte in it; save it in UTF-8")
	ErrTooLarge = fmt.Errorf("it is larger than %d bytes", maxBytes)
	ErrTimeout  = fmt.Errorf("reading it takes longer than %v", timeout)
)

const (
	// maxBytes is far more than secrets take, and little enough for a file without an end, as /dev/zero is.
	maxBytes = 1 << 20

	// timeout is how long a file may take that is a pipe or on a network file system.
	timeout = 5 * time.Second
)

// Read returns the secrets of a file: one a line, without white space and byte order marks around it, and without
// blank lines. There is at least one. It gives up after 5 s, or when ctx ends. The read itself cannot be stopped: a
// goroutine waits for it for as long as the system does.
func Read(ctx context.Context, file string) ([]string, error) {
	return readWithin(ctx, func() ([]string, error) { return readFile(file) })
}

func readWithin(ctx context.Context, read func() ([]string, error)) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, ErrTimeout)
	defer cancel()
	select {
	case r := <-begin(read):
		return r.secrets, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// result is what a read has come to.
type result struct {
	secrets []string
	err     error
}

// begin reads in a goroutine of its own, as open(2) and read(2) may never return where a mount hangs.
func begin(read func() ([]string, error)) <-chan result {
	c := make(chan result, 1)
	go func() {
		secrets, err := read()
		c <- result{secrets, err}
	}()
	return c
}

func readFile(file string) ([]string, error) {
	content, err := readBounded(file, time.Now().Add(timeout))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, ErrTimeout
	}
	if named := (*fs.PathError)(nil); errors.As(err, &named) {
		return nil, named.Err
	}
	if err != nil {
		return nil, err
	}
	return parse(content)
}

// readBounded does not wait for a pipe that nobody writes to, nor longer than the deadline for one that is open: such a
// read would never end, and no other would follow, even once there is a file in the place of the pipe.
func readBounded(file string, deadline time.Time) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_ = f.SetReadDeadline(deadline) // files other than pipes have none
	content, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(content) > maxBytes {
		err = ErrTooLarge
	}
	return content, err
}

const byteOrderMark = "\uFEFF"

// parse takes off a byte order mark at every line, since files are also made by appending one to another.
func parse(content []byte) ([]string, error) {
	if isUTF16(content) {
		return nil, ErrNotUTF8
	}
	var secrets []string
	for line := range strings.Lines(string(content)) {
		secret := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), byteOrderMark))
		if secret != "" {
			secrets = append(secrets, secret)
		}
	}
	if len(secrets) == 0 {
		return nil, ErrEmpty
	}
	return secrets, nil
}

// isUTF16 recognizes UTF-16 by its byte order mark, of either order, or by the zero in its ASCII characters.
func isUTF16(content []byte) bool {
	return bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) ||
		bytes.IndexByte(content, 0) >= 0
}
