// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package deliveries

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// What is remembered is written to storage in segments of so many entries, of which only those with something new are
// written again. A segment is named by the number of its first entry over this size.
const segmentSize = 4096

const entryBytes = len(event.ID{}) + 8

// Range is what of a Memory is in storage: the entries from Head to before Tail.
type Range struct {
	Head, Tail uint64
}

// segments returns the names of the first segment that holds the range and of the one after the last.
func (r Range) segments() (first, end uint64) {
	return r.Head / segmentSize, (r.Tail + segmentSize - 1) / segmentSize
}

// Segments are the names of the segments that hold the range.
func (r Range) Segments() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for segment, end := r.segments(); segment < end; segment++ {
			if !yield(segment) {
				return
			}
		}
	}
}

// Changes is what has to be written for storage to hold the whole of a Memory.
type Changes struct {
	Range   Range
	Written map[uint64][]byte // segments by name
	Deleted []uint64
}

// Changes returns what has changed since storage held a range.
func (m *Memory) Changes(stored Range) Changes {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Changes{Range: Range{m.queue.head, m.queue.tail}, Written: map[uint64][]byte{}}
	first, end := c.Range.segments()
	storedFirst, _ := stored.segments()
	for segment := storedFirst; segment < first; segment++ {
		c.Deleted = append(c.Deleted, segment)
	}
	if stored.Tail == c.Range.Tail {
		return c
	}
	for segment := max(first, stored.Tail/segmentSize); segment < end; segment++ {
		c.Written[segment] = m.encode(segment)
	}
	return c
}

// encode returns the entries of a segment that are remembered, with the number of the first of them before.
func (m *Memory) encode(segment uint64) []byte {
	from, to := max(segment*segmentSize, m.queue.head), min((segment+1)*segmentSize, m.queue.tail)
	data := make([]byte, 0, 8+int(to-from)*entryBytes)
	data = binary.BigEndian.AppendUint64(data, from)
	for number := from; number < to; number++ {
		e := m.queue.at(number)
		data = append(data, e.ID[:]...)
		data = binary.BigEndian.AppendUint64(data, uint64(e.Delivered))
	}
	return data
}

// errSegment means that a segment is not one that Changes made for the range.
var errSegment = errors.New("segment is corrupt")

// Restore makes an empty Memory remember a range that is in storage, of which read returns the segments. With an error
// it is left empty. What is beyond its bounds is forgotten.
func (m *Memory) Restore(stored Range, read func(segment uint64) ([]byte, error), now time.Time) error {
	restored := NewMemory(m.window, m.maxEntries)
	restored.queue.head, restored.queue.tail = stored.Head, stored.Head
	first, end := stored.segments()
	for segment := first; segment < end; segment++ {
		data, err := read(segment)
		if err == nil {
			err = restored.decode(segment, stored, data)
		}
		if err != nil {
			return fmt.Errorf("segment %d of the remembered deliveries: %w", segment, err)
		}
	}
	if restored.queue.tail != stored.Tail {
		return errSegment
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known, m.queue = restored.known, restored.queue
	m.forgetOld(now)
	for m.queue.length() > m.maxEntries {
		m.forgetFirst()
	}
	return nil
}

func (m *Memory) decode(segment uint64, stored Range, data []byte) error {
	if len(data) < 8 {
		return errSegment
	}
	from, entries := binary.BigEndian.Uint64(data), data[8:]
	to := min((segment+1)*segmentSize, stored.Tail)
	if from < segment*segmentSize || from > max(stored.Head, segment*segmentSize) || from > to || uint64(len(entries)) != (to-from)*uint64(entryBytes) {
		return errSegment
	}
	for number := from; number < to; number++ {
		var e Entry
		n := copy(e.ID[:], entries)
		e.Delivered = int64(binary.BigEndian.Uint64(entries[n:]))
		entries = entries[entryBytes:]
		if number >= stored.Head {
			m.known[e.ID] = struct{}{}
			m.queue.push(e)
		}
	}
	return nil
}
