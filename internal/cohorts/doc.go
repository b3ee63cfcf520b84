// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package cohorts counts verifications by when they began and by external_tracker, and answers how many of those that
// began in a range of time got how far. Every verification counts as it stands: when it changes, what it had added is
// subtracted and what it adds now is added.
package cohorts
