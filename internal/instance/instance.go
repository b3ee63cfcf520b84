// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package instance names the writers of series.
package instance

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
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
