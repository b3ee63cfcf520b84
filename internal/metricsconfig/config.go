// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package metricsconfig is the part of the configuration that all components with counters have.
package metricsconfig

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

// The values of metrics_temporality.
const (
	Cumulative = "cumulative"
	Delta      = "delta"
)

// Config is the part of a configuration that is about counters.
type Config struct {
	// MetricsFlushInterval is how often counters go to the metrics pipeline.
	MetricsFlushInterval time.Duration `mapstructure:"metrics_flush_interval"`

	// MetricsTemporality is cumulative or delta.
	MetricsTemporality string `mapstructure:"metrics_temporality"`

	// MaxExternalTrackers is how many values of external_tracker get series of their own.
	MaxExternalTrackers int `mapstructure:"max_external_trackers"`

	// ExternalTrackers, where not empty, are the only values of external_tracker that get series of their own.
	ExternalTrackers []string `mapstructure:"external_trackers"`

	// Storage is the storage extension in which state survives a restart.
	Storage *component.ID `mapstructure:"storage"`
}

// Default returns the part with its defaults.
func Default() Config {
	return Config{
		MetricsFlushInterval: time.Minute,
		MetricsTemporality:   Cumulative,
		MaxExternalTrackers:  50,
	}
}

// Setting is a key that mdatagen's generated settings offer, and whether it is used.
type Setting struct {
	Key  string
	Used bool
}

// OneResource returns a fault for each setting that chooses between resources, of which there is only one.
func OneResource(settings ...Setting) error {
	var errs []error
	for _, s := range settings {
		if s.Used {
			errs = append(errs, fmt.Errorf("resource_attributes::%s: there is one resource only, so nothing to choose from; remove it", s.Key))
		}
	}
	return errors.Join(errs...)
}

// IsDelta reports whether the temporality is delta.
func (c *Config) IsDelta() bool {
	return c.MetricsTemporality == Delta
}

// Faults returns every fault: the key, what is wrong with it, and what would be right. (It is not called Validate: the
// Collector would call that too, and report all of them twice.)
func (c *Config) Faults() error {
	var errs []error
	if c.MetricsFlushInterval <= 0 {
		errs = append(errs, fmt.Errorf("metrics_flush_interval: is %v; use a positive duration, 60s for example", c.MetricsFlushInterval))
	}
	switch c.MetricsTemporality {
	case Cumulative, Delta:
	default:
		errs = append(errs, fmt.Errorf("metrics_temporality: %q is unknown; use %s or %s", c.MetricsTemporality, Cumulative, Delta))
	}
	if c.MaxExternalTrackers < 0 {
		errs = append(errs, fmt.Errorf("max_external_trackers: is negative (%d); use 0 or more", c.MaxExternalTrackers))
	}
	for i, tracker := range c.ExternalTrackers {
		if tracker == "" {
			errs = append(errs, fmt.Errorf("external_trackers::%d: is empty; remove it, as an event without a tracker is counted without one", i))
		}
	}
	return errors.Join(errs...)
}
