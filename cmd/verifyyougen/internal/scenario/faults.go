// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/printable"
)

// tolerance is by how much chances may add up to more than 1: 0.7 + 0.2 + 0.1
// is not 1 in binary.
const tolerance = 1e-9

// The largest number and delay, so that no sum of them overflows.
const (
	maxNumber = 1_000_000
	maxDelay  = 1000 * time.Hour
)

// faults are the mistakes in a scenario.
type faults []fault

type fault struct{ key, text string }

// add adds a fault. Only the first of a key is kept: a value of a wrong type
// is decoded as zero, whose own fault would mislead.
func (f *faults) add(key, format string, args ...any) {
	if !slices.ContainsFunc(*f, func(known fault) bool { return known.key == key }) {
		*f = append(*f, fault{key, fmt.Sprintf(format, args...)})
	}
}

func (f faults) String() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = strings.TrimSpace(printable.Text(fault.key) + " " + fault.text)
	}
	return strings.Join(lines, "; ")
}

func (f *faults) chance(key string, value float64) {
	if !(value >= 0 && value <= 1) { // this way round NaN is one too
		f.add(key, "is %v, must be from 0 to 1", value)
	}
}

func (f *faults) delay(key string, d Delay) {
	switch {
	case d.Median < 0:
		f.add(key+".median", "is %v, must not be negative", d.Median)
	case d.P90 < d.Median:
		f.add(key+".p90", "is %v, must be at least the median", d.P90)
	case d.Median == 0 && d.P90 > 0:
		f.add(key+".median", "is missing, must be more than 0s where p90 is")
	case d.of(maxDeviations) > float64(maxDelay):
		f.add(key+".p90", "is %v, must be less: it makes delays of more than %v", d.P90, maxDelay)
	}
}

// faults returns the mistakes in a scenario, which was decoded from text.
func (s *Scenario) faults(text []byte) faults {
	var f faults
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err == nil && len(document.Content) > 0 {
		f.shape("", document.Content[0], reflect.TypeFor[Scenario]())
	}
	s.campaignFaults(&f)
	f.chance("external_id", s.ExternalID)
	f.chance("returning", s.Returning)
	f.chance("trust_score.known", s.TrustScore.Known)
	if score := s.TrustScore; !(-maxNumber <= score.From && score.From <= score.To && score.To <= maxNumber) {
		f.add("trust_score.to", "is %v and from is %v: must be a range within ±%d", score.To, score.From, maxNumber)
	}
	s.deliveryFaults(&f)
	s.stageFaults(&f)
	return f
}

func (s *Scenario) deliveryFaults(f *faults) {
	d := s.Deliveries
	f.chance("deliveries.late", d.Late)
	f.chance("deliveries.twice", d.Twice)
	f.delay("deliveries.delay", d.Delay)
	f.chance("deliveries.stragglers", d.Stragglers)
	switch {
	case d.StragglerWait < 0 || d.StragglerWait > maxDelay:
		f.add("deliveries.straggler_wait", "is %v, must be from 0s to %v", d.StragglerWait, maxDelay)
	case d.Stragglers > 0 && d.StragglerWait == 0:
		f.add("deliveries.straggler_wait", "is missing, must be longer than the funnel waits before it ends a verification")
	}
}

func (s *Scenario) stageFaults(f *faults) {
	if _, ok := s.Stages[First]; !ok {
		f.add("stages."+First, "is missing, must be there: every verification begins with it")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Stages)) {
		key := "stages." + name
		stage := s.Stages[name]
		f.delay(key+".after", stage.After)
		for _, next := range slices.Sorted(maps.Keys(stage.Next)) {
			f.chance(key+".next."+next, stage.Next[next])
			if _, ok := s.Stages[next]; !ok {
				f.add(key+".next."+next, "is not a stage, must be a key of stages")
			}
		}
		if sum := stage.goOn(); sum > 1+tolerance {
			f.add(key+".next", "adds up to %.6g, must be at most 1", sum)
		}
	}
}

func (s *Scenario) campaignFaults(f *faults) {
	for i, campaign := range s.Campaigns {
		key := fmt.Sprintf("campaigns[%d]", i)
		if !(campaign.Weight > 0 && campaign.Weight <= maxNumber) {
			f.add(key+".weight", "is %v, must be more than 0 and at most %d", campaign.Weight, maxNumber)
		}
		if friction := campaign.friction(); !(friction >= 0 && friction <= maxNumber) {
			f.add(key+".friction", "is %v, must be from 0 to %d", friction, maxNumber)
		}
	}
}
