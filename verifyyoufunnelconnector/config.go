// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// Config is the configuration of the verifyyou_funnel connector.
type Config struct {
	// Key names the attributes of a log record that together name one verification.
	Key verificationkey.Key `mapstructure:"key"`

	// AbandonAfter is the silence after which an unfinished verification is ended.
	AbandonAfter time.Duration `mapstructure:"abandon_after"`

	// Settle is how long stragglers are waited for after a completion.
	Settle time.Duration `mapstructure:"settle"`

	// Window is how long a verification is remembered from its first event.
	Window time.Duration `mapstructure:"window"`

	// MaxVerifications is how many are remembered; the one that is silent longest is ended early.
	MaxVerifications int `mapstructure:"max_verifications"`

	// Histogram is about the histograms of durations.
	Histogram HistogramConfig `mapstructure:"histogram"`

	// Stats is about the page and the Stats API; without it there are none, nor statistics.
	Stats configoptional.Optional[StatsConfig] `mapstructure:"stats"`

	// Config is about counters, and the storage for them and for the verifications that are followed.
	metricsconfig.Config `mapstructure:",squash"`

	// MetricsBuilderConfig has the settings of each metric and resource attribute.
	MetricsBuilderConfig metadata.MetricsBuilderConfig `mapstructure:",squash"`
}

// HistogramConfig chooses between explicit and exponential buckets, as that of the spanmetrics connector does.
type HistogramConfig struct {
	// Explicit has the bounds of the buckets of durations; this is the default.
	Explicit configoptional.Optional[ExplicitHistogramConfig] `mapstructure:"explicit"`

	// Exponential is for exponential buckets.
	Exponential configoptional.Optional[ExponentialHistogramConfig] `mapstructure:"exponential"`
}

// ExplicitHistogramConfig is for buckets with bounds.
type ExplicitHistogramConfig struct {
	// Buckets are the upper bounds of all buckets but the last, in rising order.
	Buckets []time.Duration `mapstructure:"buckets"`
}

// ExponentialHistogramConfig is for exponential buckets.
type ExponentialHistogramConfig struct {
	// MaxSize is the largest number of buckets.
	MaxSize int32 `mapstructure:"max_size"`
}

// The sizes that an exponential histogram can have (OpenTelemetry metrics SDK, exponential histogram aggregation).
const (
	minExponentialSize     = 2
	defaultExponentialSize = 160
	maxExponentialSize     = 16384
)

// defaultBuckets suit what people need for a verification: seconds to an hour.
var defaultBuckets = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
	45 * time.Second, time.Minute, 90 * time.Second, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	15 * time.Minute, 30 * time.Minute, time.Hour,
}

// scoreBuckets serve scores from 0 to 1 and from 0 to 100, since the scale is not documented.
var scoreBuckets = []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}

// attemptBuckets tell those who passed at the first attempt from those who tried again; there are few attempts, so that
// they are the same whatever the configuration says of durations.
var attemptBuckets = []float64{0, 1, 2, 3, 5, 10}

func createDefaultConfig() component.Config {
	return &Config{
		Key:              verificationkey.Default(),
		AbandonAfter:     30 * time.Minute,
		Settle:           30 * time.Second,
		Window:           24 * time.Hour,
		MaxVerifications: 100_000,
		Histogram: HistogramConfig{
			Explicit:    configoptional.Default(ExplicitHistogramConfig{Buckets: defaultBuckets}),
			Exponential: configoptional.Default(ExponentialHistogramConfig{MaxSize: defaultExponentialSize}),
		},
		Stats:                configoptional.Default(defaultStatsConfig()),
		Config:               metricsconfig.Default(),
		MetricsBuilderConfig: metadata.NewDefaultMetricsBuilderConfig(),
	}
}

// durationBuckets returns the buckets of the histograms of durations.
func (h *HistogramConfig) durationBuckets() counters.Buckets {
	if h.Exponential.HasValue() {
		return counters.Buckets{MaxSize: h.Exponential.Get().MaxSize}
	}
	buckets := defaultBuckets
	if h.Explicit.HasValue() {
		buckets = h.Explicit.Get().Buckets
	}
	bounds := make([]float64, len(buckets))
	for i, b := range buckets {
		bounds[i] = b.Seconds()
	}
	return counters.Buckets{Bounds: bounds}
}

// scoreBuckets returns the buckets of the histogram of trust scores.
func (h *HistogramConfig) scoreBuckets() counters.Buckets {
	if h.Exponential.HasValue() {
		return counters.Buckets{MaxSize: h.Exponential.Get().MaxSize}
	}
	return counters.Buckets{Bounds: scoreBuckets}
}

// Validate reports every fault of the configuration: the key, what is wrong with it, and what would be right.
func (cfg *Config) Validate() error {
	return errors.Join(cfg.Key.Validate("key"), cfg.validateTimes(), cfg.validateHistogram(), cfg.validateStats(), cfg.Faults(), cfg.validateGenerated())
}

func (cfg *Config) validateStats() error {
	if !cfg.Stats.HasValue() {
		return nil
	}
	return cfg.Stats.Get().faults(cfg.Window, max(cfg.MaxExternalTrackers, len(cfg.ExternalTrackers)))
}

// statistics returns the settings of the statistics, nil without stats.
func (cfg *Config) statistics() *cohorts.Settings {
	if !cfg.Stats.HasValue() {
		return nil
	}
	stats := cfg.Stats.Get()
	return &cohorts.Settings{
		Retention: stats.Retention, MaxCohorts: stats.MaxCohorts,
		MaxTrackers: cfg.MaxExternalTrackers, Trackers: cfg.ExternalTrackers,
	}
}

func (cfg *Config) validateTimes() error {
	var errs []error
	if cfg.AbandonAfter <= 0 {
		errs = append(errs, fmt.Errorf("abandon_after: is %v; use a positive duration, 30m for example", cfg.AbandonAfter))
	}
	if cfg.Settle < 0 {
		errs = append(errs, fmt.Errorf("settle: is negative (%v); use 0 or a positive duration, 30s for example", cfg.Settle))
	}
	if cfg.Window <= 0 {
		errs = append(errs, fmt.Errorf("window: is %v; use a positive duration, 24h for example", cfg.Window))
	}
	if cfg.MaxVerifications <= 0 {
		errs = append(errs, fmt.Errorf("max_verifications: is %d; use a positive number, 100000 for example", cfg.MaxVerifications))
	}
	return errors.Join(errs...)
}

func (cfg *Config) validateHistogram() error {
	h := &cfg.Histogram
	var errs []error
	if h.Explicit.HasValue() && h.Exponential.HasValue() {
		errs = append(errs, errors.New("histogram: has both explicit and exponential; remove one of them"))
	}
	if h.Exponential.HasValue() {
		if size := h.Exponential.Get().MaxSize; size < minExponentialSize || size > maxExponentialSize {
			errs = append(errs, fmt.Errorf("histogram::exponential::max_size: is %d; use %d to %d, %d for example", size, minExponentialSize, maxExponentialSize, defaultExponentialSize))
		}
	}
	if h.Explicit.HasValue() {
		errs = append(errs, validateBuckets(h.Explicit.Get().Buckets))
	}
	return errors.Join(errs...)
}

func validateBuckets(buckets []time.Duration) error {
	if len(buckets) == 0 {
		return errors.New("histogram::explicit::buckets: is empty; use [10s, 1m, 5m] for example")
	}
	last := time.Duration(0)
	for i, b := range buckets {
		if b <= last {
			return fmt.Errorf("histogram::explicit::buckets::%d: %v is not more than %v; use positive durations in rising order", i, b, last)
		}
		last = b
	}
	return nil
}

// validateGenerated refuses what the generated settings offer but cannot mean anything here.
func (cfg *Config) validateGenerated() error {
	return errors.Join(append(validateStrategies(&cfg.MetricsBuilderConfig.Metrics), cfg.validateResource())...)
}

func (cfg *Config) validateResource() error {
	name, instance := cfg.MetricsBuilderConfig.ResourceAttributes.ServiceName, cfg.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID
	return metricsconfig.OneResource(
		metricsconfig.Setting{Key: "service.name::metrics_include", Used: len(name.MetricsInclude) > 0},
		metricsconfig.Setting{Key: "service.name::metrics_exclude", Used: len(name.MetricsExclude) > 0},
		metricsconfig.Setting{Key: "service.instance.id::metrics_include", Used: len(instance.MetricsInclude) > 0},
		metricsconfig.Setting{Key: "service.instance.id::metrics_exclude", Used: len(instance.MetricsExclude) > 0},
	)
}
