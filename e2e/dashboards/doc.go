// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package dashboards reads the Grafana dashboards and the Prometheus rules of this repository, and what the components'
// metadata.yaml says that can be queried, so that tests check their queries and run them against a real Prometheus.
package dashboards
