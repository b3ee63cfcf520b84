// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
)

const (
	// openTime is how long Open tries: a process that is being replaced should have ended by then.
	openTime = time.Minute
	// openPace lies between the end of one attempt and the next.
	openPace = time.Second
	// openReports is how often the log says that it still tries.
	openReports = 25 * time.Second
	// closeTime is how long Close takes at most.
	closeTime = time.Second
	// probeKey is read to see whether a client that was handed out can read: a database may be opened only when it is
	// used, and a damaged one may fail only then. It need not be there.
	probeKey = "state"
)

var (
	errNoExtension = errors.New("there is no such extension: define it under extensions and list it under service::extensions")
	errNoStorage   = errors.New("this extension is no storage: name one such as file_storage")
	errNoAnswer    = errors.New("the storage has not answered")
	errGivenUp     = fmt.Errorf("tried for %s", openTime)
)

// remedy is what can be done about a storage that cannot be opened.
const remedy = "make sure that no other process uses it and that this one may read and write it; if its database is " +
	"corrupt, move the file away, which loses the state, and set fsync: true"

// Settings say which component keeps its state where.
type Settings struct {
	Host   component.Host
	Logger *zap.Logger
	Kind   component.Kind
	ID     component.ID
	// Extension is the id of the storage extension as configured; nil: the component keeps no state.
	Extension *component.ID
}

// Open opens the storage of a component. It returns nil where none is configured.
//
// A storage that cannot be opened or read (another process has it, no permission, a database that is refused, a panic)
// is tried again every second for up to a minute, or until ctx ends. The log says at the first failure why, and every
// 25 s that it still tries. After that, and at once where the configuration names no storage extension, it is an error
// that Start has to return: a component does not run without the storage that it was told to use. The error names the
// storage, the reason and the remedy.
//
// An attempt that never returns holds up Open no longer than that. What it opens too late is closed again.
func Open(ctx context.Context, s Settings) (*Store, error) {
	if s.Extension == nil {
		return nil, nil
	}
	found, ok := s.Host.GetExtensions()[*s.Extension]
	if !ok {
		return nil, fmt.Errorf("storage: %s: %w", s.Extension, errNoExtension)
	}
	extension, ok := found.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: %s: %w", s.Extension, errNoStorage)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, openTime, errGivenUp)
	defer cancel()
	o := opener{settings: &s, extension: extension, opened: make(chan *Store), failed: make(chan error)}
	return o.open(ctx)
}

// opener opens a storage in a goroutine of its own, for a call may block.
type opener struct {
	settings  *Settings
	extension storage.Extension
	opened    chan *Store // unbuffered, so that a store has one owner: who waits for it, or else the goroutine
	failed    chan error
}

func (o *opener) open(ctx context.Context) (*Store, error) {
	go o.keepTrying(ctx)
	reports := time.NewTicker(openReports)
	defer reports.Stop()
	reason := errNoAnswer
	for {
		select {
		case store := <-o.opened:
			return store, nil
		case err := <-o.failed:
			if errors.Is(reason, errNoAnswer) {
				o.warn(err)
			}
			reason = err
		case <-reports.C:
			o.warn(reason)
		case <-ctx.Done():
			return nil, fmt.Errorf("storage: %s: cannot be opened: %w (%w): %s", o.settings.Extension, reason, context.Cause(ctx), remedy)
		}
	}
}

func (o *opener) warn(err error) {
	o.settings.Logger.Warn("Storage cannot be opened yet; trying again",
		zap.Stringer("storage", o.settings.Extension), zap.Error(err))
}

// keepTrying ends when it has opened the storage or ctx has ended.
func (o *opener) keepTrying(ctx context.Context) {
	for {
		store, err := o.attempt(ctx)
		if err == nil {
			select {
			case o.opened <- store:
			case <-ctx.Done():
				_ = store.Close(ctx) // or nobody else can open it
			}
			return
		}
		select {
		case o.failed <- err:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(openPace):
		case <-ctx.Done():
			return
		}
	}
}

func (o *opener) attempt(ctx context.Context) (*Store, error) {
	client, err := o.client(ctx)
	if err != nil {
		return nil, err
	}
	store := newStore(client, o.settings)
	if _, err := store.read(ctx, probeKey); err != nil {
		_ = store.Close(ctx)
		return nil, err
	}
	return store, nil
}

func (o *opener) client(ctx context.Context) (client storage.Client, err error) {
	defer guard.Recover(o.settings.Logger, &err)
	return o.extension.GetClient(ctx, o.settings.Kind, o.settings.ID, "")
}
