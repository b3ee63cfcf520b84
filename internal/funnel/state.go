// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// Header is what of a Funnel is kept over a restart beside its chunks. It can be written as JSON.
type Header struct {
	Chunks int           `json:"chunks"` // those with the numbers below are stored
	Stages []string      `json:"stages"` // by number
	Ran    time.Duration `json:"ran"`    // by its clock
}

// Save hands over for storage what has changed since it was last saved: first each changed chunk to add, then the header
// to write, which has to store them all at once. If write fails or panics, the chunks count as not saved. The Funnel is
// locked only while one chunk is encoded, so what changes meanwhile may be in a chunk or come with the next Save. One
// Save at a time.
func (f *Funnel) Save(add func(chunk int, data []byte), write func(h Header) error) error {
	all, chunks := f.changedChunks()
	saved := false
	defer func() {
		if !saved {
			f.markChanged(chunks)
		}
	}()
	for _, chunk := range chunks {
		add(chunk, f.encodeChunk(chunk))
	}
	if err := write(f.header(all)); err != nil {
		return err
	}
	saved = true
	return nil
}

// header returns the header for so many chunks. It is made after they are encoded, so that it has all stages that are in
// them, but a chunk that was added meanwhile is not among them.
func (f *Funnel) header(chunks int) Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Header{Chunks: chunks, Stages: f.stages.Names(), Ran: f.clock.ran}
}

// changedChunks returns how many chunks there are, and which have changed since they were saved.
func (f *Funnel) changedChunks() (all int, chunks []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for chunk, changed := range f.table.changed {
		if changed {
			chunks = append(chunks, chunk)
		}
	}
	return len(f.table.chunks), chunks
}

func (f *Funnel) markChanged(chunks []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, chunk := range chunks {
		f.table.changed[chunk] = true
	}
}

// encodeChunk returns a chunk for storage, and takes it for saved.
func (f *Funnel) encodeChunk(chunk int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.changed[chunk] = false
	out := []byte{} // nil would be a missing one
	for i := range chunkSize {
		s := slot(chunk*chunkSize + i)
		if f.table.at(s).text != "" {
			out = f.encode(binary.AppendUvarint(out, uint64(i)), s)
		}
	}
	return out
}

// waits returns how long a verification waits in a state.
func (f *Funnel) waits(in state) time.Duration {
	switch in {
	case following:
		return f.settings.AbandonAfter
	case settling:
		return f.settings.Settle
	default:
		return 0
	}
}

const bytesOf8 = 8

func (f *Funnel) encode(out []byte, s slot) []byte {
	v := f.table.at(s)
	out = append(out, byte(v.state)|v.flags, v.passed)
	out = appendString(out, v.key())
	out = appendString(out, v.externalID())
	out = appendString(out, v.tracker.Value())
	out = appendString(out, f.earliestTracker(s))
	out = appendString(out, string(v.trail))
	out = binary.LittleEndian.AppendUint64(out, uint64(v.first))
	out = binary.LittleEndian.AppendUint64(out, uint64(v.due-f.waits(v.state))) // its time may be another next time
	out = binary.LittleEndian.AppendUint64(out, v.reached)
	out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v.score))
	out = binary.AppendUvarint(out, uint64(v.events))
	out = binary.AppendUvarint(out, uint64(v.ends))
	out = binary.AppendUvarint(out, uint64(len(f.beyond[s])))
	for hash := range f.beyond[s] {
		out = binary.LittleEndian.AppendUint64(out, hash)
	}
	return out
}

func appendString(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

var (
	// ErrChunk means that a chunk is not one that Save made.
	ErrChunk = errors.New("chunk is corrupt")

	errMissing = fmt.Errorf("%w: it is missing", ErrChunk)
)

// Restore makes an empty Funnel go on at a time with what Save has stored: the header, and the chunks that it names, which
// read returns, nil for one that is missing. The time between does not count for it, also where the clock was set back.
// With more verifications than Settings allow, those that end early are told before it returns. An error of read is
// returned as it is, ErrChunk for what is corrupt; the Funnel is then empty, as it was. It is to be called before all else.
func (f *Funnel) Restore(h *Header, read func(chunk int) ([]byte, error), now time.Time) error {
	r := restorer{Funnel: NewFunnel(f.settings, f.listener)}
	r.clock = clock{ran: h.Ran, looked: now}
	r.renumber(h.Stages)
	for chunk := range h.Chunks {
		data, err := read(chunk)
		if err == nil {
			err = r.chunk(chunk, data)
		}
		if err != nil {
			return fmt.Errorf("chunk %d of the followed verifications: %w", chunk, err)
		}
	}
	r.queue()
	for r.byKey.count > r.settings.MaxVerifications {
		r.makeRoom()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stages, f.clock = r.stages, r.clock
	f.byKey, f.table = r.byKey, r.table
	f.byState, f.byFirst, f.active, f.beyond, f.earliest = r.byState, r.byFirst, r.active, r.beyond, r.earliest
	return nil
}

// restorer fills an empty Funnel.
type restorer struct {
	*Funnel
	numbers    [cardinality.OtherNumber + 1]uint8
	renumbered bool // so that what is stored is not what is restored
	slots      [states][]slot
}

// renumber finds the numbers of the stages that were kept: one that was unknown may have been documented since.
func (r *restorer) renumber(kept []string) {
	for i := range r.numbers {
		r.numbers[i] = cardinality.OtherNumber
	}
	for i, name := range kept {
		number := r.stages.Admit(name)
		r.numbers[i&cardinality.OtherNumber] = uint8(number)
		r.renumbered = r.renumbered || number != i
	}
}

func (r *restorer) chunk(chunk int, data []byte) error {
	if data == nil {
		return errMissing
	}
	r.table.grow()
	r.table.free = nil // it is made anew at the end
	r.table.changed[chunk] = r.renumbered
	d := decoder{rest: data}
	for len(d.rest) > 0 {
		i := d.uvarint()
		if i >= chunkSize {
			return ErrChunk
		}
		s := slot(chunk*chunkSize) + slot(i)
		if s == 0 || r.table.at(s).text != "" || !r.verification(s, &d) {
			return ErrChunk
		}
	}
	return nil
}

// verification reads one, and reports false if it is none.
func (r *restorer) verification(s slot, d *decoder) bool {
	v := r.table.at(s)
	flags, passed := d.bytes(1)[0], d.bytes(1)[0]
	key, externalID, tracker, earliest := d.string(), d.string(), d.string(), d.string()
	kept := trail(d.string())
	v.first = time.Duration(d.uint64())
	received := time.Duration(d.uint64())
	reached := d.uint64()
	v.score = math.Float64frombits(d.uint64())
	v.events, v.ends = uint32(d.uvarint()), uint16(d.uvarint())
	for range min(d.uvarint(), maxEntries) {
		r.reachBeyond(s, d.uint64())
	}
	es, ok := kept.entries(r.scratch[:0])
	v.state, v.flags = state(flags&stateBits), flags&^stateBits
	valid := !d.bad && ok && key != "" && len(key) <= math.MaxUint16 && es.isWhole() && v.state < states && int(passed) <= len(r.numbers)
	if !valid {
		return false
	}
	if other := r.byKey.find(&r.table, key); other != 0 {
		// It was forgotten and began anew during a Save, and the two are in chunks that were encoded before and after.
		switch {
		case other/chunkSize == s/chunkSize:
			return false
		case r.table.at(other).first > v.first:
			r.drop(s)
			return true
		}
		r.byKey.remove(&r.table, other)
		r.drop(other)
	}
	v.text, v.keyLen = key+externalID, uint16(len(key))
	v.tracker = unique.Make(tracker)
	r.keepEarliest(s, unique.Make(earliest))
	v.trail = r.trail(kept, es)
	v.last = es.last().stage
	v.due = received + r.waits(v.state)
	if passed > 0 {
		v.passed = r.numbers[passed-1] + 1
	}
	for stage, number := range r.numbers {
		if reached&(1<<stage) != 0 && number != cardinality.OtherNumber {
			v.reach(number)
		}
	}
	r.byKey.add(&r.table, s)
	r.slots[v.state] = append(r.slots[v.state], s)
	return true
}

// drop leaves out a verification that has been read.
func (r *restorer) drop(s slot) {
	delete(r.beyond, s)
	delete(r.earliest, s)
	r.table.release(s)
}

// isWhole reports whether these can be the entries of a verification.
func (es entries) isWhole() bool {
	return len(es) > 0 && len(es) <= maxEntries && es.last().mark != straggler
}

// trail gives entries their numbers of today, in the order that those make.
func (r *restorer) trail(kept trail, es entries) trail {
	changed := false
	for i := range es {
		number := r.numbers[es[i].stage]
		changed = changed || number != es[i].stage
		es[i].stage = number
	}
	if !changed {
		return kept
	}
	slices.SortFunc(es, func(a, b entry) int { return a.compare(&b) })
	return newTrail(es)
}

// queue puts all in their order, and finds the places that are free.
func (r *restorer) queue() {
	var all []slot
	isEmpty := func(s slot) bool { return r.table.at(s).text == "" } // it was dropped
	for in, slots := range r.slots {
		slots = slices.DeleteFunc(slots, isEmpty)
		slices.SortFunc(slots, func(a, b slot) int { return cmp.Compare(r.table.at(a).due, r.table.at(b).due) })
		for _, s := range slots {
			r.byState[in].push(&r.table, s)
			if state(in) != ended {
				r.countActive(r.table.at(s), 1)
			}
		}
		all = append(all, slots...)
	}
	slices.SortFunc(all, func(a, b slot) int { return cmp.Compare(r.table.at(a).first, r.table.at(b).first) })
	for _, s := range all {
		r.byFirst.push(&r.table, s)
	}
	r.table.free = nil
	for i := len(r.table.chunks)*chunkSize - 1; i > 0; i-- {
		if s := slot(i); isEmpty(s) {
			r.table.free = append(r.table.free, s)
		}
	}
}

// decoder reads what encode has written. After the end of it, it is bad and reads zeros.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || len(d.rest) < n {
		d.bad = true
		d.rest = nil
		return make([]byte, bytesOf8)
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) uint64() uint64 {
	return binary.LittleEndian.Uint64(d.bytes(bytesOf8))
}

func (d *decoder) uvarint() uint64 {
	value, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad = true
		d.rest = nil
		return 0
	}
	d.rest = d.rest[n:]
	return value
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.bad = true
		return ""
	}
	return string(d.bytes(int(n)))
}
