// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package state keeps state in a storage extension: all of it at once or none of it, and none that is damaged.
package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

var (
	// ErrNoExtension means that the configuration names a storage extension that is not there.
	ErrNoExtension = errors.New("there is no such storage extension: define it under extensions and list it under service::extensions")
	// ErrDamaged means that a stored value is not as it was written, or was not written by this component.
	ErrDamaged = errors.New("is damaged, or was not written by this component")
)

// magic comes before every value, so that what others have written is not taken for ours.
var magic = []byte("verifyyou1")

// Store keeps values by key. It is safe for concurrent use as far as its client is.
type Store struct {
	client storage.Client
}

// Owner is a component that keeps state.
type Owner struct {
	Host      component.Host
	Logger    *zap.Logger
	Kind      component.Kind
	ID        component.ID
	Extension *component.ID // as configured; nil: it keeps none
}

// Resume opens the storage of a component, and lets it load what is there. It returns nil where there is no storage.
// Storage that cannot be opened, or whose content cannot be loaded, is reported and not an error: the component has to
// work, with an empty state, which reset makes. Only one that does not exist is an error.
func (o *Owner) Resume(ctx context.Context, load func(*Store) error, reset func()) (*Store, error) {
	if o.Extension == nil {
		return nil, nil
	}
	store, err := o.openStore(ctx)
	switch {
	case errors.Is(err, ErrNoExtension):
		return nil, fmt.Errorf("storage: %s: %w", o.Extension, err)
	case err != nil:
		o.report("Cannot open storage; nothing will survive a restart", err)
		return nil, nil
	}
	if err := load(store); err != nil {
		o.report("Cannot use what is stored; starting with an empty state", err)
		reset()
	}
	return store, nil
}

func (o *Owner) openStore(ctx context.Context) (*Store, error) {
	extension, ok := o.Host.GetExtensions()[*o.Extension].(storage.Extension)
	if !ok {
		return nil, ErrNoExtension
	}
	client, err := extension.GetClient(ctx, o.Kind, o.ID, "")
	if err != nil {
		return nil, err
	}
	return &Store{client: client}, nil
}

func (o *Owner) report(message string, err error) {
	o.Logger.Error(message, zap.Stringer("storage", o.Extension), zap.Error(err))
	componentstatus.ReportStatus(o.Host, componentstatus.NewRecoverableErrorEvent(err))
}

// Get returns a value, nil if there is none, or ErrDamaged.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	sealed, err := s.client.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", key, err)
	}
	if sealed == nil {
		return nil, nil
	}
	value, ok := open(sealed)
	if !ok {
		return nil, fmt.Errorf("%q: %w", key, ErrDamaged)
	}
	return value, nil
}

// Write writes and deletes values in one batch.
func (s *Store) Write(ctx context.Context, written map[string][]byte, deleted []string) error {
	operations := make([]*storage.Operation, 0, len(written)+len(deleted))
	for key, value := range written {
		operations = append(operations, storage.SetOperation(key, seal(value)))
	}
	for _, key := range deleted {
		operations = append(operations, storage.DeleteOperation(key))
	}
	return s.client.Batch(ctx, operations...)
}

// Close ends the use of the store.
func (s *Store) Close(ctx context.Context) error {
	return s.client.Close(ctx)
}

func seal(value []byte) []byte {
	sealed := make([]byte, 0, len(magic)+crc32.Size+len(value))
	sealed = append(sealed, magic...)
	sealed = binary.BigEndian.AppendUint32(sealed, crc32.ChecksumIEEE(value))
	return append(sealed, value...)
}

func open(sealed []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(sealed, magic)
	if !ok || len(rest) < crc32.Size {
		return nil, false
	}
	value := rest[crc32.Size:]
	return value, crc32.ChecksumIEEE(value) == binary.BigEndian.Uint32(rest)
}
