// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	secret = "whsec_e2e_5Jr0vXw2"

	// deadline is for whatever must happen some time: it is only reached when a test fails.
	deadline = time.Minute
	poll     = 20 * time.Millisecond

	// settling is how long a Collector that takes events may be without a handler for SIGTERM, and die of it: it
	// installs one when all components have started, and nothing shows when that is.
	settling = 500 * time.Millisecond
)

// program returns a command that knows the secret. Without the program the test fails, with advice: a skipped test
// would look like one that passed.
func program(t *testing.T, advice, name string, args ...string) *exec.Cmd {
	t.Helper()
	_, err := exec.LookPath(name)
	require.NoError(t, err, advice)
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "VERIFYYOU_SIGNING_SECRET="+secret)
	return cmd
}

func otelcol(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return program(t, "run make build first", "../bin/otelcol-verifyyou", args...)
}

// gatewayOtelcol is the Collector for examples/gateway, of the oldest versions that are supported.
func gatewayOtelcol(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return program(t, "run make gateway first", "../bin/otelcol-gateway", args...)
}

func verifyyougen(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return program(t, "run make bin/verifyyougen first", "../bin/verifyyougen", args...)
}

// configuration is a file for the Collector, with what a test has to know of it.
type configuration struct {
	file          string
	exports       string // the folder where logs.jsonl and metrics.jsonl are written
	port          int    // of the receiver
	telemetryPort int
}

const configurationTemplate = `
receivers:
  verifyyou:
    endpoint: 127.0.0.1:%[2]d
    signing_secrets: ["${env:VERIFYYOU_SIGNING_SECRET}"]
    metrics_flush_interval: 1s
exporters:
  file/logs:
    path: %[1]s/logs.jsonl
  file/metrics:
    path: %[1]s/metrics.jsonl
service:
  telemetry:
    logs:
      level: debug
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[3]d}}}}]
  pipelines:
    logs:
      receivers: [verifyyou]
      exporters: [file/logs]
    metrics:
      receivers: [verifyyou]
      exporters: [file/metrics]
`

func configure(t *testing.T, port, telemetryPort int) configuration {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(configurationTemplate, dir, port, telemetryPort)
	return configuration{writeFile(t, text), dir, port, telemetryPort}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// freePorts returns n different ports of the loopback interface.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close() // not before there are n
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// collector is a process that ends with its test at the latest.
type collector struct {
	t       *testing.T
	url     string // where the receiver listens
	cmd     *exec.Cmd
	ready   time.Time // when it began to take events
	output  string    // the file with all that the process prints
	exited  chan struct{}
	exitErr error // once exited is closed
}

// start starts a Collector that exports to files and waits until it takes events.
func start(t *testing.T) (*collector, configuration) {
	t.Helper()
	ports := freePorts(t, 2)
	cfg := configure(t, ports[0], ports[1])
	return startWith(t, cfg.file, fmt.Sprintf("http://127.0.0.1:%d", cfg.port)), cfg
}

func startWith(t *testing.T, file, url string, arguments ...string) *collector {
	t.Helper()
	c := launch(t, file, url, arguments...)
	c.waitUntilReady()
	return c
}

// launch starts a Collector and leaves it to the test to wait for something.
func launch(t *testing.T, file, url string, arguments ...string) *collector {
	t.Helper()
	return run(t, otelcol(t, append([]string{"--config", file}, arguments...)...), url)
}

func run(t *testing.T, cmd *exec.Cmd, url string) *collector {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), "output.txt"))
	require.NoError(t, err)
	defer output.Close()
	c := &collector{t: t, url: url, cmd: cmd, output: output.Name(), exited: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = output, output
	require.NoError(t, c.cmd.Start())
	go func() {
		c.exitErr = c.cmd.Wait()
		close(c.exited)
	}()
	t.Cleanup(c.clean)
	return c
}

func (c *collector) waitUntilReady() {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.hasExited() || c.healthy() }, deadline, poll)
	require.False(c.t, c.hasExited(), "the Collector ended instead of taking events")
	c.ready = time.Now()
}

// clean comes after the end of the test's context, which kills the process.
func (c *collector) clean() {
	<-c.exited
	if c.t.Failed() {
		c.t.Logf("The Collector printed:\n%s", c.printed())
	}
}

func (c *collector) healthy() bool {
	response, err := http.Get(c.url + "/healthz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (c *collector) hasExited() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

func (c *collector) wait() {
	c.t.Helper()
	select {
	case <-c.exited:
	case <-time.After(deadline):
		require.Fail(c.t, "the Collector did not end")
	}
}

// stop ends the Collector as an orchestrator does.
func (c *collector) stop() {
	c.t.Helper()
	time.Sleep(time.Until(c.ready.Add(settling)))
	require.NoError(c.t, c.cmd.Process.Signal(syscall.SIGTERM))
	c.wait()
	require.NoError(c.t, c.exitErr)
}

// kill ends the Collector as the kernel does when memory ends: it can do nothing about it.
func (c *collector) kill() {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Kill())
	c.wait()
}

func (c *collector) printed() string {
	c.t.Helper()
	output, err := os.ReadFile(c.output)
	require.NoError(c.t, err)
	return string(output)
}
