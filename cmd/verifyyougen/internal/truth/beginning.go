// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package truth

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// quarter is how long beginnings are counted together.
const quarter = 15 * time.Minute

// Beginning counts the verifications that began in the same quarter of an hour
// with the same tracker, as they stand once all have ended. It is what the
// Stats API has to answer: unlike the metrics, stragglers count in it as if they
// had come in time. Every number of it adds up with those of other beginnings.
type Beginning struct {
	Start          time.Time `json:"start"` // in UTC
	Tracker        string    `json:"tracker"`
	Began          int64     `json:"began"`
	Completed      int64     `json:"completed"`
	OnFirstAttempt int64     `json:"on_first_attempt"` // completed with at most one attempt and without a drop-off stage
	AfterDropOff   int64     `json:"after_drop_off"`   // completed with a drop-off stage
	DropOff        int64     `json:"drop_off"`         // ended so
	Abandoned      int64     `json:"abandoned"`        // ended so

	Reached map[string]int64 `json:"reached"` // by stage
	Passed  map[string]int64 `json:"passed"`  // by step of the happy path
	// Stopped counts, by step and outcome, those that did not complete and whose
	// furthest step it is.
	Stopped map[string]map[Outcome]int64 `json:"stopped"`
	// Attempts counts by how often liveness was started: 0, 1, 2, 3 or more.
	Attempts [4]AttemptShare `json:"attempts"`
	// Transitions counts the verifications in which a stage is directly followed
	// by another, by these two: "" comes before the first event and after the last.
	Transitions map[string]map[string]int64 `json:"transitions"`
}

// AttemptShare is how many verifications there are, and how many of them completed.
type AttemptShare struct {
	Verifications int64 `json:"verifications"`
	Completed     int64 `json:"completed"`
}

// beginnings is what has begun, by quarter of an hour and tracker.
type beginnings map[beginningKey]*Beginning

type beginningKey struct {
	start   int64 // in Unix seconds
	tracker string
}

func (b beginnings) count(tracker string, h history) {
	start := h.first().OccurredAt.UTC().Truncate(quarter)
	key := beginningKey{start.Unix(), tracker}
	if b[key] == nil {
		b[key] = &Beginning{
			Start: start, Tracker: tracker,
			Reached: map[string]int64{}, Passed: map[string]int64{},
			Stopped: map[string]map[Outcome]int64{}, Transitions: map[string]map[string]int64{},
		}
	}
	b[key].count(h)
}

func (b *Beginning) count(h history) {
	b.Began++
	switch h.outcome() {
	case Completed:
		b.countCompleted(h)
	case DropOff:
		b.DropOff++
	case Abandoned:
		b.Abandoned++
	}
	for e := range h.stages {
		b.Reached[e.Stage]++
	}
	passed := h.passed()
	for _, stage := range passed {
		b.Passed[stage]++
	}
	if !h.completed() && len(passed) > 0 {
		addTo(b.Stopped, passed[len(passed)-1], h.outcome())
	}
	b.countAttempts(h)
	b.countTransitions(h)
}

func (b *Beginning) countCompleted(h history) {
	b.Completed++
	switch {
	case h.droppedOff():
		b.AfterDropOff++
	case h.attempts() <= 1:
		b.OnFirstAttempt++
	}
}

func (b *Beginning) countAttempts(h history) {
	row := &b.Attempts[min(h.attempts(), len(b.Attempts)-1)]
	row.Verifications++
	if h.completed() {
		row.Completed++
	}
}

// countTransitions counts each pair of stages once.
func (b *Beginning) countTransitions(h history) {
	type transition struct{ from, to string }
	seen := map[transition]bool{}
	from := ""
	for _, e := range h {
		seen[transition{from, e.Stage}] = true
		from = e.Stage
	}
	seen[transition{from, ""}] = true
	for t := range seen {
		addTo(b.Transitions, t.from, t.to)
	}
}

func addTo[K comparable](counts map[string]map[K]int64, outer string, inner K) {
	if counts[outer] == nil {
		counts[outer] = map[K]int64{}
	}
	counts[outer][inner]++
}

// sorted returns the beginnings by start, then tracker.
func (b beginnings) sorted() []Beginning {
	rows := make([]Beginning, 0, len(b))
	for _, key := range slices.SortedFunc(maps.Keys(b), func(a, b beginningKey) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.tracker, b.tracker))
	}) {
		rows = append(rows, *b[key])
	}
	return rows
}
