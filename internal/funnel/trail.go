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

// step is one event of a verification.
type step struct {
	at    uint64 // nanoseconds since 1970
	id    event.ID
	stage uint8 // its number

	timed  bool // the time to its stage has been given
	scored bool // the last known score came with it
}

// documented is how many stages VerifyYou documents, completed the number of the one that ends the flow.
var (
	documented = uint8(len(event.Stages()))
	completed  = uint8(slices.Index(event.Stages(), "verification_completed"))
)

// compare orders steps by time, on a tie by VerifyYou's table, undocumented stages last, then by identity.
func (s *step) compare(o *step) int {
	return cmp.Or(
		cmp.Compare(s.at, o.at),
		cmp.Compare(min(s.stage, documented), min(o.stage, documented)),
		bytes.Compare(s.id[:], o.id[:]),
	)
}

// trail is the steps of a verification in order, written so that they take little memory: a million verifications are
// followed. A step is its stage and flags in one byte, its identity, and the microseconds since the step before it, with
// the nanoseconds beyond them only where there are any.
type trail string

const (
	stageBits  = cardinality.OtherNumber
	timedFlag  = 1 << 6
	scoredFlag = 1 << 7
)

func newTrail(steps []step) trail {
	var scratch [512]byte
	out := scratch[:0]
	var before uint64
	for i := range steps {
		s := &steps[i]
		out = append(out, s.tag())
		out = append(out, s.id[:]...)
		out = appendTime(out, s.at-before)
		before = s.at
	}
	return trail(out)
}

func (s *step) tag() byte {
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

// steps appends the steps of a trail to others. It reports false if the trail is damaged.
func (t trail) steps(to []step) ([]step, bool) {
	var at uint64
	in := trailReader{rest: t}
	for len(in.rest) > 0 {
		tag := in.bytes(1)
		id := in.bytes(len(event.ID{}))
		at += in.time()
		if in.bad {
			return to, false
		}
		s := step{at: at, stage: tag[0] & stageBits, timed: tag[0]&timedFlag != 0, scored: tag[0]&scoredFlag != 0}
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

func contains(steps []step, id event.ID) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.id == id })
}

func indexOfStage(steps []step, stage uint8) int {
	return slices.IndexFunc(steps, func(s step) bool { return s.stage == stage })
}

// maxSteps is how many events of a verification are kept.
const maxSteps = 256

// insert adds a step in its place. Where there is no room, only one that is the first completion or the last of all
// gets in; it reports whether it did.
func insert(steps []step, s step) ([]step, bool) {
	place, _ := slices.BinarySearchFunc(steps, s, func(a, b step) int { return a.compare(&b) })
	if len(steps) >= maxSteps {
		if place < len(steps) && (s.stage != completed || indexOfStage(steps, completed) >= 0) {
			return steps, false
		}
		leaves := expendable(steps)
		steps = slices.Delete(steps, leaves, leaves+1)
		if leaves < place {
			place--
		}
	}
	return slices.Insert(steps, place, s), true
}

// expendable returns the latest step that is neither the last nor the first completion, and bears no mark.
func expendable(steps []step) int {
	completion := indexOfStage(steps, completed)
	leaves := len(steps) - 2
	for leaves == completion || steps[leaves].timed || steps[leaves].scored {
		leaves-- // there are more steps than there can be marks
	}
	return leaves
}
