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
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector"
)

// TestReadme loads every YAML block of the READMEs, so that what a user copies works. Blocks that are the whole
// configuration of a Collector are also loaded by one, in e2e.
func TestReadme(t *testing.T) {
	for _, file := range []string{"README.md", "verifyyoufunnelconnector/README.md"} {
		loaded := 0
		for _, conf := range yamlBlocks(t, file) {
			n := loadReceivers(t, conf) + loadConnectors(t, conf)
			assert.Positive(t, n, "%s: nothing of ours in %v", file, conf.ToStringMap())
			loaded += n
		}
		assert.Positive(t, loaded, file)
	}
}

func yamlBlocks(t *testing.T, file string) []*confmap.Conf {
	t.Helper()
	readme, err := os.ReadFile(file)
	require.NoError(t, err)
	var blocks []*confmap.Conf
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		text := regexp.MustCompile(`\$\{env:\w+}`).ReplaceAllString(block[1], "whsec_test")
		retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
		require.NoError(t, err, text)
		conf, err := retrieved.AsConf()
		require.NoError(t, err, text)
		blocks = append(blocks, conf)
	}
	return blocks
}

const module = "github.com/otel-verifyyou/verifyyoureceiver"

// loadReceivers returns how many there are.
func loadReceivers(t *testing.T, conf *confmap.Conf) int {
	t.Helper()
	switch section := conf.Get("receivers").(type) {
	case []any: // of the builder
		assert.Equal(t, []any{map[string]any{"gomod": module + " v" + version.Version}}, section)
		return 1
	case map[string]any:
		for id, settings := range section {
			require.True(t, id == "verifyyou" || strings.HasPrefix(id, "verifyyou/"), id)
			_, err := load(t, settings.(map[string]any))
			require.NoError(t, err, section)
		}
		return len(section)
	}
	return 0
}

// loadConnectors returns how many there are.
func loadConnectors(t *testing.T, conf *confmap.Conf) int {
	t.Helper()
	switch section := conf.Get("connectors").(type) {
	case []any: // of the builder
		assert.Equal(t, []any{map[string]any{"gomod": module + " v" + version.Version, "import": module + "/verifyyoufunnelconnector"}}, section)
		return 1
	case map[string]any:
		for id, settings := range section {
			require.Equal(t, "verifyyou_funnel", id)
			cfg := verifyyoufunnelconnector.NewFactory().CreateDefaultConfig()
			changes, _ := settings.(map[string]any) // none where all is left as it is
			require.NoError(t, confmap.NewFromStringMap(changes).Unmarshal(cfg), section)
			require.NoError(t, cfg.(*verifyyoufunnelconnector.Config).Validate(), section)
		}
		return len(section)
	}
	return 0
}

// TestVersion shows that the version stands the same wherever it is written by hand.
func TestVersion(t *testing.T) {
	builder, err := os.ReadFile("builder-config.yaml")
	require.NoError(t, err)
	assert.Contains(t, string(builder), "\n  version: "+version.Version+"\n")
	assert.Contains(t, string(builder), "github.com/otel-verifyyou/verifyyoureceiver v"+version.Version+"\n")
}
