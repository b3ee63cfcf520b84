// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net"
	"net/http"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// readAndAnswer is the least that a server of webhooks does.
var readAndAnswer = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusOK)
})

// bareConfig is the configuration of a server without any receiver behind it.
type bareConfig struct {
	ServerConfig confighttp.ServerConfig `mapstructure:",squash"`
}

func newBareConfig() component.Config {
	return &bareConfig{ServerConfig: confighttp.NewDefaultServerConfig()}
}

type newServer func(context.Context, component.Host, *bareConfig, component.TelemetrySettings) (*http.Server, net.Listener, error)

// newBareFactory returns the factory of a receiver that answers, and hands nothing on.
func newBareFactory(name string, create newServer) receiver.Factory {
	return receiver.NewFactory(component.MustNewType(name), newBareConfig,
		receiver.WithLogs(func(_ context.Context, set receiver.Settings, cfg component.Config, _ consumer.Logs) (receiver.Logs, error) {
			return &bareReceiver{cfg: cfg.(*bareConfig), settings: set.TelemetrySettings, create: create}, nil
		}, component.StabilityLevelDevelopment))
}

func newNetHTTP(_ context.Context, _ component.Host, cfg *bareConfig, _ component.TelemetrySettings) (*http.Server, net.Listener, error) {
	listener, err := net.Listen("tcp", cfg.ServerConfig.NetAddr.Endpoint)
	return &http.Server{Handler: readAndAnswer, ReadHeaderTimeout: cfg.ServerConfig.ReadHeaderTimeout}, listener, err
}

func newConfigHTTP(ctx context.Context, host component.Host, cfg *bareConfig, set component.TelemetrySettings) (*http.Server, net.Listener, error) {
	server, err := cfg.ServerConfig.ToServer(ctx, host.GetExtensions(), set, readAndAnswer)
	if err != nil {
		return nil, nil, err
	}
	listener, err := cfg.ServerConfig.ToListener(ctx)
	return server, listener, err
}

type bareReceiver struct {
	cfg      *bareConfig
	settings component.TelemetrySettings
	create   newServer
	server   *http.Server
}

func (r *bareReceiver) Start(ctx context.Context, host component.Host) error {
	server, listener, err := r.create(ctx, host, r.cfg, r.settings)
	if err != nil {
		return err
	}
	r.server = server
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (r *bareReceiver) Shutdown(ctx context.Context) error {
	if r.server == nil {
		return nil
	}
	return r.server.Shutdown(ctx)
}
