// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// delivery is one request as an endpoint gets it.
type delivery struct {
	header http.Header
	body   string
}

// endpoint answers with answer and keeps what came. It refuses what is not
// signed with testSecret.
func endpoint(t *testing.T, answer http.HandlerFunc) (url string, deliveries *[]delivery) {
	t.Helper()
	deliveries = new([]delivery)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || err != nil || r.Header.Get("X-VerifyYou-Signature") != "sha256="+hmacByHand(body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		*deliveries = append(*deliveries, delivery{r.Header, string(body)})
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, deliveries
}

// hmacByHand is HMAC-SHA256 by its definition in RFC 2104, so that the program
// is not measured by the library it uses itself.
func hmacByHand(message []byte) string {
	key := make([]byte, 64)
	copy(key, testSecret)
	pad := func(with byte) []byte {
		padded := bytes.Clone(key)
		for i := range padded {
			padded[i] ^= with
		}
		return padded
	}
	inner := sha256.Sum256(append(pad(0x36), message...))
	outer := sha256.Sum256(append(pad(0x5c), inner[:]...))
	return hex.EncodeToString(outer[:])
}

func accepted(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"status": "accepted"}`)
}

func TestSendSample(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	url, deliveries := endpoint(t, accepted)

	got := runWith(t, "", "send", "--endpoint", url, "--stage", "verification_completed", "--step", "6",
		"--occurred-at", "2026-06-09T17:04:01.123456+00:00", "--verification-id", "ver_abc123",
		"--external-id", "user_123", "--external-tracker", "signup-campaign", "--trust-score", "0.92")

	assert.Equal(t, result{code: exitOK, stdout: "200 OK\n{\"status\": \"accepted\"}\n"}, got)
	require.Len(t, *deliveries, 1)
	assert.Equal(t, sample, (*deliveries)[0].body)
	header := (*deliveries)[0].header
	assert.Equal(t, sampleSignature, header.Get("X-VerifyYou-Signature"))
	assert.Equal(t, "verification_completed", header.Get("X-VerifyYou-Event"))
	assert.Equal(t, "application/json", header.Get("Content-Type"))
}

func TestSendDefaults(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	url, deliveries := endpoint(t, accepted)
	before := time.Now().Truncate(time.Microsecond)

	require.Equal(t, exitOK, runWith(t, "", "send", "--endpoint", url).code)
	require.Equal(t, exitOK, runWith(t, "", "send", "--endpoint", url).code)

	require.Len(t, *deliveries, 2)
	first, second := decode(t, (*deliveries)[0].body), decode(t, (*deliveries)[1].body)
	assert.NotEqual(t, first["verification_id"], second["verification_id"])
	assert.Regexp(t, `^ver_[0-9a-f]{32}$`, first["verification_id"])
	assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$`, first["occurred_at"])
	occurredAt, err := time.Parse(time.RFC3339, first["occurred_at"].(string))
	require.NoError(t, err)
	assert.WithinRange(t, occurredAt, before, time.Now())

	delete(first, "verification_id")
	delete(first, "occurred_at")
	assert.Equal(t, map[string]any{
		"stage": "verification_completed", "step": nil, "external_id": nil, "external_tracker": nil, "trust_score": nil,
	}, first)
}

// A flag that is given is not left out, whatever its value.
func TestSendZeroValues(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	url, deliveries := endpoint(t, accepted)

	require.Equal(t, exitOK, runWith(t, "", "send", "--endpoint", url, "--stage", "", "--step", "0", "--occurred-at", "",
		"--verification-id", "", "--external-id", "", "--external-tracker", "", "--trust-score", "0").code)

	require.Len(t, *deliveries, 1)
	assert.Equal(t, `{"stage": "", "step": 0, "occurred_at": "", "verification_id": "", `+
		`"external_id": "", "external_tracker": "", "trust_score": 0}`, (*deliveries)[0].body)
	assert.NotContains(t, (*deliveries)[0].header, "X-Verifyyou-Event")
}

func decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &fields))
	return fields
}

func TestSendBody(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	for name, test := range map[string]struct{ body, event string }{
		"sample":                     {sample, "verification_completed"},
		"spaces and newlines":        {" {\r\n\t\"stage\" :\"new_stage\"}\n\n", "new_stage"},
		"last of two stages":         {`{"stage": "a", "stage": "b"}`, "b"},
		"number out of range":        {`{"trust_score": 1e999, "stage": "a"}`, "a"},
		"stage in other letter case": {`{"Stage": "a"}`, ""},
		"nested stage":               {`{"event": {"stage": "a"}}`, ""},
		"stage that is no string":    {`{"stage": 6}`, ""},
		"stage of null":              {`{"stage": null}`, ""},
		"stage with a line break":    {`{"stage": "a\r\nb"}`, ""},
		"array":                      {`["stage"]`, ""},
		"no JSON":                    {"\x00\xff stage", ""},
		"empty":                      {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			url, deliveries := endpoint(t, accepted)
			require.Equal(t, exitOK, runWith(t, "", "send", "--endpoint", url, "--body", writeFile(t, test.body)).code)
			require.Equal(t, exitOK, runWith(t, test.body, "send", "--endpoint", url, "--body", "-").code)

			require.Len(t, *deliveries, 2)
			for _, delivery := range *deliveries {
				assert.Equal(t, test.body, delivery.body)
				assert.Equal(t, test.event, delivery.header.Get("X-VerifyYou-Event"))
				assert.Equal(t, test.event != "", delivery.header["X-Verifyyou-Event"] != nil)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   result
	}{
		"no body": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
			result{exitOK, "204 No Content\n", ""},
		},
		"body with a newline": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "taken\n") },
			result{exitOK, "200 OK\ntaken\n", ""},
		},
		"endless body": {
			func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, strings.Repeat("x", 2*maxAnswer))
			},
			result{exitOK, "200 OK\n" + strings.Repeat("x", maxAnswer) + "\n", ""},
		},
		"later": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "10")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"error": "refused"}`)
			},
			result{
				exitFailed,
				"503 Service Unavailable\nRetry-After: 10\n{\"error\": \"refused\"}\n",
				"verifyyougen: the endpoint answered 503 Service Unavailable\n",
			},
		},
		"elsewhere": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusTemporaryRedirect)
			},
			result{
				exitFailed,
				"307 Temporary Redirect\nLocation: /elsewhere\n",
				"verifyyougen: the endpoint answered 307 Temporary Redirect\n",
			},
		},
		"body cut off": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(w, "tak")
			},
			result{exitFailed, "200 OK\ntak\n", "verifyyougen: cannot read the whole answer: unexpected EOF\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, deliveries := endpoint(t, test.answer)
			assert.Equal(t, test.want, runWith(t, "", "send", "--endpoint", url))
			assert.Len(t, *deliveries, 1)
		})
	}
}

func TestWrongSecret(t *testing.T) {
	url, deliveries := endpoint(t, accepted)
	got := runWith(t, "", "send", "--endpoint", url, "--secret", "whsec_wrong")
	assert.Equal(t, result{exitFailed, "401 Unauthorized\n", "verifyyougen: the endpoint answered 401 Unauthorized\n"}, got)
	assert.Empty(t, *deliveries)
}

func TestConnectionRefused(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())

	url := "http://" + listener.Addr().String()
	got := runWith(t, "", "send", "--endpoint", url)
	assert.Equal(t, result{exitFailed, "", "verifyyougen: connection refused by " + url + ": is the Collector running?\n"}, got)
}

func TestTimeout(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	url, _ := endpoint(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	got := runWith(t, "", "send", "--endpoint", url, "--timeout", "50ms")
	assert.Equal(t, result{exitFailed, "", "verifyyougen: no answer from " + url + " in time (see --timeout)\n"}, got)
}

func TestUnreachable(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	url, _ := endpoint(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	got := runWith(t, "", "send", "--endpoint", url)
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "cannot reach the endpoint")
}
