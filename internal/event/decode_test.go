// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = `{"stage": "verification_completed", "step": 6, "occurred_at": "2026-06-09T17:04:01.123456+00:00", "verification_id": "ver_abc123", "external_id": "user_123", "external_tracker": "signup-campaign", "trust_score": 0.92}`

func number[T int64 | float64](v T) Number[T] { return Number[T]{Value: v, Valid: true} }

func TestDecode(t *testing.T) {
	occurred := time.Date(2026, 6, 9, 17, 4, 1, 123456000, time.UTC)
	tests := map[string]struct {
		body string
		want Event
	}{
		"sample": {sample, Event{
			Stage: "verification_completed", Step: number[int64](6), OccurredAt: occurred, VerificationID: "ver_abc123",
			ExternalID: "user_123", ExternalTracker: "signup-campaign", TrustScore: number[float64](0.92),
		}},
		"only a stage":                {`{"stage":"a"}`, Event{Stage: "a"}},
		"null":                        {`{"stage":"a","step":null,"occurred_at":null,"verification_id":null,"external_id":null,"external_tracker":null,"trust_score":null}`, Event{Stage: "a"}},
		"empty":                       {`{"stage":"a","step":"","occurred_at":"","verification_id":"","external_id":"","external_tracker":"","trust_score":""}`, Event{Stage: "a"}},
		"unknown fields":              {`{"x":{"stage":"b"},"stage":"a","y":[1,{"z":null}]}`, Event{Stage: "a"}},
		"letter case":                 {`{"stage":"a","Stage":"b","STEP":1,"External_Id":"x"}`, Event{Stage: "a"}},
		"the last counts":             {`{"stage":"b","step":1,"step":2,"stage":"a"}`, Event{Stage: "a", Step: number[int64](2)}},
		"the last counts, null":       {`{"stage":"a","step":1,"step":null}`, Event{Stage: "a"}},
		"the last counts, wrong type": {`{"stage":"a","step":"x","step":1}`, Event{Stage: "a", Step: number[int64](1)}},
		"escaped name":                {`{"\u0073tage":"a"}`, Event{Stage: "a"}},
		"escapes":                     {`{"stage":"\u0061\n\ud83d\ude00"}`, Event{Stage: "a\n😀"}},
		"half a surrogate pair":       {`{"stage":"a\ud800"}`, Event{Stage: "a\uFFFD"}},
		"invalid UTF-8":               {"{\"stage\":\"a\xff\xfe\"}", Event{Stage: "a\uFFFD"}},
		"white space":                 {"\r\n\t {\t\"stage\"\n:\r\"a\" }\n ", Event{Stage: "a"}},
		"wrong types": {`{"stage":"a","step":"6","occurred_at":1,"verification_id":1,"external_id":{},"external_tracker":[],"trust_score":true}`, Event{
			Stage:         "a",
			InvalidFields: []string{"step", "occurred_at", "verification_id", "external_id", "external_tracker", "trust_score"},
		}},
		"whole numbers":          {`{"stage":"a","step":6.0,"trust_score":92}`, Event{Stage: "a", Step: number[int64](6), TrustScore: number[float64](92.0)}},
		"exponents":              {`{"stage":"a","step":6e0,"trust_score":9.2E1}`, Event{Stage: "a", Step: number[int64](6), TrustScore: number[float64](92.0)}},
		"negative":               {`{"stage":"a","step":-1,"trust_score":-0.5}`, Event{Stage: "a", Step: number[int64](-1), TrustScore: number[float64](-0.5)}},
		"largest":                {`{"stage":"a","step":9223372036854775807,"trust_score":1.7976931348623157e308}`, Event{Stage: "a", Step: number[int64](math.MaxInt64), TrustScore: number[float64](math.MaxFloat64)}},
		"not a whole number":     {`{"stage":"a","step":6.5}`, Event{Stage: "a", InvalidFields: []string{"step"}}},
		"numbers out of range":   {`{"stage":"a","step":9223372036854775808,"trust_score":1e400}`, Event{Stage: "a", InvalidFields: []string{"step", "trust_score"}}},
		"step 1e400":             {`{"stage":"a","step":1e400}`, Event{Stage: "a", InvalidFields: []string{"step"}}},
		"not a time":             {`{"stage":"a","occurred_at":"yesterday"}`, Event{Stage: "a", InvalidFields: []string{"occurred_at"}}},
		"before 1970":            {`{"stage":"a","occurred_at":"1969-12-31T23:59:59Z"}`, Event{Stage: "a", InvalidFields: []string{"occurred_at"}}},
		"after 2262":             {`{"stage":"a","occurred_at":"2262-04-11T23:47:17Z"}`, Event{Stage: "a", InvalidFields: []string{"occurred_at"}}},
		"a long stage":           {`{"stage":"` + strings.Repeat("s", 1<<16) + `"}`, Event{Stage: strings.Repeat("s", 1<<16)}},
		"deep nesting":           {`{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `,"stage":"a"}`, Event{Stage: "a"}},
		"a stage of white space": {`{"stage":" "}`, Event{Stage: " "}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(tt.body))
			require.NoError(t, err)
			assert.NotZero(t, got.ID)
			got.ID = ID{}
			got.OccurredAt = got.OccurredAt.UTC()
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestDecodeUnrecognized(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		err  error
	}{
		"empty":            {"", ErrNotObject},
		"white space":      {" \n", ErrNotObject},
		"text":             {"hello", ErrNotObject},
		"null":             {"null", ErrNotObject},
		"array":            {`[{"stage":"a"}]`, ErrNotObject},
		"string":           {`"stage"`, ErrNotObject},
		"cut short":        {`{"stage":"a"`, ErrNotObject},
		"two objects":      {`{"stage":"a"}{"stage":"b"}`, ErrNotObject},
		"text after it":    {`{"stage":"a"} x`, ErrNotObject},
		"half an object":   {`{"stage":"a"}{"":`, ErrNotObject},
		"half an array":    {`{"stage":"a"}[`, ErrNotObject},
		"half a string":    {`{"stage":"a"}"`, ErrNotObject},
		"half a number":    {`{"stage":"a"}-`, ErrNotObject},
		"half a literal":   {`{"stage":"a"}t`, ErrNotObject},
		"zero after it":    {"{\"stage\":\"a\"}\x00", ErrNotObject},
		"byte order mark":  {"\xef\xbb\xbf" + `{"stage":"a"}`, ErrNotObject},
		"comma at the end": {`{"stage":"a",}`, ErrNotObject},
		"single quotes":    {`{'stage':'a'}`, ErrNotObject},
		"leading zero":     {`{"stage":"a","step":06}`, ErrNotObject},
		"NaN":              {`{"stage":"a","trust_score":NaN}`, ErrNotObject},
		"raw line break":   {"{\"stage\":\"a\n\"}", ErrNotObject},
		"too deep":         {`{"stage":"a","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, ErrNotObject},
		"no fields":        {`{}`, ErrNoStage},
		"no stage":         {`{"step":6}`, ErrNoStage},
		"null stage":       {`{"stage":null}`, ErrNoStage},
		"empty stage":      {`{"stage":""}`, ErrNoStage},
		"numeric stage":    {`{"stage":6}`, ErrNoStage},
		"last stage null":  {`{"stage":"a","stage":null}`, ErrNoStage},
		"other case":       {`{"Stage":"a"}`, ErrNoStage},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := Decode([]byte(tt.body))
			require.ErrorIs(t, err, tt.err)
			assert.Less(t, len(err.Error()), 200)
			assert.Empty(t, e.Stage)
			assert.NotZero(t, e.ID)
		})
	}
}

func TestDecodeTime(t *testing.T) {
	base := time.Date(2026, 6, 9, 17, 4, 1, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-06-09T17:04:01Z":                      base,
		"2026-06-09T17:04:01+00:00":                 base,
		"2026-06-09T17:04:01-00:00":                 base,
		"2026-06-09T19:34:01+02:30":                 base,
		"2026-06-09T09:04:01-08:00":                 base,
		"2026-06-10T16:03:01+22:59":                 base,
		"2026-06-09T17:04:01":                       base,
		"2026-06-09t17:04:01z":                      base,
		"2026-06-09 17:04:01+00:00":                 base,
		"2026-06-09 17:04:01":                       base,
		"2026-06-09T17:04:01.5Z":                    base.Add(500 * time.Millisecond),
		"2026-06-09T17:04:01.123456+00:00":          base.Add(123456 * time.Microsecond),
		"2026-06-09T17:04:01.123456":                base.Add(123456 * time.Microsecond),
		"2026-06-09T17:04:01.123456789Z":            base.Add(123456789),
		"2026-06-09T17:04:01.12345678999999999999Z": base.Add(123456789),
		"2262-04-11T23:47:16.854775807Z":            time.Unix(0, math.MaxInt64),
		"1970-01-01T00:00:00.000000001Z":            time.Unix(0, 1),
		"1970-01-01T01:00:00.000000001+01:00":       time.Unix(0, 1),
	} {
		e, err := Decode(fmt.Appendf(nil, `{"stage":"a","occurred_at":%q}`, text))
		require.NoError(t, err)
		assert.Empty(t, e.InvalidFields, text)
		assert.True(t, want.Equal(e.OccurredAt), "%s is %v", text, e.OccurredAt)
	}
	for _, text := range []string{
		"2026-06-09", "17:04:01", "2026-06-09T17:04Z", "2026-06-09T25:04:01Z", "2026-02-30T17:04:01Z",
		"2026-06-09T17:04:01+0", "2026-06-09T17:04:01Zx", "1780000000", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z",
		"1970-01-01T00:00:00Z", "2262-04-11T23:47:16.854775808Z", "T", " ", "\u0000",
	} {
		body, err := json.Marshal(map[string]string{"stage": "a", "occurred_at": text})
		require.NoError(t, err)
		e, err := Decode(body)
		require.NoError(t, err)
		assert.Equal(t, []string{"occurred_at"}, e.InvalidFields, text)
		assert.True(t, e.OccurredAt.IsZero(), text)
	}
}

func TestID(t *testing.T) {
	id := func(body string) ID {
		e, _ := Decode([]byte(body))
		return e.ID
	}
	same := func(a, b string) { t.Helper(); assert.Equal(t, id(a), id(b), "%s\n%s", a, b) }
	differ := func(a, b string) { t.Helper(); assert.NotEqual(t, id(a), id(b), "%s\n%s", a, b) }
	const (
		full  = `{"verification_id":"v","external_id":"e","stage":"s","occurred_at":"2026-06-09T17:04:01Z"}`
		noExt = `{"verification_id":"v","stage":"s","occurred_at":"2026-06-09T17:04:01Z"}`
	)

	same(full, full)
	same(full, `{"occurred_at": "2026-06-09T17:04:01Z", "stage":"s", "external_id":"e", "verification_id":"v"}`)
	same(full, strings.Replace(full, "{", `{"step":6,"trust_score":1,"external_tracker":"t","new":[1],`, 1))
	same(noExt, strings.Replace(noExt, "{", `{"external_id":null,`, 1))
	same(noExt, strings.Replace(noExt, "{", `{"external_id":"",`, 1))

	differ(full, noExt)
	for _, change := range [][2]string{{`"v"`, `"w"`}, {`"e"`, `"f"`}, {`"s"`, `"t"`}, {"04:01Z", "04:02Z"}, {`"e"`, "1"}} {
		differ(full, strings.Replace(full, change[0], change[1], 1))
	}
	// The same instant, written differently, was not sent by the same delivery.
	differ(full, strings.Replace(full, "Z", "+00:00", 1))
	// Lengths keep fields apart.
	differ(`{"verification_id":"va","external_id":"b","stage":"s","occurred_at":"2026-06-09T17:04:01Z"}`,
		`{"verification_id":"v","external_id":"ab","stage":"s","occurred_at":"2026-06-09T17:04:01Z"}`)
	// What decoding makes alike is not the same.
	differ("{\"verification_id\":\"\xff\",\"stage\":\"s\",\"occurred_at\":\"2026-06-09T17:04:01Z\"}",
		"{\"verification_id\":\"\xfe\",\"stage\":\"s\",\"occurred_at\":\"2026-06-09T17:04:01Z\"}")

	// Without a valid verification_id or occurred_at the whole body counts.
	for _, lacking := range []string{
		`{"stage":"s","occurred_at":"2026-06-09T17:04:01Z"%s}`,
		`{"stage":"s","occurred_at":"2026-06-09T17:04:01Z","verification_id":7%s}`,
		`{"stage":"s","verification_id":"v"%s}`,
		`{"stage":"s","verification_id":"v","occurred_at":"soon"%s}`,
		`{"verification_id":"v","occurred_at":"2026-06-09T17:04:01Z"%s}`,
		`[1%s]`,
	} {
		same(fmt.Sprintf(lacking, ""), fmt.Sprintf(lacking, ""))
		differ(fmt.Sprintf(lacking, ""), fmt.Sprintf(lacking, " "))
	}
	assert.Regexp(t, "^[0-9a-f]{32}$", id(full).String())
}

func TestOutcomeOf(t *testing.T) {
	assert.Len(t, Stages(), 10)
	for stage, want := range map[string]Outcome{
		"verification_initialized": Progress, "liveness_passed": Progress, "liveness_failed": DropOff,
		"liveness_cancelled": DropOff, "face_collision": DropOff, "verification_completed": Completed,
		"Verification_Completed": Unknown, "": Unknown,
	} {
		assert.Equal(t, want, OutcomeOf(stage), stage)
	}
}

// FuzzDecode holds the decoder against encoding/json, which is slower but somebody else's.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		sample, "", "{}", "[]", `{}{"":`, `{"stage":null}`, `{"stage":"a","stage":"b"}`, `{"stage":"\ud800"}`, "{\"stage\":\"\xff\"}",
		`{"stage":"a","step":1e400}`, `{"stage":"a","step":6.0,"trust_score":-0}`, `{"stage":"a"} {}`, `{"stage":"a","x":[[[{}]]]}`,
		`{"stage":"a","occurred_at":"2026-06-09T17:04:01.1234567890123"}`, strings.Repeat(`{"a":`, 100),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := Decode(body)
		again, _ := Decode(body)
		assert.Equal(t, e.ID, again.ID)

		var fields map[string]any
		isObject := json.Unmarshal(body, &fields) == nil && fields != nil
		stage, isString := fields["stage"].(string)
		switch {
		case !isObject:
			// encoding/json also refuses an object with a number that no float64 holds, which is valid JSON.
			if !json.Valid(body) {
				require.ErrorIs(t, err, ErrNotObject)
			}
		case !isString || stage == "":
			require.ErrorIs(t, err, ErrNoStage)
		default:
			require.NoError(t, err)
			assert.Equal(t, collapse(stage), collapse(e.Stage), "%q", body)
		}
		for _, s := range []string{e.Stage, e.VerificationID, e.ExternalID, e.ExternalTracker} {
			assert.True(t, utf8.ValidString(s))
		}
	})
}

// collapse makes one replacement character of several: how many of them stand for a run of bytes that are not UTF-8 is
// a matter of taste.
func collapse(s string) string {
	return regexp.MustCompile("\uFFFD+").ReplaceAllString(s, "\uFFFD")
}
