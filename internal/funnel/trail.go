// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// entry is one event of a verification.
type entry struct {
	at    uint64 // nanoseconds since 1970
	id    event.ID
	stage uint8 // its number

	timed  bool // the time to its stage has been given
	scored bool // the last known score came with it
}

// documented is how many stages VerifyYou documents; the others are the numbers of some of them.
var (
	documented      = uint8(len(event.Stages()))
	livenessStarted = numberOf("liveness_started")
	completed       = numberOf("verification_completed")
)

func numberOf(stage string) uint8 {
	return uint8(slices.Index(event.Stages(), stage))
}

// dropOffs are the numbers of the drop-off stages.
var dropOffs = func() []uint8 {
	var numbers []uint8
	for _, stage := range event.Stages() {
		if event.OutcomeOf(stage) == event.DropOff {
			numbers = append(numbers, numberOf(stage))
		}
	}
	return numbers
}()

func isDropOff(stage uint8) bool {
	return slices.Contains(dropOffs, stage)
}

// compare orders entries by time, on a tie by VerifyYou's table, undocumented stages last, then by identity.
func (s *entry) compare(o *entry) int {
	return cmp.Or(
		cmp.Compare(s.at, o.at),
		cmp.Compare(min(s.stage, documented), min(o.stage, documented)),
		bytes.Compare(s.id[:], o.id[:]),
	)
}

// trail is the entries of a verification in order, written so that they take little memory: a million verifications are
// followed. A entry is its stage and flags in one byte, its identity, and the microseconds since the entry before it, with
// the nanoseconds beyond them only where there are any.
type trail string

const (
	stageBits  = cardinality.OtherNumber
	timedFlag  = 1 << 6
	scoredFlag = 1 << 7
)

func newTrail(entries []entry) trail {
	var scratch [512]byte
	out := scratch[:0]
	var before uint64
	for i := range entries {
		s := &entries[i]
		out = append(out, s.tag())
		out = append(out, s.id[:]...)
		out = appendTime(out, s.at-before)
		before = s.at
	}
	return trail(out)
}

func (s *entry) tag() byte {
	tag := s.stage
	if s.timed {
		tag |= timedFlag
	}
	if s.scored {
		tag |= scoredFlag
	}
	return tag
}

// appendTime writes twice the microseconds of a duration, and 1 more where nanoseconds follow.
func appendTime(out []byte, nanos uint64) []byte {
	micros, rest := nanos/1000, nanos%1000
	if rest == 0 {
		return binary.AppendUvarint(out, micros*2)
	}
	return binary.AppendUvarint(binary.AppendUvarint(out, micros*2+1), rest)
}

// entries appends the entries of a trail to others. It reports false if the trail is damaged.
func (t trail) entries(to []entry) ([]entry, bool) {
	var at uint64
	in := trailReader{rest: t}
	for len(in.rest) > 0 {
		tag := in.bytes(1)
		id := in.bytes(len(event.ID{}))
		at += in.time()
		if in.bad {
			return to, false
		}
		s := entry{at: at, stage: tag[0] & stageBits, timed: tag[0]&timedFlag != 0, scored: tag[0]&scoredFlag != 0}
		copy(s.id[:], id)
		to = append(to, s)
	}
	return to, true
}

type trailReader struct {
	rest trail
	bad  bool
}

func (r *trailReader) bytes(n int) trail {
	if len(r.rest) < n {
		r.bad = true
		n = 0
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	if r.bad {
		return "\x00"
	}
	return out
}

func (r *trailReader) time() uint64 {
	doubled := r.uvarint()
	nanos := doubled / 2 * 1000
	if doubled%2 == 1 {
		nanos += r.uvarint()
	}
	return nanos
}

func (r *trailReader) uvarint() uint64 {
	var value uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.bytes(1)[0]
		value |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return value
		}
	}
	r.bad = true
	return 0
}

func contains(entries []entry, id event.ID) bool {
	return slices.ContainsFunc(entries, func(s entry) bool { return s.id == id })
}

func indexOfStage(entries []entry, stage uint8) int {
	return slices.IndexFunc(entries, func(s entry) bool { return s.stage == stage })
}

// maxEntries is how many events of a verification are kept.
const maxEntries = 256

// insert adds a entry in its place. Where there is no room, only one that is the first completion or the last of all
// gets in; it reports whether it did.
func insert(entries []entry, s entry) ([]entry, bool) {
	place, _ := slices.BinarySearchFunc(entries, s, func(a, b entry) int { return a.compare(&b) })
	if len(entries) >= maxEntries {
		if place < len(entries) && (s.stage != completed || indexOfStage(entries, completed) >= 0) {
			return entries, false
		}
		leaves := expendable(entries)
		entries = slices.Delete(entries, leaves, leaves+1)
		if leaves < place {
			place--
		}
	}
	return slices.Insert(entries, place, s), true
}

// expendable returns the latest entry that is neither the last nor the first completion, and bears no mark.
func expendable(entries []entry) int {
	completion := indexOfStage(entries, completed)
	leaves := len(entries) - 2
	for leaves == completion || entries[leaves].timed || entries[leaves].scored {
		leaves-- // there are more entries than there can be marks
	}
	return leaves
}
