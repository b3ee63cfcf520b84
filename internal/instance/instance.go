// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package instance names the writers of series.
package instance

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// namespace is the namespace of service.instance.id (OpenTelemetry semantic conventions, Service).
var namespace = uuid.MustParse("4d63009a-8d0f-11ee-aad7-4c796ed8e320")

// ID returns the service.instance.id of a component: two writers of series must never share one, and one must keep its
// own when it starts again. What tells components of one host apart is in parts.
func ID(parts ...string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("service.instance.id needs the host name: %w", err)
	}
	name := strings.Join(append([]string{host}, parts...), "\x00")
	return uuid.NewSHA1(namespace, []byte(name)).String(), nil
}

// InCollector returns the service.instance.id of a component that may run more than once on a host: two processes with
// one configuration must not share it. It is made of the service.instance.id of the Collector's own telemetry, which each
// process makes at its start, or random where there is none (it can be switched off), and of the component's id.
func InCollector(collector pcommon.Resource, id component.ID) string {
	const attribute = "service.instance.id" // semantic conventions, Service
	process, ok := collector.Attributes().Get(attribute)
	if !ok || process.AsString() == "" {
		return uuid.NewString()
	}
	return uuid.NewSHA1(namespace, []byte(process.AsString()+"\x00"+id.String())).String()
}

// resourceBuilder is what mdatagen makes for each component.
type resourceBuilder interface {
	SetServiceName(string)
	SetServiceInstanceID(string)
	Emit() pcommon.Resource
}

// Resource returns the resource of everything that the instance of a component sends, as its settings want it.
func Resource(settings resourceBuilder, instanceID string) pcommon.Resource {
	settings.SetServiceName(semconv.ServiceName)
	settings.SetServiceInstanceID(instanceID)
	return settings.Emit()
}
