// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package population

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
)

var start = time.Date(2026, 6, 9, 17, 4, 1, 123456789, time.UTC)

func plan(verifications int) *Plan {
	return &Plan{Scenario: scenario.Default(), Seed: 42, Start: start, Verifications: verifications, Rate: 30, Speed: 7}
}

// verifications returns those of a plan in the order in which they begin.
func verifications(p *Plan) (all []*Verification) {
	seen := map[*Verification]bool{}
	for d := range p.Deliveries() {
		if !seen[d.Verification] {
			seen[d.Verification] = true
			all = append(all, d.Verification)
		}
	}
	slices.SortFunc(all, func(a, b *Verification) int { return a.Events[0].OccurredAt.Compare(b.Events[0].OccurredAt) })
	return all
}

func TestSeed(t *testing.T) {
	same := verifications(plan(200))
	assert.Equal(t, same, verifications(plan(200)))
	assert.Equal(t, same[:150], verifications(plan(150)), "a verification does not depend on how many follow")

	other := plan(200)
	other.Seed++
	others := verifications(other)
	for i := range same {
		assert.NotEqual(t, same[i].ID, others[i].ID)
	}
}

func TestDeliveries(t *testing.T) {
	delivered := map[*Verification][]bool{}
	var last time.Time
	for d := range plan(2000).Deliveries() {
		require.False(t, d.Due.Before(last), "deliveries are in order")
		last = d.Due
		e := d.Verification.Events[d.Event]
		require.Equal(t, e.OccurredAt.Add(e.Late), d.Due)
		require.False(t, d.Repeat)
		if delivered[d.Verification] == nil {
			delivered[d.Verification] = make([]bool, len(d.Verification.Events))
		}
		require.False(t, delivered[d.Verification][d.Event], "an event is delivered once")
		delivered[d.Verification][d.Event] = true
	}
	assert.Len(t, delivered, 2000)
	for _, events := range delivered {
		assert.NotContains(t, events, false)
	}
}

func TestRepeats(t *testing.T) {
	p := plan(2000)
	p.Repeats = true
	due := map[*Event]time.Time{}
	repeats := 0
	var last time.Time
	for d := range p.Deliveries() {
		require.False(t, d.Due.Before(last))
		last = d.Due
		e := &d.Verification.Events[d.Event]
		if d.Repeat {
			repeats++
			assert.Equal(t, due[e].Add(*e.Again), d.Due)
			continue
		}
		due[e] = d.Due
	}
	want := 0
	for e := range due {
		if e.Again != nil {
			want++
		}
	}
	assert.Equal(t, want, repeats)
	assert.NotZero(t, repeats)
}

// A plan of more verifications than any memory holds yields its first
// deliveries at once.
func TestPlanIsLazy(t *testing.T) {
	n := 0
	for range plan(1 << 40).Deliveries() {
		n++
		if n == 1000 {
			break
		}
	}
	assert.Equal(t, 1000, n)
}

func TestOccurredAt(t *testing.T) {
	p := plan(3000)
	p.Speed = 1e9 // people without delays
	for i, v := range verifications(p) {
		slot := start.Add(time.Duration(i) * time.Second / 30)
		assert.WithinRange(t, v.Events[0].OccurredAt, slot.Add(-time.Microsecond), slot.Add(time.Second/30))
		for j, e := range v.Events {
			assert.Zero(t, e.OccurredAt.Nanosecond()%1000, "whole microseconds")
			if j > 0 {
				assert.Equal(t, time.Microsecond, e.OccurredAt.Sub(v.Events[j-1].OccurredAt))
			}
		}
	}
}

func TestSpeed(t *testing.T) {
	slow, fast := plan(100), plan(100)
	slow.Speed, fast.Speed = 1, 60
	fasts := verifications(fast)
	for i, v := range verifications(slow) {
		took := func(v *Verification) float64 {
			return v.Events[len(v.Events)-1].OccurredAt.Sub(v.Events[0].OccurredAt).Seconds()
		}
		assert.InDelta(t, took(v)/60, took(fasts[i]), 1e-4)
	}
}

func TestEndlessWalk(t *testing.T) {
	p := plan(1)
	p.Scenario = &scenario.Scenario{
		Campaigns: []scenario.Campaign{{Weight: 1}},
		Stages:    map[string]scenario.Stage{scenario.First: {Next: map[string]float64{scenario.First: 1}}},
	}
	assert.Len(t, verifications(p)[0].Events, maxEvents)
}

// A person who returns begins another run with the same external_id, if there
// is one. The seed is fixed: what is within 4 standard deviations once always is.
func TestReturning(t *testing.T) {
	for name, test := range map[string]struct{ externalID, returning float64 }{
		"some return":         {0.8, 0.3},
		"everybody has an id": {1, 0.1},
		"nobody has an id":    {0, 0.5},
		"nobody returns":      {0.8, 0},
		"all are one person":  {1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 5_000
			p := plan(n)
			p.Scenario.ExternalID, p.Scenario.Returning = test.externalID, test.returning
			ids, runs, linked := map[string]bool{}, map[string]int{}, 0
			for _, v := range verifications(p) {
				ids[v.ID] = true
				if v.ExternalID != "" {
					runs[v.ExternalID]++
					linked++
				}
			}
			assert.Len(t, ids, n, "each run has a verification_id of its own")
			people := (1 - test.returning) * n * test.externalID
			if test.returning == 1 {
				people = 1
			}
			assert.InDelta(t, people, len(runs), 4*math.Sqrt(n)/2)
			assert.InDelta(t, test.externalID, float64(linked)/n, 0.08, "people who return are like others")
			if test.returning > 0 && test.externalID > 0 {
				assert.Greater(t, slices.Max(slices.Collect(maps.Values(runs))), 2, "some return more than once")
			}
		})
	}
}

func TestSessionIDs(t *testing.T) {
	p := plan(500)
	byVerification := verifications(p)
	p.SessionIDs = true
	sessions := map[string]bool{}
	for i, v := range verifications(p) {
		want := *byVerification[i]
		assert.Empty(t, want.SessionID)
		assert.Equal(t, "ses_"+strings.TrimPrefix(want.ID, "ver_"), v.SessionID)
		want.ID, want.SessionID = "ver_configured_check", v.SessionID
		assert.Equal(t, &want, v, "the rest is the same")
		sessions[v.SessionID] = true
	}
	assert.Len(t, sessions, 500)
}

// Stragglers are due when all other events of their verification are, and the
// wait has passed since; the last event and the completion are none.
func TestStragglers(t *testing.T) {
	p := plan(2000)
	p.Scenario.Deliveries.Stragglers, p.Scenario.Deliveries.StragglerWait = 0.3, time.Hour
	completed := p.Scenario.Stages[scenario.Last]
	completed.Next = map[string]float64{"document_scanned": 0.5}
	p.Scenario.Stages[scenario.Last], p.Scenario.Stages["document_scanned"] = completed, scenario.Stage{}
	stragglers, candidates := 0, 0
	for _, v := range verifications(p) {
		var others time.Time
		for _, e := range v.Events {
			if due := e.OccurredAt.Add(e.Late); !e.Straggler && due.After(others) {
				others = due
			}
		}
		for i, e := range v.Events {
			if i == len(v.Events)-1 || e.Stage == scenario.Last {
				assert.False(t, e.Straggler)
				continue
			}
			candidates++
			if e.Straggler {
				stragglers++
				assert.Equal(t, others.Add(time.Hour/7), e.OccurredAt.Add(e.Late))
			}
		}
	}
	assert.InDelta(t, 0.3, float64(stragglers)/float64(candidates), 0.03)
}

// The seed is fixed: what is within 4 standard deviations once always is.
func TestChances(t *testing.T) {
	p := plan(40_000)
	all := verifications(p)
	s := p.Scenario

	share := func(what string, want float64, of, in int) {
		t.Helper()
		deviation := math.Sqrt(want * (1 - want) / float64(in))
		assert.InDelta(t, want, float64(of)/float64(in), 4*deviation, "%s: %d of %d", what, of, in)
	}
	weights := 0.0
	for _, campaign := range s.Campaigns {
		weights += campaign.Weight
	}
	var events, known, late, twice int
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, campaign := range s.Campaigns {
		chances := s.Chances(campaign)
		ofCampaign := 0
		from, to := map[string]int{}, map[[2]string]int{}
		for _, v := range all {
			if v.Tracker != campaign.Tracker {
				continue
			}
			ofCampaign++
			for i, e := range v.Events {
				events++
				from[e.Stage]++
				if i > 0 {
					to[[2]string{v.Events[i-1].Stage, e.Stage}]++
				}
				if e.TrustScore != nil {
					known++
					lowest, highest = min(lowest, *e.TrustScore), max(highest, *e.TrustScore)
				}
				if e.Late > 0 {
					late++
				}
				if e.Again != nil {
					twice++
				}
				if e.Step != s.Stages[e.Stage].Step {
					t.Errorf("%s has step %v", e.Stage, e.Step)
				}
			}
		}
		share(campaign.Tracker, campaign.Weight/weights, ofCampaign, len(all))
		for stage := range s.Stages {
			for _, next := range chances[stage] {
				share(campaign.Tracker+" "+stage+" "+next.Stage, next.Of, to[[2]string{stage, next.Stage}], from[stage])
				delete(to, [2]string{stage, next.Stage})
			}
		}
		assert.Empty(t, to, "nobody goes where the scenario does not lead")
	}
	share("trust_score", s.TrustScore.Known, known, events)
	assert.InDelta(t, s.TrustScore.From, lowest, 0.001)
	assert.InDelta(t, s.TrustScore.To, highest, 0.001)
	share("late", s.Deliveries.Late, late, events)
	share("twice", s.Deliveries.Twice, twice, events)
}
