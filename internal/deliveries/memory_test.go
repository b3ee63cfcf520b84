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

func take() error { return nil }

func refuse() error { return errRefused }

// do delivers an event as the receiver does.
func do(m *Memory, n int, now time.Time, deliver func() error) (duplicate bool, err error) {
	f, state := m.Begin(new(Flight), id(n), now)
	switch state {
	case Delivered:
		return true, nil
	case InFlight:
		<-f.Ended()
		return f.Err() == nil, f.Err()
	}
	err = deliver()
	m.End(f, err, now)
	return false, err
}

// remembers reports whether an event is taken for a duplicate, and leaves no trace.
func remembers(m *Memory, n int, now time.Time) bool {
	duplicate, _ := do(m, n, now, refuse)
	return duplicate
}

func deliver(t *testing.T, m *Memory, n int, now time.Time) {
	t.Helper()
	duplicate, err := do(m, n, now, take)
	require.NoError(t, err)
	require.False(t, duplicate)
}

func TestDuplicate(t *testing.T) {
	m := NewMemory(time.Hour, 10)
	deliver(t, m, 1, start)
	duplicate, err := do(m, 1, start, func() error { panic("not again") })
	require.NoError(t, err)
	assert.True(t, duplicate)
	assert.False(t, remembers(m, 2, start))
}

func TestRefusedIsNotRemembered(t *testing.T) {
	m := NewMemory(time.Hour, 10)
	duplicate, err := do(m, 1, start, refuse)
	require.ErrorIs(t, err, errRefused)
	assert.False(t, duplicate)
	deliver(t, m, 1, start)
}

func TestWindow(t *testing.T) {
	m := NewMemory(time.Hour, 10)
	deliver(t, m, 1, start)
	deliver(t, m, 2, start.Add(30*time.Minute))
	assert.True(t, remembers(m, 1, start.Add(time.Hour-1)))
	assert.False(t, remembers(m, 1, start.Add(time.Hour)))
	assert.True(t, remembers(m, 2, start.Add(time.Hour)))
	assert.Zero(t, m.Forgotten(), "its window was over")
}

func TestOldestFirstOut(t *testing.T) {
	m := NewMemory(time.Hour, 3)
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
		m := NewMemory(time.Hour, 10)
		arrived, release := make(chan struct{}), make(chan struct{})
		var first, waiting sync.WaitGroup
		first.Go(func() {
			duplicate, err := do(m, 1, start, func() error {
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
				duplicate, err := do(m, 1, start, func() error {
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

// TestEndedOnce shows that only the first end of a delivery counts, also where the next delivery has begun.
func TestEndedOnce(t *testing.T) {
	m := NewMemory(time.Hour, 10)
	abandoned, _ := m.Begin(new(Flight), id(1), start)
	m.End(abandoned, errRefused, start)
	_, state := m.Begin(new(Flight), id(1), start)
	assert.Equal(t, New, state)
	m.End(abandoned, nil, start)
	second, state := m.Begin(new(Flight), id(1), start)
	assert.Equal(t, InFlight, state)
	m.End(second, nil, start)
	assert.True(t, remembers(m, 1, start))
}

// TestConcurrently delivers each event from many goroutines at once: one of them delivers, the others are duplicates.
func TestConcurrently(t *testing.T) {
	const events, goroutines = 500, 16
	m := NewMemory(time.Hour, events)
	taken := make([]atomic.Int32, events)
	var duplicates atomic.Int32
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range events {
				n := (i + g*31) % events
				duplicate, err := do(m, n, start, func() error {
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
	m := NewMemory(time.Hour, entries)
	d := &disk{segments: map[uint64][]byte{}}
	n := 0
	for _, step := range []int{0, 1, 1, 0, 100, 4000, 4096, 9000, 1, 20_000, 0, 3} {
		for range step {
			deliver(t, m, n, start)
			n++
		}
		d.save(m)
		restored := NewMemory(time.Hour, entries)
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

	smaller := NewMemory(time.Hour, 10)
	require.NoError(t, smaller.Restore(d.held, d.read, start))
	assert.False(t, remembers(smaller, n-11, start))
	assert.True(t, remembers(smaller, n-10, start))
	later := NewMemory(time.Hour, entries)
	require.NoError(t, later.Restore(d.held, d.read, start.Add(2*time.Hour)))
	assert.Zero(t, later.queue.length())
	deliver(t, later, 0, start)
	d.save(later)
	require.NoError(t, NewMemory(time.Hour, entries).Restore(d.held, d.read, start))
}

func TestRestoreDamaged(t *testing.T) {
	m := NewMemory(time.Hour, 10_000)
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
			restored := NewMemory(time.Hour, 10_000)
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
				m := NewMemory(time.Hour, entries)
				for n := range entries {
					_, _ = do(m, n, start, take)
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
			m := NewMemory(time.Hour, entries)
			n := 0
			for ; n < entries; n++ {
				_, _ = do(m, n, start, take)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = do(m, n, start, take)
				n++
			}
		})
	}
}
