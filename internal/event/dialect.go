// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "bytes"

// nonFinite are the numbers that JSON does not have (RFC 8259, section 6) and that Python's json module, among others,
// writes all the same. Each has a stand-in of the same length that is JSON. It is an array because that is valid only
// where a value is expected: a number or a string could complete what stands beside it (1NaN) or be a name.
var nonFinite = []struct{ token, standIn string }{
	{"NaN", "[ ]"},
	{"Infinity", "[      ]"},
	{"-Infinity", "[       ]"},
}

// replaceNonFinite returns a copy of a body in which stand-ins replace all non-finite numbers outside of strings, or
// nil if there are none.
func replaceNonFinite(body []byte) []byte {
	var standIn []byte
	inString := false
	for i := 0; i < len(body); i++ {
		switch {
		case body[i] == '"':
			inString = !inString
		case inString && body[i] == '\\':
			i++
		case inString:
		default:
			for _, n := range nonFinite {
				if !bytes.HasPrefix(body[i:], []byte(n.token)) {
					continue
				}
				if standIn == nil {
					standIn = bytes.Clone(body)
				}
				i += copy(standIn[i:], n.standIn) - 1
				break
			}
		}
	}
	return standIn
}
