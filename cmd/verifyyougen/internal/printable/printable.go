// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package printable makes text from outside safe to print to a terminal.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxMarks is how many combining marks a character keeps. Languages need up to
// three; a pile of them covers the lines above and below.
const maxMarks = 4

// Text returns s on one line, with Go's escapes in place of everything that
// could move the cursor, change the order of characters or hide: control and
// format characters (those of writing direction among them), spaces other than
// U+0020, unassigned and private characters, and combining marks that are
// without a base or too many. A backslash is escaped too, so that no two texts
// look the same. Letters of scripts that are written from right to left stay: so
// nothing may follow such a text on its line.
func Text(s string) string {
	var b strings.Builder
	marks := maxMarks // none fits before the first character
	for _, r := range s {
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case strconv.IsPrint(r) && marks <= maxMarks:
			b.WriteRune(r)
		default:
			b.WriteString(escaped(r))
		}
	}
	return b.String()
}

func escaped(r rune) string { return strings.Trim(strconv.QuoteRuneToASCII(r), "'") }

// JSON returns a JSON text that has the same value, and JSON's escapes in place
// of what Text escapes. Line breaks and tabs between values stay.
func JSON(text []byte) []byte {
	safe := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\n', r == '\r', r == '\t', r != utf8.RuneError && strconv.IsPrint(r) && !unicode.Is(unicode.M, r):
			safe = append(safe, text[:size]...)
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				safe = fmt.Appendf(safe, `\u%04x`, unit)
			}
		}
		text = text[size:]
	}
	return safe
}
