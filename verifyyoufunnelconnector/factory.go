// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"

	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// NewFactory returns the factory of the verifyyou_funnel connector, from logs to metrics, traces and logs.
func NewFactory() connector.Factory {
	return connector.NewFactory(
		metadata.Type,
		createDefaultConfig,
		connector.WithLogsToMetrics(createLogsToMetrics, metadata.LogsToMetricsStability),
		connector.WithLogsToTraces(createLogsToTraces, metadata.LogsToTracesStability),
		connector.WithLogsToLogs(createLogsToLogs, metadata.LogsToLogsStability),
	)
}

func createLogsToMetrics(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Logs, error) {
	return funnels.instance(set, cfg.(*Config), func(c *funnelConnector) { c.nextMetrics = next })
}

func createLogsToTraces(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Traces) (connector.Logs, error) {
	return funnels.instance(set, cfg.(*Config), func(c *funnelConnector) { c.nextTraces = next })
}

func createLogsToLogs(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Logs, error) {
	return funnels.instance(set, cfg.(*Config), func(c *funnelConnector) { c.nextLogs = next })
}

// funnels has the connectors that are not shut down yet. The Collector asks for one for each signal that comes out,
// with the same configuration, but they must follow verifications together.
var funnels = sharedFunnels{byConfig: map[*Config]*funnelConnector{}}

type sharedFunnels struct {
	mu       sync.Mutex
	byConfig map[*Config]*funnelConnector
}

// instance returns one more instance of a connector, with what it sends to.
func (s *sharedFunnels) instance(set connector.Settings, cfg *Config, use func(*funnelConnector)) (connector.Logs, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.byConfig[cfg]
	if !ok {
		var err error
		if c, err = newConnector(set, cfg); err != nil {
			return nil, err
		}
		s.byConfig[cfg] = c
	}
	use(c)
	c.created++
	return &output{funnelConnector: c, consumes: !ok}, nil
}

func (s *sharedFunnels) remove(cfg *Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byConfig, cfg)
}

// output is what the Collector has of a connector for one signal that comes out. Each of them is given every record,
// so that only the first one takes them.
type output struct {
	*funnelConnector
	consumes bool
}
