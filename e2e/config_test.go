// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// validate returns the error that the Collector prints for the settings of a receiver.
func validate(t *testing.T, receiver string) string {
	t.Helper()
	file := writeFile(t, `
receivers:
  verifyyou:
`+strings.ReplaceAll(receiver, "\t", "    ")+`
exporters:
  debug:
service:
  pipelines:
    logs:
      receivers: [verifyyou]
      exporters: [debug]
`)
	printed, err := otelcol(t, "validate", "--config", file).CombinedOutput()
	require.ErrorAs(t, err, new(*exec.ExitError), "%s", printed)
	return string(printed)
}

func TestAllFaultsAtOnce(t *testing.T) {
	printed := validate(t, `
	path: webhooks
	metrics_flush_interval: -1s
	metrics_temporality: instant
	compression_algorithms: [gzip]`)
	for _, key := range []string{"signing_secrets", "path", "metrics_flush_interval", "metrics_temporality", "compression_algorithms"} {
		assert.Regexp(t, "(?m)(^| )"+key+": ", printed)
	}
}

func TestFaultsDoNotPrintSecrets(t *testing.T) {
	for name, setting := range map[string]string{
		"string instead of a list": `signing_secrets: whsec_1234567`,
		"number instead of a list": `signing_secrets: 1234567`,
		"map instead of a list":    `signing_secrets: {whsec_1234567: whsec_1234567}`,
		"number":                   `signing_secrets: [1234567]`,
		"fraction":                 `signing_secrets: [0.1234567]`,
		"map":                      `signing_secrets: [{whsec_1234567: whsec_1234567}]`,
		"list":                     `signing_secrets: [[whsec_1234567]]`,
		"white space around":       `signing_secrets: [" whsec_1234567\n"]`,
		"one of several":           `signing_secrets: [whsec_1234567, ""]`,
		"unknown key":              `signing_secret: whsec_1234567`,
	} {
		t.Run(name, func(t *testing.T) {
			printed := validate(t, "\t"+setting)
			assert.Contains(t, printed, "signing_secret")
			assert.NotContains(t, printed, "1234567")
		})
	}
}

func TestPortInUse(t *testing.T) {
	first, cfg := start(t)
	second := launch(t, configure(t, cfg.port, freePorts(t, 1)[0]).file, first.url)
	second.wait()
	assert.Equal(t, 1, second.cmd.ProcessState.ExitCode())
	assert.Contains(t, second.printed(), fmt.Sprintf("endpoint 127.0.0.1:%d: ", cfg.port))
	first.stop()
}
