// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

// decodeString, and likewise the functions below, sets *to from a raw value and reports whether its type was right. A
// raw value is JSON, or has non-finite numbers in it. A nil value is right and sets nothing.
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
	*to = toValidUTF8(s)
	return true
}

// toValidUTF8 puts one replacement character in the place of a run of bytes that are not UTF-8.
func toValidUTF8(s string) string {
	return strings.ToValidUTF8(s, "\uFFFD")
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
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return false
	}
	*to = Number[float64]{Value: f, Valid: true}
	return true
}

func decodeInt(raw []byte, to *Number[int64]) bool {
	if raw == nil {
		return true
	}
	i, ok := parseInt(raw)
	*to = Number[int64]{Value: i, Valid: ok}
	return ok
}

// parseInt takes 6.0 and 6e0 for 6, since JSON does not tell integers from other numbers. It is exact: by way of a
// float64, 9007199254740993.0 would become another integer.
func parseInt(raw []byte) (int64, bool) {
	if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return i, true
	}
	if c := raw[len(raw)-1]; c < '0' || c > '9' {
		return 0, false // no number
	}
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(string(raw)), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := whole + fraction
	digits := strings.TrimRight(all, "0")
	if strings.Trim(digits, "-0") == "" {
		return 0, true
	}
	shift := len(all) - len(digits) - len(fraction) // the number is digits × 10^(shift + exponent)
	if hasExponent {
		e, err := strconv.Atoi(exponent)
		if err != nil {
			return 0, false
		}
		shift += e
	}
	const maxDigits = 19 // of an int64
	if shift < 0 || shift > maxDigits {
		return 0, false
	}
	i, err := strconv.ParseInt(digits+strings.Repeat("0", shift), 10, 64)
	if err != nil {
		return 0, false
	}
	return i, true
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
	text := inQuotes(raw)
	if text == nil {
		var s string
		if !decodeString(raw, &s) {
			return false
		}
		text = []byte(s)
	}
	t, ok := parseTime(text)
	if !ok || t.Before(minTime) || t.After(maxTime) {
		return false
	}
	*to = t
	return true
}
