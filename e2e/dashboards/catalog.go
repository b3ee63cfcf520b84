// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Catalog is what can be queried in Prometheus: the labels of each series, by its name.
type Catalog map[string][]string

// LoadCatalog reads the metrics of components from their metadata.yaml files.
func LoadCatalog(files ...string) (Catalog, error) {
	c := Catalog{}
	for _, file := range files {
		var m metadata
		if err := loadYAML(file, &m); err != nil {
			return nil, err
		}
		for name, metric := range m.Metrics {
			c.add(name, m.named(metric), withSuffixes)
		}
		for name, metric := range m.Telemetry.Metrics {
			// The Collector's own Prometheus endpoint adds suffixes or none, as it is configured.
			c.add("otelcol_"+name, m.named(metric), withSuffixes)
			c.add("otelcol_"+name, m.named(metric), otlptranslator.MetricNamer{})
		}
	}
	return c, nil
}

var withSuffixes = otlptranslator.MetricNamer{WithMetricSuffixes: true}

type metadata struct {
	Attributes map[string]struct {
		Name string `yaml:"name_override"`
	} `yaml:"attributes"`
	Metrics   map[string]metric `yaml:"metrics"`
	Telemetry struct {
		Metrics map[string]metric `yaml:"metrics"`
	} `yaml:"telemetry"`
}

type metric struct {
	Unit string `yaml:"unit"`
	Sum  *struct {
		Monotonic bool `yaml:"monotonic"`
	} `yaml:"sum"`
	Histogram  *struct{} `yaml:"histogram"`
	Attributes []string  `yaml:"attributes"`
}

// named returns a metric with the names that its attributes have when it is sent. Where two attributes have one name,
// each but the first has another name in metadata.yaml.
func (m metadata) named(of metric) metric {
	named := make([]string, len(of.Attributes))
	for i, attribute := range of.Attributes {
		named[i] = cmp.Or(m.Attributes[attribute].Name, attribute)
	}
	of.Attributes = named
	return of
}

func (m metric) kind() otlptranslator.MetricType {
	switch {
	case m.Histogram != nil:
		return otlptranslator.MetricTypeHistogram
	case m.Sum != nil && m.Sum.Monotonic:
		return otlptranslator.MetricTypeMonotonicCounter
	default:
		return otlptranslator.MetricTypeGauge
	}
}

func (c Catalog) add(name string, m metric, namer otlptranslator.MetricNamer) {
	built, err := namer.Build(otlptranslator.Metric{Name: name, Unit: m.Unit, Type: m.kind()})
	if err != nil {
		panic(err) // a name of metadata.yaml has letters in it
	}
	var attributes []string
	for _, attribute := range m.Attributes {
		attributes = append(attributes, strings.ReplaceAll(attribute, ".", "_"))
	}
	if m.Histogram == nil {
		c[built] = attributes
		return
	}
	c[built+"_bucket"] = append(slices.Clone(attributes), "le")
	c[built+"_count"] = attributes
	c[built+"_sum"] = attributes
}

// Record adds the series of a recording rule, with all labels that its expression can leave.
func (c Catalog) Record(name, expr string) error {
	parsed, err := parse(expr)
	if err != nil {
		return err
	}
	c[name] = c.labelsIn(parsed)
	return nil
}

// Check returns an error if an expression cannot be parsed, or asks for a series or a label that does not exist, which
// Prometheus would answer with an empty result.
func (c Catalog) Check(expr string) error {
	parsed, err := parse(expr)
	if err != nil {
		return err
	}
	var faults []error
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			faults = append(faults, c.checkSelector(n))
		case *parser.AggregateExpr:
			faults = append(faults, checkLabels(n.Grouping, c.labelsIn(n.Expr)))
		case *parser.Call:
			faults = append(faults, c.checkCall(n))
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				faults = append(faults, checkLabels(n.VectorMatching.MatchingLabels, c.labelsIn(n)))
			}
		}
		return nil
	})
	return errors.Join(faults...)
}

func parse(expr string) (parser.Expr, error) {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	return parsed, nil
}

func (c Catalog) checkSelector(selector *parser.VectorSelector) error {
	names := c.names(selector)
	if len(names) == 0 {
		return fmt.Errorf("%s: no such series", selector)
	}
	for _, matcher := range selector.LabelMatchers {
		for _, name := range names {
			if matcher.Name != model.MetricNameLabel && !slices.Contains(c[name], matcher.Name) {
				return fmt.Errorf("%s: %s has no label %s", selector, name, matcher.Name)
			}
		}
	}
	return nil
}

// The arguments of label_replace(vector, replaced label, replacement, source label, regular expression).
const (
	replacedLabel = 1
	sourceLabel   = 3
)

// checkCall checks the label that label_replace reads; "" is for a label without a source.
func (c Catalog) checkCall(call *parser.Call) error {
	if call.Func.Name != "label_replace" || stringOf(call.Args[sourceLabel]) == "" {
		return nil
	}
	return checkLabels([]string{stringOf(call.Args[sourceLabel])}, c.labelsIn(call.Args[0]))
}

func stringOf(expr parser.Expr) string {
	literal, ok := expr.(*parser.StringLiteral)
	if !ok {
		return ""
	}
	return literal.Val
}

// names returns the names of the series that a selector asks for.
func (c Catalog) names(selector *parser.VectorSelector) []string {
	var names []string
	for name := range maps.Keys(c) {
		if slices.ContainsFunc(selector.LabelMatchers, func(m *labels.Matcher) bool {
			return m.Name == model.MetricNameLabel && m.Matches(name)
		}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// labelsIn returns the labels of all series that an expression asks for, and those that it makes.
func (c Catalog) labelsIn(expr parser.Expr) []string {
	var all []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			for _, name := range c.names(n) {
				all = append(all, c[name]...)
			}
		case *parser.Call:
			if n.Func.Name == "label_replace" {
				all = append(all, stringOf(n.Args[replacedLabel]))
			}
		}
		return nil
	})
	return all
}

func checkLabels(asked, known []string) error {
	for _, label := range asked {
		if !slices.Contains(known, label) {
			return fmt.Errorf("no series in the expression has the label %s", label)
		}
	}
	return nil
}
