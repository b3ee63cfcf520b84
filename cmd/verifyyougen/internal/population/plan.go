// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package population

import (
	"cmp"
	"container/heap"
	"iter"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
)

// Plan is a population in time.
type Plan struct {
	Scenario      *scenario.Scenario
	Seed          uint64
	Start         time.Time
	Verifications int
	Rate          float64 // verifications that begin in a second, more than 0
	Speed         float64 // what delays are divided by, more than 0
	// Repeats puts the second deliveries into the plan, as if every first one
	// were answered 2xx at once.
	Repeats bool
	// SessionIDs tells verifications apart by a session_id of each, with one
	// verification_id for all.
	SessionIDs bool
}

// Delivery is an event that is due to be delivered.
type Delivery struct {
	Due          time.Time
	Verification *Verification
	Event        int // which of the verification's
	Repeat       bool

	number int // of the verification
}

// Deliveries yields the deliveries in the order in which they are due. It holds
// no more than the verifications that have begun and have not ended.
func (p *Plan) Deliveries() iter.Seq[Delivery] {
	return func(yield func(Delivery) bool) {
		var due queue
		walker := newWalker(p)
		slot := time.Duration(float64(time.Second) / p.Rate)
		for begun := 0; ; {
			for from := p.begins(begun); begun < p.Verifications && (len(due) == 0 || !from.After(due[0].Due)); from = p.begins(begun) {
				p.enqueue(&due, begun, walker.walk(begun, from, slot))
				begun++
			}
			if len(due) == 0 || !yield(heap.Pop(&due).(Delivery)) {
				return
			}
		}
	}
}

// begins returns the earliest time at which the nth verification may begin, in
// whole microseconds: rounded down later, a verification could begin before it.
func (p *Plan) begins(n int) time.Time {
	return p.Start.Add(time.Duration(float64(n) / p.Rate * float64(time.Second))).Truncate(time.Microsecond)
}

func (p *Plan) enqueue(due *queue, number int, v *Verification) {
	for i, e := range v.Events {
		first := Delivery{Due: e.OccurredAt.Add(e.Late), Verification: v, Event: i, number: number}
		heap.Push(due, first)
		if p.Repeats && e.Again != nil {
			repeat := first
			repeat.Due = first.Due.Add(*e.Again)
			repeat.Repeat = true
			heap.Push(due, repeat)
		}
	}
}

// queue is a heap of deliveries. Only the deliveries of one event can be equal
// in it, and their bodies are too: the order is always the same.
type queue []Delivery

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	a, b := q[i], q[j]
	return cmp.Or(
		a.Due.Compare(b.Due),
		cmp.Compare(a.number, b.number),
		cmp.Compare(a.Event, b.Event),
	) < 0
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *queue) Push(d any) { *q = append(*q, d.(Delivery)) }

func (q *queue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = Delivery{} // not to keep its verification
	*q = (*q)[:last]
	return d
}
