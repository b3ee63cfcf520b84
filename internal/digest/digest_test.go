// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package digest

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSum(t *testing.T) {
	assert.Equal(t, sha256.Sum256([]byte("d\x01a\x02bc")), Sum("d", "a", "bc"))
	assert.Equal(t, Sum("", "a", "bc"), Sum("", []byte("a"), []byte("bc")))
	all := map[[sha256.Size]byte]string{}
	for name, sum := range map[string][sha256.Size]byte{
		"a, bc": Sum("", "a", "bc"), "ab, c": Sum("", "ab", "c"), "abc": Sum("", "abc"), "abc and nothing": Sum("", "abc", ""),
		"nothing and abc": Sum("", "", "abc"), "a domain": Sum("d", "abc"), "no parts": Sum[string](""),
	} {
		assert.Empty(t, all[sum], name)
		all[sum] = name
	}
}
