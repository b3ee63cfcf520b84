// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeFurther(t *testing.T) {
	for value, want := range map[string]any{
		`"text"`:                    "text",
		`"\u00e9\n"`:                "é\n",
		"\"\xff\"":                  "\uFFFD",
		`" "`:                       " ",
		`true`:                      true,
		`false`:                     false,
		`0`:                         int64(0),
		`-0`:                        int64(0),
		`-0.0`:                      int64(0),
		`0e99999999999999999999`:    int64(0),
		`6`:                         int64(6),
		`6.0`:                       int64(6),
		`6e0`:                       int64(6),
		`-6.00E+1`:                  int64(-60),
		`0.5e1`:                     int64(5),
		`100e-2`:                    int64(1),
		`1e17`:                      int64(1e17),
		`9007199254740993.0`:        int64(9007199254740993),
		`9223372036854775807`:       int64(math.MaxInt64),
		`-9223372036854775808.0`:    int64(math.MinInt64),
		`6.5`:                       6.5,
		`1e-2`:                      0.01,
		`9223372036854775808`:       float64(1 << 63),
		`123456789012345678901`:     123456789012345678901.0,
		`1e300`:                     1e300,
		`1e-400`:                    0.0,
		`1e-9223372036854775808`:    0.0,
		`{}`:                        `{}`,
		`[]`:                        `[]`,
		`{ "a" : [1, {"b":null}] }`: `{ "a" : [1, {"b":null}] }`,
		`["NaN", "\"Infinity"]`:     `["NaN", "\"Infinity"]`,
		"[\"\xff\"]":                "[\"\uFFFD\"]",
	} {
		for _, body := range []string{`{"stage":"a","group":%s}`, `{"group":NaN,"stage":"a","group":%s}`} {
			e, err := NewDecoder([]string{"group"}).Decode(fmt.Appendf(nil, body, value))
			require.NoError(t, err)
			assert.Equal(t, []Further{{"group", want}}, e.Further, value)
			assert.Empty(t, e.InvalidFurther, value)
		}
	}
	for _, nothing := range []string{`"group":null`, `"group":""`, `"x":1`, `"Group":1`, `"group":1,"group":null`, `"x":{"group":1}`} {
		e, err := NewDecoder([]string{"group"}).Decode(fmt.Appendf(nil, `{"stage":"a",%s}`, nothing))
		require.NoError(t, err)
		assert.Equal(t, Event{Stage: "a", ID: e.ID}, e, nothing)
	}
	for _, invalid := range []string{`NaN`, `-Infinity`, `Infinity`, `[NaN]`, `{"a":{"b":[-Infinity]}}`, `1e400`, `1e9223372036854775807`} {
		e, err := NewDecoder([]string{"group"}).Decode(fmt.Appendf(nil, `{"stage":"a","group":%s}`, invalid))
		require.NoError(t, err)
		assert.Equal(t, Event{Stage: "a", ID: e.ID, InvalidFurther: []string{"group"}}, e, invalid)
	}
}

// TestDecodeFurtherFields has several, in the order in which they were asked for, beside the documented ones.
func TestDecodeFurtherFields(t *testing.T) {
	d := NewDecoder([]string{"session_id", "bad", "group", "missing", "worse"})
	body := strings.Replace(sample, "{", `{"worse":NaN,"group":{"x":1},"bad":1e999,"session_id":"s","other":1,`, 1)
	body = strings.Replace(body, "0.92", `"high"`, 1)
	e, err := d.Decode([]byte(body))
	require.NoError(t, err)
	assert.Equal(t, []Further{{"session_id", "s"}, {"group", `{"x":1}`}}, e.Further)
	assert.Equal(t, []string{"bad", "worse"}, e.InvalidFurther)
	assert.Equal(t, []string{"trust_score"}, e.InvalidFields)
	id := e.ID

	// A name is never taken for a non-finite number.
	e, err = NewDecoder([]string{"NaN", "x-Infinity"}).Decode([]byte(`{"y":NaN,"NaN":1,"stage":"a","x-Infinity":"NaN"}`))
	require.NoError(t, err)
	assert.Equal(t, []Further{{"NaN", int64(1)}, {"x-Infinity", "NaN"}}, e.Further)

	// They are no part of the event's identity.
	bare, err := new(Decoder).Decode([]byte(sample))
	require.NoError(t, err)
	assert.Equal(t, bare.ID, id)
	assert.Empty(t, bare.Further)

	// They are kept where there is no event, too.
	e, err = d.Decode([]byte(`{"session_id":"s"}`))
	require.ErrorIs(t, err, ErrNoStage)
	assert.Equal(t, []Further{{"session_id", "s"}}, e.Further)
}
