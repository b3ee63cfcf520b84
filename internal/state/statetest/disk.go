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

// ID is the id that the configurations of tests give to a Disk.
var ID = component.MustNewID("disk")

// Disk is a storage extension in memory, which outlives the components that use it. It is safe for concurrent use, but
// for Values.
type Disk struct {
	component.Component
	Values map[string][]byte // as stored; for when no component uses the disk

	mu      sync.Mutex
	onOpen  func() error
	onCall  func() error
	clients int
}

// New returns an empty disk.
func New() *Disk {
	return &Disk{Values: map[string][]byte{}}
}

// OnOpen makes every GetClient from here on call a function first, which may fail, block or panic; nil ends that.
func (d *Disk) OnOpen(do func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onOpen = do
}

// OnCall makes every call of a client from here on, but Close, call a function first, which may fail, block or panic;
// nil ends that.
func (d *Disk) OnCall(do func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onCall = do
}

// Fail makes every call of a client, but Close, fail from here on; nil ends that.
func (d *Disk) Fail(err error) {
	d.OnCall(func() error { return err })
}

// Times returns a function for OnOpen or OnCall that calls another so many times and then does nothing.
func Times(n int, do func() error) func() error {
	var mu sync.Mutex
	return func() error {
		mu.Lock()
		n--
		left := n
		mu.Unlock()
		if left < 0 {
			return nil
		}
		return do()
	}
}

// Clients returns how many clients have been handed out and not been closed.
func (d *Disk) Clients() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clients
}

// Copied returns what a crash would leave, on a disk that works.
func (d *Disk) Copied() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Disk{Values: maps.Clone(d.Values)}
}

// before calls what comes before a call, without the lock: it may block.
func (d *Disk) before(hook *func() error) error {
	d.mu.Lock()
	do := *hook
	d.mu.Unlock()
	if do == nil {
		return nil
	}
	return do()
}

// GetClient is of storage.Extension.
func (d *Disk) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	if err := d.before(&d.onOpen); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients++
	return d, nil
}

// Get is of storage.Client.
func (d *Disk) Get(_ context.Context, key string) ([]byte, error) {
	if err := d.before(&d.onCall); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Values[key], nil
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
	if err := d.before(&d.onCall); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
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
func (d *Disk) Close(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients--
	return nil
}
