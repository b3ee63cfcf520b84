// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const webhookPath = "/webhooks/verifyyou"

var (
	//go:embed collector.yaml
	collectorConfig []byte
	//go:embed prometheus.yml
	prometheusConfig string
)

func findPrometheus() (string, error) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return "", errors.New("prometheus is not on the PATH. Install it: apt-get install --no-install-recommends prometheus on Debian and Ubuntu, brew install prometheus on macOS, or from https://prometheus.io/download/")
	}
	return program, nil
}

// places are the addresses of the servers.
type places struct {
	webhooks, metrics, telemetry, prometheus string
}

func newPlaces() (*places, error) {
	var p places
	for _, address := range []*string{&p.webhooks, &p.metrics, &p.telemetry, &p.prometheus} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // not before all have one: they must differ
		*address = listener.Addr().String()
	}
	return &p, nil
}

// servers are the processes that are running.
type servers []*exec.Cmd

func startServers(ctx context.Context, folder, bin, prometheus string, p *places, c crowd) (servers, error) {
	var all servers
	config := filepath.Join(folder, "collector.yaml")
	scrape := filepath.Join(folder, "prometheus.yml")
	targets := strings.NewReplacer("METRICS", p.metrics, "TELEMETRY", p.telemetry)
	telemetryHost, telemetryPort, err := net.SplitHostPort(p.telemetry)
	err = errors.Join(err,
		os.WriteFile(config, collectorConfig, 0o600),
		os.WriteFile(scrape, []byte(targets.Replace(prometheusConfig)), 0o600),
	)
	if err != nil {
		return all, err
	}
	collector := command(ctx, filepath.Join(bin, "otelcol-verifyyou"), "--config", config)
	collector.Env = append(os.Environ(), "DEMO_ENDPOINT="+p.webhooks, "DEMO_METRICS="+p.metrics,
		"DEMO_TELEMETRY_HOST="+telemetryHost, "DEMO_TELEMETRY_PORT="+telemetryPort,
		"DEMO_ABANDON_AFTER="+c.scaled(abandonAfter).String(), "DEMO_SETTLE="+c.scaled(settle).String(), "VERIFYYOU_SIGNING_SECRET="+secret)
	err = all.start(collector, "http://"+p.webhooks+"/healthz")
	if err != nil {
		return all, err
	}
	err = all.start(command(ctx, prometheus, "--config.file="+scrape, "--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+p.prometheus, "--log.level=error"), "http://"+p.prometheus+"/-/ready")
	return all, err
}

// command returns a program that is told to end, and then given time, when ctx is done.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	// Ctrl-C is for this program alone, which ends the others in its order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// start starts a server and waits until it answers.
func (s *servers) start(cmd *exec.Cmd, ready string) error {
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	*s = append(*s, cmd)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		response, err := http.Get(ready)
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("%s does not answer at %s", cmd.Path, ready)
}

// stop ends all in reverse order, and waits for that.
func (s servers) stop() {
	for _, cmd := range slices.Backward(s) {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}
