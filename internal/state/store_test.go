// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state/statetest"
)

func write(t *testing.T, s *Store, keys ...string) {
	t.Helper()
	values := map[string][]byte{}
	for _, key := range keys {
		values[key] = []byte("value of " + key)
	}
	require.NoError(t, s.Write(t.Context(), values, nil))
}

func TestGet(t *testing.T) {
	d := statetest.New()
	s := opened(t, d)
	require.NoError(t, s.Write(t.Context(), map[string][]byte{"a": []byte("value"), "empty": {}}, nil))
	for key, want := range map[string][]byte{"a": []byte("value"), "empty": {}, "none": nil} {
		got, err := opened(t, d).Get(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, want, got, key)
	}
	require.NoError(t, s.Write(t.Context(), nil, []string{"a"}))
	got, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Nil(t, got)
}

func TestCorruptValues(t *testing.T) {
	d := statetest.New()
	write(t, opened(t, d), "a")
	good := d.Values["a"]
	damaged := map[string][]byte{"empty": {}, "foreign": []byte(`{"a": 1}`), "only magic": magic, "longer": append(slices.Clone(good), 0)}
	for n := range good {
		damaged["cut"+string(rune(n))] = good[:n]
		flipped := slices.Clone(good)
		flipped[n] ^= 1
		damaged["flipped"+string(rune(n))] = flipped
	}
	for name, value := range damaged {
		d.Values["a"] = value
		_, err := opened(t, d).Get(t.Context(), "a")
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.ErrorContains(t, err, `"a" is corrupt`)
	}
}

// TestLoad begins with an empty state if what is stored is corrupt, but not if it cannot be read.
func TestLoad(t *testing.T) {
	away := errors.New("input/output error")
	for name, test := range map[string]struct {
		spoil func(*statetest.Disk)
		reset bool
		fails error
	}{
		"good":        {func(*statetest.Disk) {}, false, nil},
		"none":        {func(d *statetest.Disk) { clear(d.Values) }, false, nil},
		"corrupt":     {func(d *statetest.Disk) { d.Values["a"][0] ^= 1 }, true, nil},
		"cannot read": {func(d *statetest.Disk) { d.Fail(away) }, false, away},
		"panics":      {func(d *statetest.Disk) { d.OnCall(broken) }, false, guard.ErrPanic},
		"never answers": {func(d *statetest.Disk) {
			d.OnCall(func() error {
				time.Sleep(time.Hour)
				return nil
			})
		}, false, errNoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := statetest.New()
				settings, logged := on(d)
				s, err := Open(t.Context(), settings)
				require.NoError(t, err)
				write(t, s, "a")
				test.spoil(d)
				began := time.Now()
				var fault error
				err = s.Load(t.Context(), func(ctx context.Context) error {
					_, getErr := s.Get(ctx, "a")
					return getErr
				}, func(err error) { fault = err })
				require.ErrorIs(t, err, test.fails)
				assert.LessOrEqual(t, time.Since(began), openTime)
				if test.fails != nil {
					require.ErrorContains(t, err, `storage: disk: "a" cannot be read`)
					require.ErrorContains(t, err, remedy)
				}
				time.Sleep(2 * time.Hour) // for what has not answered yet
				if !test.reset {
					require.NoError(t, fault)
					return
				}
				require.ErrorIs(t, fault, ErrCorrupt)
				entries := logged.FilterLevelExact(zap.ErrorLevel).All()
				require.Len(t, entries, 1)
				assert.Equal(t, "disk", entries[0].ContextMap()["storage"])
			})
		})
	}
}

// TestWriteFails leaves what was stored, and says which storage it is.
func TestWriteFails(t *testing.T) {
	for name, test := range map[string]struct {
		call func() error
		want error
	}{
		"fails":  {locked, errLocked},
		"panics": {broken, guard.ErrPanic},
	} {
		t.Run(name, func(t *testing.T) {
			d := statetest.New()
			s := opened(t, d)
			write(t, s, "a")
			before := d.Copied().Values
			d.OnCall(test.call)
			err := s.Write(t.Context(), map[string][]byte{"b": {1}}, []string{"a"})
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, "storage: disk: ")
			assert.Equal(t, before, d.Copied().Values)
			d.OnCall(nil)
			write(t, s, "b")
			assert.Len(t, d.Copied().Values, 2)
		})
	}
}

// TestWriteIsLate is left alone when its context ends, and none overtakes it.
func TestWriteIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := statetest.New()
		s := opened(t, d)
		d.OnCall(statetest.Times(1, func() error {
			time.Sleep(time.Minute)
			return nil
		}))
		began := time.Now()
		for range 2 { // the second waits for the first
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, s.Write(ctx, map[string][]byte{"a": []byte("old")}, nil), errNoAnswer)
			cancel()
		}
		assert.Equal(t, 2*time.Second, time.Since(began))
		require.NoError(t, s.Write(t.Context(), map[string][]byte{"a": []byte("new")}, nil))
		assert.Equal(t, time.Minute, time.Since(began))
		got, err := s.Get(t.Context(), "a")
		require.NoError(t, err)
		assert.Equal(t, "new", string(got))
	})
}

// TestClose frees the storage although its context has ended, and does not wait for ever for a call under way.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over, cancel := context.WithCancel(t.Context())
		cancel()
		d := statetest.New()
		require.NoError(t, opened(t, d).Close(over))
		assert.Zero(t, d.Clients())

		s := opened(t, d)
		calls := 0
		d.OnCall(func() error {
			calls++
			return nil
		})
		for range 20 {
			require.ErrorIs(t, s.Write(over, nil, []string{"a"}), context.Canceled)
		}
		synctest.Wait()
		assert.Zero(t, calls, "nothing begins after the end")
		require.NoError(t, opened(t, d).Close(over))
		d.OnCall(func() error {
			time.Sleep(time.Hour)
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Write(ctx, nil, []string{"a"}), errNoAnswer)
		began := time.Now()
		err := s.Close(t.Context())
		assert.Equal(t, closeTime, time.Since(began))
		require.ErrorContains(t, err, "storage: disk: cannot be closed")
		assert.Equal(t, 1, d.Clients())
		time.Sleep(2 * time.Hour)
		assert.Zero(t, d.Clients(), "closed after the write")
	})
}

// TestDiscard deletes with the next write that succeeds what is not used any more.
func TestDiscard(t *testing.T) {
	d := statetest.New()
	write(t, opened(t, d), "a", "b", "c")
	s := opened(t, d)
	stored := func() []string { return slices.Sorted(maps.Keys(d.Copied().Values)) }
	s.Discard("a", "b", "never there")
	assert.Equal(t, []string{"a", "b", "c"}, stored())
	d.Fail(errLocked)
	require.Error(t, s.Write(t.Context(), nil, nil))
	d.Fail(nil)
	write(t, s, "b", "d")
	assert.Equal(t, []string{"b", "c", "d"}, stored(), "what is written stays")
	write(t, s, "a")
	write(t, s, "e")
	assert.Equal(t, []string{"a", "b", "c", "d", "e"}, stored(), "once")
}
