// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e has tests that run bin/otelcol-verifyyou as a process, post events to it and read what it exports.
// `make e2e` builds what they need and runs them; without the build tag e2e there is nothing to test here.
package e2e
