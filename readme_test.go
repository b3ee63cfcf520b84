// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/version"
)

// TestReadme loads every YAML block of the README, so that what a user copies works. Blocks that are the whole
// configuration of a Collector are also loaded by one, in e2e.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	receivers := 0
	for _, block := range blocks {
		text := regexp.MustCompile(`\$\{env:\w+}`).ReplaceAllString(block[1], "whsec_test")
		retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
		require.NoError(t, err, text)
		conf, err := retrieved.AsConf()
		require.NoError(t, err, text)
		switch section := conf.Get("receivers").(type) {
		case []any: // of the builder
			assert.Equal(t, []any{map[string]any{"gomod": "github.com/otel-verifyyou/verifyyoureceiver v" + version.Version}}, section)
		case map[string]any:
			for id, settings := range section {
				require.True(t, id == "verifyyou" || strings.HasPrefix(id, "verifyyou/"), id)
				_, err := load(t, settings.(map[string]any))
				require.NoError(t, err, text)
				receivers++
			}
		default:
			t.Errorf("no receivers in:\n%s", text)
		}
	}
	assert.Positive(t, receivers)
}

// TestVersion shows that the version stands the same wherever it is written by hand.
func TestVersion(t *testing.T) {
	builder, err := os.ReadFile("builder-config.yaml")
	require.NoError(t, err)
	assert.Contains(t, string(builder), "\n  version: "+version.Version+"\n")
	assert.Contains(t, string(builder), "github.com/otel-verifyyou/verifyyoureceiver v"+version.Version+"\n")
}
