// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// decodedTime decodes an event that occurred at a time.
func decodedTime(t *testing.T, text string) Event {
	t.Helper()
	body, err := json.Marshal(map[string]string{"stage": "a", "occurred_at": text})
	require.NoError(t, err)
	e, err := new(Decoder).Decode(body)
	require.NoError(t, err)
	return e
}

func TestDecodeTime(t *testing.T) {
	base := time.Date(2026, 6, 9, 17, 4, 1, 0, time.UTC)
	minute := time.Date(2026, 6, 9, 17, 4, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-06-09T17:04:01Z":                                    base,
		"2026-06-09T17:04:01+00:00":                               base,
		"2026-06-09T17:04:01-00:00":                               base,
		"2026-06-09T19:34:01+02:30":                               base,
		"2026-06-09T09:04:01-08:00":                               base,
		"2026-06-10T16:03:01+22:59":                               base,
		"2026-06-10T17:03:01+23:59":                               base,
		"2026-06-08T17:05:01-23:59":                               base,
		"2026-06-09T17:04:01":                                     base,
		"2026-06-09t17:04:01z":                                    base,
		"2026-06-09 17:04:01+00:00":                               base,
		"2026-06-09 17:04:01+00":                                  base,
		"2026-06-09 17:04:01+0000":                                base,
		"2026-06-09T19:34:01+0230":                                base,
		"2026-06-09T09:04:01-08":                                  base,
		"2026-06-09 17:04:01":                                     base,
		"2026-06-09T17:04:01.5Z":                                  base.Add(500 * time.Millisecond),
		"2026-06-09T17:04:01,5Z":                                  base.Add(500 * time.Millisecond),
		"2026-06-09 17:04:01,123-00":                              base.Add(123 * time.Millisecond),
		"2026-06-09T17:04:01.123456+00:00":                        base.Add(123456 * time.Microsecond),
		"2026-06-09T17:04:01.123456":                              base.Add(123456 * time.Microsecond),
		"2026-06-09T17:04:01.123456789Z":                          base.Add(123456789),
		"2026-06-09T17:04:01.12345678999999999999Z":               base.Add(123456789),
		"2026-06-09T17:04:01.00000000099999Z":                     base,
		"2026-06-09T17:04Z":                                       minute,
		"2026-06-09T17:04":                                        minute,
		"2026-06-09 17:04+00":                                     minute,
		"2026-06-09T17:04+00:00":                                  minute,
		"2026-06-09T17:03:60Z":                                    minute,
		"2026-06-09T17:03:60.25Z":                                 minute.Add(250 * time.Millisecond),
		"2016-12-31T23:59:60Z":                                    time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		"2016-12-31T15:59:60.5-08:00":                             time.Date(2017, 1, 1, 0, 0, 0, 500e6, time.UTC),
		"2026-06-09T24:00Z":                                       time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC),
		"2026-06-09T24:00:00Z":                                    time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC),
		"2026-06-09T24:00:00.000+02":                              time.Date(2026, 6, 9, 22, 0, 0, 0, time.UTC),
		"2026-12-31T24:00":                                        time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		"2024-02-29T00:00:00Z":                                    time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"2262-04-11T23:47:16.854775807Z":                          time.Unix(0, math.MaxInt64),
		"1970-01-01T00:00:00.000000001Z":                          time.Unix(0, 1),
		"1970-01-01T01:00:00.000000001+01:00":                     time.Unix(0, 1),
		"1969-12-31T23:30:00-01":                                  time.Unix(1800, 0),
		"2262-04-12T23:46:16.854775807+23:59":                     time.Unix(0, math.MaxInt64),
		"2026-06-09T17:04:01." + strings.Repeat("0", 5000) + "1Z": base,
	} {
		e := decodedTime(t, text)
		assert.Empty(t, e.InvalidFields, text)
		assert.True(t, want.Equal(e.OccurredAt), "%s is %v", text, e.OccurredAt)
	}
	for _, text := range []string{
		"2026-06-09", "17:04:01", "2026-06-09T25:04:01Z", "2026-02-30T17:04:01Z", "2026-02-29T17:04:01Z",
		"2026-00-09T17:04:01Z", "2026-06-00T17:04:01Z", "2026-13-09T17:04:01Z", "2026-06-31T17:04:01Z", "2026-06-32T17:04:01Z",
		"2026-06-09T17:60:01Z", "2026-06-09T17:04:61Z", "2026-06-09T24:00:01Z", "2026-06-09T24:01Z", "2026-06-09T24:00:00.1Z",
		"2026-06-09T24:00:60Z", "2026-06-09T17:04:01+0", "2026-06-09T17:04:01+000", "2026-06-09T17:04:01+00:", "2026-06-09T17:04:01+00:0",
		"2026-06-09T17:04:01+00:000", "2026-06-09T17:04:01+24:00", "2026-06-09T17:04:01+24", "2026-06-09T17:04:01-23:60", "2026-06-09T17:04:01+",
		"2026-06-09T17:04:01Zx", "2026-06-09T17:04:01ZZ", "2026-06-09T17:04:01Z+00", "2026-06-09T17:04:01.Z", "2026-06-09T17:04:01.", "2026-06-09T17:04.5Z",
		"2026-06-09T17:04:1Z", "2026-06-09T17:4:01Z", "2026-06-09T7:04:01Z", "2026-6-09T17:04:01Z", "26-06-09T17:04:01Z", "2026-06-09T17:04:Z",
		"2026-06-09T17Z", "2026-06-09  17:04:01Z", "2026-06-09T17:04:01 +00", " 2026-06-09T17:04:01Z", "2026-06-09T17:04:01Z ", "2026/06/09T17:04:01Z",
		"2026-06-09_17:04:01Z", "+2026-06-09T17:04:01Z", "20260609T170401Z", "2026-W24-2T17:04:01Z", "1780000000", "0000-00-00T00:00:00Z",
		"2026-06-09T17:04:01,", "2026-06-09T17:04:0१Z", "2026-06-09T-1:04:01Z",
		"9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "1969-12-31T23:59:60Z", "1970-01-01T00:00:00+00:01", "1970-01-01T00:00:00Z",
		"2262-04-11T23:47:16.854775808Z", "2262-04-11T24:00Z", "T", " ", "\u0000",
	} {
		e := decodedTime(t, text)
		assert.Equal(t, []string{"occurred_at"}, e.InvalidFields, text)
		assert.True(t, e.OccurredAt.IsZero(), text)
	}
	e, err := new(Decoder).Decode([]byte(`{"stage":"a","occurred_at":"2026-06-09T17:04:01\u002b00"}`))
	require.NoError(t, err)
	assert.True(t, base.Equal(e.OccurredAt), "escaped")
}

var (
	rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	dialect = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?$`)
)

// FuzzParseTime holds times of RFC 3339 against the standard library, and all others against a regular expression.
func FuzzParseTime(f *testing.F) {
	for _, text := range []string{
		"2026-06-09T17:04:01Z", "2026-06-09T17:04:01.123456+00:00", "2026-06-09 17:04:01,5-0230", "2026-06-09t24:00z",
		"2016-12-31T23:59:60.9999999999+23:59", "2026-06-09T17:04:01+24:60", "2024-02-29T00:00", "0000-00-00T00:00:00Z", "2026-06-09T17:04+00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseTime([]byte(text))
		var want time.Time
		err := want.UnmarshalText([]byte(text))
		if err == nil && rfc3339.MatchString(text) { // it takes an hour of one digit and an offset of 24:60, too
			assert.True(t, ok, "%q", text)
			assert.True(t, want.Equal(got), "%q is %v, not %v", text, got, want)
		}
		if !dialect.MatchString(text) {
			assert.False(t, ok, "%q", text)
		}
		if !ok {
			assert.Zero(t, got)
			return
		}
		if err != nil && rfc3339.MatchString(text) {
			// What the standard library refuses, and ISO 8601 knows.
			assert.True(t, text[11:13] == "24" || text[17:19] == "60", "%q", text)
		}
		again, ok := parseTime([]byte(got.Format(time.RFC3339Nano)))
		if y := got.Year(); y >= 0 && y <= 9999 { // an offset leads out of it
			assert.True(t, ok && got.Equal(again), "%q is %v, and then %v", text, got, again)
		}
	})
}
