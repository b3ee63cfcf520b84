// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testSecret = "whsec_test"

// sample is the body in VerifyYou's documentation, on one line.
const sample = `{"stage": "verification_completed", "step": 6, "occurred_at": "2026-06-09T17:04:01.123456+00:00", ` +
	`"verification_id": "ver_abc123", "external_id": "user_123", "external_tracker": "signup-campaign", "trust_score": 0.92}`

// sampleSignature was made with
//
//	openssl dgst -sha256 -hmac whsec_test sample.json
//
// where sample.json holds sample with no newline at its end.
const sampleSignature = "sha256=ba8661ea2a6c57ab82e12d643d9f39f1e94e9e258cd6baf2082c17cc8e90fd6f"

// result is what a user sees of one run.
type result struct {
	code           int
	stdout, stderr string
}

// runWith runs the program and checks what holds of every run: an error is one
// line that says whose it is, and the secret is not printed.
func runWith(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)

	if code == exitOK {
		assert.Empty(t, stderr.String())
	} else {
		assert.Regexp(t, `\Averifyyougen: .+\n\z`, stderr.String())
	}
	assert.NotContains(t, stdout.String()+stderr.String(), testSecret)
	return result{code, stdout.String(), stderr.String()}
}

func TestHelp(t *testing.T) {
	for command, args := range map[string][]string{
		"": {}, "[command]": {"--help"}, "send": {"send", "--help"}, "simulate": {"simulate", "--help"},
		"funnel": {"funnel", "--help"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), args, nil, &stdout, &stderr))
		assert.Contains(t, stdout.String(), "verifyyougen "+command)
		assert.Empty(t, stderr.String())
	}
}

func TestWrongUsage(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"unknown command":              {[]string{"sned"}, "sned"},
		"unknown flag":                 {[]string{"send", "--stages", "x"}, "--stages"},
		"argument":                     {[]string{"send", "event.json"}, "event.json"},
		"step that is no number":       {[]string{"send", "--step", "first"}, "--step"},
		"trust score JSON cannot hold": {[]string{"send", "--trust-score", "NaN"}, "trust_score"},
		"timeout of nothing":           {[]string{"send", "--timeout", "0s"}, "--timeout"},
		"endpoint without scheme":      {[]string{"send", "--endpoint", "localhost:8787"}, "--endpoint"},
		"endpoint without host":        {[]string{"send", "--endpoint", "http:///webhooks"}, "--endpoint"},
		"endpoint that is no URL":      {[]string{"send", "--endpoint", "http://[::1"}, "--endpoint"},
		"signature of nobody's body":   {[]string{"send", "--print-signature"}, "--body"},
		"body not there":               {[]string{"send", "--body", t.TempDir() + "/none"}, "cannot read the body"},
		"body and stage":               {[]string{"send", "--body", "-", "--stage", "x"}, "[body stage]"},
		"body and step":                {[]string{"send", "--body", "-", "--step", "1"}, "[body step]"},
		"body and occurred-at":         {[]string{"send", "--body", "-", "--occurred-at", "x"}, "[body occurred-at]"},
		"body and verification-id":     {[]string{"send", "--body", "-", "--verification-id", "x"}, "[body verification-id]"},
		"body and external-id":         {[]string{"send", "--body", "-", "--external-id", "x"}, "[body external-id]"},
		"body and external-tracker":    {[]string{"send", "--body", "-", "--external-tracker", "x"}, "[body external-tracker]"},
		"body and trust-score":         {[]string{"send", "--body", "-", "--trust-score", "1"}, "[body trust-score]"},
		"no verifications":             {[]string{"simulate", "--verifications", "0"}, "--verifications 0"},
		"no duration":                  {[]string{"simulate", "--duration", "0s"}, "--duration 0s"},
		"verifications and duration":   {[]string{"simulate", "--verifications", "1", "--duration", "1s"}, "[duration verifications]"},
		"rate of nothing":              {[]string{"simulate", "--rate", "0"}, "--rate 0"},
		"rate of NaN":                  {[]string{"simulate", "--rate", "NaN"}, "--rate NaN"},
		"rate of too much":             {[]string{"simulate", "--rate", "1e7"}, "--rate 1e+07"},
		"rate of next to nothing":      {[]string{"simulate", "--rate", "1e-9"}, "100 verifications at --rate 1e-09"},
		"slow motion":                  {[]string{"simulate", "--speed", "0.5"}, "--speed 0.5"},
		"endless speed":                {[]string{"simulate", "--speed", "Inf"}, "--speed +Inf"},
		"no connections":               {[]string{"simulate", "--connections", "0"}, "--connections 0"},
		"giving up before":             {[]string{"simulate", "--give-up-after", "-1s"}, "--give-up-after -1s"},
		"seed that is no number":       {[]string{"simulate", "--seed", "-1"}, "--seed"},
		"simulate without scheme":      {[]string{"simulate", "--endpoint", "localhost:8787"}, "--endpoint"},
		"scenario not there":           {[]string{"simulate", "--scenario", t.TempDir() + "/none"}, "cannot read the scenario"},
		"scenario with a fault":        {[]string{"simulate", "--scenario", writeFile(t, "external_id: 2")}, "external_id is 2, must be from 0 to 1; stages.verification_initialized is missing"},
		"truth that cannot be written": {[]string{"simulate", "--truth", t.TempDir()}, "cannot write the truth"},
		"presigned stragglers":         {[]string{"simulate", "--presign", "x", "--scenario", writeFile(t, "stages: {verification_initialized: {}}\ndeliveries: {stragglers: 0.1, straggler_wait: 1h}")}, "deliveries.stragglers: must be 0 with --presign"},
		"presigned into a folder":      {[]string{"simulate", "--presign", t.TempDir()}, "cannot write the requests"},
		"presigned and posted":         {[]string{"simulate", "--presign", "x", "--connections", "1"}, "[presign connections]"},
		"simulate with two secrets":    {[]string{"simulate", "--secret", "a", "--secret-file", "b"}, "[secret secret-file]"},
		"simulate without a secret":    {[]string{"simulate", "--secret", ""}, errNoSecret.Error()},
		"funnel without scheme":        {[]string{"funnel", "--url", "localhost:8790"}, "--url must be a URL that begins with http:// or https://"},
		"funnel with a query":          {[]string{"funnel", "--url", "http://localhost:8790/?from=1h"}, "--url must be"},
		"funnel with a fragment":       {[]string{"funnel", "--url", "http://localhost:8790/#x"}, "--url must be"},
		"JSON that is watched":         {[]string{"funnel", "--json", "--watch"}, "[json watch]"},
		"argument of funnel":           {[]string{"funnel", "24h"}, "24h"},
		"two secrets":                  {[]string{"send", "--secret", "a", "--secret-file", "b"}, "[secret secret-file]"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(t, "", test.args...)
			assert.Equal(t, exitUsage, got.code)
			assert.Empty(t, got.stdout)
			assert.Contains(t, got.stderr, test.want)
		})
	}
}
