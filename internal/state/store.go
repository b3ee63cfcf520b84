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
	"go.opentelemetry.io/collector/extension/xextension/storage"
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

// Open returns the store of a component in a storage extension of the host.
func Open(ctx context.Context, host component.Host, extension component.ID, kind component.Kind, id component.ID) (*Store, error) {
	ext, ok := host.GetExtensions()[extension].(storage.Extension)
	if !ok {
		return nil, ErrNoExtension
	}
	client, err := ext.GetClient(ctx, kind, id, "")
	if err != nil {
		return nil, err
	}
	return &Store{client: client}, nil
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
