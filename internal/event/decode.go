// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

var (
	// ErrNotObject means that a body is not one JSON object (RFC 8259). Nesting deeper than 10,000 levels is refused
	// as section 9 of that document allows.
	ErrNotObject = errors.New("not a JSON object")
	// ErrNoStage means that a JSON object has no stage: missing, null, empty or not a string.
	ErrNoStage = errors.New("no stage")
)

// Decode reads an event from the body of a request, which it does not keep. Names of fields are exact, of duplicate
// ones the last counts, unknown ones are passed over.
//
// With an error, ErrNotObject or ErrNoStage, the event is not one that can be counted, but what was understood of it
// and its ID are still returned.
func Decode(body []byte) (Event, error) {
	var f fields
	if err := f.scan(body); err != nil {
		return Event{ID: bodyID(body)}, err
	}
	e := f.event()
	if e.Stage == "" {
		e.ID = bodyID(body)
		return e, ErrNoStage
	}
	if e.VerificationID == "" || e.OccurredAt.IsZero() {
		e.ID = bodyID(body)
	} else {
		e.ID = f.id()
	}
	return e, nil
}

// fields holds the value of each field as raw JSON, as it stands in the body; nil where missing, null or empty.
type fields struct {
	stage, step, occurredAt, verificationID, externalID, externalTracker, trustScore []byte
}

func (f *fields) named(name []byte) *[]byte {
	switch string(name) {
	case FieldStage:
		return &f.stage
	case FieldStep:
		return &f.step
	case FieldOccurredAt:
		return &f.occurredAt
	case FieldVerificationID:
		return &f.verificationID
	case FieldExternalID:
		return &f.externalID
	case FieldExternalTracker:
		return &f.externalTracker
	case FieldTrustScore:
		return &f.trustScore
	}
	return nil
}

func (f *fields) scan(body []byte) error {
	d := jx.GetDecoder()
	defer jx.PutDecoder(d)
	d.ResetBytes(body)
	err := d.ObjBytes(func(d *jx.Decoder, name []byte) error {
		field := f.named(name)
		if field == nil {
			return d.Skip()
		}
		raw, err := d.Raw()
		if err != nil {
			return err
		}
		switch string(raw) {
		case "null", `""`:
			*field = nil
		default:
			*field = raw
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotObject, rootCause(err))
	}
	if err := d.Skip(); err != io.EOF { //nolint:errorlint // a wrapped one is of a value that is cut short
		return fmt.Errorf("%w: data after it", ErrNotObject)
	}
	return nil
}

// rootCause drops what the decoder wraps around an error at every level of nesting, which can be many.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func (f *fields) id() ID {
	return fieldsID(f.verificationID, f.externalID, f.stage, f.occurredAt)
}

func (f *fields) event() Event {
	var e Event
	check := func(name string, ok bool) {
		if !ok {
			e.InvalidFields = append(e.InvalidFields, name)
		}
	}
	check(FieldStage, decodeStage(f.stage, &e.Stage))
	check(FieldStep, decodeInt(f.step, &e.Step))
	check(FieldOccurredAt, decodeTime(f.occurredAt, &e.OccurredAt))
	check(FieldVerificationID, decodeString(f.verificationID, &e.VerificationID))
	check(FieldExternalID, decodeString(f.externalID, &e.ExternalID))
	check(FieldExternalTracker, decodeString(f.externalTracker, &e.ExternalTracker))
	check(FieldTrustScore, decodeFloat(f.trustScore, &e.TrustScore))
	return e
}

// decodeString, and likewise the functions below, sets *to from a raw JSON value and reports whether its type was
// right. A nil value is right and sets nothing.
func decodeString(raw []byte, to *string) bool {
	if raw == nil {
		return true
	}
	if raw[0] != '"' {
		return false
	}
	if text := inQuotes(raw); text != nil && utf8.Valid(text) {
		*to = string(text)
		return true
	}
	s, err := jx.DecodeBytes(raw).Str()
	if err != nil {
		return false
	}
	*to = strings.ToValidUTF8(s, "\uFFFD")
	return true
}

// inQuotes returns the text of a JSON string, nil where it is not written as it is.
func inQuotes(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 {
		return nil
	}
	return raw[1 : len(raw)-1]
}

// decodeStage takes the name of a documented stage from the table, where it is already.
func decodeStage(raw []byte, to *string) bool {
	if s, ok := documented[string(inQuotes(raw))]; ok {
		*to = s.name
		return true
	}
	return decodeString(raw, to)
}

func decodeFloat(raw []byte, to *Number[float64]) bool {
	if raw == nil {
		return true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return false
	}
	*to = Number[float64]{Value: f, Valid: true}
	return true
}

// decodeInt takes 6.0 and 6e0 for 6, since JSON does not tell integers from other numbers.
func decodeInt(raw []byte, to *Number[int64]) bool {
	if raw == nil {
		return true
	}
	if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		*to = Number[int64]{Value: i, Valid: true}
		return true
	}
	const exact = 1 << 53 // beyond it a float64 skips integers
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return false
	}
	*to = Number[int64]{Value: int64(f), Valid: true}
	return true
}

// An OpenTelemetry timestamp counts nanoseconds since 1970, and 0 means that there is none; time.Time converts to
// that until 2262.
var (
	minTime = time.Unix(0, 1)
	maxTime = time.Unix(0, math.MaxInt64)
)

func decodeTime(raw []byte, to *time.Time) bool {
	if raw == nil {
		return true
	}
	var t time.Time
	if err := t.UnmarshalText(inQuotes(raw)); err != nil { // which takes RFC 3339 as it is mostly written, and no string
		var s string
		if !decodeString(raw, &s) {
			return false
		}
		if t, err = parseTime(s); err != nil {
			return false
		}
	}
	if t.Before(minTime) || t.After(maxTime) {
		return false
	}
	*to = t
	return true
}

// parseTime parses an RFC 3339 time, in which T and Z may be small letters and T a space (section 5.6), or one
// without offset, which is UTC. Digits of the fraction beyond nanoseconds are dropped.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	s = strings.Replace(strings.ToUpper(s), " ", "T", 1)
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02T15:04:05", s)
}
