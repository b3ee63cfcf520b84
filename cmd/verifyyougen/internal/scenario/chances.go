// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"maps"
	"slices"
)

// Chance is a stage that may come next, and how likely it is.
type Chance struct {
	Stage string
	Of    float64
}

// Chances returns for each stage those that may come next in a campaign, in
// the order of their names, so that equal random numbers make equal choices.
// What they lack to 1 is the chance that there is none.
func (s *Scenario) Chances(campaign Campaign) map[string][]Chance {
	chances := make(map[string][]Chance, len(s.Stages))
	for name, stage := range s.Stages {
		scale := stage.scale(campaign.friction())
		for _, next := range slices.Sorted(maps.Keys(stage.Next)) {
			chances[name] = append(chances[name], Chance{next, stage.Next[next] * scale})
		}
	}
	return chances
}

func (c Campaign) friction() float64 {
	if c.Friction == nil {
		return 1
	}
	return *c.Friction
}

// goOn is the chance that another stage comes.
func (s Stage) goOn() (sum float64) {
	for _, next := range slices.Sorted(maps.Keys(s.Next)) { // sorted, as floats add up to another sum in another order
		sum += s.Next[next]
	}
	return sum
}

// scale is what the chances of the next stages are multiplied by, so that the
// chance to leave is multiplied by friction, up to 1.
func (s Stage) scale(friction float64) float64 {
	goOn := s.goOn()
	if goOn == 0 {
		return 1
	}
	leave := max(0, 1-goOn)
	return max(0, 1-leave*friction) / goOn
}
