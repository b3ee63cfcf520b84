// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSignatureVectors holds the verification against other people's implementations of HMAC
// (testdata/signatures/make.sh).
func TestSignatureVectors(t *testing.T) {
	vectors, err := os.ReadFile("testdata/signatures/vectors.tsv")
	require.NoError(t, err)
	signers := map[string]int{}
	for line := range strings.Lines(string(vectors)) {
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		signer, secret, file, signature := column[0], column[1], column[2], column[3]
		signers[signer]++
		body, err := os.ReadFile(filepath.Join("testdata/signatures", file))
		require.NoError(t, err)

		claimed, err := parseSignature(http.Header{signatureHeader: {signature}})
		require.NoError(t, err)
		right := newSigningKey(secret, nil)
		keys := ringOf(newSigningKey("another", nil), right)
		key, err := keys.verify(body, &claimed)
		require.NoError(t, err, line)
		assert.Same(t, right, key)

		_, err = keys.verify(append(body, ' '), &claimed)
		require.ErrorIs(t, err, errWrongSignature)
		_, err = ringOf(newSigningKey("another", nil)).verify(body, &claimed)
		require.ErrorIs(t, err, errWrongSignature)
	}
	assert.Equal(t, map[string]int{"openssl": 12, "node": 12, "python": 12}, signers)
}

func TestParseSignature(t *testing.T) {
	digits := strings.Repeat("0123456789abcdef", 4)
	for name, tt := range map[string]struct {
		values []string
		ok     bool
	}{
		"right":                  {[]string{"sha256=" + digits}, true},
		"capital digits":         {[]string{"sha256=" + strings.ToUpper(digits)}, true},
		"none":                   {nil, false},
		"empty":                  {[]string{""}, false},
		"two":                    {[]string{"sha256=" + digits, "sha256=" + digits}, false},
		"two in one":             {[]string{"sha256=" + digits + ", sha256=" + digits}, false},
		"no prefix":              {[]string{digits}, false},
		"capital prefix":         {[]string{"SHA256=" + digits}, false},
		"another algorithm":      {[]string{"sha1=" + digits[:40]}, false},
		"too short":              {[]string{"sha256=" + digits[1:]}, false},
		"too long":               {[]string{"sha256=" + digits + "0"}, false},
		"not hexadecimal":        {[]string{"sha256=g" + digits[1:]}, false},
		"white space":            {[]string{"sha256= " + digits}, false},
		"only the prefix":        {[]string{"sha256="}, false},
		"a long one":             {[]string{"sha256=" + strings.Repeat("0", 1<<16)}, false},
		"base64 of a right size": {[]string{"sha256=" + strings.Repeat("A+/=", 16)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			claimed, err := parseSignature(http.Header{signatureHeader: tt.values})
			if !tt.ok {
				require.ErrorIs(t, err, errNotSigned)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, digits, hex.EncodeToString(claimed[:]))
		})
	}
}

func ringOf(keys ...*signingKey) *keyring {
	ring := new(keyring)
	ring.current.Store(&keys)
	return ring
}

// TestSigningKeyConcurrently shows that keyed state is not shared by two requests.
func TestSigningKeyConcurrently(t *testing.T) {
	key := newSigningKey(testSecret, nil)
	var wg sync.WaitGroup
	for i := range 16 {
		body := []byte(strings.Repeat("x", i*100))
		claimed, err := parseSignature(http.Header{signatureHeader: {sign(testSecret, body)}})
		require.NoError(t, err)
		wg.Go(func() {
			for range 500 {
				assert.True(t, key.signed(body, &claimed))
			}
		})
	}
	wg.Wait()
}

func FuzzParseSignature(f *testing.F) {
	f.Add("sha256=" + strings.Repeat("0123456789abcdef", 4))
	f.Add("sha256=")
	f.Add("sha1=00")
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		claimed, err := parseSignature(http.Header{signatureHeader: {value}})
		if err == nil {
			assert.Equal(t, signaturePrefix+hex.EncodeToString(claimed[:]), "sha256="+strings.ToLower(strings.TrimPrefix(value, "sha256=")))
		}
	})
}
