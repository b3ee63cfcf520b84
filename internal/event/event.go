// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package event is what VerifyYou sends: the event, its stages and its identity.
package event

import "time"

// The fields of an event, by the names that VerifyYou gives them.
const (
	FieldStage           = "stage"
	FieldStep            = "step"
	FieldOccurredAt      = "occurred_at"
	FieldVerificationID  = "verification_id"
	FieldExternalID      = "external_id"
	FieldExternalTracker = "external_tracker"
	FieldTrustScore      = "trust_score"
)

// Number is a number that may be missing.
type Number[T int64 | float64] struct {
	Value T
	Valid bool
}

// Event is one step of one verification. A field that was missing, null, empty or of a wrong type has its zero value;
// strings are valid UTF-8.
type Event struct {
	Stage           string
	Step            Number[int64]
	OccurredAt      time.Time
	VerificationID  string
	ExternalID      string
	ExternalTracker string
	TrustScore      Number[float64]

	// Further are the fields that the Decoder was told to keep beside these, in the order in which it was told.
	Further []Further

	// InvalidFields names the documented fields that were there with a wrong type, in the order of the Field constants.
	InvalidFields []string

	// InvalidFurther names the further fields whose values are not JSON or cannot be kept, in the Decoder's order.
	InvalidFurther []string

	// ID is the same for every delivery of the same event, on every replica: a hash of verification_id, external_id,
	// stage and occurred_at as they were sent, or of the whole body where verification_id, stage or occurred_at is
	// missing or invalid. Further fields are no part of it.
	ID ID
}

// Outcome returns what the event's stage means.
func (e *Event) Outcome() Outcome {
	return OutcomeOf(e.Stage)
}
