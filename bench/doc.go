// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Bench compares what a webhook costs the server that takes it: a bare HTTP server, the Collector's HTTP server, the
// verifyyou receiver, and what the Collector offers without it. Every server is a Collector in a process of its own
// with a pipeline that ends in nothing; the client is another process that has prepared all it sends.
package main
