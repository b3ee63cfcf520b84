// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ID identifies an event: the first 128 bits of a SHA-256. It has to be a cryptographic hash, because the users of a
// VerifyYou customer can choose ids: with a weaker one they could make one event pass for another.
type ID [16]byte

// String returns the ID as 32 lower-case hexadecimal digits.
func (id ID) String() string {
	var digits [2 * len(ID{})]byte
	hex.Encode(digits[:], id[:])
	return string(digits[:])
}

// What an ID was made of comes first in the hash, so that no body can pass for a list of fields.
const (
	idOfFields byte = iota
	idOfBody
)

// fieldsID identifies an event by fields as they were sent. Each is hashed with its length before it, so that no
// two lists of fields make the same input.
func fieldsID(fields ...[]byte) ID {
	var scratch [512]byte
	in := append(scratch[:0], idOfFields)
	for _, f := range fields {
		in = binary.AppendUvarint(in, uint64(len(f)))
		in = append(in, f...)
	}
	return hashID(in)
}

// bodyID identifies an event by its whole body, where it lacks the fields that would identify it.
func bodyID(body []byte) ID {
	in := make([]byte, 0, 1+len(body))
	in = append(in, idOfBody)
	return hashID(append(in, body...))
}

func hashID(in []byte) (id ID) {
	sum := sha256.Sum256(in)
	copy(id[:], sum[:])
	return id
}
