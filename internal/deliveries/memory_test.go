// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package deliveries

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

var (
	start      = time.Date(2026, 6, 9, 17, 0, 0, 0, time.UTC)
	errRefused = errors.New("refused")
)

func id(n int) (id event.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9E3779B97F4A7C15) // as scattered as a hash
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func at(t time.Time) func() time.Time {
	return func() time.Time { return t }
}

func wait(ended <-chan struct{}) error {
	<-ended
	return nil
}

func take() error { return nil }

func refuse() error { return errRefused }

// remembers reports whether an event is taken for a duplicate, and leaves no trace.
func remembers(m *Memory, n int, now time.Time) bool {
	duplicate, _ := m.Do(id(n), at(now), wait, refuse)
	return duplicate
}

func deliver(t *testing.T, m *Memory, n int, now time.Time) {
	t.Helper()
	duplicate, err := m.Do(id(n), at(now), wait, take)
	require.NoError(t, err)
	require.False(t, duplicate)
}

func TestDuplicate(t *testing.T) {
	m := New(time.Hour, 10)
	deliver(t, m, 1, start)
	duplicate, err := m.Do(id(1), at(start), wait, func() error { panic("not again") })
	require.NoError(t, err)
	assert.True(t, duplicate)
	assert.False(t, remembers(m, 2, start))
}

func TestRefusedIsNotRemembered(t *testing.T) {
	m := New(time.Hour, 10)
	duplicate, err := m.Do(id(1), at(start), wait, refuse)
	require.ErrorIs(t, err, errRefused)
	assert.False(t, duplicate)
	deliver(t, m, 1, start)
}

func TestWindow(t *testing.T) {
	m := New(time.Hour, 10)
	deliver(t, m, 1, start)
	deliver(t, m, 2, start.Add(30*time.Minute))
	assert.True(t, remembers(m, 1, start.Add(time.Hour-1)))
	assert.False(t, remembers(m, 1, start.Add(time.Hour)))
	assert.True(t, remembers(m, 2, start.Add(time.Hour)))
	assert.Zero(t, m.Forgotten(), "its window was over")
}

func TestOldestFirstOut(t *testing.T) {
	m := New(time.Hour, 3)
	for n := range 3 {
		deliver(t, m, n, start)
	}
	assert.True(t, remembers(m, 0, start), "to be asked for keeps nobody longer")
	deliver(t, m, 3, start)
	assert.False(t, remembers(m, 0, start))
	for n := 1; n < 4; n++ {
		assert.True(t, remembers(m, n, start), n)
	}
	assert.EqualValues(t, 1, m.Forgotten())
}

// TestInFlight shows that who comes while an event is delivered shares the end of it.
func TestInFlight(t *testing.T) {
	for _, end := range []error{nil, errRefused} {
		m := New(time.Hour, 10)
		arrived, release := make(chan struct{}), make(chan struct{})
		var first, waiting sync.WaitGroup
		first.Go(func() {
			duplicate, err := m.Do(id(1), at(start), wait, func() error {
				close(arrived)
				<-release
				return end
			})
			assert.False(t, duplicate)
			assert.Equal(t, end, err)
		})
		<-arrived
		var delivered atomic.Int32
		for range 10 {
			waiting.Go(func() {
				duplicate, err := m.Do(id(1), at(start), wait, func() error {
					delivered.Add(1)
					return end
				})
				assert.Equal(t, end == nil, duplicate)
				assert.Equal(t, end, err)
			})
		}
		assert.False(t, remembers(m, 2, start), "others do not wait")
		if end == nil { // a late one may find the first refused, and be a first one itself
			defer func() { assert.Zero(t, delivered.Load()) }()
		}
		close(release)
		first.Wait()
		waiting.Wait()
	}
}

func TestWaiterLeaves(t *testing.T) {
	m := New(time.Hour, 10)
	arrived, release := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		_, err := m.Do(id(1), at(start), wait, func() error {
			close(arrived)
			<-release
			return nil
		})
		assert.NoError(t, err)
	})
	<-arrived
	_, err := m.Do(id(1), at(start), func(<-chan struct{}) error { return errRefused }, take)
	require.ErrorIs(t, err, errRefused)
	close(release)
	first.Wait()
	assert.True(t, remembers(m, 1, start))
}

func TestPanicReleasesAll(t *testing.T) {
	m := New(time.Hour, 10)
	arrived, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		assert.Panics(t, func() {
			_, _ = m.Do(id(1), at(start), wait, func() error {
				close(arrived)
				<-release
				panic("broken")
			})
		})
	})
	<-arrived
	all.Go(func() {
		_, err := m.Do(id(1), at(start), wait, func() error { return ErrAbandoned })
		assert.ErrorIs(t, err, ErrAbandoned)
	})
	close(release)
	all.Wait()
	deliver(t, m, 1, start)
}

// TestConcurrently delivers each event from many goroutines at once: one of them delivers, the others are duplicates.
func TestConcurrently(t *testing.T) {
	const events, goroutines = 500, 16
	m := New(time.Hour, events)
	taken := make([]atomic.Int32, events)
	var duplicates atomic.Int32
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range events {
				n := (i + g*31) % events
				duplicate, err := m.Do(id(n), at(start), wait, func() error {
					taken[n].Add(1)
					return nil
				})
				if assert.NoError(t, err) && duplicate {
					duplicates.Add(1)
				}
			}
		})
	}
	wg.Wait()
	for n := range events {
		assert.EqualValues(t, 1, taken[n].Load())
	}
	assert.EqualValues(t, events*(goroutines-1), duplicates.Load())
}

// disk is storage that holds what Changes says.
type disk struct {
	held     Range
	segments map[uint64][]byte
	written  int
}

func (d *disk) save(m *Memory) {
	c := m.Changes(d.held)
	for name, data := range c.Written {
		d.segments[name] = data
		d.written++
	}
	for _, name := range c.Deleted {
		delete(d.segments, name)
	}
	d.held = c.Range
}

func (d *disk) read(segment uint64) ([]byte, error) {
	data, ok := d.segments[segment]
	if !ok {
		return nil, errors.New("missing")
	}
	return data, nil
}

// TestRestore saves a memory after each of many steps, in which the oldest go, and restores it.
func TestRestore(t *testing.T) {
	const entries = 10_000
	m := New(time.Hour, entries)
	d := &disk{segments: map[uint64][]byte{}}
	n := 0
	for _, step := range []int{0, 1, 1, 0, 100, 4000, 4096, 9000, 1, 20_000, 0, 3} {
		for range step {
			deliver(t, m, n, start)
			n++
		}
		d.save(m)
		restored := New(time.Hour, entries)
		require.NoError(t, restored.Restore(d.held, d.read, start))
		assert.Equal(t, m.known, restored.known)
		assert.Equal(t, m.queue.length(), restored.queue.length())
		for _, asked := range []int{0, n - entries - 1, n - entries, n - 1, n} {
			assert.Equal(t, asked >= max(0, n-entries) && asked < n, remembers(restored, asked, start), "%d of %d", asked, n)
		}
		assert.LessOrEqual(t, len(d.segments), entries/segmentSize+2)
	}

	written := d.written
	d.save(m)
	assert.Equal(t, written, d.written, "nothing has changed")

	smaller := New(time.Hour, 10)
	require.NoError(t, smaller.Restore(d.held, d.read, start))
	assert.False(t, remembers(smaller, n-11, start))
	assert.True(t, remembers(smaller, n-10, start))
	later := New(time.Hour, entries)
	require.NoError(t, later.Restore(d.held, d.read, start.Add(2*time.Hour)))
	assert.Zero(t, later.queue.length())
	deliver(t, later, 0, start)
	d.save(later)
	require.NoError(t, New(time.Hour, entries).Restore(d.held, d.read, start))
}

func TestRestoreDamaged(t *testing.T) {
	m := New(time.Hour, 10_000)
	for n := range 6000 {
		deliver(t, m, n, start)
	}
	for name, damage := range map[string]func(*disk){
		"segment missing":   func(d *disk) { delete(d.segments, 1) },
		"segment empty":     func(d *disk) { d.segments[1] = nil },
		"segment cut":       func(d *disk) { d.segments[0] = d.segments[0][:100] },
		"segment too long":  func(d *disk) { d.segments[0] = append(d.segments[0], 0) },
		"another segment":   func(d *disk) { d.segments[0] = d.segments[1] },
		"range too long":    func(d *disk) { d.held.Tail += 10 },
		"range upside down": func(d *disk) { d.held.Head = d.held.Tail + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{segments: map[uint64][]byte{}}
			d.save(m)
			damage(d)
			restored := New(time.Hour, 10_000)
			require.Error(t, restored.Restore(d.held, d.read, start))
			assert.Zero(t, restored.queue.length())
			deliver(t, restored, 1, start)
		})
	}
}

// BenchmarkBytesAnEntry fills a memory and divides the heap.
func BenchmarkBytesAnEntry(b *testing.B) {
	for _, entries := range []int{100_000, 1_000_000} {
		b.Run(strconv.Itoa(entries), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				m := New(time.Hour, entries)
				for n := range entries {
					_, _ = m.Do(id(n), at(start), wait, take)
				}
				b.ReportMetric(float64(heap()-before)/float64(entries), "B/entry")
				runtime.KeepAlive(m)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkRemember is the cost of a first delivery with a memory that is full.
func BenchmarkRemember(b *testing.B) {
	for _, entries := range []int{1000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(entries), func(b *testing.B) {
			m := New(time.Hour, entries)
			n := 0
			for ; n < entries; n++ {
				_, _ = m.Do(id(n), at(start), wait, take)
			}
			now := at(start)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.Do(id(n), now, wait, take)
				n++
			}
		})
	}
}
