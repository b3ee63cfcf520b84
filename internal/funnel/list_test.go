// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// slots returns what is in a list, and checks that it is the same from behind.
func (l *list) slots(t *testing.T, in *table) []slot {
	t.Helper()
	forward, backward := []slot{}, []slot{}
	for s := l.head; s != 0; s = in.at(s).links[l.kind].next {
		forward = append(forward, s)
	}
	for s := l.tail; s != 0; s = in.at(s).links[l.kind].prev {
		backward = append([]slot{s}, backward...)
	}
	assert.Equal(t, forward, backward)
	return forward
}

func TestList(t *testing.T) {
	var in table
	in.grow()
	first, other := list{kind: byFirst}, list{kind: byState}
	assert.Empty(t, first.slots(t, &in))
	for s := slot(1); s <= 5; s++ {
		first.push(&in, s)
	}
	other.push(&in, 3)
	other.push(&in, 1)
	for _, tt := range []struct {
		remove slot
		want   []slot
	}{
		{3, []slot{1, 2, 4, 5}},
		{1, []slot{2, 4, 5}},
		{5, []slot{2, 4}},
		{2, []slot{4}},
		{4, []slot{}},
	} {
		first.remove(&in, tt.remove)
		assert.Equal(t, tt.want, first.slots(t, &in), "without %d", tt.remove)
	}
	first.push(&in, 5)
	assert.Equal(t, []slot{5}, first.slots(t, &in))
	assert.Equal(t, []slot{3, 1}, other.slots(t, &in), "the lists of another kind are apart")
}

func TestTable(t *testing.T) {
	var in table
	seen := map[slot]bool{}
	for range 2 * chunkSize {
		s := in.allocate()
		assert.NotZero(t, s)
		assert.False(t, seen[s], "%d is taken twice", s)
		seen[s] = true
	}
	assert.Len(t, in.chunks, 3, "one place is none")
	in.at(7).text = "ver_1"
	clear(in.changed)
	in.release(7)
	assert.Equal(t, []bool{true, false, false}, in.changed)
	assert.Equal(t, verification{}, *in.at(7))
	assert.Equal(t, slot(7), in.allocate())
}

// TestIndexCollisions gives all keys the same hash.
func TestIndexCollisions(t *testing.T) {
	var in table
	x := newIndex()
	x.hash = func(string) uint64 { return 1 }
	keys := []string{"a", "b", "c", "d"}
	slots := map[string]slot{}
	for _, key := range keys {
		s := in.allocate()
		v := in.at(s)
		v.text, v.keyLen = key+"external", 1
		x.add(&in, s)
		slots[key] = s
	}
	for _, key := range []string{"b", "d", "a", "c"} { // from the middle, the beginning, the end, and the only one
		for _, other := range keys {
			assert.Equal(t, slots[other], x.find(&in, other), "%q, before %q leaves", other, key)
		}
		x.remove(&in, slots[key])
		slots[key] = 0
	}
	assert.Zero(t, x.count)
	assert.Empty(t, x.first)
}
