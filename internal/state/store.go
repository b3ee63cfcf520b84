// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package state keeps the state of a component in a storage extension: all of it at once or none of it, and none that
// is corrupt.
package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
)

var (
	// ErrCorrupt means that a stored value is not as it was written, or was not written by this component.
	ErrCorrupt = errors.New("is corrupt, or was not written by this component")

	// errUnreadable means that the storage failed, and says nothing about what is stored.
	errUnreadable = errors.New("cannot be read")
)

// magic comes before every value, so that what others have written is not taken for ours.
var magic = []byte("verifyyou1")

// Store keeps values by key. It hands its storage one call at a time, for which it waits no longer than the context of
// that call. It is safe for concurrent use.
type Store struct {
	client    storage.Client
	extension component.ID
	logger    *zap.Logger
	calling   chan struct{} // has an element during a call
	discarded map[string]struct{}
}

func newStore(client storage.Client, s *Settings) *Store {
	return &Store{
		client: client, extension: *s.Extension, logger: s.Logger,
		calling: make(chan struct{}, 1), discarded: map[string]struct{}{},
	}
}

// Load lets a component take over what is stored, at Start. What load returns because the storage fails is an error, as
// it is of Open. Any other error of it means that what is stored is corrupt or foreign: it is logged, and handed to
// reset, which makes the component begin with an empty state and reports the fault. Load takes a minute at most.
func (s *Store) Load(ctx context.Context, load func(context.Context) error, reset func(error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, openTime, errGivenUp)
	defer cancel()
	err := load(ctx)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("storage: %s: %w", s.extension, err)
	if errors.Is(err, errUnreadable) {
		return fmt.Errorf("%w: %s", err, remedy)
	}
	s.logger.Error("Stored state cannot be used; starting with an empty state",
		zap.Stringer("storage", s.extension), zap.Error(err))
	reset(err)
	return nil
}

// Get returns a value, nil if there is none. An error that matches ErrCorrupt is about the value, any other about the
// storage.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	sealed, err := s.read(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%q %w", key, err)
	}
	if sealed == nil {
		return nil, nil
	}
	value, ok := unseal(sealed)
	if !ok {
		return nil, fmt.Errorf("%q %w", key, ErrCorrupt)
	}
	return value, nil
}

// read returns a value as it is stored.
func (s *Store) read(ctx context.Context, key string) ([]byte, error) {
	var sealed []byte // not a result: a call that ctx has left alone still sets it
	err := s.call(ctx, func() (err error) {
		sealed, err = s.client.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return sealed, nil
}

// Discard makes the next Write delete keys that are not used any more, but for those that it writes. It takes many keys,
// stored or not: a storage need not be able to list what it has, so that whoever knows of keys has to name them.
// It is for Load, and not safe for concurrent use with Write.
func (s *Store) Discard(keys ...string) {
	for _, key := range keys {
		s.discarded[key] = struct{}{}
	}
}

// Write writes and deletes values in one batch, with what was discarded. With a storage that has transactions, as
// file_storage does, that is atomic: after a crash either all of it is there or nothing. After an error nothing of it
// counts as written, though it may be (a storage that answers too late): it must be written again. Writes take effect in
// the order in which they are called, those that return too late too.
func (s *Store) Write(ctx context.Context, written map[string][]byte, deleted []string) error {
	operations := make([]*storage.Operation, 0, len(written)+len(deleted)+len(s.discarded))
	for key, value := range written {
		operations = append(operations, storage.SetOperation(key, seal(value)))
	}
	for _, key := range deleted {
		operations = append(operations, storage.DeleteOperation(key))
	}
	for key := range s.discarded {
		if _, ok := written[key]; !ok {
			operations = append(operations, storage.DeleteOperation(key))
		}
	}
	if err := s.call(ctx, func() error { return s.client.Batch(ctx, operations...) }); err != nil {
		return fmt.Errorf("storage: %s: %w", s.extension, err)
	}
	clear(s.discarded)
	return nil
}

// Close ends the use of the storage, so that another can open it. It takes a second at most, whether ctx has ended or
// not: after a last flush that took all its time the storage must be closed still, or the component that the Collector
// makes in place of this one (it does when its configuration changes) would find it in use. If a call under way takes
// longer, Close returns an error, and the storage is closed after that call.
func (s *Store) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	closed := make(chan error, 1)
	go func() { closed <- s.call(ctx, func() error { return s.client.Close(ctx) }) }()
	var err error
	select {
	case err = <-closed:
	case <-time.After(closeTime):
		err = errNoAnswer
	}
	if err != nil {
		return fmt.Errorf("storage: %s: cannot be closed: %w", s.extension, err)
	}
	return nil
}

// call calls the storage once no other call is under way. A panic in it becomes an error. When ctx ends it is left
// alone, but no other begins until it has returned.
func (s *Store) call(ctx context.Context, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case s.calling <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNoAnswer, context.Cause(ctx))
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.calling }()
		done <- func() (err error) {
			defer guard.Recover(s.logger, &err)
			return do()
		}()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNoAnswer, context.Cause(ctx))
	}
}

func seal(value []byte) []byte {
	sealed := make([]byte, 0, len(magic)+crc32.Size+len(value))
	sealed = append(sealed, magic...)
	sealed = binary.BigEndian.AppendUint32(sealed, crc32.ChecksumIEEE(value))
	return append(sealed, value...)
}

func unseal(sealed []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(sealed, magic)
	if !ok || len(rest) < crc32.Size {
		return nil, false
	}
	value := rest[crc32.Size:]
	return value, crc32.ChecksumIEEE(value) == binary.BigEndian.Uint32(rest)
}
