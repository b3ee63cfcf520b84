// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
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
		"exact integers":         {`{"stage":"a","step":9007199254740993.0}`, Event{Stage: "a", Step: number[int64](9007199254740993)}},
		"nearly a whole number":  {`{"stage":"a","step":0.99999999999999999999}`, Event{Stage: "a", InvalidFields: []string{"step"}}},
		"a byte order mark":      {"\uFEFF" + `{"stage":"a","step":6}`, Event{Stage: "a", Step: number[int64](6)}},
		"a mark and white space": {"\uFEFF\r\n" + `{"stage":"a"}`, Event{Stage: "a"}},
		"NaN":                    {`{"stage":"a","trust_score":NaN}`, Event{Stage: "a", InvalidFields: []string{"trust_score"}}},
		"a mark and NaN":         {"\uFEFF" + `{"stage":"a","trust_score":NaN}`, Event{Stage: "a", InvalidFields: []string{"trust_score"}}},
		"non-finite numbers": {`{"step":Infinity,"occurred_at":NaN,"verification_id":-Infinity,"external_id":NaN,"external_tracker":NaN,"trust_score":-Infinity,"stage":"a"}`, Event{
			Stage:         "a",
			InvalidFields: []string{"step", "occurred_at", "verification_id", "external_id", "external_tracker", "trust_score"},
		}},
		"infinite trust":         {`{"stage":"a","trust_score":Infinity}`, Event{Stage: "a", InvalidFields: []string{"trust_score"}}},
		"non-finite elsewhere":   {`{"x":[NaN,{"y":-Infinity, "z": [Infinity]}],"w":NaN ,"stage":"a"}`, Event{Stage: "a"}},
		"NaN in strings":         {`{"x":NaN,"stage":"NaN","external_id":"\"NaN,Infinity","external_tracker":"\\"}`, Event{Stage: "NaN", ExternalID: `"NaN,Infinity`, ExternalTracker: `\`}},
		"the last counts, NaN":   {`{"stage":"a","step":1,"step":NaN}`, Event{Stage: "a", InvalidFields: []string{"step"}}},
		"NaN does not count":     {`{"stage":"a","step":NaN,"step":1}`, Event{Stage: "a", Step: number[int64](1)}},
		"gone with the last":     {`{"stage":"a","step":NaN,"step":null,"x":NaN}`, Event{Stage: "a"}},
		"not a time":             {`{"stage":"a","occurred_at":"yesterday"}`, Event{Stage: "a", InvalidFields: []string{"occurred_at"}}},
		"before 1970":            {`{"stage":"a","occurred_at":"1969-12-31T23:59:59Z"}`, Event{Stage: "a", InvalidFields: []string{"occurred_at"}}},
		"after 2262":             {`{"stage":"a","occurred_at":"2262-04-11T23:47:17Z"}`, Event{Stage: "a", InvalidFields: []string{"occurred_at"}}},
		"a long stage":           {`{"stage":"` + strings.Repeat("s", 1<<16) + `"}`, Event{Stage: strings.Repeat("s", 1<<16)}},
		"deep nesting":           {`{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `,"stage":"a"}`, Event{Stage: "a"}},
		"a stage of white space": {`{"stage":" "}`, Event{Stage: " "}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := new(Decoder).Decode([]byte(tt.body))
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
		"empty":                      {"", ErrNotObject},
		"white space":                {" \n", ErrNotObject},
		"text":                       {"hello", ErrNotObject},
		"null":                       {"null", ErrNotObject},
		"array":                      {`[{"stage":"a"}]`, ErrNotObject},
		"string":                     {`"stage"`, ErrNotObject},
		"cut short":                  {`{"stage":"a"`, ErrNotObject},
		"two objects":                {`{"stage":"a"}{"stage":"b"}`, ErrNotObject},
		"text after it":              {`{"stage":"a"} x`, ErrNotObject},
		"half an object":             {`{"stage":"a"}{"":`, ErrNotObject},
		"half an array":              {`{"stage":"a"}[`, ErrNotObject},
		"half a string":              {`{"stage":"a"}"`, ErrNotObject},
		"half a number":              {`{"stage":"a"}-`, ErrNotObject},
		"half a literal":             {`{"stage":"a"}t`, ErrNotObject},
		"zero after it":              {"{\"stage\":\"a\"}\x00", ErrNotObject},
		"two byte order marks":       {"\uFEFF\uFEFF" + `{"stage":"a"}`, ErrNotObject},
		"a byte order mark after it": {`{"stage":"a"}` + "\uFEFF", ErrNotObject},
		"nothing but one":            {"\uFEFF", ErrNotObject},
		"UTF-16":                     {"\xff\xfe{\x00}\x00", ErrNotObject},
		"NaN alone":                  {`NaN`, ErrNotObject},
		"NaN after it":               {`{"stage":"a"} NaN`, ErrNotObject},
		"NaN as a name":              {`{"stage":"a",NaN:1}`, ErrNotObject},
		"NaN after a number":         {`{"stage":"a","step":1NaN}`, ErrNotObject},
		"NaN after a string":         {`{"stage":"a"NaN}`, ErrNotObject},
		"NaN twice":                  {`{"stage":"a","step":NaNNaN}`, ErrNotObject},
		"NaN and a number":           {`{"stage":"a","step":NaN1}`, ErrNotObject},
		"NaN with a sign":            {`{"stage":"a","step":-NaN}`, ErrNotObject},
		"Infinity with a plus":       {`{"stage":"a","step":+Infinity}`, ErrNotObject},
		"Infinity with two signs":    {`{"stage":"a","step":--Infinity}`, ErrNotObject},
		"nan":                        {`{"stage":"a","step":nan}`, ErrNotObject},
		"NaN beside another fault":   {`{"stage":"a","step":NaN,"x":undefined}`, ErrNotObject},
		"NaN as the stage":           {`{"stage":NaN}`, ErrNoStage},
		"comma at the end":           {`{"stage":"a",}`, ErrNotObject},
		"single quotes":              {`{'stage':'a'}`, ErrNotObject},
		"leading zero":               {`{"stage":"a","step":06}`, ErrNotObject},
		"raw line break":             {"{\"stage\":\"a\n\"}", ErrNotObject},
		"too deep":                   {`{"stage":"a","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, ErrNotObject},
		"no fields":                  {`{}`, ErrNoStage},
		"no stage":                   {`{"step":6}`, ErrNoStage},
		"null stage":                 {`{"stage":null}`, ErrNoStage},
		"empty stage":                {`{"stage":""}`, ErrNoStage},
		"numeric stage":              {`{"stage":6}`, ErrNoStage},
		"last stage null":            {`{"stage":"a","stage":null}`, ErrNoStage},
		"other case":                 {`{"Stage":"a"}`, ErrNoStage},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := new(Decoder).Decode([]byte(tt.body))
			require.ErrorIs(t, err, tt.err)
			assert.Less(t, len(err.Error()), 200)
			assert.Empty(t, e.Stage)
			assert.NotZero(t, e.ID)
		})
	}
}

func TestID(t *testing.T) {
	id := func(body string) ID {
		e, _ := new(Decoder).Decode([]byte(body))
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
	// The identity of an event with a byte order mark is that of its fields.
	same(full, "\uFEFF"+full)
	// NaN is hashed as it was sent, and not as what it is decoded as.
	nan := strings.Replace(full, `"e"`, "NaN", 1)
	same(nan, strings.Replace(nan, "{", `{"trust_score":NaN,`, 1))
	differ(nan, noExt)
	for _, other := range []string{"Infinity", "-Infinity", "[ ]"} {
		differ(nan, strings.Replace(full, `"e"`, other, 1))
		differ(strings.Replace(full, `"e"`, "-Infinity", 1), strings.Replace(full, `"e"`, "[       ]", 1))
	}
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
		"\uFEFF" + `{"stage":"s"%s}`,
		`{"stage":"s","step":NaN%s}`,
	} {
		same(fmt.Sprintf(lacking, ""), fmt.Sprintf(lacking, ""))
		differ(fmt.Sprintf(lacking, ""), fmt.Sprintf(lacking, " "))
	}
	differ(`{"stage":"s"}`, "\uFEFF"+`{"stage":"s"}`)
	differ(`{"stage":"s","step":NaN}`, `{"stage":"s","step":[ ]}`)
	assert.Regexp(t, "^[0-9a-f]{32}$", id(full).String())
	// Deliveries that were remembered by an earlier version must stay so.
	assert.Equal(t, "5c2ace89810097827cceddd16e6baabf", id(full).String())
	assert.Equal(t, "8f05ef9d2299f01faf196352274a0025", id(`{"stage":"s"}`).String())
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
		"\uFEFF" + `{"stage":"a"}`, `{"stage":"a","step":NaN,"x":[-Infinity,"NaN",{"y":Infinity}]}`, `{"stage":"a","step":1NaN}`,
		`{"stage":"a","x":"\\\"NaN","group":NaN}`, `{NaN:1}`, `{"stage":"a","group":[NaN]}`, `{"stage":"a","group":12e1}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := bytes.Clone(body)
		d := NewDecoder([]string{"group", "session_id"})
		e, err := d.Decode(body)
		again, _ := d.Decode(body)
		assert.Equal(t, e, again)
		require.Equal(t, kept, body)

		standard := standardJSON(body)
		var fields map[string]any
		isObject := json.Unmarshal(standard, &fields) == nil && fields != nil
		stage, isString := fields["stage"].(string)
		switch {
		case !isObject:
			// encoding/json also refuses an object with a number that no float64 holds, which is valid JSON.
			if !json.Valid(standard) {
				require.ErrorIs(t, err, ErrNotObject)
			}
		case !isString || stage == "":
			require.ErrorIs(t, err, ErrNoStage)
		default:
			require.NoError(t, err)
			assert.Equal(t, collapse(stage), collapse(e.Stage), "%q", body)
		}
		if isObject {
			checkFurther(t, fields, &e)
		}
		for _, s := range []string{e.Stage, e.VerificationID, e.ExternalID, e.ExternalTracker} {
			assert.True(t, utf8.ValidString(s))
		}
	})
}

// nonFiniteToken finds a non-finite number between characters that can stand beside a value, or a whole string.
var nonFiniteToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|(?:^|[\s:,[])(-?Infinity|NaN)`)

// nonFiniteMark takes the place of a non-finite number for encoding/json.
const nonFiniteMark = `["non","finite"]`

// standardJSON makes JSON of a body in one of the dialects.
func standardJSON(body []byte) []byte {
	body = bytes.TrimPrefix(body, []byte("\uFEFF"))
	return nonFiniteToken.ReplaceAllFunc(body, func(found []byte) []byte {
		if found[0] == '"' {
			return found
		}
		before, _, _ := bytes.Cut(found, []byte(strings.TrimLeft(string(found), " \t\r\n\f\v:,[")))
		return append(bytes.Clone(before), nonFiniteMark...)
	})
}

// checkFurther compares what was kept of further fields with what encoding/json says that they are.
func checkFurther(t *testing.T, fields map[string]any, e *Event) {
	t.Helper()
	got := map[string]any{}
	for _, f := range e.Further {
		got[f.Name] = f.Value
	}
	for _, name := range []string{"group", "session_id"} {
		want := fields[name]
		switch v := got[name].(type) {
		case nil:
			assert.True(t, want == nil || want == "" || slices.Contains(e.InvalidFurther, name), "%v", want)
		case string:
			assert.True(t, utf8.ValidString(v))
			if s, ok := want.(string); ok {
				assert.Equal(t, collapse(s), collapse(v))
				continue
			}
			assert.True(t, json.Valid([]byte(v)), v)
		case bool:
			assert.Equal(t, want, v)
		case float64:
			assert.Equal(t, want, v)
		case int64:
			assert.Equal(t, want, float64(v))
		}
	}
}

// collapse makes one replacement character of several: how many of them stand for a run of bytes that are not UTF-8 is
// a matter of taste.
func collapse(s string) string {
	return regexp.MustCompile("\uFFFD+").ReplaceAllString(s, "\uFFFD")
}
