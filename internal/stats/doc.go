// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package stats serves what cohorts count over HTTP: a page for people, and the Stats API for programs. It only
// translates between HTTP and the queries and answers of package cohorts.
package stats
