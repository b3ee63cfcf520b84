// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package deliveries remembers which events have been delivered, so that an event which is delivered again is taken
// once.
package deliveries

import (
	"errors"
	"sync"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// ErrAbandoned is the error of a delivery whose first one ended without saying how, as it does in a panic.
var ErrAbandoned = errors.New("the delivery that was waited for did not end")

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
	inFlight  map[event.ID]*flight
}

// flight is a delivery that has not ended.
type flight struct {
	ended chan struct{}
	err   error // once ended is closed
}

// New returns an empty Memory. Both of its bounds must be positive.
func New(window time.Duration, maxEntries int) *Memory {
	return &Memory{
		window:     window,
		maxEntries: maxEntries,
		known:      map[event.ID]struct{}{},
		inFlight:   map[event.ID]*flight{},
	}
}

// Do delivers an event, unless it has been delivered; then it reports true. It is remembered if deliver returns nil.
// While the same event is being delivered, Do calls wait with a channel that is closed at the end of that, and shares
// its error; wait can give up with an error of its own.
func (m *Memory) Do(id event.ID, now func() time.Time, wait func(ended <-chan struct{}) error, deliver func() error) (duplicate bool, err error) {
	f, state := m.begin(id, now())
	switch state {
	case delivered:
		return true, nil
	case delivering:
		if err := wait(f.ended); err != nil {
			return false, err
		}
		return f.err == nil, f.err
	}
	f.err = ErrAbandoned // until deliver has returned: it may panic
	defer func() { m.end(id, f, now()) }()
	f.err = deliver()
	return false, f.err
}

type state int

const (
	unknown state = iota
	delivering
	delivered
)

func (m *Memory) begin(id event.ID, now time.Time) (*flight, state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetOld(now)
	if _, ok := m.known[id]; ok {
		return nil, delivered
	}
	if f, ok := m.inFlight[id]; ok {
		return f, delivering
	}
	f := &flight{ended: make(chan struct{})}
	m.inFlight[id] = f
	return f, unknown
}

func (m *Memory) end(id event.ID, f *flight, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.inFlight, id)
	if f.err == nil {
		m.remember(id, now)
	}
	close(f.ended)
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
