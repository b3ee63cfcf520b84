// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package verificationkey names verifications by the attributes of their log records.
package verificationkey

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/digest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// Key is the attributes that together name one run of one person.
type Key []string

// Default returns the key that tells people apart whether verification_id is the run, as in VerifyYou's webhook
// documentation, or the configured check, as in its API documentation.
func Default() Key {
	return Key{semconv.AttrVerificationID, semconv.AttrExternalID}
}

// maxKeyAttributes keeps names short.
const maxKeyAttributes = 64

// Validate returns all errors of a key, joined. Each begins with the name of the setting that the key is configured under.
func (k Key) Validate(setting string) error {
	if len(k) == 0 {
		return fmt.Errorf("%s: is empty; use [%s] for example", setting, semconv.AttrVerificationID)
	}
	var errs []error
	if len(k) > maxKeyAttributes {
		errs = append(errs, fmt.Errorf("%s: has %d attributes; use %d at most", setting, len(k), maxKeyAttributes))
	}
	for i, name := range k {
		switch {
		case name == "":
			errs = append(errs, fmt.Errorf("%s::%d: is empty; set the name of an attribute, or remove it", setting, i))
		case slices.Contains(k[:i], name):
			errs = append(errs, fmt.Errorf("%s::%d: %q is there twice; remove it", setting, i, name))
		}
	}
	return errors.Join(errs...)
}

// Name returns the name of the verification that a record with these attributes belongs to, at most 65,535 bytes. Values
// that are not strings count as their text, and missing ones as empty. It reports false if all are empty.
func (k Key) Name(attrs pcommon.Map) (name string, ok bool) {
	var scratch [256]byte
	in, ok := k.appendName(scratch[:0], attrs)
	return string(in), ok
}

// TraceID returns the TraceID of the verification of a record with attributes, for which it needs no memory where
// these are strings of the usual lengths. It is zero where Name reports false.
func (k Key) TraceID(attrs pcommon.Map) pcommon.TraceID {
	var scratch [256]byte
	name, ok := k.appendName(scratch[:0], attrs)
	if !ok {
		return pcommon.TraceID{}
	}
	return traceID(name)
}

// appendName appends a name from which Values takes the values again. A single value is its own name.
func (k Key) appendName(name []byte, attrs pcommon.Map) (_ []byte, ok bool) {
	for _, attribute := range k {
		value := ""
		if v, found := attrs.Get(attribute); found {
			value = Shorten(v.AsString())
		}
		ok = ok || value != ""
		if len(k) > 1 {
			name = binary.AppendUvarint(name, uint64(len(value)))
		}
		name = append(name, value...)
	}
	return name, ok
}

// Values returns the values that a name was made of, in the order of the key. The name must come from Name of a key
// with as many attributes; it panics or returns nonsense otherwise.
func (k Key) Values(name string) []string {
	if len(k) == 1 {
		return []string{name}
	}
	values := make([]string, len(k))
	rest := []byte(name)
	for i := range values {
		length, n := binary.Uvarint(rest)
		values[i] = string(rest[n : n+int(length)])
		rest = rest[n+int(length):]
	}
	return values
}

// TraceID returns the id of the trace of the verification with a name, and of its records: 128 bits of a SHA-256.
func TraceID(name string) pcommon.TraceID {
	return traceID([]byte(name))
}

func traceID(name []byte) (id pcommon.TraceID) {
	sum := digest.Sum("", []byte("trace"), name)
	copy(id[:], sum[:])
	return id
}

// MaxIDBytes is the length of the longest id that is kept as it is, so that memory is bounded.
const MaxIDBytes = 256

// Shorten keeps the beginning of an id of more than 256 bytes, with a hash of the whole, so that different ones stay
// different.
func Shorten(id string) string {
	if len(id) <= MaxIDBytes {
		return id
	}
	const kept = 64
	end := kept
	for end > 0 && !utf8.RuneStart(id[end]) {
		end--
	}
	sum := sha256.Sum256([]byte(id))
	return id[:end] + "…" + hex.EncodeToString(sum[:16])
}
