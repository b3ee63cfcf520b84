// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, file, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	for content, want := range map[string][]string{
		"one":                                  {"one"},
		"one\n":                                {"one"},
		"\r\n  one \r\n\n\ttwo\n \n":           {"one", "two"},
		"with space inside\nand: #\n":          {"with space inside", "and: #"},
		"\uFEFFone\r\n":                        {"one"},
		"\uFEFF\r\none\r\n":                    {"one"},
		" \uFEFF one\n":                        {"one"},
		"one\n\uFEFFtwo\n":                     {"one", "two"},
		"on\uFEFFe":                            {"on\uFEFFe"},
		"b\xffytes\n":                          {"b\xffytes"},
		strings.Repeat("a", maxBytes-1) + "\n": {strings.Repeat("a", maxBytes-1)},
	} {
		write(t, file, content)
		got, err := Read(t.Context(), file)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for content, want := range map[string]error{
		"":                               ErrEmpty,
		"\n":                             ErrEmpty,
		" \r\n\t\n":                      ErrEmpty, //nolint:gocritic // white space is the point
		"\uFEFF":                         ErrEmpty,
		"\uFEFF\r\n":                     ErrEmpty,
		"\xff\xfea\x00b\x00\n\x00":       ErrNotUTF8,
		"\xfe\xff\x00a\x00b\x00\n":       ErrNotUTF8,
		"\xff\xfe":                       ErrNotUTF8,
		"\xfe\xff":                       ErrNotUTF8,
		"a\x00b\x00\n\x00":               ErrNotUTF8,
		"one\ntwo\x00\n":                 ErrNotUTF8,
		strings.Repeat("a", maxBytes+1):  ErrTooLarge,
		strings.Repeat("\n", maxBytes+1): ErrTooLarge,
	} {
		write(t, file, content)
		_, err := Read(t.Context(), file)
		require.ErrorIs(t, err, want)
		assert.NotContains(t, err.Error(), "one")
	}
}

func TestReadErrorsNameNoFile(t *testing.T) {
	folder := t.TempDir()
	for _, file := range []string{filepath.Join(folder, "whsec_misplaced"), folder, "whsec_misplaced\x00", strings.Repeat("whsec_misplaced", 1000)} {
		_, err := Read(t.Context(), file)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "whsec_misplaced")
		assert.NotContains(t, err.Error(), folder)
	}
}

func TestReadGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served := make(chan struct{})
		defer close(served)
		hangs := func() ([]string, error) {
			<-served
			return nil, ErrEmpty
		}
		began := time.Now()
		_, err := readWithin(t.Context(), hangs)
		require.ErrorIs(t, err, ErrTimeout)
		assert.Equal(t, 5*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = readWithin(ctx, hangs)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 6*time.Second, time.Since(began))
	})
}
