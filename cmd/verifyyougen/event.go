// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// occurredAtLayout is how VerifyYou writes a time: microseconds and a numeric
// offset, in UTC too.
const occurredAtLayout = "2006-01-02T15:04:05.000000-07:00"

// eventFlags are the fields of an event. No value is checked: to see what a
// receiver makes of an unknown stage or a broken time is what the program is for.
type eventFlags struct {
	stage           string
	step            int
	occurredAt      string
	verificationID  string
	externalID      string
	externalTracker string
	trustScore      float64
}

func (e *eventFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&e.stage, "stage", "verification_completed", "the `STAGE` that the verification has reached")
	flags.IntVar(&e.step, "step", 0, "position `N` of the stage in the happy path (default null)")
	flags.StringVar(&e.occurredAt, "occurred-at", "", "`TIME` of the event, RFC 3339 (default now)")
	flags.StringVar(&e.verificationID, "verification-id", "", "`ID` of the verification (default a new ver_<hex>)")
	flags.StringVar(&e.externalID, "external-id", "", "your own `ID` of the user (default null)")
	flags.StringVar(&e.externalTracker, "external-tracker", "", "`LABEL` of the verification, such as a campaign (default null)")
	flags.Float64Var(&e.trustScore, "trust-score", 0, "running trust `SCORE` (default null)")
}

// excludedBy makes it wrong usage to give another flag, which must be
// registered, together with one of these.
func (*eventFlags) excludedBy(other string, cmd *cobra.Command) {
	for _, own := range []string{"stage", "step", "occurred-at", "verification-id", "external-id", "external-tracker", "trust-score"} {
		cmd.MarkFlagsMutuallyExclusive(other, own)
	}
}

// event returns the event that the flags make.
func (e *eventFlags) event(cmd *cobra.Command) event {
	given := func(flag string, value, otherwise any) any {
		if cmd.Flags().Changed(flag) {
			return value
		}
		return otherwise
	}
	return event{
		stage:           e.stage,
		step:            given("step", e.step, nil),
		occurredAt:      given("occurred-at", e.occurredAt, time.Now().UTC().Format(occurredAtLayout)),
		verificationID:  given("verification-id", e.verificationID, newVerificationID()),
		externalID:      given("external-id", e.externalID, nil),
		externalTracker: given("external-tracker", e.externalTracker, nil),
		trustScore:      given("trust-score", e.trustScore, nil),
	}
}

// event is the values of an event's fields, of which nil is null.
type event struct {
	stage, step, occurredAt, verificationID, externalID, externalTracker, trustScore any

	// sessionID is a field of VerifyYou's newer documents. It is left out where
	// it is empty.
	sessionID string
}

// body returns the event as VerifyYou writes it: its order of the fields, its
// spaces after comma and colon (for which json.Marshal has no setting).
func (e event) body() ([]byte, error) {
	type field struct {
		name  string
		value any
	}
	fields := []field{
		{"stage", e.stage},
		{"step", e.step},
		{"occurred_at", e.occurredAt},
		{"verification_id", e.verificationID},
		{"external_id", e.externalID},
		{"external_tracker", e.externalTracker},
		{"trust_score", e.trustScore},
	}
	if e.sessionID != "" {
		fields = append(fields, field{"session_id", e.sessionID})
	}
	members := make([]string, len(fields))
	for i, field := range fields {
		value, err := json.Marshal(field.value)
		if err != nil { // a trust score of NaN or Inf
			return nil, fmt.Errorf("%s cannot be written as JSON: %w", field.name, err)
		}
		members[i] = fmt.Sprintf("%q: %s", field.name, value)
	}
	return []byte("{" + strings.Join(members, ", ") + "}"), nil
}

func newVerificationID() string {
	id := make([]byte, 16)
	rand.Read(id) // it never fails
	return "ver_" + hex.EncodeToString(id)
}

// stageOf returns the stage of a body, or nothing where there is none that a
// header could carry: a body may be anything, and is sent all the same.
func stageOf(body []byte) string {
	var fields map[string]json.RawMessage // not a struct: its names would match in any letter case
	if err := json.Unmarshal(body, &fields); err != nil {
		return ""
	}
	var stage string
	if err := json.Unmarshal(fields["stage"], &stage); err != nil || strings.ContainsFunc(stage, unicode.IsControl) {
		return ""
	}
	return stage
}
