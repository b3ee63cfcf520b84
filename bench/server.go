// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/countconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/webhookeventreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	"github.com/otel-verifyyou/verifyyoureceiver"
)

//go:embed cases
var configs embed.FS

func config(name string) (string, error) {
	text, err := configs.ReadFile("cases/" + name + ".yaml")
	return string(text), err
}

// usage is what a server has used since its process began.
type usage struct {
	CPU         time.Duration
	Bytes       uint64
	Allocations uint64
}

// taken is what has come out at the end of a server's pipelines.
type taken struct {
	Records, Counted int64
}

// serve runs the Collector of a case. For each line on standard input but the last it prints its usage, and at the end
// of the input, when it has shut down, what was taken.
func serve(name string) error {
	var s sink
	collector, err := newCollector(name, &s)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- collector.Run(context.Background()) }()
	stopProfiles, err := startProfiles(os.Getenv(profilesVariable), name)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := out.Encode(measure()); err != nil {
			return err
		}
	}
	if err := stopProfiles(); err != nil {
		return err
	}
	collector.Shutdown()
	if err := <-ended; err != nil {
		return err
	}
	return out.Encode(taken{Records: s.records.Load(), Counted: s.counted.Load()})
}

func measure() usage {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return usage{
		CPU:         time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		Bytes:       mem.TotalAlloc,
		Allocations: mem.Mallocs,
	}
}

func newCollector(name string, s *sink) (*otelcol.Collector, error) {
	base, err := config("base")
	if err != nil {
		return nil, err
	}
	ofCase, err := config(name)
	if err != nil {
		return nil, fmt.Errorf("no such case: %w", err)
	}
	return otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo:               component.BuildInfo{Command: "bench", Version: "0.1.0"},
		Factories:               func() (otelcol.Factories, error) { return factories(s) },
		DisableGracefulShutdown: true,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              []string{"yaml:" + base, "yaml:" + ofCase},
			ProviderFactories: []confmap.ProviderFactory{envprovider.NewFactory(), yamlprovider.NewFactory()},
		}},
	})
}

func factories(s *sink) (otelcol.Factories, error) {
	var f otelcol.Factories
	var err error
	f.Telemetry = otelconftelemetry.NewFactory()
	if f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](
		newBareFactory("nethttp", newNetHTTP),
		newBareFactory("confighttp", newConfigHTTP),
		verifyyoureceiver.NewFactory(),
		webhookeventreceiver.NewFactory(),
	); err != nil {
		return f, err
	}
	if f.Processors, err = otelcol.MakeFactoryMap[processor.Factory](batchprocessor.NewFactory()); err != nil {
		return f, err
	}
	if f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](newSinkFactory(s), fileexporter.NewFactory()); err != nil {
		return f, err
	}
	f.Connectors, err = otelcol.MakeFactoryMap[connector.Factory](countconnector.NewFactory())
	return f, err
}
