// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package version is the version of this module, which is that of the instrumentation scopes of its components.
package version

import "go.opentelemetry.io/collector/pdata/pcommon"

// Version is the version of this module.
const Version = "0.1.0"

// Scope returns the instrumentation scope of a component.
func Scope(name string) pcommon.InstrumentationScope {
	scope := pcommon.NewInstrumentationScope()
	scope.SetName(name)
	scope.SetVersion(Version)
	return scope
}
