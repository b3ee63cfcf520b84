// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package deliveries

import "github.com/otel-verifyyou/verifyyoureceiver/internal/event"

// Entry is an event that has been delivered, and when, in nanoseconds since 1970.
type Entry struct {
	ID        event.ID
	Delivered int64
}

// ring is a queue of entries in a slice that grows. Entries are numbered from the first one ever, so that numbers can
// name what is written to storage.
type ring struct {
	entries    []Entry // its length is a power of two, or 0
	head, tail uint64  // numbers of the first entry and of the next one
}

const minRing = 64

func (r *ring) length() int {
	return int(r.tail - r.head)
}

func (r *ring) at(number uint64) *Entry {
	return &r.entries[number&uint64(len(r.entries)-1)]
}

func (r *ring) front() *Entry {
	return r.at(r.head)
}

func (r *ring) pop() {
	r.head++
}

func (r *ring) push(e Entry) {
	if r.length() == len(r.entries) {
		r.grow()
	}
	*r.at(r.tail) = e
	r.tail++
}

func (r *ring) grow() {
	bigger := ring{entries: make([]Entry, max(minRing, 2*len(r.entries))), head: r.head, tail: r.tail}
	for number := r.head; number < r.tail; number++ {
		*bigger.at(number) = *r.at(number)
	}
	*r = bigger
}
