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
	mark  mark

	scored  bool // the last known score came with it
	tracked bool // it is the earliest with a tracker
}

// mark says what has been made of an entry. It is two bits of the trail.
type mark uint8

const (
	fresh     mark = iota // it was in the trail of no end yet
	told                  // it was
	timed                 // it was, and the time to its stage has been given
	straggler             // it came after the end and is earlier: known, but no part of what is told
)

// compare orders entries by time, on a tie by VerifyYou's table, undocumented stages last, then by identity.
func (e *entry) compare(o *entry) int {
	return cmp.Or(
		cmp.Compare(e.at, o.at),
		cmp.Compare(min(e.stage, documented), min(o.stage, documented)),
		bytes.Compare(e.id[:], o.id[:]),
	)
}

// entries are those of one verification, in order.
type entries []entry

// inTime iterates over those that are no stragglers.
func (es entries) inTime(yield func(*entry) bool) {
	for i := range es {
		if es[i].mark != straggler && !yield(&es[i]) {
			return
		}
	}
}

func (es entries) contains(id event.ID) bool {
	return slices.ContainsFunc(es, func(e entry) bool { return e.id == id })
}

// first returns the first entry of a stage that is no straggler, nil if there is none.
func (es entries) first(stage uint8) *entry {
	for e := range es.inTime {
		if e.stage == stage {
			return e
		}
	}
	return nil
}

// last returns the last entry that is no straggler; there is always one.
func (es entries) last() *entry {
	for i := len(es) - 1; i > 0; i-- {
		if es[i].mark != straggler {
			return &es[i]
		}
	}
	return &es[0]
}

// count returns how many entries of a stage are no stragglers.
func (es entries) count(stage uint8) (n int) {
	for e := range es.inTime {
		if e.stage == stage {
			n++
		}
	}
	return n
}

// score makes an entry the one that the last known score came with, unless a later one is it.
func (es entries) score(next *entry) {
	for i := range es {
		if es[i].scored {
			if next.compare(&es[i]) < 0 {
				return
			}
			es[i].scored = false
		}
	}
	next.scored = true
}

// track makes an entry the earliest one with a tracker, unless an earlier one is it.
func (es entries) track(next *entry) {
	for i := range es {
		if es[i].tracked {
			if next.compare(&es[i]) > 0 {
				return
			}
			es[i].tracked = false
		}
	}
	next.tracked = true
}

// maxEntries is how many events of a verification are kept.
const maxEntries = 256

// insert puts an entry into its place, and reports false if it is not kept. Once there are maxEntries, only the last one
// and the first of a stage get in, each in the place of one that is expendable.
func (es entries) insert(e entry) (entries, bool) {
	place, _ := slices.BinarySearchFunc(es, e, func(a, b entry) int { return a.compare(&b) })
	if len(es) >= maxEntries {
		if e.mark == straggler || place < len(es) && es[:place].first(e.stage) != nil {
			return es, false
		}
		leaves := es.expendable()
		es = slices.Delete(es, leaves, leaves+1)
		if leaves < place {
			place--
		}
	}
	return slices.Insert(es, place, e), true
}

// expendable returns the latest entry that is not needed: neither the last, nor the first of its stage, nor one that
// shows what has been given. There are fewer of these than maxEntries.
func (es entries) expendable() int {
	isNeeded := func(e *entry) bool {
		return e.mark == timed || e.scored || e.tracked || e == es.last() || e == es.first(e.stage)
	}
	leaves := len(es) - 1
	for isNeeded(&es[leaves]) {
		leaves--
	}
	return leaves
}

// trail is the entries of a verification, written so that they take little memory: a million verifications are followed.
// It begins with the place of the one that is scored and of the one that is tracked, from 1 on, 0 for none. An entry is
// its stage and mark in one byte, its identity, and the microseconds since the entry before it, with the nanoseconds
// beyond them only where there are any.
type trail string

const (
	stageBits = cardinality.OtherNumber
	markShift = 6
)

func newTrail(es entries) trail {
	var scratch [512]byte
	out := scratch[:0]
	out = binary.AppendUvarint(out, es.place(func(e *entry) bool { return e.scored }))
	out = binary.AppendUvarint(out, es.place(func(e *entry) bool { return e.tracked }))
	var prev uint64
	for i := range es {
		e := &es[i]
		out = append(out, e.stage|byte(e.mark)<<markShift)
		out = append(out, e.id[:]...)
		out = appendTime(out, e.at-prev)
		prev = e.at
	}
	return trail(out)
}

// place returns which entry is of a kind, from 1 on, 0 for none.
func (es entries) place(is func(*entry) bool) uint64 {
	for i := range es {
		if is(&es[i]) {
			return uint64(i) + 1
		}
	}
	return 0
}

// appendTime writes twice the microseconds of a duration, and 1 more where nanoseconds follow.
func appendTime(out []byte, nanos uint64) []byte {
	micros, rest := nanos/1000, nanos%1000
	if rest == 0 {
		return binary.AppendUvarint(out, micros*2)
	}
	return binary.AppendUvarint(binary.AppendUvarint(out, micros*2+1), rest)
}

// entries appends the entries of a trail to none. It reports false if the trail is corrupt.
func (t trail) entries(to entries) (entries, bool) {
	var at uint64
	in := trailReader{rest: t}
	scored, tracked := in.uvarint(), in.uvarint()
	for len(in.rest) > 0 {
		tag := in.bytes(1)
		id := in.bytes(len(event.ID{}))
		at += in.time()
		if in.bad {
			return to, false
		}
		e := entry{at: at, stage: tag[0] & stageBits, mark: mark(tag[0] >> markShift)}
		copy(e.id[:], id)
		to = append(to, e)
	}
	n := uint64(len(to))
	if in.bad || scored > n || tracked > n {
		return to, false
	}
	if scored > 0 {
		to[scored-1].scored = true
	}
	if tracked > 0 {
		to[tracked-1].tracked = true
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
