// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"fmt"
	"reflect"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// metricSettings is what a user has chosen of a metric.
type metricSettings struct {
	name       string
	enabled    bool
	strategy   string
	attributes []string
}

// settingsOf returns the settings of each metric, in the order of their names. mdatagen makes a type of its own for
// each, with the same fields, which only reflection can read in a loop.
func settingsOf(cfg *metadata.MetricsConfig) []metricSettings {
	metrics := reflect.ValueOf(cfg).Elem()
	all := make([]metricSettings, metrics.NumField())
	for i := range all {
		of, s := metrics.Field(i), &all[i]
		s.name = metrics.Type().Field(i).Tag.Get("mapstructure")
		s.enabled = of.FieldByName("Enabled").Bool()
		s.strategy = of.FieldByName("AggregationStrategy").String()
		attributes := of.FieldByName("EnabledAttributes")
		for j := range attributes.Len() {
			s.attributes = append(s.attributes, attributes.Index(j).String())
		}
	}
	return all
}

// choose returns a definition with those of its attributes that are enabled.
func (s *metricSettings) choose(d counters.Definition) counters.Definition {
	for _, name := range []*string{&d.Stage, &d.Outcome, &d.Tracker, &d.DroppedOff} {
		*name = counters.Enabled(s.attributes, *name)
	}
	return d
}

// validateStrategies refuses every aggregation strategy but the default, which says nothing. mdatagen offers them for
// its own way of leaving out attributes.
func validateStrategies(cfg *metadata.MetricsConfig) []error {
	defaults := metadata.DefaultMetricsConfig()
	var errs []error
	for i, only := range settingsOf(&defaults) {
		if s := settingsOf(cfg)[i]; s.strategy != only.strategy {
			errs = append(errs, fmt.Errorf("metrics::%s::aggregation_strategy: %q has no meaning here, as counts and histograms are added up; remove it", s.name, s.strategy))
		}
	}
	return errs
}
