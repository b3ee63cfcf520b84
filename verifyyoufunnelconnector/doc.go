// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package verifyyoufunnelconnector follows each verification through the log records of the verifyyou receiver, and
// makes metrics, traces and summaries of them: it counts people where the receiver counts events.
package verifyyoufunnelconnector
