// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// state is what a verification is waiting for.
type state uint8

const (
	following state = iota // more events, or silence for so long
	settling               // stragglers, after a completion
	ended                  // the end of its window
	states
)

// verification is what is known of one. There are very many: the order of the fields leaves no gaps.
type verification struct {
	text    string // the key, and behind it the external id
	trail   trail
	tracker unique.Handle[string]
	first   time.Duration // receipt of the first event, by the Funnel's clock
	due     time.Duration // when it ends, unless something comes
	reached uint64        // a bit for each stage that has a number of its own
	score   float64       // the last known; an entry says whether there is one
	links   [linkKinds]links
	events  uint32
	// sameHash is for the index.
	sameHash slot
	keyLen   uint16
	ends     uint16
	state    state
	last     uint8 // stage of the last entry
	passed   uint8 // stage of the furthest step of the happy path that has been given, from 1 on; 0 for none
	flags    uint8
}

// Flags of a verification, beside which its state has room in a byte.
const (
	durationGiven = 1 << 7 // the time to its completion has been given
	reinitialized = 1 << 6 // which has been told
	placeBits     = 7 << placeShift
	placeShift    = 2
	stateBits     = 1<<placeShift - 1
)

// place returns how the verification is counted in the statistics.
func (v *verification) place() cohorts.Place {
	return cohorts.Place(v.flags & placeBits >> placeShift)
}

func (v *verification) setPlace(p cohorts.Place) {
	v.flags = v.flags&^placeBits | uint8(p)<<placeShift
}

func (v *verification) key() string {
	return v.text[:v.keyLen]
}

func (v *verification) externalID() string {
	return v.text[v.keyLen:]
}

// reach reports whether the verification had not reached a stage that has a number of its own.
func (v *verification) reach(stage uint8) bool {
	bit := uint64(1) << stage
	isNew := v.reached&bit == 0
	v.reached |= bit
	return isNew
}

// chunkSize is how many verifications are in a chunk, which is written to storage as one.
const chunkSize = 1024

// table holds verifications. They do not move; a place is used again.
type table struct {
	chunks  []*[chunkSize]verification
	changed []bool // which chunks have changed since they were written
	free    []slot
	// saving is told, during a Save, of a chunk before it changes.
	saving func(chunk int)
}

func (t *table) at(s slot) *verification {
	return &t.chunks[s/chunkSize][s%chunkSize]
}

// change is to be called before a verification changes.
func (t *table) change(s slot) {
	chunk := int(s / chunkSize)
	if t.saving != nil {
		t.saving(chunk)
	}
	t.changed[chunk] = true
}

// allocate returns a place that is free.
func (t *table) allocate() slot {
	if len(t.free) == 0 {
		t.grow()
	}
	s := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.change(s)
	return s
}

// grow adds a chunk, whose first places are taken first, so that verifications of one time are in one chunk.
func (t *table) grow() {
	base := slot(len(t.chunks) * chunkSize)
	t.chunks = append(t.chunks, new([chunkSize]verification))
	t.changed = append(t.changed, true)
	for i := slot(chunkSize); i > 0; i-- {
		if s := base + i - 1; s != 0 { // 0 is none
			t.free = append(t.free, s)
		}
	}
}

func (t *table) release(s slot) {
	t.change(s)
	*t.at(s) = verification{}
	t.free = append(t.free, s)
}

var noTracker = unique.Make("")

// Event is one event of a verification.
type Event struct {
	Key             string // names the verification; at most 65,535 bytes
	Stage           string
	At              uint64 // when it occurred, in nanoseconds since 1970
	ID              event.ID
	ExternalID      string
	ExternalTracker string
	TrustScore      event.Number[float64]
}
