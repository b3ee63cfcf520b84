// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import "hash/maphash"

// index finds verifications by key. It maps a hash of the key to the first verification that has it, from which those
// with the same hash are linked: that takes less memory than the keys, and no work of the garbage collector.
type index struct {
	hash  func(key string) uint64
	first map[uint64]slot
	count int
}

func newIndex() index {
	seed := maphash.MakeSeed() // so that nobody can choose keys that have the same hash
	return index{hash: func(key string) uint64 { return maphash.String(seed, key) }, first: map[uint64]slot{}}
}

// find returns the place of a verification, 0 if there is none.
func (x *index) find(t *table, key string) slot {
	s := x.first[x.hash(key)]
	for s != 0 && t.at(s).key() != key {
		s = t.at(s).sameHash
	}
	return s
}

// add adds a verification, whose key must not be there.
func (x *index) add(t *table, s slot) {
	v := t.at(s)
	hash := x.hash(v.key())
	v.sameHash = x.first[hash]
	x.first[hash] = s
	x.count++
}

func (x *index) remove(t *table, s slot) {
	v := t.at(s)
	hash := x.hash(v.key())
	x.count--
	before := x.first[hash]
	switch {
	case before != s:
		for t.at(before).sameHash != s {
			before = t.at(before).sameHash
		}
		t.at(before).sameHash = v.sameHash
	case v.sameHash != 0:
		x.first[hash] = v.sameHash
	default:
		delete(x.first, hash)
	}
}
