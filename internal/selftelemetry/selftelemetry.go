// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package selftelemetry makes the attributes that tell apart the own telemetry of several components of one Collector.
package selftelemetry

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Attributes are those that all telemetry of one component has. Options are to be made once, not for every request:
// they are safe for concurrent use.
type Attributes struct {
	component attribute.KeyValue
}

// For returns the attributes of a component: its kind, receiver or connector, as in the Collector's own metrics, and
// its id.
func For(kind component.Kind, id component.ID) Attributes {
	return Attributes{component: attribute.String(kindNames[kind], id.String())}
}

var kindNames = map[component.Kind]string{
	component.KindReceiver:  "receiver",
	component.KindConnector: "connector",
}

// Option returns the option for a measurement with no further attribute.
func (a Attributes) Option() metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(a.component))
}

// With returns the option for a measurement with one more attribute.
func (a Attributes) With(key, value string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(a.component, attribute.String(key, value)))
}
