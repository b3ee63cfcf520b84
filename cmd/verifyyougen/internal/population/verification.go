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

// sharedID is the verification_id of everybody where runs are told apart by
// their session_id: VerifyYou's newer documents have it name a configured check.
const sharedID = "ver_configured_check"

// Verification is one run of one person through the stages.
type Verification struct {
	ID         string
	SessionID  string  // empty for none
	ExternalID string  // empty for none; the same in all runs of a person
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
	// Straggler says that the event is so late that its verification has ended.
	// The last event of a verification is none.
	Straggler bool
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
	sessions bool
}

func newWalker(p *Plan) *walker {
	w := &walker{scenario: p.Scenario, seed: p.Seed, speed: p.Speed, sessions: p.SessionIDs}
	for _, campaign := range p.Scenario.Campaigns {
		w.chances = append(w.chances, p.Scenario.Chances(campaign))
		w.weights += campaign.Weight
	}
	return w
}

// What random numbers are for. Those of one purpose do not depend on how many
// are drawn for another.
const (
	forWalk uint64 = iota
	forPerson
)

// random returns the random numbers of the nth verification for a purpose.
func (w *walker) random(n int, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.seed^purpose<<63, uint64(n))) //nolint:gosec // it has to be repeatable, not secret
}

// walk makes the nth verification, from random numbers of its own: it is the
// same in a population of any size. It begins at a time within slot after from.
func (w *walker) walk(n int, from time.Time, slot time.Duration) *Verification {
	random := w.random(n, forWalk)
	campaign := w.campaign(random)
	v := &Verification{Tracker: w.scenario.Campaigns[campaign].Tracker, ExternalID: w.externalID(n)}
	w.identify(v, fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()))
	at := from.Add(time.Duration(random.Float64() * float64(slot))).Truncate(time.Microsecond)
	for stage := scenario.First; stage != "" && len(v.Events) < maxEvents; {
		v.Events = append(v.Events, w.event(random, stage, at))
		stage = next(random, w.chances[campaign][stage])
		at = at.Add(max(w.delay(random, w.scenario.Stages[stage].After), time.Microsecond))
	}
	w.straggle(random, v.Events)
	return v
}

func (w *walker) identify(v *Verification, id string) {
	if w.sessions {
		v.ID, v.SessionID = sharedID, "ses_"+id
		return
	}
	v.ID = "ver_" + id
}

// externalID returns that of the person whose run the nth verification is, who
// may have begun an earlier one. It is empty for none.
func (w *walker) externalID(n int) string {
	random := w.random(n, forPerson)
	if n > 0 && random.Float64() < w.scenario.Returning {
		return w.externalID(random.IntN(n))
	}
	if id := random.Uint64(); random.Float64() < w.scenario.ExternalID {
		return fmt.Sprintf("user_%016x", id)
	}
	return ""
}

// straggle makes stragglers of some events. They are delivered when all the
// others have been, and the scenario's wait has passed since.
func (w *walker) straggle(random *rand.Rand, events []Event) {
	var others time.Time
	for i := range events {
		e := &events[i]
		e.Straggler = random.Float64() < w.scenario.Deliveries.Stragglers && i < len(events)-1 && e.Stage != scenario.Last
		if due := e.OccurredAt.Add(e.Late); !e.Straggler && due.After(others) {
			others = due
		}
	}
	wait := time.Duration(float64(w.scenario.Deliveries.StragglerWait) / w.speed)
	for i := range events {
		if e := &events[i]; e.Straggler {
			e.Late = others.Add(wait).Sub(e.OccurredAt)
		}
	}
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
