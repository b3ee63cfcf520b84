// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package population makes verifications that behave as a scenario says. All
// of it follows from a seed, whatever else goes on.
package population

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
)

// maxEvents ends a walk that would never end.
const maxEvents = 100

// Verification is one run of one person through the stages.
type Verification struct {
	ID         string
	ExternalID string  // empty for none
	Tracker    string  // empty for none
	Events     []Event // in the order in which they occur, at least one
}

// Event is what happens in a verification.
type Event struct {
	Stage string
	Step  *int // nil for none
	// OccurredAt is in whole microseconds, which is what VerifyYou writes, and
	// later than that of the event before.
	OccurredAt time.Time
	TrustScore *float64 // nil for none
	// Late is how long after OccurredAt the event is delivered first.
	Late time.Duration
	// Again is how long after a delivery was answered 2xx the event is
	// delivered once more; nil if it is not.
	Again *time.Duration
}

// walker makes verifications.
type walker struct {
	scenario *scenario.Scenario
	chances  []map[string][]scenario.Chance // by campaign
	weights  float64                        // sum
	seed     uint64
	speed    float64
}

func newWalker(s *scenario.Scenario, seed uint64, speed float64) *walker {
	w := &walker{scenario: s, seed: seed, speed: speed}
	for _, campaign := range s.Campaigns {
		w.chances = append(w.chances, s.Chances(campaign))
		w.weights += campaign.Weight
	}
	return w
}

// walk makes the nth verification, from random numbers of its own: it is the
// same in a population of any size. It begins at a time within slot after from.
func (w *walker) walk(n int, from time.Time, slot time.Duration) *Verification {
	random := rand.New(rand.NewPCG(w.seed, uint64(n))) //nolint:gosec // it has to be repeatable, not secret
	campaign := w.campaign(random)
	v := &Verification{
		ID:      fmt.Sprintf("ver_%016x%016x", random.Uint64(), random.Uint64()),
		Tracker: w.scenario.Campaigns[campaign].Tracker,
	}
	if id := random.Uint64(); random.Float64() < w.scenario.ExternalID {
		v.ExternalID = fmt.Sprintf("user_%016x", id)
	}
	at := from.Add(time.Duration(random.Float64() * float64(slot))).Truncate(time.Microsecond)
	for stage := scenario.First; stage != "" && len(v.Events) < maxEvents; {
		v.Events = append(v.Events, w.event(random, stage, at))
		stage = next(random, w.chances[campaign][stage])
		at = at.Add(max(w.delay(random, w.scenario.Stages[stage].After), time.Microsecond))
	}
	return v
}

func (w *walker) campaign(random *rand.Rand) int {
	left := random.Float64() * w.weights
	last := len(w.scenario.Campaigns) - 1
	for i, campaign := range w.scenario.Campaigns[:last] {
		if left -= campaign.Weight; left < 0 {
			return i
		}
	}
	return last
}

func (w *walker) event(random *rand.Rand, stage string, at time.Time) Event {
	e := Event{Stage: stage, Step: w.scenario.Stages[stage].Step, OccurredAt: at}
	if score := w.scenario.TrustScore; random.Float64() < score.Known {
		value := math.Round(1000*(score.From+random.Float64()*(score.To-score.From))) / 1000
		e.TrustScore = &value
	}
	deliveries := w.scenario.Deliveries
	if random.Float64() < deliveries.Late {
		e.Late = w.delay(random, deliveries.Delay)
	}
	if random.Float64() < deliveries.Twice {
		again := w.delay(random, deliveries.Delay)
		e.Again = &again
	}
	return e
}

// delay is a delay as the clock sees it, in whole microseconds.
func (w *walker) delay(random *rand.Rand, d scenario.Delay) time.Duration {
	return time.Duration(float64(d.Of(random.NormFloat64())) / w.speed).Truncate(time.Microsecond)
}

// next returns the stage that comes next, or nothing.
func next(random *rand.Rand, chances []scenario.Chance) string {
	left := random.Float64()
	for _, chance := range chances {
		if left -= chance.Of; left < 0 {
			return chance.Stage
		}
	}
	return ""
}
