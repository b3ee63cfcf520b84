// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package deliveries remembers which events have been delivered, so that an event which is delivered again is taken
// once.
package deliveries

import (
	"sync"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// Memory remembers events for a window of time, the newest so many of them. It is safe for concurrent use.
//
// Oldest first out is a queue, and all deliveries are remembered for the same time: what is over is always at its
// front. An event that comes again is not moved.
type Memory struct {
	window     time.Duration
	maxEntries int

	mu        sync.Mutex
	known     map[event.ID]struct{}
	queue     ring
	forgotten int64
	inFlight  map[event.ID]*Flight
}

// Flight is the delivery of an event by one who has begun it, for which others may wait. Its zero value is one that has
// not begun.
type Flight struct {
	id    event.ID
	ended chan struct{} // nil while nobody waits
	err   error
}

// Ended returns a channel that is closed when the delivery has ended. It is for those who wait.
func (f *Flight) Ended() <-chan struct{} {
	return f.ended
}

// Err returns what the delivery has ended with. It must have.
func (f *Flight) Err() error {
	return f.err
}

// NewMemory returns an empty Memory. Both of its bounds must be positive.
func NewMemory(window time.Duration, maxEntries int) *Memory {
	return &Memory{
		window:     window,
		maxEntries: maxEntries,
		known:      map[event.ID]struct{}{},
		inFlight:   map[event.ID]*Flight{},
	}
}

// State is what Begin finds of an event.
type State int

// An event is new to who must deliver it now, and then call End; or it is in flight with another, who may be waited for;
// or it has been delivered.
const (
	New State = iota
	InFlight
	Delivered
)

// Begin makes f the delivery of an event at a time, unless that is done or another one is in flight, which it returns
// then.
func (m *Memory) Begin(f *Flight, id event.ID, now time.Time) (*Flight, State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetOld(now)
	if _, ok := m.known[id]; ok {
		return nil, Delivered
	}
	if first, ok := m.inFlight[id]; ok {
		if first.ended == nil {
			first.ended = make(chan struct{})
		}
		return first, InFlight
	}
	f.id = id
	m.inFlight[id] = f
	return f, New
}

// End ends a delivery at a time. The event is remembered if err is nil; otherwise its next delivery is a first one, and
// those who wait share the error. After the first End of a delivery, others do nothing, and so does the End of one that
// has not begun.
func (m *Memory) End(f *Flight, err error, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inFlight[f.id] != f {
		return
	}
	f.err = err
	delete(m.inFlight, f.id)
	if err == nil {
		m.remember(f.id, now)
	}
	if f.ended != nil {
		close(f.ended)
	}
}

// Remember remembers an event that was delivered at a time although its delivery has ended with an error. It reports
// false, and does nothing, if the event has been delivered again since, or is being delivered.
func (m *Memory) Remember(id event.ID, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetOld(now)
	_, known := m.known[id]
	if known || m.inFlight[id] != nil {
		return false
	}
	m.remember(id, now)
	return true
}

func (m *Memory) remember(id event.ID, now time.Time) {
	if m.queue.length() >= m.maxEntries {
		m.forgetFirst()
		m.forgotten++
	}
	m.known[id] = struct{}{}
	m.queue.push(Entry{ID: id, Delivered: now.UnixNano()})
}

func (m *Memory) forgetOld(now time.Time) {
	limit := now.Add(-m.window).UnixNano()
	for m.queue.length() > 0 && m.queue.front().Delivered <= limit {
		m.forgetFirst()
	}
}

func (m *Memory) forgetFirst() {
	delete(m.known, m.queue.front().ID)
	m.queue.pop()
}

// Forgotten returns how many events were forgotten before their window was over, since the Memory was made.
func (m *Memory) Forgotten() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forgotten
}
