// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

// Outcome says what a stage means for a verification.
type Outcome string

// The outcomes of the stages that VerifyYou documents, and the one of all other stages.
const (
	Progress  Outcome = "progress"
	DropOff   Outcome = "drop_off"
	Completed Outcome = "completed"
	Unknown   Outcome = "unknown"
)

type stage struct {
	name    string
	outcome Outcome
}

// stages is VerifyYou's table of stages, in its order (VerifyYou documentation, "Flow tracking", Stages).
var stages = [...]stage{
	{"verification_initialized", Progress},
	{"verification_started", Progress},
	{"account_created", Progress},
	{"consent_granted", Progress},
	{"liveness_started", Progress},
	{"liveness_passed", Progress},
	{"liveness_failed", DropOff},
	{"liveness_cancelled", DropOff},
	{"face_collision", DropOff},
	{"verification_completed", Completed},
}

var documented = func() map[string]stage {
	m := make(map[string]stage, len(stages))
	for _, s := range stages {
		m[s.name] = s
	}
	return m
}()

// Stages returns the names of the documented stages in VerifyYou's order.
func Stages() []string {
	names := make([]string, len(stages))
	for i, s := range stages {
		names[i] = s.name
	}
	return names
}

// OutcomeOf returns the outcome of a stage, Unknown for one that VerifyYou does not document.
func OutcomeOf(stage string) Outcome {
	if s, ok := documented[stage]; ok {
		return s.outcome
	}
	return Unknown
}
