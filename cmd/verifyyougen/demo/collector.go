// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
)

// stopTime is more than the Collector needs to end.
const stopTime = 30 * time.Second

// collector is a Collector as a process.
type collector struct {
	cmd    *exec.Cmd
	output string // the file with all that it prints
	exited chan struct{}
}

func startCollector(ctx context.Context, program, config, folder string) (*collector, error) {
	output, err := os.Create(filepath.Join(folder, "collector.log"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	// Not with ctx, whose end would kill it.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "--config", config)
	cmd.Env = append(os.Environ(), "VERIFYYOU_SIGNING_SECRET="+secret)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &collector{cmd: cmd, output: output.Name(), exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

// waitUntilReady returns when the Collector answers. It says what the Collector printed last if that ends instead.
func (c *collector) waitUntilReady(ctx context.Context, client *statsapi.Client) error {
	for {
		_, err := client.Funnel(ctx, nil)
		select {
		case <-c.exited: // first of all: another Collector may have answered
			return fmt.Errorf("the Collector ended: %s", c.lastWords())
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
	}
}

func (c *collector) lastWords() string {
	printed, err := os.ReadFile(c.output)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(printed)), "\n")
	return lines[len(lines)-1]
}

// stop ends the Collector as an orchestrator does.
func (c *collector) stop() {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	select {
	case <-c.exited:
	case <-time.After(stopTime):
		_ = c.cmd.Process.Kill()
	}
}
