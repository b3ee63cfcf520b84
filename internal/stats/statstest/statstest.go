// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package statstest makes statistics for tests: of verifications one by one, and of very many.
package statstest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// Statistics is a set of cohorts that tests fill. It is not safe for concurrent use, but for the Set itself.
type Statistics struct {
	*cohorts.Set

	stages *cardinality.Stages
	random *rand.Rand
}

// New returns statistics of 32 days in which that many values of external_tracker are told apart, and that know of
// nothing since the beginning of those days.
func New(trackers int, now time.Time) *Statistics {
	const retention = 32 * 24 * time.Hour
	stages := cardinality.NewStages()
	settings := cohorts.Settings{Retention: retention, MaxCohorts: 1_000_000, MaxTrackers: trackers}
	return &Statistics{
		Set:    cohorts.NewSet(settings, stages, now.Add(-retention)),
		stages: stages,
		random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // the same for each test
	}
}

// Add adds a verification with these stages, each so many seconds after the one before.
func (s *Statistics) Add(now, began time.Time, tracker string, outcome cohorts.Outcome, seconds float64, stages ...string) {
	v := cohorts.Verification{Tracker: unique.Make(tracker), Outcome: outcome}
	at := began
	for _, stage := range stages {
		v.Events = append(v.Events, cohorts.Event{At: uint64(at.UnixNano()), Stage: uint8(s.stages.Admit(stage))})
		at = at.Add(time.Duration(seconds * float64(time.Second)))
	}
	var before, after cohorts.Contribution
	after.Describe(&v)
	s.Replace(0, &before, &after, now)
}

var path = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started", "liveness_passed",
	"verification_completed",
}

// stays is the share of people who go on after a step of the path, by place.
var stays = []float64{0.93, 0.95, 0.97, 0.94, 0.86, 0.985, 1}

// Simulate adds verifications as they come in life: they began between two times, one of five with each of the trackers
// as the one before; some people try liveness again, some stop, and those of the last half hour may be open still.
func (s *Statistics) Simulate(n int, from, to, now time.Time, trackers ...string) {
	for range n {
		began := from.Add(time.Duration(s.random.Int64N(int64(to.Sub(from)))))
		stages := s.draw()
		outcome := outcomeOf(stages)
		if now.Sub(began) < 30*time.Minute && outcome != cohorts.Completed {
			outcome = cohorts.Open
		}
		s.Add(now, began, s.drawTracker(trackers), outcome, 4+s.random.ExpFloat64()*14, stages...)
	}
}

func (s *Statistics) draw() []string {
	var stages []string
	for i, stage := range path {
		stages = append(stages, stage)
		for stage == "liveness_started" && s.random.Float64() < 0.16 {
			stages = append(stages, "liveness_failed")
			if s.random.Float64() < 0.4 {
				return stages
			}
			stages = append(stages, "liveness_started")
		}
		if s.random.Float64() > stays[i] {
			if stage == "liveness_started" && s.random.Float64() < 0.6 {
				stages = append(stages, "liveness_cancelled")
			}
			return stages
		}
	}
	return stages
}

func (s *Statistics) drawTracker(trackers []string) string {
	for _, tracker := range trackers {
		if s.random.Float64() < 0.45 {
			return tracker
		}
	}
	return ""
}

func outcomeOf(stages []string) cohorts.Outcome {
	switch last := stages[len(stages)-1]; {
	case last == path[len(path)-1]:
		return cohorts.Completed
	case slices.Contains(path, last):
		return cohorts.Abandoned
	default:
		return cohorts.DropOff
	}
}

// Hostile are values of external_tracker as somebody may set them who wants to do harm.
func Hostile() []string {
	return []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`javascript:alert(1)`,
		`{{.API}}`,
		`'; DROP TABLE cohorts; --`,
		`=HYPERLINK("http://example.com")`,
		"line\r\nbreak, \"quoted\"",
		"nul\x00 escape\x1b[31m",
		"right\u202eto left",
		"\u2066isolate",
		"zero\u200bwidth",
		"a b&external_tracker=c#d%41+e",
		"ünï-çødé-日本語-🙂",
		fmt.Sprintf("%0256d", 7),
	}
}
