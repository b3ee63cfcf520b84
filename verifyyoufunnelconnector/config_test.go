// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// loadConfig reads a configuration as the Collector does, up to its validation.
func loadConfig(t *testing.T, conf map[string]any) (*Config, error) {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	if err := confmap.NewFromStringMap(conf).Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

// readConfig reads one of testdata/config.yaml.
func readConfig(t *testing.T, id string) *Config {
	t.Helper()
	file, err := confmaptest.LoadConf("testdata/config.yaml")
	require.NoError(t, err)
	sub, err := file.Sub(id)
	require.NoError(t, err)
	cfg, err := loadConfig(t, sub.ToStringMap())
	require.NoError(t, err)
	return cfg
}

func TestLoadConfig(t *testing.T) {
	want := createDefaultConfig().(*Config)
	assert.Equal(t, want, readConfig(t, "verifyyou_funnel"))
	assert.Equal(t, verificationkey.Key{"verifyyou.verification_id", "verifyyou.external_id"}, want.Key)
	assert.Equal(t, 30*time.Minute, want.AbandonAfter)
	assert.Equal(t, 30*time.Second, want.Settle)
	assert.Equal(t, 24*time.Hour, want.Window)
	assert.Equal(t, 100_000, want.MaxVerifications)
	assert.Equal(t, time.Minute, want.MetricsFlushInterval)
	assert.Equal(t, "cumulative", want.MetricsTemporality)
	assert.Equal(t, 50, want.MaxExternalTrackers)

	all := readConfig(t, "verifyyou_funnel/all")
	want.Key = []string{"verifyyou.session_id"}
	want.AbandonAfter, want.Settle, want.Window = 10*time.Minute, 0, 48*time.Hour
	want.MaxVerifications = 1_000_000
	want.Histogram.Explicit = configoptional.Some(ExplicitHistogramConfig{
		Buckets: []time.Duration{10 * time.Second, time.Minute, 330 * time.Second},
	})
	want.MetricsFlushInterval = 15 * time.Second
	want.MetricsTemporality = "delta"
	want.MaxExternalTrackers = 200
	want.ExternalTrackers = []string{"spring", "autumn"}
	storage := component.MustNewID("file_storage")
	want.Storage = &storage
	active := map[string]any{metricActive: map[string]any{"enabled": false}} // which also keeps that the user has said so
	require.NoError(t, confmap.NewFromStringMap(active).Unmarshal(&want.MetricsBuilderConfig.Metrics))
	want.MetricsBuilderConfig.Metrics.VerifyyouVerificationEnded.EnabledAttributes = []metadata.VerifyyouVerificationEndedMetricAttributeKey{"verifyyou.verification.outcome"}
	replica := "replica-1"
	want.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID.OverrideValue = &replica
	assert.Equal(t, want, all)
}

// TestBuckets reads the histograms as users of spanmetrics write them.
func TestBuckets(t *testing.T) {
	seconds := counters.Buckets{Bounds: []float64{1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600}}
	for id, want := range map[string]struct{ durations, scores counters.Buckets }{
		"verifyyou_funnel/all":                  {counters.Buckets{Bounds: []float64{10, 60, 330}}, counters.Buckets{Bounds: scoreBuckets}},
		"verifyyou_funnel/exponential":          {counters.Buckets{MaxSize: 100}, counters.Buckets{MaxSize: 100}},
		"verifyyou_funnel/exponential_defaults": {counters.Buckets{MaxSize: 160}, counters.Buckets{MaxSize: 160}},
		"verifyyou_funnel/explicit_defaults":    {seconds, counters.Buckets{Bounds: scoreBuckets}},
		"verifyyou_funnel":                      {seconds, counters.Buckets{Bounds: scoreBuckets}},
	} {
		t.Run(id, func(t *testing.T) {
			h := readConfig(t, id).Histogram
			assert.Equal(t, want.durations, h.durationBuckets())
			assert.Equal(t, want.scores, h.scoreBuckets())
		})
	}
	assert.True(t, slices.IsSorted(scoreBuckets))
	assert.Contains(t, scoreBuckets, 1.0)
	assert.Contains(t, scoreBuckets, 100.0)
}

func TestConfigFaults(t *testing.T) {
	histogram := func(kind string, settings map[string]any) map[string]any {
		return map[string]any{"histogram": map[string]any{kind: settings}}
	}
	metric := func(name string, settings map[string]any) map[string]any {
		return map[string]any{"metrics": map[string]any{name: settings}}
	}
	explicit := func(buckets []any) map[string]any { return histogram("explicit", map[string]any{"buckets": buckets}) }
	for name, tt := range map[string]struct {
		conf map[string]any
		want string
	}{
		"no key":            {map[string]any{"key": []any{}}, "key: is empty; use [verifyyou.verification_id] for example"},
		"empty key":         {map[string]any{"key": []any{"a", ""}}, "key::1: is empty; set the name of an attribute, or remove it"},
		"long key":          {map[string]any{"key": manyNames(65)}, "key: has 65 attributes; use 64 at most"},
		"key twice":         {map[string]any{"key": []any{"a", "b", "a"}}, `key::2: "a" is there twice; remove it`},
		"abandon_after":     {map[string]any{"abandon_after": "-1s"}, "abandon_after: is -1s; use a positive duration, 30m for example"},
		"no abandon_after":  {map[string]any{"abandon_after": "0s"}, "abandon_after: is 0s"},
		"settle":            {map[string]any{"settle": "-1s"}, "settle: is negative (-1s); use 0 or a positive duration"},
		"window":            {map[string]any{"window": "-1s"}, "window: is -1s; use a positive duration, 24h for example"},
		"no window":         {map[string]any{"window": "0s"}, "window: is 0s"},
		"max_verifications": {map[string]any{"max_verifications": -1}, "max_verifications: is -1; use a positive number, 100000 for example"},
		"no verifications":  {map[string]any{"max_verifications": 0}, "max_verifications: is 0"},
		"flush interval":    {map[string]any{"metrics_flush_interval": "0s"}, "metrics_flush_interval: is 0s; use a positive duration, 60s for example"},
		"temporality":       {map[string]any{"metrics_temporality": "Delta"}, `metrics_temporality: "Delta" is unknown; use cumulative or delta`},
		"trackers":          {map[string]any{"max_external_trackers": -1}, "max_external_trackers: is negative (-1)"},
		"empty tracker":     {map[string]any{"external_trackers": []any{""}}, "external_trackers::0: is empty"},
		"no buckets":        {explicit([]any{}), "histogram::explicit::buckets: is empty; use [10s, 1m, 5m] for example"},
		"falling buckets":   {explicit([]any{"10s", "1m", "30s"}), "histogram::explicit::buckets::2: 30s is not more than 1m0s"},
		"bucket of 0":       {explicit([]any{"0s", "1m"}), "histogram::explicit::buckets::0: 0s is not more than 0s"},
		"bucket no time":    {explicit([]any{"often"}), "buckets"},
		"max_size":          {histogram("exponential", map[string]any{"max_size": 1}), "histogram::exponential::max_size: is 1; use 2 to 16384, 160 for example"},
		"large max_size":    {histogram("exponential", map[string]any{"max_size": 16385}), "histogram::exponential::max_size: is 16385"},
		"both histograms": {map[string]any{"histogram": map[string]any{
			"explicit": map[string]any{"buckets": []any{"1s"}}, "exponential": nil,
		}}, "histogram: has both explicit and exponential; remove one of them"},
		"unit":             {map[string]any{"histogram": map[string]any{"unit": "s"}}, "unit"},
		"unknown key":      {map[string]any{"abandon_afer": "1m"}, "abandon_afer"},
		"aggregation":      {metric("verifyyou.verification.reached", map[string]any{"aggregation_strategy": "avg"}), `metrics::verifyyou.verification.reached::aggregation_strategy: "avg" has no meaning here`},
		"metric attribute": {metric("verifyyou.verification.ended", map[string]any{"attributes": []any{"verifyyou.external_id"}}), "verifyyou.external_id"},
		"unknown metric":   {metric("verifyyou.events", map[string]any{"enabled": true}), "verifyyou.events"},
		"filter": {
			map[string]any{"resource_attributes": map[string]any{"service.name": map[string]any{"metrics_include": []any{map[string]any{"strict": "a"}}}}},
			"resource_attributes::service.name::metrics_include: there is one resource only",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadConfig(t, tt.conf)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	strategy := map[string]any{"aggregation_strategy": "max"}
	metrics := map[string]any{}
	for _, name := range allMetrics {
		metrics[name] = strategy
	}
	_, err := loadConfig(t, map[string]any{
		"key": []any{"", "a", "a"}, "abandon_after": "-1s", "settle": "-1s", "window": "-1s", "max_verifications": -1,
		"histogram":              map[string]any{"explicit": map[string]any{"buckets": []any{}}, "exponential": map[string]any{"max_size": 1}},
		"metrics_flush_interval": "0s", "metrics_temporality": "z", "max_external_trackers": -1, "external_trackers": []any{""},
		"metrics": metrics,
	})
	keys := []string{
		"key::0:", "key::2:", "abandon_after:", "settle:", "window:", "max_verifications:",
		"histogram:", "histogram::explicit::buckets:", "histogram::exponential::max_size:",
		"metrics_flush_interval:", "metrics_temporality:", "max_external_trackers:", "external_trackers::0:",
	}
	for _, name := range allMetrics {
		keys = append(keys, "metrics::"+name+"::aggregation_strategy:")
	}
	for _, key := range keys {
		require.ErrorContains(t, err, key)
	}
}

func manyNames(count int) []any {
	names := make([]any, count)
	for i := range names {
		names[i] = fmt.Sprintf("attribute.%d", i)
	}
	return names
}

// TestDefaultsAreApart reads one configuration and then another: the first one's buckets are not in the second.
func TestDefaultsAreApart(t *testing.T) {
	want := slices.Clone(defaultBuckets)
	readConfig(t, "verifyyou_funnel/all")
	assert.Equal(t, want, defaultBuckets)
}
