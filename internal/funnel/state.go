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
	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// Header is what of a Funnel is kept over a restart beside its chunks. It can be written as JSON.
type Header struct {
	Chunks     int             `json:"chunks"` // those with the numbers below are stored
	Stages     []string        `json:"stages"` // by number
	Ran        time.Duration   `json:"ran"`    // by its clock
	Statistics *cohorts.Header `json:"statistics,omitempty"`
}

// Part says what a chunk is of.
type Part int

// A chunk is of the verifications or of the statistics. Both are numbered from 0 on.
const (
	Verifications Part = iota
	Statistics
)

// save is a Save under way: the chunks as they were when it began, each until it is encoded.
type save struct {
	chunks map[int][]byte // data of those that had to be encoded early
	order  []int
	header Header
	counts *cohorts.Snapshot
}

// Save hands over for storage what has changed since it was last saved: each changed chunk to add, then the header to
// write, which has to store them all at once. If write fails or panics, the chunks count as not saved. All of it is of
// one moment, so that verifications and statistics agree. The Funnel is locked only while one chunk is encoded; one that
// is about to change before its turn is encoded then. One Save at a time.
func (f *Funnel) Save(add func(part Part, chunk int, data []byte), write func(h Header) error) error {
	sv := f.beginSave()
	saved := false
	defer func() { f.endSave(sv, saved) }()
	for _, chunk := range sv.order {
		add(Verifications, chunk, f.takeChunk(sv, chunk))
	}
	if sv.counts != nil {
		for chunk, data := range sv.counts.Chunks() {
			add(Statistics, chunk, data)
		}
	}
	if err := write(sv.header); err != nil {
		return err
	}
	saved = true
	return nil
}

func (f *Funnel) beginSave() *save {
	f.mu.Lock()
	defer f.mu.Unlock()
	sv := &save{chunks: map[int][]byte{}}
	for chunk, changed := range f.table.changed {
		if changed {
			f.table.changed[chunk] = false
			sv.chunks[chunk] = nil
			sv.order = append(sv.order, chunk)
		}
	}
	sv.header = Header{Chunks: len(f.table.chunks), Stages: f.stages.Names(), Ran: f.clock.ran}
	if f.statistics.Set != nil {
		sv.counts = f.statistics.Snapshot(f.clock.wall())
		sv.header.Statistics = &sv.counts.Header
	}
	f.table.saving = func(chunk int) {
		if data, pending := sv.chunks[chunk]; pending && data == nil {
			sv.chunks[chunk] = f.encodeChunk(chunk)
		}
	}
	return sv
}

// takeChunk returns a chunk as it was when the Save began.
func (f *Funnel) takeChunk(sv *save, chunk int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	data := sv.chunks[chunk]
	if data == nil {
		data = f.encodeChunk(chunk)
	}
	delete(sv.chunks, chunk)
	return data
}

func (f *Funnel) endSave(sv *save, saved bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.saving = nil
	if saved {
		return
	}
	for _, chunk := range sv.order {
		f.table.changed[chunk] = true
	}
	if sv.counts != nil {
		f.statistics.NotWritten(sv.counts)
	}
}

func (f *Funnel) encodeChunk(chunk int) []byte {
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
	out = appendString(out, f.earliestTracker(s).Value())
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
// With more verifications than Settings allow, those that end early are told before it returns. Statistics that were
// not kept, or were kept by another version, begin anew. An error of read is returned as it is, ErrChunk for what is
// corrupt; the Funnel is then empty, as it was. It is to be called before all else.
func (f *Funnel) Restore(h *Header, read func(part Part, chunk int) ([]byte, error), now time.Time) error {
	r := restorer{Funnel: NewFunnel(f.settings, f.listener, now)}
	if err := r.restoreStatistics(h.Statistics, read, now); err != nil {
		return err
	}
	r.clock = clock{ran: h.Ran, looked: now}
	r.renumber(h.Stages)
	for chunk := range h.Chunks {
		data, err := read(Verifications, chunk)
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
	f.stages, f.clock, f.statistics = r.stages, r.clock, r.statistics
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
	counted    bool // the statistics know the verifications
}

func (r *restorer) restoreStatistics(h *cohorts.Header, read func(part Part, chunk int) ([]byte, error), now time.Time) error {
	if h == nil || r.statistics.Set == nil {
		return nil
	}
	err := r.statistics.Restore(h, func(chunk int) ([]byte, error) { return read(Statistics, chunk) }, now)
	r.counted = err == nil
	if errors.Is(err, cohorts.ErrVersion) {
		return nil
	}
	return err
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
	if !r.counted && v.place() != 0 {
		v.setPlace(0)
		r.table.change(s) // or statistics that begin anew would seem to know it after another restart
	}
	valid := !d.bad && ok && key != "" && len(key) <= math.MaxUint16 && es.isWhole() && v.state < states && int(passed) <= len(r.numbers)
	if !valid || r.byKey.find(&r.table, key) != 0 {
		return false
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
	for in, slots := range r.slots {
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
	for i := len(r.table.chunks)*chunkSize - 1; i > 0; i-- {
		if s := slot(i); r.table.at(s).text == "" {
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
