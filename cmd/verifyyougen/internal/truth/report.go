// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package truth

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
)

// Progress is how far a simulation has come.
type Progress struct {
	Ended        int64 // verifications of which nothing more is sent
	Acknowledged int64 // events
	Refused      int64 // attempts that were not answered 2xx, or not at all
}

// Progress returns how far the simulation has come.
func (r *Recorder) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Progress{Ended: r.ended, Acknowledged: r.deliveries.Acknowledged}
	for status, attempts := range r.deliveries.Answers {
		if !strings.HasPrefix(status, "2") {
			p.Refused += attempts
		}
	}
	return p
}

// Truth returns what was counted. Verifications of which there was more to send
// end with what was sent of them; nothing may be counted any more.
func (r *Recorder) Truth() Truth {
	r.mu.Lock()
	defer r.mu.Unlock()
	for v, p := range r.open {
		r.end(v, p)
	}
	t := Truth{
		Events:                stageCounts(r.events),
		Reached:               stageCounts(r.reached),
		Passed:                stageCounts(r.passed),
		Ended:                 r.endCounts(),
		Attempts:              r.attemptCounts(),
		VerificationDurations: []TrackerDuration{},
		StageDurations:        []StageDuration{},
		Beginnings:            r.beginnings.sorted(),
		Deliveries:            r.deliveries,
	}
	for _, row := range t.Ended {
		t.Verifications += row.Count
	}
	for _, tracker := range slices.Sorted(maps.Keys(r.took)) {
		t.VerificationDurations = append(t.VerificationDurations, TrackerDuration{tracker, r.took[tracker].durations()})
	}
	for _, stage := range slices.SortedFunc(maps.Keys(r.tookStage), scenario.CompareStages) {
		t.StageDurations = append(t.StageDurations, StageDuration{stage, r.tookStage[stage].durations()})
	}
	if t.Verifications > 0 {
		t.FirstOccurredAt, t.LastOccurredAt = &r.first, &r.last
	}
	return t
}

func stageCounts(counts map[stageKey]int64) []StageCount {
	rows := make([]StageCount, 0, len(counts))
	for key, count := range counts {
		rows = append(rows, StageCount{key.stage, key.tracker, count})
	}
	slices.SortFunc(rows, func(a, b StageCount) int {
		return cmp.Or(scenario.CompareStages(a.Stage, b.Stage), cmp.Compare(a.Tracker, b.Tracker))
	})
	return rows
}

func (r *Recorder) endCounts() []EndCount {
	rows := make([]EndCount, 0, len(r.ends))
	for key, count := range r.ends {
		rows = append(rows, EndCount{key.outcome, key.lastStage, key.droppedOff, key.tracker, count})
	}
	slices.SortFunc(rows, func(a, b EndCount) int {
		return cmp.Or(
			cmp.Compare(a.Outcome, b.Outcome),
			scenario.CompareStages(a.LastStage, b.LastStage),
			cmp.Compare(a.Tracker, b.Tracker),
			falseFirst(a.DroppedOff, b.DroppedOff),
		)
	})
	return rows
}

func (r *Recorder) attemptCounts() []AttemptCount {
	rows := make([]AttemptCount, 0, len(r.attempts))
	for key, count := range r.attempts {
		rows = append(rows, AttemptCount{key.outcome, key.attempts, key.tracker, count})
	}
	slices.SortFunc(rows, func(a, b AttemptCount) int {
		return cmp.Or(cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Attempts, b.Attempts), cmp.Compare(a.Tracker, b.Tracker))
	})
	return rows
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
