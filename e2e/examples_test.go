// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"
)

// foreign is the examples with an exporter that bin/otelcol-verifyyou is built without, and that exporter: Datadog's
// brings the modules of the Datadog Agent, a multiple of all else.
var foreign = map[string]string{
	"datadog/collector-datadog-exporter.yaml": "datadog",
}

// TestExamplesAreValid loads the configuration of every Collector in the examples, those in ConfigMaps included.
func TestExamplesAreValid(t *testing.T) {
	configurations := exampleConfigurations(t)
	require.NotEmpty(t, configurations)
	for name, config := range configurations {
		t.Run(name, func(t *testing.T) {
			if exporter, ok := foreign[name]; ok {
				config = withoutExporter(t, config, exporter)
			}
			// The folder of file_storage is made when a configuration is validated.
			config = strings.ReplaceAll(config, "/var/lib/otelcol", t.TempDir())
			for _, variable := range regexp.MustCompile(`\$\{env:(\w+)\}`).FindAllStringSubmatch(config, -1) {
				t.Setenv(variable[1], "http://localhost:4318") // good for an endpoint, a key and a secret
			}
			output(t, otelcol(t, "validate", "--config", writeFile(t, config)))
		})
	}
	for name := range foreign {
		assert.Contains(t, configurations, name)
	}
}

// exampleConfigurations returns the configurations by the names of their files, or by the ConfigMaps that they are in. It
// leaves examples/gateway out: its tests run them, with a Collector of their own.
func exampleConfigurations(t *testing.T) map[string]string {
	t.Helper()
	examples := os.DirFS("../examples")
	found := map[string]string{}
	require.NoError(t, fs.WalkDir(examples, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yaml" {
			return err
		}
		content, err := fs.ReadFile(examples, name)
		if err != nil {
			return err
		}
		if isCollector(name) {
			found[name] = string(content)
			return nil
		}
		for key, config := range configMaps(t, content) {
			found[name+" "+key] = config
		}
		return nil
	}))
	return found
}

// isCollector says whether a file is a Collector's configuration: its name begins with collector, or it is in
// examples/kafka.
func isCollector(name string) bool {
	return strings.HasPrefix(filepath.Base(name), "collector") || filepath.Dir(name) == "kafka"
}

// configMaps returns the configurations of Collectors in the ConfigMaps among the documents of a file.
func configMaps(t *testing.T, content []byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	documents := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document map[string]any
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		data, _ := document["data"].(map[string]any)
		for key, config := range data {
			if document["kind"] == "ConfigMap" && isCollector(key) {
				found[key] = config.(string)
			}
		}
	}
}

// withoutExporter puts otlp_http into the place of an exporter, with the settings that both have from the Collector.
func withoutExporter(t *testing.T, config, exporter string) string {
	t.Helper()
	var parsed struct {
		Exporters map[string]map[string]any
		Rest      map[string]any `yaml:",inline"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(config), &parsed))
	settings := parsed.Exporters[exporter]
	require.NotEmpty(t, settings)
	delete(parsed.Exporters, exporter)
	parsed.Exporters["otlp_http"] = map[string]any{
		"endpoint":         "http://localhost:4318",
		"retry_on_failure": settings["retry_on_failure"],
		"sending_queue":    settings["sending_queue"],
	}
	for _, pipeline := range parsed.Rest["service"].(map[string]any)["pipelines"].(map[string]any) {
		exporters := pipeline.(map[string]any)["exporters"].([]any)
		if i := slices.Index(exporters, any(exporter)); i >= 0 {
			exporters[i] = "otlp_http"
		}
	}
	changed, err := yaml.Marshal(parsed)
	require.NoError(t, err)
	return string(changed)
}

// environmentsInHaste is what changes in examples/environments/collector.yaml for a test.
const environmentsInHaste = `
receivers:
  verifyyou/production:
    endpoint: 127.0.0.1:%d
    metrics_temporality: delta
  verifyyou/sandbox:
    endpoint: 127.0.0.1:%d
    metrics_temporality: delta
connectors:
  verifyyou_funnel/production:
    metrics_temporality: delta
  verifyyou_funnel/sandbox:
    metrics_temporality: delta
service:
  telemetry:
    metrics:
      level: none
`

// TestEnvironmentsAreToldApart posts two verifications to production and one with the same id to the sandbox.
func TestEnvironmentsAreToldApart(t *testing.T) {
	in := newIntake(t)
	t.Setenv("OTLP_ENDPOINT", in.url)
	t.Setenv("VERIFYYOU_PRODUCTION_SECRET", secret)
	t.Setenv("VERIFYYOU_SANDBOX_SECRET", secret)
	ports := freePorts(t, 2)
	haste := writeFile(t, fmt.Sprintf(environmentsInHaste, ports[0], ports[1]))
	production := startWith(t, "../examples/environments/collector.yaml", fmt.Sprintf("http://127.0.0.1:%d", ports[0]), "--config", haste)
	sandbox := *production
	sandbox.url = fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	require.Eventually(t, sandbox.healthy, deadline, poll)

	production.verify("one", "verification_initialized", "verification_started")
	production.verify("two", "verification_initialized")
	sandbox.verify("one", "verification_initialized")
	production.stop() // flushes

	const by = "deployment.environment.name"
	assert.Equal(t, map[string]int64{"production": 3, "sandbox": 1}, in.total("verifyyou.events", by))
	assert.Equal(t, map[string]int64{"production": 3, "sandbox": 1}, in.total("verifyyou.verification.reached", by))
	records := map[string]int{}
	in.eachRecord(func(resource pcommon.Map, _ plog.LogRecord) { records[text(resource, by)]++ })
	assert.Equal(t, map[string]int{"production": 3, "sandbox": 1}, records)
}

// TestLocalExample needs the ports that the example has: 8787, 8790, 8888 and 8889.
func TestLocalExample(t *testing.T) {
	c := startWith(t, "../examples/local/collector.yaml", "http://localhost:8787")
	output(t, verifyyougen(t, "send", "--stage", "consent_granted"))

	counted := regexp.MustCompile(`(?m)^verifyyou_events_total\{[^}]*verifyyou_stage="consent_granted"[^}]*} 1$`)
	require.Eventually(t, func() bool { return counted.MatchString(get("http://localhost:8889/metrics")) }, deadline, poll)
	assert.Regexp(t, `otelcol_receiver_verifyyou_requests\{[^}]*result="accepted"[^}]*} 1\n`, get("http://localhost:8888/metrics"))
	assert.Contains(t, get("http://localhost:8790/"), "consent_granted")
	assert.Regexp(t, `began +completed`, output(t, verifyyougen(t, "funnel")))
	c.stop()
	assert.Contains(t, c.printed(), "verifyyou.stage=consent_granted")
}
