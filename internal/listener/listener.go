// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package listener opens what the servers of the components listen on.
package listener

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"

	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
)

// Listen returns the listener of a server. A unix socket that a process left behind when it crashed is replaced.
func Listen(ctx context.Context, server *confighttp.ServerConfig) (net.Listener, error) {
	if server.NetAddr.Transport == confignet.TransportTypeUnix {
		if err := removeStale(ctx, server.NetAddr.Endpoint); err != nil {
			return nil, err
		}
	}
	return server.ToListener(ctx)
}

// removeStale removes a unix socket on which nobody listens. Anything else is left to stand in the way.
func removeStale(ctx context.Context, socket string) error {
	info, err := os.Lstat(socket)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil //nolint:nilerr // listening says what is wrong
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err == nil {
		return conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil // it may be somebody's
	}
	return os.Remove(socket)
}
