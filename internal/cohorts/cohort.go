// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"encoding/binary"
	"slices"
)

// cohort is those who began in the same quarter of an hour with the same tracker. There are very many, so that their
// counts are packed; those of the last hours change with every event, so that changes are pending, in no order, until
// there are enough of them to be worth packing all counts again.
type cohort struct {
	verifications int64
	packed        packed
	pending       []change
}

// change is that a fact has become true of one verification more, or of one less.
type change struct {
	fact fact
	by   int16
}

// maxPending is how many changes may be pending: more where there are more counts to pack again.
func maxPending(p packed) int {
	const atLeast, partOfBytes = 32, 16
	return atLeast + len(p)/partOfBytes
}

// replace subtracts the facts of a verification that is in the cohort, none where it is not, and adds those that are
// true now. Both are in order.
func (c *cohort) replace(before, after []fact) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0] < after[0]:
			c.pending = append(c.pending, change{before[0], -1})
			before = before[1:]
		case len(before) == 0 || after[0] < before[0]:
			c.pending = append(c.pending, change{after[0], 1})
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
}

// settle packs the pending changes, if there are enough of them.
func (c *cohort) settle(scratch *scratch) {
	if len(c.pending) <= maxPending(c.packed) {
		return
	}
	c.packed = scratch.pack(c.packed, c.pending)
	c.pending = c.pending[:0]
}

// packed is the counts of facts, in the order of the facts, each as the distance to the fact before and the number of
// verifications, which is never 0. It is never written to once it is made, so that it can be read without a lock.
type packed []byte

// count is of how many verifications a fact is true.
type count struct {
	fact fact
	n    int64
}

// counts appends all counts to others.
func (p packed) counts(to []count) []count {
	var f fact
	for i := 0; i < len(p); {
		distance, n := uint64(p[i]), uint64(0)
		i++
		if distance >= oneByte {
			distance, i = p.uvarint(i - 1)
		}
		n = uint64(p[i])
		i++
		if n >= oneByte {
			n, i = p.uvarint(i - 1)
		}
		f += fact(distance)
		to = append(to, count{f, int64(n)})
	}
	return to
}

// oneByte is the lowest number that takes more than one byte.
const oneByte = 1 << 7

// uvarint returns the number that is encoded at an index, and the index behind it.
func (p packed) uvarint(at int) (n uint64, next int) {
	n, length := binary.Uvarint(p[at:])
	return n, at + length
}

// scratch is memory to pack counts in.
type scratch struct {
	counts []count
	packed []byte
}

// pack returns counts with changes made to them. It sorts the changes.
func (s *scratch) pack(p packed, changes []change) packed {
	slices.SortFunc(changes, func(a, b change) int { return int(a.fact) - int(b.fact) })
	s.counts = p.counts(s.counts[:0])
	s.packed = s.packed[:0]
	out := packer{to: s.packed}
	for _, c := range s.counts {
		for len(changes) > 0 && changes[0].fact < c.fact {
			changes = out.sum(count{fact: changes[0].fact}, changes)
		}
		changes = out.sum(c, changes)
	}
	for len(changes) > 0 {
		changes = out.sum(count{fact: changes[0].fact}, changes)
	}
	s.packed = out.to
	return slices.Clone(out.to)
}

// packer writes counts in the order of facts.
type packer struct {
	to     []byte
	before fact
}

// sum writes a count with those of the changes that are of its fact, and returns the others.
func (w *packer) sum(c count, changes []change) []change {
	for len(changes) > 0 && changes[0].fact == c.fact {
		c.n += int64(changes[0].by)
		changes = changes[1:]
	}
	w.write(c)
	return changes
}

func (w *packer) write(c count) {
	if c.n <= 0 {
		return
	}
	w.to = binary.AppendUvarint(w.to, uint64(c.fact-w.before))
	w.to = binary.AppendUvarint(w.to, uint64(c.n))
	w.before = c.fact
}

// view is a cohort at a moment, to be read without a lock.
type view struct {
	tracker       string
	verifications int64
	packed        packed
	pending       []change
}

// counts appends the counts of the cohort to others. There may be several of one fact, to be summed; some are negative.
func (v *view) counts(to []count) []count {
	to = v.packed.counts(to)
	for _, c := range v.pending {
		to = append(to, count{c.fact, int64(c.by)})
	}
	return to
}
