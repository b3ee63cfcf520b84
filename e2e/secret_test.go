// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNothingPrintsSecretsOrRefusedBodies(t *testing.T) {
	const marker = "refused_0a4f"
	refused := strings.Replace(sample, "user_123", marker, 1)
	c, cfg := start(t)

	assert.Equal(t, `200 {"status":"accepted"}`, mustSend(t, c.newRequest(sample, sign(sample))))
	assert.Equal(t, `200 {"status":"unrecognized"}`, mustSend(t, c.newRequest("no JSON", sign("no JSON"))))
	for status, request := range map[string]*http.Request{
		"401": c.newRequest(refused, sign(sample)),
		"404": c.refusedRequest(refused, func(r *http.Request) { r.URL.Path = "/elsewhere" }),
		"405": c.refusedRequest(refused, func(r *http.Request) { r.Method = http.MethodPut }),
		"413": c.refusedRequest(refused+strings.Repeat(" ", 1<<16), func(*http.Request) {}),
		"415": c.refusedRequest(refused, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }),
	} {
		assert.Regexp(t, "^"+status, mustSend(t, request))
	}
	for _, malformed := range []string{"", "sha256=", "sha256=" + marker, sign(refused)[len("sha256="):], secret} {
		assert.Regexp(t, "^401", mustSend(t, c.newRequest(refused, malformed)))
	}
	telemetry := get(fmt.Sprintf("http://127.0.0.1:%d/metrics", cfg.telemetryPort))
	assert.Contains(t, telemetry, "otelcol_receiver_verifyyou_requests")
	c.stop()

	for _, text := range []string{c.printed(), telemetry} {
		assert.NotContains(t, text, secret)
		assert.NotContains(t, text, marker)
	}
	assert.Len(t, cfg.records(t), 2)
}

// refusedRequest returns a well signed request that is wrong in another way.
func (c *collector) refusedRequest(body string, spoil func(*http.Request)) *http.Request {
	request := c.newRequest(body, sign(body))
	spoil(request)
	return request
}

func TestPrintConfig(t *testing.T) {
	cfg := configure(t, 8787, 8888)
	printed := output(t, otelcol(t, "print-config", "--config", cfg.file))
	assert.NotContains(t, printed, secret)
	assert.Contains(t, printed, "[REDACTED]")
}
