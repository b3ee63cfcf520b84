// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package digest hashes lists of strings.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
)

// Sum returns the SHA-256 of a domain and parts. Each part is hashed with its length before it, so that no two lists
// of parts make the same input; the domain is not, and tells lists of different kinds apart.
//
// It is a cryptographic hash because users of a VerifyYou customer can choose ids: with a weaker one, one of them could
// make their events pass for another's.
func Sum[T ~string | ~[]byte](domain string, parts ...T) [sha256.Size]byte {
	var scratch [512]byte
	in := append(scratch[:0], domain...)
	for _, p := range parts {
		in = binary.AppendUvarint(in, uint64(len(p)))
		in = append(in, p...)
	}
	return sha256.Sum256(in)
}
