// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package semconv has the names that both components give to events, attributes and resources. They are a contract:
// dashboards and queries use them.
package semconv

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// Prefix comes before every name that VerifyYou does not share with others.
const Prefix = "verifyyou."

// ServiceName is the value of the resource attribute service.name.
const ServiceName = "verifyyou"

// Attributes of an event. Those that are fields of it have the field's name after Prefix.
const (
	AttrStage           = Prefix + event.FieldStage
	AttrStep            = Prefix + event.FieldStep
	AttrVerificationID  = Prefix + event.FieldVerificationID
	AttrExternalID      = Prefix + event.FieldExternalID
	AttrExternalTracker = Prefix + event.FieldExternalTracker
	AttrTrustScore      = Prefix + event.FieldTrustScore

	AttrOutcome         = Prefix + "outcome"
	AttrInvalidFields   = Prefix + "invalid_fields"
	AttrTruncatedFields = Prefix + "truncated_fields"
	AttrDecodeError     = Prefix + "decode_error"

	// AttrLogRecordUID is of the OpenTelemetry semantic conventions (general log attributes): records with the same
	// value are the same record.
	AttrLogRecordUID = "log.record.uid"
)

// Attributes of a verification.
const (
	verification = Prefix + "verification."

	AttrVerificationOutcome    = verification + "outcome"
	AttrVerificationLastStage  = verification + "last_stage"
	AttrVerificationDroppedOff = verification + "dropped_off"
	AttrVerificationStartTime  = verification + "start_time"
	AttrVerificationDuration   = verification + "duration"
	AttrVerificationAttempts   = verification + "attempts"
	AttrVerificationDropOffs   = verification + "drop_offs"
	AttrVerificationPath       = verification + "path"
	AttrVerificationEvents     = verification + "events"
	AttrVerificationResumed    = verification + "resumed"
)

// Names of log records that are no events of a documented stage. Those are Prefix and the stage.
const (
	EventUnknownStage        = Prefix + "unknown_stage"
	EventUnrecognized        = Prefix + "unrecognized"
	EventVerificationSummary = verification + "summary"
)

// PutString adds an attribute, unless its name or its value is empty: missing and empty are the same.
func PutString(attrs pcommon.Map, name, value string) {
	if name != "" && value != "" {
		attrs.PutStr(name, value)
	}
}
