// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Demo starts a Collector with examples/local/collector.yaml, lets verifyyougen
// simulate people who go through VerifyYou, and prints the funnel that the
// Collector then has beside what was really sent. The page stays open until
// Ctrl-C, or not at all if DEMO_EXIT=1 is in the environment.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
)

// What examples/local/collector.yaml says.
const (
	webhookURL = "http://localhost:8787/webhooks/verifyyou"
	pageURL    = "http://localhost:8790"
)

const (
	secret = "demo-secret"
	// patience is for what must happen some time.
	patience = 2 * time.Minute
	poll     = 500 * time.Millisecond
)

// demo is what to run.
type demo struct {
	bin, config         string
	people, rate, speed int
	stays               bool // until Ctrl-C
}

func main() {
	d := demo{stays: os.Getenv("DEMO_EXIT") != "1"}
	flag.StringVar(&d.bin, "bin", "../../bin", "the folder of otelcol-verifyyou and verifyyougen")
	flag.StringVar(&d.config, "config", "../../examples/local/collector.yaml", "the configuration of the Collector")
	flag.IntVar(&d.people, "people", 2000, "how many verifications begin")
	flag.IntVar(&d.rate, "rate", 40, "how many of them begin in a second")
	flag.IntVar(&d.speed, "speed", 60, "how many times faster than in life people are")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1) //nolint:gocritic // what was deferred is done
	}
}

func (d *demo) run(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "verifyyou-demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	base, err := url.Parse(pageURL)
	if err != nil {
		return err
	}
	client := statsapi.NewClient(base, nil)
	c, err := startCollector(ctx, filepath.Join(d.bin, "otelcol-verifyyou"), d.config, folder)
	if err != nil {
		return err
	}
	defer c.stop()
	if err := c.waitUntilReady(ctx, client); err != nil {
		return err
	}
	fmt.Printf("Watch the funnel fill at %s\n\n", pageURL)
	if err := d.show(ctx, client, filepath.Join(folder, "truth.json")); err != nil {
		return err
	}
	if d.stays {
		fmt.Printf("\nThe page is open at %s until you press Ctrl-C.\n", pageURL)
		<-ctx.Done()
	}
	return nil
}

// show simulates people, waits until all of their verifications have ended, and
// compares what the Collector has with what was sent.
func (d *demo) show(ctx context.Context, client *statsapi.Client, truthFile string) error {
	err := d.verifyyougen(ctx, "simulate", "--endpoint", webhookURL, "--verifications", strconv.Itoa(d.people),
		"--rate", strconv.Itoa(d.rate), "--speed", strconv.Itoa(d.speed), "--truth", truthFile)
	if err != nil {
		return err
	}
	want, err := readTruth(truthFile)
	if err != nil {
		return err
	}
	fmt.Print("\nWaiting for those who just went silent to be taken for gone (abandon_after in the configuration).\n\n")
	got, err := awaitEnds(ctx, client)
	if err != nil {
		return err
	}
	if err := d.verifyyougen(ctx, "funnel", "--url", pageURL); err != nil {
		return err
	}
	fmt.Println()
	return compare(os.Stdout, want, got)
}

// verifyyougen runs the program as a user would.
func (d *demo) verifyyougen(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "verifyyougen"), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "VERIFYYOU_SIGNING_SECRET="+secret)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("verifyyougen %s: %w", args[0], err)
	}
	return ctx.Err()
}

// awaitEnds returns the funnel once no verification is open.
func awaitEnds(ctx context.Context, client *statsapi.Client) (*statsapi.Funnel, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("some verifications are still open"))
	defer cancel()
	for {
		answer, err := client.Funnel(ctx, nil)
		if err == nil {
			f, faulty := statsapi.Parse(answer)
			if faulty != nil || f.Open == 0 {
				return f, faulty
			}
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(poll):
		}
	}
}
