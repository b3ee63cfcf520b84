// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"cmp"
	"slices"
)

// order is that of VerifyYou's table of stages.
var order = []string{
	First, "verification_started", "account_created", "consent_granted", "liveness_started", "liveness_passed",
	"liveness_failed", "liveness_cancelled", "face_collision", Last,
}

// HappyPath returns the stages of VerifyYou's table without those at which
// people drop off, in its order.
func HappyPath() []string {
	return slices.DeleteFunc(slices.Clone(order), IsDropOff)
}

// IsDropOff says whether a stage is one at which VerifyYou says that people
// drop off.
func IsDropOff(stage string) bool {
	return stage == "liveness_failed" || stage == "liveness_cancelled" || stage == "face_collision"
}

// CompareStages orders stages as VerifyYou's table does, and those that are not
// in it after them, by name.
func CompareStages(a, b string) int {
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
}

func place(stage string) int {
	if i := slices.Index(order, stage); i >= 0 {
		return i
	}
	return len(order)
}
