// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"iter"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// statistics count the verifications by when they began. Every change of a verification is described as it was before
// and as it is after, so that what it had added can be subtracted.
type statistics struct {
	*cohorts.Set // nil: nobody wants them

	before, after cohorts.Contribution
	entries       entries
	events        []cohorts.Event
}

// beforeChange describes a verification that is about to change. It and afterChange come in pairs.
func (f *Funnel) beforeChange(s slot) {
	if f.statistics.Set == nil {
		return
	}
	f.statistics.before.Reset()
	if f.table.at(s).place() != 0 {
		f.describe(s, &f.statistics.before)
	}
}

// afterChange counts a verification as it is now.
func (f *Funnel) afterChange(s slot) {
	if f.statistics.Set == nil {
		return
	}
	f.describe(s, &f.statistics.after)
	v := f.table.at(s)
	v.setPlace(f.statistics.Replace(v.place(), &f.statistics.before, &f.statistics.after, f.clock.wall()))
}

// describe describes a verification for the statistics, in which a straggler counts as if it had come in time.
func (f *Funnel) describe(s slot, to *cohorts.Contribution) {
	st, v := &f.statistics, f.table.at(s)
	st.entries, _ = v.trail.entries(st.entries[:0])
	st.events = st.events[:0]
	for i := range st.entries {
		st.events = append(st.events, cohorts.Event{At: st.entries[i].at, Stage: st.entries[i].stage})
	}
	reached := v.reached
	if len(f.beyond[s]) > 0 {
		reached |= 1 << cardinality.OtherNumber
	}
	to.Describe(&cohorts.Verification{
		Events: st.events, Reached: reached, Tracker: f.earliestTracker(s), Outcome: standing(v, st.entries),
	})
}

// standing returns how a verification stands: as it has ended, or open.
func standing(v *verification, es entries) cohorts.Outcome {
	if v.state != ended {
		return cohorts.Open
	}
	switch outcomeOf(es) {
	case Completed:
		return cohorts.Completed
	case DropOff:
		return cohorts.DropOff
	default:
		return cohorts.Abandoned
	}
}

// earliestTracker returns the tracker of the earliest event that has one.
func (f *Funnel) earliestTracker(s slot) unique.Handle[string] {
	if tracker, ok := f.earliest[s]; ok {
		return tracker
	}
	return f.table.at(s).tracker
}

// Cohorts returns the statistics, nil without Settings.Statistics.
func (f *Funnel) Cohorts() *cohorts.Set {
	return f.statistics.Set
}

// Answer answers a question about the statistics as of a time, with what has ended by then. It is only for a Funnel with
// Settings.Statistics. The Funnel is not locked while it looks.
func (f *Funnel) Answer(q *cohorts.Query, now time.Time) (*cohorts.Answer, error) {
	f.Advance(now)
	return f.statistics.Answer(q, now)
}

// Rows is Answer for a table.
func (f *Funnel) Rows(q *cohorts.Query, now time.Time) (iter.Seq[cohorts.Row], error) {
	f.Advance(now)
	return f.statistics.Rows(q, now)
}
