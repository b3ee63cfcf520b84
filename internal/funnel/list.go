// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

// slot is the place of a verification in the table; 0 is none.
type slot uint32

// list is verifications in an order, first in first out, but that any of them can leave. A verification is in one list
// of each kind at most. Its links are in the table, which takes less memory than nodes of their own.
type list struct {
	kind       linkKind
	head, tail slot
}

// linkKind says which links of a verification a list uses.
type linkKind int

const (
	byState linkKind = iota // following, settling or ended
	byFirst                 // all, by their first event
	linkKinds
)

type links struct{ prev, next slot }

func (l *list) push(t *table, s slot) {
	t.at(s).links[l.kind] = links{prev: l.tail}
	if l.tail == 0 {
		l.head = s
	} else {
		t.at(l.tail).links[l.kind].next = s
	}
	l.tail = s
}

func (l *list) remove(t *table, s slot) {
	own := &t.at(s).links[l.kind]
	if own.prev == 0 {
		l.head = own.next
	} else {
		t.at(own.prev).links[l.kind].next = own.next
	}
	if own.next == 0 {
		l.tail = own.prev
	} else {
		t.at(own.next).links[l.kind].prev = own.prev
	}
	*own = links{}
}
