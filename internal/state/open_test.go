// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
)

type extensions map[component.ID]component.Component

func (e extensions) GetExtensions() map[component.ID]component.Component { return e }

// on returns the settings of a receiver that keeps its state on a disk, and what it logs.
func on(d *statetest.Disk) (Settings, *observer.ObservedLogs) {
	core, logged := observer.New(zap.InfoLevel)
	return Settings{
		Host: extensions{statetest.ID: d}, Logger: zap.New(core),
		Kind: component.KindReceiver, ID: component.MustNewID("verifyyou"), Extension: &statetest.ID,
	}, logged
}

// opened returns a store on a disk.
func opened(t *testing.T, d *statetest.Disk) *Store {
	t.Helper()
	settings, _ := on(d)
	store, err := Open(t.Context(), settings)
	require.NoError(t, err)
	return store
}

var errLocked = errors.New("locked by another process")

func locked() error { return errLocked }

func broken() error { panic("page 3: invalid page type") }

func TestOpenWithoutStorage(t *testing.T) {
	store, err := Open(t.Context(), Settings{})
	require.NoError(t, err)
	assert.Nil(t, store)
}

// TestOpenWrongExtension fails at once: waiting does not help.
func TestOpenWrongExtension(t *testing.T) {
	for want, host := range map[string]extensions{
		"storage: disk: there is no such extension":   {},
		"storage: disk: this extension is no storage": {statetest.ID: struct{ component.Component }{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			settings, logged := on(nil)
			settings.Host = host
			began := time.Now()
			store, err := Open(t.Context(), settings)
			require.ErrorContains(t, err, want)
			assert.Nil(t, store)
			assert.Zero(t, time.Since(began))
			assert.Zero(t, logged.Len())
		})
	}
}

// TestOpenIsTriedAgain until it works, every second after an attempt that failed.
func TestOpenIsTriedAgain(t *testing.T) {
	slow := func() error {
		time.Sleep(time.Second) // as long as file_storage waits for a lock
		return errLocked
	}
	for name, test := range map[string]struct {
		hinder func(*statetest.Disk)
		want   time.Duration
	}{
		"works":         {func(*statetest.Disk) {}, 0},
		"locked":        {func(d *statetest.Disk) { d.OnOpen(statetest.Times(3, locked)) }, 3 * time.Second},
		"locked, slow":  {func(d *statetest.Disk) { d.OnOpen(statetest.Times(29, slow)) }, 58 * time.Second},
		"panics":        {func(d *statetest.Disk) { d.OnOpen(statetest.Times(1, broken)) }, time.Second},
		"cannot read":   {func(d *statetest.Disk) { d.OnCall(statetest.Times(2, locked)) }, 2 * time.Second},
		"panics, reads": {func(d *statetest.Disk) { d.OnCall(statetest.Times(2, broken)) }, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := statetest.New()
				test.hinder(d)
				settings, _ := on(d)
				began := time.Now()
				store, err := Open(t.Context(), settings)
				require.NoError(t, err)
				assert.Equal(t, test.want, time.Since(began))
				assert.Equal(t, 1, d.Clients(), "those that cannot read are closed")
				require.NoError(t, store.Close(t.Context()))
				assert.Zero(t, d.Clients())
			})
		})
	}
}

// TestOpenGivesUp after a minute, with the storage, the reason and the remedy; the log has said so from the beginning.
func TestOpenGivesUp(t *testing.T) {
	for name, test := range map[string]struct {
		hinder func(*statetest.Disk)
		reason error
		first  time.Duration // until the log says why
		logs   int
	}{
		"locked":      {func(d *statetest.Disk) { d.OnOpen(locked) }, errLocked, 0, 3},
		"panics":      {func(d *statetest.Disk) { d.OnOpen(broken) }, guard.ErrPanic, 0, 3},
		"cannot read": {func(d *statetest.Disk) { d.OnCall(locked) }, errLocked, 0, 3},
		"blocks": {func(d *statetest.Disk) {
			d.OnOpen(func() error {
				time.Sleep(time.Hour)
				return nil
			})
		}, errNoAnswer, openReports, 2},
		"reading blocks": {func(d *statetest.Disk) {
			d.OnCall(func() error {
				time.Sleep(time.Hour)
				return nil
			})
		}, errNoAnswer, openReports, 2},
		"fails, then blocks": {func(d *statetest.Disk) {
			first := true
			d.OnOpen(func() error {
				if first {
					first = false
					return errLocked
				}
				time.Sleep(time.Hour)
				return nil
			})
		}, errLocked, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := statetest.New()
				test.hinder(d)
				settings, logged := on(d)
				began := time.Now()
				_, err := Open(t.Context(), settings)
				assert.Equal(t, openTime, time.Since(began).Truncate(openTime))
				require.ErrorIs(t, err, test.reason)
				require.ErrorContains(t, err, "storage: disk: cannot be opened")
				require.ErrorContains(t, err, "tried for 1m0s")
				require.ErrorContains(t, err, remedy)
				warnings := logged.FilterLevelExact(zap.WarnLevel).All()
				if assert.Len(t, warnings, test.logs) {
					assert.Equal(t, test.first, warnings[0].Time.Sub(began))
					assert.Equal(t, "disk", warnings[0].ContextMap()["storage"])
				}
				time.Sleep(2 * time.Hour)
				assert.Zero(t, d.Clients(), "one that came too late is closed")
			})
		})
	}
}

// TestOpenIsCancelled ends with the context of Start, whatever the storage does.
func TestOpenIsCancelled(t *testing.T) {
	for name, open := range map[string]func() error{
		"fails": locked,
		"blocks": func() error {
			time.Sleep(time.Hour)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := statetest.New()
				d.OnOpen(open)
				settings, _ := on(d)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(1500*time.Millisecond, cancel)
				began := time.Now()
				_, err := Open(ctx, settings)
				require.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, 1500*time.Millisecond, time.Since(began))
				time.Sleep(2 * time.Hour)
				assert.Zero(t, d.Clients())
			})
		})
	}
}

// TestOpenAtTheLastMoment has one owner: whoever does not get the client closes it.
func TestOpenAtTheLastMoment(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			d := statetest.New()
			d.OnOpen(func() error {
				time.Sleep(openTime)
				return nil
			})
			settings, _ := on(d)
			want := 1
			if _, err := Open(t.Context(), settings); err != nil {
				want = 0
			}
			synctest.Wait()
			assert.Equal(t, want, d.Clients())
		})
	}
}
