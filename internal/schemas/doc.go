// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package schemas has tests that check what users copy against the schemas of the programs that read it. It is a module
// of its own, so that nobody else downloads those schemas.
package schemas
