// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/listener"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats"
)

// statsDrainTime is how long the server waits at Shutdown for the answers that are being written. Whoever reads slower
// asks again.
const statsDrainTime = time.Second

// StatsConfig is the configuration of the page and of the Stats API.
type StatsConfig struct {
	// ServerConfig is the HTTP server of both.
	ServerConfig confighttp.ServerConfig `mapstructure:",squash"`

	// Retention is how long after it began a verification is in the statistics.
	Retention time.Duration `mapstructure:"retention"`

	// MaxCohorts is how many cohorts there are; past it the oldest quarter of an hour goes.
	MaxCohorts int `mapstructure:"max_cohorts"`
}

func defaultStatsConfig() StatsConfig {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = "localhost:8790"
	server.ReadHeaderTimeout = 5 * time.Second
	server.ReadTimeout = 10 * time.Second
	server.WriteTimeout = 30 * time.Second
	return StatsConfig{ServerConfig: server, Retention: 31 * 24 * time.Hour, MaxCohorts: 160_000}
}

// faults returns every fault, given what else is configured: how long a verification is followed, and how many trackers
// are told apart. (It is not called Validate: the Collector would call that too, and without them.)
func (c *StatsConfig) faults(window time.Duration, maxTrackers int) error {
	errs := []error{c.serverFaults()}
	if c.Retention < window || c.Retention <= 0 {
		errs = append(errs, fmt.Errorf("stats::retention: is %v, but verifications are followed for %v (window); use at least that, 744h for example", c.Retention, window))
	}
	if least := max(maxTrackers, 0) + 2; c.MaxCohorts < least {
		errs = append(errs, fmt.Errorf("stats::max_cohorts: is %d, but the trackers of one quarter of an hour alone can be %d (max_external_trackers, those beyond, and none); use at least that, 160000 for example", c.MaxCohorts, least))
	}
	return errors.Join(errs...)
}

func (c *StatsConfig) serverFaults() error {
	server := &c.ServerConfig
	errs := []error{endpointFault(&server.NetAddr)}
	for _, t := range []struct {
		key   string
		value time.Duration
	}{
		{"read_timeout", server.ReadTimeout},
		{"read_header_timeout", server.ReadHeaderTimeout},
		{"write_timeout", server.WriteTimeout},
	} {
		if t.value < 0 {
			errs = append(errs, fmt.Errorf("stats::%s: is negative (%v); use a positive duration, or 0 for no limit", t.key, t.value))
		}
	}
	if server.MaxRequestBodySize < 0 {
		errs = append(errs, fmt.Errorf("stats::max_request_body_size: is negative (%d); remove it, as no request has a body", server.MaxRequestBodySize))
	}
	return errors.Join(errs...)
}

func endpointFault(addr *confignet.AddrConfig) error {
	if addr.Endpoint == "" {
		return errors.New("stats::endpoint: is empty; set the address to listen on, localhost:8790 for example")
	}
	if addr.Transport == confignet.TransportTypeUnix {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr.Endpoint); err != nil {
		return fmt.Errorf("stats::endpoint: %w; use host:port, localhost:8790 for example", err)
	}
	return nil
}

// statsServer serves the page and the Stats API.
type statsServer struct {
	cfg    *StatsConfig
	source stats.Source     // what is served
	now    func() time.Time // as of which
	failed func(error)      // called if serving ends before shutdown

	handler *stats.Handler
	server  *http.Server // nil before start and after shutdown
	serving sync.WaitGroup
}

// start begins to listen and to serve.
func (s *statsServer) start(ctx context.Context, host component.Host, set component.TelemetrySettings) error {
	s.handler = stats.NewHandler(s.source, s.now, set.Logger)
	settings := s.cfg.ServerConfig
	server, err := settings.ToServer(ctx, host.GetExtensions(), set, s.handler, confighttp.WithErrorHandler(stats.ServeError))
	if err != nil {
		return fmt.Errorf("stats: %w", err)
	}
	server.Handler = s.handler.WithRoute(server.Handler)
	listening, err := listener.Listen(ctx, &settings)
	if err != nil {
		return fmt.Errorf("stats::endpoint: cannot listen on %s: %w; free it, or set another", settings.NetAddr.Endpoint, err)
	}
	set.Logger.Info("Serving the funnel page and the Stats API", zap.String("endpoint", listening.Addr().String()))
	s.server = server
	s.serving.Go(func() {
		if err := server.Serve(listening); !errors.Is(err, http.ErrServerClosed) {
			s.failed(fmt.Errorf("stats: %w", err))
		}
	})
	return nil
}

// shutdown stops listening and waits for the answers that are being written, for a second at most. The source is not
// asked any more when it returns. It does nothing where start has not been called or has failed.
func (s *statsServer) shutdown(ctx context.Context) error {
	if s.server == nil {
		return nil
	}
	server := s.server
	s.server = nil
	ctx, cancel := context.WithTimeout(ctx, statsDrainTime)
	defer cancel()
	err := server.Shutdown(ctx)
	if err != nil {
		err = server.Close()
	}
	s.serving.Wait()
	s.handler.Close()
	return err
}
