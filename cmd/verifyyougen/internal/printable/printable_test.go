// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package printable

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"plain":               {"signup-campaign", "signup-campaign"},
		"empty":               {"", ""},
		"spaces":              {" a  b ", " a  b "},
		"other scripts":       {"日本語 кампания שלום حملة", "日本語 кампания שלום حملة"},
		"accents":             {"e\u0301 Việt", "e\u0301 Việt"},
		"emoji":               {"🎉", "🎉"},
		"color":               {"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		"line breaks":         {"a\nb\rc\td\u2028e\u0085f", `a\nb\rc\td\u2028e\u0085f`},
		"bell and erasing":    {"\a\b\x7f", `\a\b\x7f`},
		"C1 control sequence": {"\u009b31m", `\u009b31m`},
		"direction":           {"\u202eevil\u202c\u2066x\u2069\u200e\u200f\u061c", `\u202eevil\u202c\u2066x\u2069\u200e\u200f\u061c`},
		"invisible":           {"a\u200bb\u200dc\ufeffd\u00ade", `a\u200bb\u200dc\ufeffd\u00ade`},
		"wide spaces":         {"a\u3000b\u00a0c", `a\u3000b\u00a0c`},
		"tags and private":    {"\U000e0041\ue000", `\U000e0041\ue000`},
		"backslash":           {`\x1b`, `\\x1b`},
		"mark at the start":   {"\u0301a", `\u0301a`},
		"pile of marks":       {"a" + strings.Repeat("\u0301", 6), "a" + strings.Repeat("\u0301", 4) + `\u0301\u0301`},
		"not UTF-8":           {"a\xffb", "a\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, Text(test.text))
		})
	}
}

func TestJSON(t *testing.T) {
	text := "{\n\t\"a\": \"plain 日本語 \\u001b \\n\",\r\n \"b\": \"\u009b \u202e \u200d \u007f \U000e0041 e\u0301\"}\n"
	assert.Equal(t, "{\n\t\"a\": \"plain 日本語 \\u001b \\n\",\r\n"+
		` "b": "\u009b \u202e \u200d \u007f \udb40\udc41 e\u0301"}`+"\n", string(JSON([]byte(text))))
	assert.Equal(t, `"\ufffd \ufffd"`, string(JSON([]byte("\"\x9b \ufffd\""))), "a byte that is no UTF-8 may be a control character elsewhere")
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"signup-campaign", "\x1b[31m", "\u202eevil", "e\u0301", "日本語", "a\xff\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		safe := Text(text)
		for _, r := range safe {
			require.True(t, strconv.IsPrint(r), "%q", r)
		}
		require.True(t, utf8.ValidString(safe))
		if back, err := strconv.Unquote(`"` + strings.ReplaceAll(safe, `"`, `\"`) + `"`); utf8.ValidString(text) {
			require.NoError(t, err)
			require.Equal(t, text, back, "no two texts look the same")
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a": "\u001b"}`, "\"\u009b\U0001f600\"", "[1,\n\"\u202e\"]", "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want, got any
		if json.Unmarshal(text, &want) != nil {
			return
		}
		safe := JSON(text)
		require.NoError(t, json.Unmarshal(safe, &got))
		require.Equal(t, want, got)
		for _, r := range string(safe) {
			require.True(t, strconv.IsPrint(r) || strings.ContainsRune("\n\r\t", r), "%q", r)
		}
	})
}
