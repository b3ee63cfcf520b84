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
		Ended:                 []EndCount{},
		VerificationDurations: []TrackerDuration{},
		StageDurations:        []StageDuration{},
		Deliveries:            r.deliveries,
	}
	for key, count := range r.ends {
		t.Verifications += count
		t.Ended = append(t.Ended, EndCount{key.outcome, key.lastStage, key.tracker, count})
	}
	slices.SortFunc(t.Ended, func(a, b EndCount) int {
		return cmp.Or(cmp.Compare(a.Outcome, b.Outcome), scenario.CompareStages(a.LastStage, b.LastStage), cmp.Compare(a.Tracker, b.Tracker))
	})
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
