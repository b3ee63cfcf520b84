// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The sample of VerifyYou's documentation, and one that no JSON encoder would write twice.
const (
	sample = `{"stage": "verification_completed", "step": 6, "occurred_at": "2026-06-09T17:04:01.123456+00:00", ` +
		`"verification_id": "ver_abc123", "external_id": "user_123", "external_tracker": "signup-campaign", "trust_score": 0.92}`
	odd = "\t{\"stage\":\"liveness_failed\",\r\n\"step\":null, \"occurred_at\":\"2026-06-09T19:04:02+02:00\", " +
		"\"verification_id\":\"ver_\\u0061bc\", \"external_tracker\":\"été \U0001f389\", \"new_field\":[1.0, 1e2]}\n"
)

// record is what must be in a log record.
type record struct {
	name       string
	time       time.Time
	severity   plog.SeverityNumber
	body       string
	attributes map[string]any
}

func TestWebhooksSignedByOthers(t *testing.T) {
	c, cfg := start(t)
	assert.Equal(t, `200 {"status":"accepted"}`, c.sendWithOpenSSL(sample))
	assert.Equal(t, `200 {"status":"accepted"}`, c.sendWithNode(odd))
	assert.Equal(t, `401 {"error":"no valid X-VerifyYou-Signature"}`, mustSend(t, c.newRequest(sample, sign(odd))))

	wantCounts := map[series]int64{
		{"verification_completed", "completed", "signup-campaign"}: 1,
		{"liveness_failed", "drop_off", "été \U0001f389"}:          1,
	}
	require.Eventually(t, func() bool { return assert.ObjectsAreEqual(wantCounts, cfg.counts(t)) }, deadline, poll,
		"counts must come without the end of the Collector")
	c.stop()

	assert.Equal(t, []record{
		{
			name: "verifyyou.verification_completed", time: time.Date(2026, 6, 9, 17, 4, 1, 123456000, time.UTC),
			severity: plog.SeverityNumberInfo, body: sample,
			attributes: map[string]any{
				"verifyyou.stage": "verification_completed", "verifyyou.outcome": "completed", "verifyyou.step": int64(6),
				"verifyyou.verification_id": "ver_abc123", "verifyyou.external_id": "user_123",
				"verifyyou.external_tracker": "signup-campaign", "verifyyou.trust_score": 0.92,
			},
		},
		{
			name: "verifyyou.liveness_failed", time: time.Date(2026, 6, 9, 17, 4, 2, 0, time.UTC),
			severity: plog.SeverityNumberWarn, body: odd,
			attributes: map[string]any{
				"verifyyou.stage": "liveness_failed", "verifyyou.outcome": "drop_off",
				"verifyyou.verification_id": "ver_abc", "verifyyou.external_tracker": "été \U0001f389",
			},
		},
	}, readRecords(t, &cfg))
	assert.Equal(t, wantCounts, cfg.counts(t))
	cfg.checkSeries(t)
}

// sendWithOpenSSL signs with openssl and posts with curl, from the same file.
func (c *collector) sendWithOpenSSL(body string) string {
	c.t.Helper()
	file := writeFile(c.t, body)
	printed := output(c.t, program(c.t, "openssl must be installed", "openssl", "dgst", "-sha256", "-hmac", secret, file))
	_, digits, _ := strings.Cut(printed, "= ")
	signature := "sha256=" + digits
	if _, err := exec.LookPath("curl"); err != nil {
		return mustSend(c.t, c.newRequest(body, signature))
	}
	answer, status, _ := strings.Cut(output(c.t, program(c.t, "", "curl", "--silent", "--show-error",
		"--data-binary", "@"+file, "--header", signatureHeader+": "+signature, "--write-out", "\n%{http_code}", c.url+path)), "\n")
	return status + " " + answer
}

// sendWithNode signs and posts with node.
func (c *collector) sendWithNode(body string) string {
	c.t.Helper()
	return output(c.t, program(c.t, "node must be installed", "node", "testdata/send.mjs", c.url+path, writeFile(c.t, body)))
}

// output returns what a program printed, once it ended well.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	return strings.TrimSpace(string(printed))
}

func readRecords(t *testing.T, cfg *configuration) []record {
	t.Helper()
	var records []record
	for _, r := range cfg.records(t) {
		attributes := r.Attributes().AsRaw()
		assert.NotEmpty(t, attributes["log.record.uid"])
		delete(attributes, "log.record.uid")
		records = append(records, record{r.EventName(), r.Timestamp().AsTime(), r.SeverityNumber(), r.Body().Str(), attributes})
	}
	return records
}
