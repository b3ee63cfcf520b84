// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"slices"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// documented is how many stages VerifyYou documents: their numbers are those below. The others are the numbers of some.
var (
	documented      = uint8(len(event.Stages()))
	initialized     = numberOf("verification_initialized")
	livenessStarted = numberOf("liveness_started")
	completed       = numberOf("verification_completed")
)

func numberOf(stage string) uint8 {
	return uint8(slices.Index(event.Stages(), stage))
}

// happyPath has the numbers of the stages that lead to completion, in their order: all but the drop-off stages.
var happyPath = func() (path []uint8) {
	for _, stage := range event.Stages() {
		if event.OutcomeOf(stage) != event.DropOff {
			path = append(path, numberOf(stage))
		}
	}
	return path
}()

// isDropOff reports whether the stage with a number is a drop-off stage.
func isDropOff(stage uint8) bool {
	return stage < documented && !slices.Contains(happyPath, stage)
}
