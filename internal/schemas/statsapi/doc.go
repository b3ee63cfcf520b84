// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package statsapi has tests that check the answers of the Stats API against its OpenAPI description.
package statsapi
