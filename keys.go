// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/collector/config/configopaque"
)

// keyring has the keys of all secrets that VerifyYou may sign with. It is safe for concurrent use.
type keyring struct {
	configured []configopaque.String
	telemetry  *telemetry
	current    atomic.Pointer[[]*signingKey]
}

// use puts the keys of the configured secrets, and of those of the file, in the place of all before.
func (k *keyring) use(ctx context.Context, ofFile []string) {
	keys := make([]*signingKey, 0, len(k.configured)+len(ofFile))
	for i, secret := range k.configured {
		keys = append(keys, k.newKey(strconv.Itoa(i), string(secret)))
	}
	for i, secret := range ofFile {
		keys = append(keys, k.newKey("file/"+strconv.Itoa(i), secret))
	}
	for _, key := range keys {
		k.telemetry.startMatches(ctx, key)
	}
	k.current.Store(&keys)
}

func (k *keyring) newKey(place, secret string) *signingKey {
	return newSigningKey(secret, k.telemetry.secret(place))
}

// verify returns the key that a body was signed with, or errWrongSignature.
func (k *keyring) verify(body []byte, claimed *mac) (*signingKey, error) {
	for _, key := range *k.current.Load() {
		if key.signed(body, claimed) {
			return key, nil
		}
	}
	return nil, errWrongSignature
}
