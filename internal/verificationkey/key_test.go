// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verificationkey

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"pgregory.net/rapid"
)

func attributes(t require.TestingT, raw map[string]any) pcommon.Map {
	m := pcommon.NewMap()
	require.NoError(t, m.FromRaw(raw))
	return m
}

func TestName(t *testing.T) {
	for name, tt := range map[string]struct {
		key   Key
		attrs map[string]any
		want  []string // nil: no name
	}{
		"default":          {Default(), map[string]any{"verifyyou.verification_id": "v", "verifyyou.external_id": "e", "x": "y"}, []string{"v", "e"}},
		"second missing":   {Key{"a", "b"}, map[string]any{"a": "1"}, []string{"1", ""}},
		"first missing":    {Key{"a", "b"}, map[string]any{"b": "1"}, []string{"", "1"}},
		"one empty":        {Key{"a", "b"}, map[string]any{"a": "", "b": "1"}, []string{"", "1"}},
		"all missing":      {Key{"a", "b"}, map[string]any{"c": "1"}, nil},
		"all empty":        {Key{"a", "b"}, map[string]any{"a": "", "b": ""}, nil},
		"single":           {Key{"a"}, map[string]any{"a": "1"}, []string{"1"}},
		"single missing":   {Key{"a"}, map[string]any{}, nil},
		"numbers":          {Key{"a", "b"}, map[string]any{"a": int64(7), "b": 0.5}, []string{"7", "0.5"}},
		"booleans":         {Key{"a", "b"}, map[string]any{"a": false, "b": true}, []string{"false", "true"}},
		"lists":            {Key{"a", "b"}, map[string]any{"a": []any{"x", int64(1)}, "b": map[string]any{"k": "v"}}, []string{`["x",1]`, `{"k":"v"}`}},
		"bytes":            {Key{"a"}, map[string]any{"a": []byte{1, 2, 3}}, []string{"AQID"}},
		"no value":         {Key{"a"}, map[string]any{"a": nil}, nil},
		"long":             {Key{"a", "b"}, map[string]any{"a": strings.Repeat("x", 300), "b": "1"}, []string{Shorten(strings.Repeat("x", 300)), "1"}},
		"three attributes": {Key{"a", "b", "c"}, map[string]any{"a": "1", "c": strings.Repeat("y", 200)}, []string{"1", "", strings.Repeat("y", 200)}},
	} {
		t.Run(name, func(t *testing.T) {
			attrs := attributes(t, tt.attrs)
			got, ok := tt.key.Name(attrs)
			require.Equal(t, tt.want != nil, ok)
			if !ok {
				assert.Zero(t, tt.key.TraceID(attrs))
				return
			}
			assert.Equal(t, tt.want, tt.key.Values(got))
			assert.Equal(t, TraceID(got), tt.key.TraceID(attrs))
		})
	}
	// A stored name and a trace id must not change.
	attrs := attributes(t, map[string]any{"a": "1", "b": "23"})
	got, _ := Key{"a", "b"}.Name(attrs)
	assert.Equal(t, "\x011\x0223", got)
	sum := sha256.Sum256([]byte("\x05trace\x05\x011\x0223"))
	assert.Equal(t, hex.EncodeToString(sum[:16]), TraceID(got).String())
	got, _ = Key{"b"}.Name(attrs)
	assert.Equal(t, "23", got)
}

// TestNamesDiffer has any two lists of values: equal names and trace ids are of equal values.
func TestNamesDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 4).Draw(t, "attributes")
		key := Key{"a", "b", "c", "d"}[:count]
		draw := func(label string) (values []string, name string, id pcommon.TraceID) {
			raw := map[string]any{}
			for _, attribute := range key {
				v := rapid.OneOf(rapid.SampledFrom([]string{"", "1", "11", "\x01", "\x011"}), rapid.StringN(0, 300, 600)).Draw(t, label)
				values = append(values, Shorten(v))
				if v != "" || rapid.Bool().Draw(t, "there") {
					raw[attribute] = v
				}
			}
			attrs := attributes(t, raw)
			name, _ = key.Name(attrs)
			return values, name, key.TraceID(attrs)
		}
		a, nameA, idA := draw("a")
		b, nameB, idB := draw("b")
		assert.Equal(t, a, key.Values(nameA))
		assert.Equal(t, fmt.Sprint(len(a), a) == fmt.Sprint(len(b), b), nameA == nameB)
		assert.Equal(t, nameA == nameB, idA == idB)
		assert.Less(t, len(nameA), 1<<16)
	})
}

func TestShorten(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	sum := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:16])
	}
	for in, want := range map[string]string{
		"":                          "",
		x(256):                      x(256),
		x(257):                      x(64) + "…" + sum(x(257)),
		x(63) + "é" + x(200):        x(63) + "…" + sum(x(63)+"é"+x(200)),
		strings.Repeat("é", 128):    strings.Repeat("é", 128),
		strings.Repeat("é", 129):    strings.Repeat("é", 32) + "…" + sum(strings.Repeat("é", 129)),
		strings.Repeat("\x80", 257): "…" + sum(strings.Repeat("\x80", 257)),
	} {
		got := Shorten(in)
		assert.Equal(t, want, got)
		assert.True(t, utf8.ValidString(got))
		assert.Equal(t, got, Shorten(got))
	}
	assert.NotEqual(t, Shorten(x(300)+"a"), Shorten(x(300)+"b"))
}

func TestTraceIDCost(t *testing.T) {
	attrs := attributes(t, map[string]any{"verifyyou.verification_id": "ver_abc123", "verifyyou.external_id": "user_123"})
	key := Default()
	assert.Zero(t, testing.AllocsPerRun(100, func() { key.TraceID(attrs) }))
}

func TestValidate(t *testing.T) {
	many := make(Key, 65)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	require.NoError(t, Default().Validate("key"))
	require.NoError(t, many[:64].Validate("key"))
	for _, tt := range []struct {
		key  Key
		want string
	}{
		{nil, "key: is empty; use [verifyyou.verification_id] for example"},
		{many, "key: has 65 attributes; use 64 at most"},
		{Key{"a", ""}, "key::1: is empty; set the name of an attribute, or remove it"},
		{Key{"a", "b", "a"}, `key::2: "a" is there twice; remove it`},
		{Key{"", "b", "b"}, "key::0: is empty; set the name of an attribute, or remove it\n" + `key::2: "b" is there twice; remove it`},
	} {
		assert.EqualError(t, tt.key.Validate("key"), tt.want)
	}
}
