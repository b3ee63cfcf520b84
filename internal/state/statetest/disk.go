// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package statetest helps to test components that keep state in a storage extension.
package statetest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Disk is a storage extension in memory, which outlives the components that use it. Its fields are for when none does.
type Disk struct {
	component.Component
	mu     sync.Mutex
	Values map[string][]byte
	err    error // of every operation
	Opens  error // of GetClient
}

// GetClient is of storage.Extension.
func (d *Disk) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return d, d.Opens
}

// Get is of storage.Client.
func (d *Disk) Get(_ context.Context, key string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Values[key], d.err
}

// Set is of storage.Client.
func (d *Disk) Set(ctx context.Context, key string, value []byte) error {
	return d.Batch(ctx, storage.SetOperation(key, value))
}

// Delete is of storage.Client.
func (d *Disk) Delete(ctx context.Context, key string) error {
	return d.Batch(ctx, storage.DeleteOperation(key))
}

// Batch is of storage.Client.
func (d *Disk) Batch(_ context.Context, operations ...*storage.Operation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	for _, o := range operations {
		if o.Type == storage.Delete {
			delete(d.Values, o.Key)
			continue
		}
		d.Values[o.Key] = slices.Clone(o.Value)
	}
	return nil
}

// Close is of storage.Client.
func (d *Disk) Close(context.Context) error { return nil }

// Fail makes every operation fail from here on; nil ends that.
func (d *Disk) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// Copied returns what a crash would leave.
func (d *Disk) Copied() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Disk{Values: maps.Clone(d.Values)}
}

// ID is the id that the configurations of tests give to a Disk.
var ID = component.MustNewID("disk")

// New returns an empty disk.
func New() *Disk {
	return &Disk{Values: map[string][]byte{}}
}
