// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "github.com/go-faster/jx"

// Further is a field that VerifyYou does not document and that the configuration asks for.
type Further struct {
	Name string

	// Value is a bool, an int64 (an integral number), a float64 (any other, integers beyond 64 bits too) or a
	// non-empty string of valid UTF-8, which for an object or a list is its JSON text as it was sent.
	Value any
}

// addFurther adds a field with a raw value, which is nil where missing, null or empty.
func (e *Event) addFurther(name string, raw []byte) {
	if raw == nil {
		return
	}
	value, ok := decodeAny(raw)
	if !ok {
		e.InvalidFurther = append(e.InvalidFurther, name)
		return
	}
	e.Further = append(e.Further, Further{Name: name, Value: value})
}

// decodeAny returns a raw value as Further has it. It reports false if it is no JSON or a number that no double holds.
func decodeAny(raw []byte) (value any, ok bool) {
	switch raw[0] {
	case '"':
		var s string
		ok = decodeString(raw, &s)
		return s, ok
	case '{', '[':
		return toValidUTF8(string(raw)), jx.Valid(raw) // it is not if a non-finite number is in it
	case 't', 'f':
		return raw[0] == 't', true
	}
	if i, isInt := parseInt(raw); isInt {
		return i, true
	}
	var f Number[float64]
	ok = decodeFloat(raw, &f)
	return f.Value, ok
}
