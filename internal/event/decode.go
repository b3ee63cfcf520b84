// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-faster/jx"
)

var (
	// ErrNotObject means that a body is not one JSON object (RFC 8259). Nesting deeper than 10,000 levels is refused
	// as section 9 of that document allows.
	ErrNotObject = errors.New("not a JSON object")
	// ErrNoStage means that a JSON object has no stage: missing, null, empty or not a string.
	ErrNoStage = errors.New("no stage")
)

// Decoder reads events from the bodies of requests. The zero value knows the documented fields only. It is safe for
// concurrent use.
type Decoder struct {
	further []string
}

// NewDecoder returns a Decoder that also keeps top-level fields of the given names (case-sensitive), none of them a
// documented one or given twice: package record's ValidateFields checks that. The names must not change afterwards.
func NewDecoder(further []string) *Decoder {
	return &Decoder{further: further}
}

// Decode reads an event from the body of a request. It neither changes nor keeps the body. Field names are
// case-sensitive; of duplicate fields the last counts; unknown fields are ignored. Two dialects of JSON are accepted,
// since an authentic event must not be lost for its writer's: a byte order mark before the body, and NaN, Infinity and
// -Infinity, which count as values of a wrong type.
//
// The error is ErrNotObject, wrapped with the reason, or ErrNoStage. Such an event cannot be counted, but its ID and
// the fields that could be decoded are still returned.
func (d *Decoder) Decode(body []byte) (Event, error) {
	f := d.fields()
	if err := f.read(body); err != nil {
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

	furtherNames []string
	further      [][]byte // by place in furtherNames
}

func (d *Decoder) fields() fields {
	if len(d.further) == 0 {
		return fields{}
	}
	return fields{furtherNames: d.further, further: make([][]byte, len(d.further))}
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
	for i, further := range f.furtherNames {
		if string(name) == further {
			return &f.further[i]
		}
	}
	return nil
}

const byteOrderMark = "\uFEFF"

// read takes the fields out of a body. Only a body that is not JSON is looked at for the dialects of some writers.
func (f *fields) read(body []byte) error {
	body = bytes.TrimPrefix(body, []byte(byteOrderMark))
	err := f.scan(body)
	if err == nil {
		return nil
	}
	standIn := replaceNonFinite(body)
	if standIn == nil {
		return err
	}
	err = f.scan(standIn) // which finds again all that the first one has found
	// The fields are parts of standIn. An identity is made of fields as they were sent, so they must be that again.
	copy(standIn, body)
	return err
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
		return fmt.Errorf("%w: data after the object", ErrNotObject)
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
	for i, raw := range f.further {
		e.addFurther(f.furtherNames[i], raw)
	}
	return e
}
