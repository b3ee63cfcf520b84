// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"
)

// signatureHeader carries the HMAC-SHA256 of the raw body, keyed with the signing secret, as "sha256=" and hexadecimal
// digits (VerifyYou documentation, "Flow tracking", Verifying the signature).
var signatureHeader = http.CanonicalHeaderKey("X-VerifyYou-Signature")

const signaturePrefix = "sha256="

var (
	errNotSigned      = errors.New("no well-formed signature")
	errWrongSignature = errors.New("wrong signature")
)

type mac [sha256.Size]byte

// parseSignature returns the signature that a request claims, or errNotSigned. There must be exactly one.
func parseSignature(header http.Header) (mac, error) {
	var claimed mac
	values := header[signatureHeader]
	if len(values) != 1 {
		return claimed, errNotSigned
	}
	digits, ok := strings.CutPrefix(values[0], signaturePrefix)
	if !ok || len(digits) != hex.EncodedLen(len(claimed)) {
		return claimed, errNotSigned
	}
	if _, err := hex.Decode(claimed[:], []byte(digits)); err != nil {
		return claimed, errNotSigned
	}
	return claimed, nil
}

// signingKey computes signatures with one secret. It is safe for concurrent use.
type signingKey struct {
	place []metric.AddOption // of the secret, in own telemetry

	// states has *keyedState: keying one costs more than hashing a body with it.
	states sync.Pool
}

type keyedState struct {
	hash.Hash
	sum mac
}

func newSigningKey(secret string, place []metric.AddOption) *signingKey {
	key := []byte(secret)
	return &signingKey{place: place, states: sync.Pool{New: func() any {
		return &keyedState{Hash: hmac.New(sha256.New, key)}
	}}}
}

// signed reports, in constant time, whether claimed is the signature of body.
func (k *signingKey) signed(body []byte, claimed *mac) bool {
	state := k.states.Get().(*keyedState)
	defer k.states.Put(state)
	state.Reset()
	state.Write(body)
	state.Sum(state.sum[:0])
	return hmac.Equal(state.sum[:], claimed[:])
}
