// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// Observer is told of each change of a verification: whoever adds up something over all verifications takes away what
// before counts for and adds what after does. It is called one change at a time, with the Funnel's lock held, and must
// not call the Funnel; the snapshots are its own only until it returns. What a verification counts for stays when it is
// forgotten, of which nothing is told, as nothing is of those that are restored.
type Observer interface {
	// Changed is called after an event that is no duplicate, and after an end. before is nil for a new verification.
	Changed(before, after *Snapshot)
}

// Snapshot is what is known of a verification at a time. Stragglers are in it as if they had come in time.
type Snapshot struct {
	Tracker string   // of the earliest event that has one, as it came; empty if none has
	Trail   []Entry  // in order, never empty, at most 256; New is not set
	Reached []string // bounded, in no order, each once; of more than 256 events also what is not in Trail
	Ended   bool
	End     End // where Ended: by what came in time
}

// changing makes a change of a verification, and tells the observer of it.
func (f *Funnel) changing(s slot, isNew bool, change func()) {
	if f.settings.Observer == nil {
		change()
		return
	}
	var before *Snapshot
	if !isNew {
		before = &f.before
		f.snapshot(s, before)
	}
	change()
	f.snapshot(s, &f.after)
	f.settings.Observer.Changed(before, &f.after)
}

// snapshot makes a snapshot in the memory of another.
func (f *Funnel) snapshot(s slot, to *Snapshot) {
	v := f.table.at(s)
	*to = Snapshot{Tracker: f.earliestTracker(s), Trail: to.Trail[:0], Reached: to.Reached[:0], Ended: v.state == ended}
	es, _ := v.trail.entries(nil)
	for i := range es {
		to.Trail = append(to.Trail, Entry{Stage: f.stages.Name(int(es[i].stage)), At: es[i].at, ID: es[i].id})
	}
	for stage := range cardinality.OtherNumber {
		if v.reached&(1<<stage) != 0 {
			to.Reached = append(to.Reached, f.stages.Name(stage))
		}
	}
	if len(f.beyond[s]) > 0 {
		to.Reached = append(to.Reached, cardinality.Other)
	}
	if to.Ended {
		to.End = f.endOf(es)
	}
}

func (f *Funnel) earliestTracker(s slot) string {
	if tracker, ok := f.earliest[s]; ok {
		return tracker.Value()
	}
	return f.table.at(s).tracker.Value()
}
