// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSign(t *testing.T) {
	assert.Equal(t, sampleSignature, sign(testSecret, []byte(sample)))
}

func TestPrintSignature(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	file := writeFile(t, sample)

	want := result{code: exitOK, stdout: "X-VerifyYou-Signature: " + sampleSignature + "\n"}
	assert.Equal(t, want, runWith(t, "", "send", "--print-signature", "--body", file))
	assert.Equal(t, want, runWith(t, sample, "send", "--print-signature", "--body", "-"))
}

func TestSecret(t *testing.T) {
	const wrong = "whsec_wrong"
	right := writeFile(t, "\r\n  \n\t"+testSecret+" \r\n"+wrong+"\n")
	for name, test := range map[string]struct {
		environment string
		args        []string
	}{
		"environment":                   {testSecret, nil},
		"flag":                          {"", []string{"--secret", testSecret}},
		"flag before environment":       {wrong, []string{"--secret", testSecret}},
		"file":                          {"", []string{"--secret-file", right}},
		"file before environment":       {wrong, []string{"--secret-file", right}},
		"file whose last line has none": {"", []string{"--secret-file", writeFile(t, testSecret)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(secretVariable, test.environment)
			got := runWith(t, sample, append([]string{"send", "--print-signature", "--body", "-"}, test.args...)...)
			assert.Equal(t, exitOK, got.code)
			assert.Contains(t, got.stdout, sampleSignature)
		})
	}
}

func TestNoSecret(t *testing.T) {
	for name, test := range map[string]struct {
		environment string
		args        []string
		want        string
	}{
		"nowhere":                        {"", nil, errNoSecret.Error()},
		"blank environment":              {" \n", nil, errNoSecret.Error()},
		"empty flag with an environment": {testSecret, []string{"--secret", ""}, errNoSecret.Error()},
		"blank file":                     {testSecret, []string{"--secret-file", writeFile(t, "\n \n")}, errNoSecret.Error()},
		"no file":                        {testSecret, []string{"--secret-file", t.TempDir()}, "cannot read the secret file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(secretVariable, test.environment)
			got := runWith(t, "", append([]string{"send"}, test.args...)...)
			assert.Equal(t, exitUsage, got.code)
			assert.Contains(t, got.stderr, test.want)
		})
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}
