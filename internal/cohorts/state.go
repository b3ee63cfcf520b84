// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// stateVersion is that of the numbers of the facts, and of how a chunk is written.
const stateVersion = 1

// Header is what of a Set is kept over a restart beside its chunks. It can be written as JSON.
type Header struct {
	Version      int              `json:"version"`
	Chunks       int              `json:"chunks"`
	Stages       []string         `json:"stages"`   // by number
	Trackers     map[string]int64 `json:"trackers"` // with the time of their last verification, as cardinality.Trackers
	RetainedFrom time.Time        `json:"retained_from"`
	Expired      int64            `json:"expired"` // the last quarter of an hour that was evicted for its age
}

// Snapshot is what has changed in a Set, as it is at one moment.
type Snapshot struct {
	Header Header

	chunks []chunkView
}

// chunkView is what is to be written as a chunk.
type chunkView struct {
	chunk   int
	quarter *quarter // of which only the number is read; nil: the chunk is free
	evicted bool
	views   []view
}

// Snapshot returns what has changed since the Snapshot before, and takes it for written. The Set is locked only to
// copy some hundred bytes of each cohort that has changed; encoding comes later.
//
// What it says must agree with the verifications that are stored beside it, places included: after a restart, before
// must again be what was counted. So whoever calls Replace has to take it at the same moment as its own snapshot.
func (s *Set) Snapshot(now time.Time) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	snapshot := &Snapshot{Header: Header{
		Version:      stateVersion,
		Chunks:       len(s.chunks.quarters),
		Stages:       s.stages.Names(),
		Trackers:     s.trackers.Seen(),
		RetainedFrom: s.retainedFrom(now),
		Expired:      s.expired,
	}}
	for chunk, changed := range s.chunks.changed {
		if !changed {
			continue
		}
		s.chunks.changed[chunk] = false
		view := chunkView{chunk: chunk, quarter: s.chunks.quarters[chunk]}
		if view.quarter != nil {
			view.evicted = view.quarter.evicted
			view.views, _ = view.quarter.views(nil, nil, nil)
		}
		snapshot.chunks = append(snapshot.chunks, view)
	}
	return snapshot
}

// Chunks iterates over the chunks that have changed, by number. Each is encoded when it comes.
func (s *Snapshot) Chunks() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		var memory scratch
		for i := range s.chunks {
			if !yield(s.chunks[i].chunk, s.chunks[i].encode(&memory)) {
				return
			}
		}
	}
}

// NotWritten takes back that a Snapshot was written.
func (s *Set) NotWritten(snapshot *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range snapshot.chunks {
		s.chunks.change(snapshot.chunks[i].chunk)
	}
}

func (c *chunkView) encode(scratch *scratch) []byte {
	out := []byte{} // nil would be a missing one
	if c.quarter == nil {
		return out
	}
	out = binary.AppendUvarint(out, uint64(c.quarter.number))
	out = appendBool(out, c.evicted)
	slices.SortFunc(c.views, func(x, y view) int { return cmp.Compare(x.tracker, y.tracker) })
	for i := range c.views {
		v := &c.views[i]
		out = appendBytes(out, v.tracker)
		out = binary.AppendUvarint(out, uint64(v.verifications))
		out = appendBytes(out, scratch.pack(v.packed, v.pending))
	}
	return out
}

func appendBool(out []byte, b bool) []byte {
	if b {
		return append(out, 1)
	}
	return append(out, 0)
}

func appendBytes[T string | packed](out []byte, b T) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

var (
	// ErrVersion means that a Set was kept by another version of this package, which counted otherwise.
	ErrVersion = errors.New("the statistics were kept by another version")
	// ErrChunk means that a chunk is not as it was written, or does not belong to the header.
	ErrChunk = errors.New("it is corrupt or missing")
)

// Restore makes an empty Set go on at a time with what was kept, of which read returns the chunks, nil for one that is
// missing. What is older than the retention is evicted, then the oldest quarters of an hour while there are too many
// cohorts: those count as TooMany. After an error it is as it was.
func (s *Set) Restore(h *Header, read func(chunk int) ([]byte, error), now time.Time) error {
	if h.Version != stateVersion {
		return fmt.Errorf("%w: %d rather than %d", ErrVersion, h.Version, stateVersion)
	}
	restored := NewSet(s.settings, s.stages, now)
	restored.since, restored.expired = h.RetainedFrom.Unix(), h.Expired
	for chunk := range h.Chunks {
		data, err := read(chunk)
		if err == nil {
			err = restored.load(data)
		}
		if err != nil {
			return fmt.Errorf("chunk %d of the statistics: %w", chunk, err)
		}
	}
	restored.trackers.Restore(h.Trackers)
	restored.renumber(h.Stages)
	slices.SortFunc(restored.quarters, func(x, y *quarter) int { return cmp.Compare(x.number, y.number) })
	for i, q := range restored.quarters[min(1, len(restored.quarters)):] {
		if restored.quarters[i].number == q.number {
			return fmt.Errorf("chunk %d of the statistics: %w", q.chunk, ErrChunk)
		}
	}
	restored.expire(now)
	restored.makeRoom()
	s.take(restored)
	return nil
}

// take takes what another Set has, which is not used any more.
func (s *Set) take(o *Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trackers, s.quarters, s.chunks, s.cohorts = o.trackers, o.quarters, o.chunks, o.cohorts
	s.since, s.expired = o.since, o.expired
	s.outside[TooMany] += o.outside[TooMany]
}

// load reads the next chunk.
func (s *Set) load(data []byte) error {
	if data == nil {
		return ErrChunk
	}
	c := &s.chunks
	chunk := len(c.quarters)
	c.quarters, c.changed = append(c.quarters, nil), append(c.changed, false)
	if len(data) == 0 {
		c.free = append(c.free, chunk)
		return nil
	}
	q := &quarter{chunk: chunk, cohorts: map[unique.Handle[string]]*cohort{}}
	d := decoder{rest: data}
	q.decode(&d)
	if d.corrupt {
		return ErrChunk
	}
	c.quarters[chunk] = q
	s.quarters = append(s.quarters, q)
	s.cohorts += len(q.cohorts)
	return nil
}

// lastQuarter is that of the latest time in nanoseconds.
const lastQuarter = math.MaxUint64 / (quarterSeconds * uint64(time.Second))

func (q *quarter) decode(d *decoder) {
	q.number = int64(d.upTo(lastQuarter))
	q.evicted = d.upTo(1) == 1
	for len(d.rest) > 0 {
		tracker := unique.Make(string(d.bytes()))
		c := &cohort{verifications: int64(d.upTo(math.MaxInt64)), packed: packed(slices.Clone(d.bytes()))}
		if c.verifications == 0 || !c.packed.valid() || q.cohorts[tracker] != nil || q.evicted {
			d.corrupt = true
			return
		}
		q.cohorts[tracker] = c
	}
	d.corrupt = d.corrupt || !q.evicted && len(q.cohorts) == 0
}

// valid reports whether they are counts as pack writes them.
func (p packed) valid() bool {
	d := decoder{rest: p}
	next := uint64(0) // the lowest fact that can come
	for before := uint64(0); len(d.rest) > 0; {
		f := before + d.upTo(uint64(numberOfFacts-1))
		if n := d.upTo(math.MaxInt64); n == 0 || f < next || f >= uint64(numberOfFacts) {
			return false
		}
		before, next = f, f+1
	}
	return !d.corrupt
}

// renumber gives the stages their current numbers: one that was unknown may have been documented since.
func (s *Set) renumber(kept []string) {
	var numbers [places]uint8
	same := true
	for i := range numbers {
		numbers[i] = cardinality.OtherNumber
	}
	numbers[noStage] = noStage
	for i, name := range kept {
		numbers[i&cardinality.OtherNumber] = uint8(s.stages.Admit(name))
		same = same && s.stages.Admit(name) == i
	}
	if same {
		return
	}
	for _, q := range s.quarters {
		s.chunks.change(q.chunk)
		for _, c := range q.cohorts {
			c.packed = s.scratch.renumber(c.packed, &numbers)
		}
	}
}

// renumber returns counts with other numbers of the stages.
func (s *scratch) renumber(p packed, numbers *[places]uint8) packed {
	counts := p.counts(nil)
	for i := range counts {
		counts[i].fact = counts[i].fact.renumber(numbers)
	}
	slices.SortFunc(counts, func(x, y count) int { return cmp.Compare(x.fact, y.fact) })
	out := packer{to: s.packed[:0]}
	for i := 0; i < len(counts); {
		sum := counts[i]
		for i++; i < len(counts) && counts[i].fact == sum.fact; i++ {
			sum.n += counts[i].n
		}
		out.write(sum)
	}
	s.packed = out.to
	return slices.Clone(out.to)
}

// decoder reads what encode has written. After the end of it, or after what encode cannot have written, it is corrupt
// and reads nothing more.
type decoder struct {
	rest    []byte
	corrupt bool
}

// upTo reads a number that has a highest value.
func (d *decoder) upTo(highest uint64) uint64 {
	n, length := binary.Uvarint(d.rest)
	if length <= 0 || n > highest {
		d.corrupt, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[length:]
	return n
}

func (d *decoder) bytes() []byte {
	length := d.upTo(uint64(len(d.rest)))
	out := d.rest[:min(length, uint64(len(d.rest)))]
	d.corrupt = d.corrupt || uint64(len(out)) < length
	d.rest = d.rest[len(out):]
	return out
}
