// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package truth

import (
	"slices"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/population"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
)

// history is events of one verification, at least one, in the order in which
// they occurred.
type history []*population.Event

// histories returns the acknowledged events of a verification, and those of
// them that come before it ends. A straggler comes after the end only where a
// later event has come before it: otherwise it would resume the verification.
func histories(v *population.Verification, acknowledged []bool) (all, inTime history) {
	for i := range v.Events {
		if acknowledged[i] {
			all = append(all, &v.Events[i])
		}
	}
	last := len(all) - 1
	for last > 0 && all[last].Straggler {
		last--
	}
	for i, e := range all {
		if !e.Straggler || i >= last {
			inTime = append(inTime, e)
		}
	}
	return all, inTime
}

func (h history) has(stage string) bool { return h.count(stage) > 0 }

func (h history) count(stage string) (n int) {
	for _, e := range h {
		if e.Stage == stage {
			n++
		}
	}
	return n
}

func (h history) first() *population.Event { return h[0] }

func (h history) last() *population.Event { return h[len(h)-1] }

func (h history) completed() bool { return h.has(scenario.Last) }

// droppedOff says whether there is a drop-off stage, whatever came after.
func (h history) droppedOff() bool {
	return slices.ContainsFunc(h, func(e *population.Event) bool { return scenario.IsDropOff(e.Stage) })
}

// attempts is how often liveness was started.
func (h history) attempts() int { return h.count("liveness_started") }

// outcome is how the verification ends after the last event.
func (h history) outcome() Outcome {
	switch {
	case h.completed():
		return Completed
	case scenario.IsDropOff(h.last().Stage):
		return DropOff
	default:
		return Abandoned
	}
}

// passed returns the steps of the happy path up to the furthest that there is:
// who skips a step passes it.
func (h history) passed() []string {
	path := scenario.HappyPath()
	for len(path) > 0 && !h.has(path[len(path)-1]) {
		path = path[:len(path)-1]
	}
	return path
}

// stages yields the first event of each stage, with the event before it, which
// is nil for the first of all.
func (h history) stages(yield func(first, before *population.Event) bool) {
	var before *population.Event
	seen := map[string]bool{}
	for _, e := range h {
		if !seen[e.Stage] && !yield(e, before) {
			return
		}
		seen[e.Stage] = true
		before = e
	}
}
