// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/digest"
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

// What an ID was made of is the domain of its hash, so that no body can pass for a list of fields.
const (
	domainFields = "\x00"
	domainBody   = "\x01"
)

// fieldsID identifies an event by fields as they were sent.
func fieldsID(fields ...[]byte) (id ID) {
	sum := digest.Sum(domainFields, fields...)
	copy(id[:], sum[:])
	return id
}

// bodyID identifies an event by its whole body, where it lacks the fields that would identify it.
func bodyID(body []byte) (id ID) {
	h := sha256.New()
	h.Write([]byte(domainBody))
	h.Write(body)
	copy(id[:], h.Sum(nil))
	return id
}
