// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// load reads a configuration as the Collector does, up to its validation.
func load(t *testing.T, conf map[string]any) (*Config, error) {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	if err := confmap.NewFromStringMap(conf).Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func TestLoadConfig(t *testing.T) {
	file, err := confmaptest.LoadConf("testdata/config.yaml")
	require.NoError(t, err)
	read := func(id string) *Config {
		sub, err := file.Sub(id)
		require.NoError(t, err)
		cfg, err := load(t, sub.ToStringMap())
		require.NoError(t, err)
		return cfg
	}

	cfg := read("verifyyou")
	want := createDefaultConfig().(*Config)
	want.SigningSecrets = []configopaque.String{"whsec_new"}
	assert.Equal(t, want, cfg)
	assert.Equal(t, "localhost:8787", cfg.ServerConfig.NetAddr.Endpoint)
	assert.Equal(t, 5*time.Second, cfg.ServerConfig.ReadHeaderTimeout)
	assert.Equal(t, 10*time.Second, cfg.ServerConfig.ReadTimeout)
	assert.Equal(t, 30*time.Second, cfg.ServerConfig.WriteTimeout)
	assert.EqualValues(t, 65536, cfg.ServerConfig.MaxRequestBodySize)
	assert.Equal(t, "/webhooks/verifyyou", cfg.Path)
	assert.Equal(t, "/healthz", cfg.HealthPath)
	assert.Equal(t, time.Minute, cfg.MetricsFlushInterval)
	assert.Equal(t, "cumulative", cfg.MetricsTemporality)
	assert.Equal(t, 50, cfg.MaxExternalTrackers)
	assert.Equal(t, 72*time.Hour, cfg.Deduplication.Window)
	assert.Equal(t, 100_000, cfg.Deduplication.MaxEntries)

	all := read("verifyyou/all")
	want.Fields = []string{"session_id", "group"}
	want.VerificationKey = verificationkey.Key{"verifyyou.session_id"}
	want.ServerConfig.NetAddr.Endpoint = "0.0.0.0:8443"
	want.ServerConfig.ReadHeaderTimeout = 1 * time.Second
	want.ServerConfig.ReadTimeout = 2 * time.Second
	want.ServerConfig.WriteTimeout = 3 * time.Second
	want.ServerConfig.MaxRequestBodySize = 1 << 20
	want.Path = "/hooks/identity"
	want.HealthPath = ""
	want.SigningSecrets = []configopaque.String{"whsec_new", "whsec_old"}
	want.SigningSecretsFile = "/run/secrets/verifyyou"
	want.Deduplication = DeduplicationConfig{Window: 24 * time.Hour, MaxEntries: 1_000_000}
	storage := component.MustNewID("file_storage")
	want.Storage = &storage
	want.MetricsFlushInterval = 15 * time.Second
	want.MetricsTemporality = "delta"
	want.MaxExternalTrackers = 200
	want.ExternalTrackers = []string{"spring", "autumn"}
	want.MetricsBuilderConfig.Metrics.VerifyyouEvents.EnabledAttributes = []metadata.VerifyyouEventsMetricAttributeKey{"verifyyou.stage", "verifyyou.step"}
	replica := "replica-1"
	want.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID.OverrideValue = &replica
	assert.Equal(t, want, all)
}

func TestConfigFaults(t *testing.T) {
	secret := []any{"whsec_test"}
	for name, tt := range map[string]struct {
		conf map[string]any
		want string
	}{
		"no secret":             {map[string]any{"signing_secrets": []any{}}, "signing_secrets: there is none"},
		"empty secret":          {map[string]any{"signing_secrets": []any{"good", ""}}, "signing_secrets::1: is empty"},
		"secret in white space": {map[string]any{"signing_secrets": []any{"whsec_test\n"}}, "signing_secrets::0: has white space around it"},
		"path":                  {map[string]any{"path": "webhooks"}, `path: "webhooks" does not begin with /`},
		"empty path":            {map[string]any{"path": ""}, `path: "" does not begin with /`},
		"health path":           {map[string]any{"health_path": "healthz"}, `health_path: "healthz" does not begin with /`},
		"same paths":            {map[string]any{"health_path": testPath}, "health_path: is the same as path"},
		"no endpoint":           {map[string]any{"endpoint": ""}, "endpoint: is empty"},
		"endpoint without host": {map[string]any{"endpoint": "8787"}, "endpoint: address 8787: missing port in address; use host:port"},
		"body size":             {map[string]any{"max_request_body_size": -1}, "max_request_body_size: is -1"},
		"no body size":          {map[string]any{"max_request_body_size": 0}, "max_request_body_size: is 0"},
		"path with query":       {map[string]any{"path": "/hook?token=abc"}, `path: "/hook?token=abc" has a ?, # or % in it`},
		"path with fragment":    {map[string]any{"path": "/hook#1"}, `path: "/hook#1" has a ?, # or % in it`},
		"encoded path":          {map[string]any{"path": "/my%20hook"}, `path: "/my%20hook" has a ?, # or % in it`},
		"path with a space":     {map[string]any{"path": "/hook "}, `path: "/hook " has white space in it`},
		"path with a tab":       {map[string]any{"path": "/ho\tok"}, "has white space in it"},
		"path with //":          {map[string]any{"path": "//hook"}, `path: "//hook" has // in it`},
		"health with query":     {map[string]any{"health_path": "/healthz?a"}, `health_path: "/healthz?a" has a ?, # or % in it`},
		"health with a space":   {map[string]any{"health_path": "/health z"}, `health_path: "/health z" has white space in it`},
		"health with //":        {map[string]any{"health_path": "/a//b"}, `health_path: "/a//b" has // in it`},
		"encoded health":        {map[string]any{"health_path": "/%68"}, `health_path: "/%68" has a ?, # or % in it`},
		"read timeout":          {map[string]any{"read_timeout": "-1s"}, "read_timeout: is negative (-1s)"},
		"header timeout":        {map[string]any{"read_header_timeout": "-1s"}, "read_header_timeout: is negative"},
		"write timeout":         {map[string]any{"write_timeout": "-1s"}, "write_timeout: is negative"},
		"short write timeout":   {map[string]any{"write_timeout": "1s"}, "write_timeout: is 1s, but the last 1s of it are kept for the answer"},
		"flush interval":        {map[string]any{"metrics_flush_interval": "-1s"}, "metrics_flush_interval: is -1s; use a positive duration"},
		"no flush interval":     {map[string]any{"metrics_flush_interval": "0s"}, "metrics_flush_interval: is 0s; use a positive duration"},
		"temporality":           {map[string]any{"metrics_temporality": "Delta"}, `metrics_temporality: "Delta" is unknown; use cumulative or delta`},
		"trackers":              {map[string]any{"max_external_trackers": -1}, "max_external_trackers: is negative (-1)"},
		"empty tracker":         {map[string]any{"external_trackers": []any{"a", ""}}, "external_trackers::1: is empty"},
		"compression":           {map[string]any{"compression_algorithms": []any{"gzip"}}, "compression_algorithms: cannot be set"},
		"no compression":        {map[string]any{"compression_algorithms": []any{}}, "compression_algorithms: cannot be set"},
		"null compression":      {map[string]any{"compression_algorithms": nil}, "compression_algorithms: cannot be set"},
		"field twice":           {map[string]any{"fields": []any{"group", "group"}}, `fields::1: "group" is there twice; remove it`},
		"known field":           {map[string]any{"fields": []any{"stage"}}, `fields::0: verifyyou.stage is an attribute already; remove "stage"`},
		"empty key":             {map[string]any{"verification_key": []any{}}, "verification_key: is empty"},
		"empty key attribute":   {map[string]any{"verification_key": []any{"a", ""}}, "verification_key::1: is empty"},
		"unknown key":           {map[string]any{"singing_secrets": secret}, "singing_secrets"},
		"window":                {map[string]any{"deduplication": map[string]any{"window": "-1s"}}, "deduplication::window: is negative (-1s)"},
		"entries":               {map[string]any{"deduplication": map[string]any{"max_entries": -1}}, "deduplication::max_entries: is -1"},
		"no entries":            {map[string]any{"deduplication": map[string]any{"max_entries": 0}}, "deduplication::max_entries: is 0"},
		"aggregation":           {map[string]any{"metrics": map[string]any{"verifyyou.events": map[string]any{"aggregation_strategy": "avg"}}}, `metrics::verifyyou.events::aggregation_strategy: "avg" has no meaning`},
		"metric attribute":      {map[string]any{"metrics": map[string]any{"verifyyou.events": map[string]any{"attributes": []any{"verifyyou.external_id"}}}}, "doesn't have an attribute verifyyou.external_id"},
		"filter":                {map[string]any{"resource_attributes": map[string]any{"service.name": map[string]any{"metrics_include": []any{map[string]any{"strict": "a"}}}}}, "resource_attributes::service.name::metrics_include: there is one resource only"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, ok := tt.conf["signing_secrets"]; !ok {
				tt.conf["signing_secrets"] = secret
			}
			_, err := load(t, tt.conf)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "whsec_test")
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := load(t, map[string]any{
		"endpoint": "", "path": "x", "health_path": "y", "max_request_body_size": -1, "read_timeout": "-1s",
		"signing_secrets": []any{"", " a"}, "metrics_flush_interval": "0s", "metrics_temporality": "z",
		"max_external_trackers": -1, "fields": []any{""}, "verification_key": []any{"", ""}, "compression_algorithms": []any{"gzip"},
	})
	for _, key := range []string{
		"endpoint:", "path:", "health_path:", "max_request_body_size:", "read_timeout:", "signing_secrets::0:", "signing_secrets::1:",
		"fields::0:", "verification_key::0:", "verification_key::1:", "metrics_flush_interval:", "metrics_temporality:", "max_external_trackers:", "compression_algorithms:",
	} {
		require.ErrorContains(t, err, key)
	}
}

// TestSecretsAreNotPrinted tries the ways in which a configuration gets printed.
func TestSecretsAreNotPrinted(t *testing.T) {
	cfg, err := load(t, map[string]any{"signing_secrets": []any{"whsec_test"}})
	require.NoError(t, err)
	conf := confmap.New()
	require.NoError(t, conf.Marshal(cfg))
	printed := fmt.Sprint(cfg) + fmt.Sprintf("%+v %#v %v", cfg, cfg.SigningSecrets, conf.ToStringMap())
	assert.Contains(t, printed, "[REDACTED]")
	assert.NotContains(t, printed, "whsec_test")

	for _, wrong := range []any{
		map[string]any{"a": "whsec_test"},
		[]any{map[string]any{"whsec_test": "b"}},
		[]any{[]any{"whsec_test"}},
		[]any{"whsec_test "},
		" whsec_test",
		[]any{987654321},
		[]any{true},
	} {
		_, err := load(t, map[string]any{"signing_secrets": wrong})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "whsec_test", fmt.Sprint(wrong))
		assert.NotContains(t, err.Error(), "987654321")
	}
}
