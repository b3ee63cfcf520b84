// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate make generate

// Package verifyyoureceiver is an OpenTelemetry Collector receiver for the webhooks of VerifyYou, an
// identity-verification service. It verifies the signature of each webhook over its raw body and turns the event into
// a log record and into counters by stage, outcome and campaign.
package verifyyoureceiver
