// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	flushInterval = time.Second
	// patience is for what must happen some time.
	patience = time.Minute
)

// collector is a Collector that is ended and started again, always on the same address and storage.
type collector struct {
	program, config string
	output          *os.File
	env             []string
	address         string
	cmd             *exec.Cmd
}

// newCollector copies the program, so that it does not change during a run, and writes its configuration.
func newCollector(dir, program, config string, logs, metrics *stub) (*collector, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	c := &collector{
		program: filepath.Join(dir, "otelcol"),
		config:  filepath.Join(dir, "config.yaml"),
		address: listener.Addr().String(),
	}
	err = errors.Join(copyFile(c.program, program), os.WriteFile(c.config, []byte(config), 0o600))
	if err != nil {
		return nil, err
	}
	c.env = append(os.Environ(),
		"SOAK_ENDPOINT="+c.address,
		"SOAK_SECRET="+secret,
		"SOAK_FLUSH_INTERVAL="+flushInterval.String(),
		"SOAK_STORAGE="+filepath.Join(dir, "storage"),
		"SOAK_LOGS=http://"+logs.address+"/v1/logs",
		"SOAK_METRICS=http://"+metrics.address+"/v1/metrics",
		"SOAK_PPROF="+pprofAddress,
	)
	c.output, err = os.Create(filepath.Join(dir, "output.txt"))
	return c, err
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("%w; run make build first", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// start returns when the Collector takes events.
func (c *collector) start() error {
	c.cmd = exec.Command(c.program, "--config", c.config)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.env, c.output, c.output
	if err := c.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		response, err := http.Get("http://" + c.address + "/healthz")
		if err == nil {
			response.Body.Close()
			return nil
		}
	}
	return fmt.Errorf("the Collector does not take events; it printed to %s", c.output.Name())
}

// end ends the Collector with a signal and waits for that.
func (c *collector) end(signal syscall.Signal) error {
	if err := c.cmd.Process.Signal(signal); err != nil {
		return err
	}
	hangs := time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	defer hangs.Stop()
	err := c.cmd.Wait()
	status, _ := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if signal == syscall.SIGKILL && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return nil
	}
	if err != nil || signal == syscall.SIGKILL {
		return fmt.Errorf("the Collector did not end as it was told: %v; it printed to %s", c.cmd.ProcessState, c.output.Name())
	}
	return nil
}
