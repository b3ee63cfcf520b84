// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Demo runs a Collector and a Prometheus, lets verifyyougen simulate people who go through VerifyYou, and prints the
// funnel that Prometheus then has beside what was really sent. All that it starts it ends, and it leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const secret = "demo-secret"

func main() {
	people := flag.Int("people", 2000, "how many verifications begin")
	rate := flag.Int("rate", 40, "how many of them begin in a second")
	bin := flag.String("bin", "../bin", "the folder of otelcol-verifyyou and verifyyougen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *people, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1) //nolint:gocritic // what was deferred is done
	}
}

func run(ctx context.Context, bin string, people, rate int) (err error) {
	prometheus, err := findPrometheus()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "verifyyou-demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	places, err := newPlaces()
	if err != nil {
		return err
	}
	servers, err := startServers(ctx, folder, bin, prometheus, places)
	defer servers.stop()
	if err != nil {
		return err
	}
	fmt.Printf("The Collector takes webhooks at http://%s%s, Prometheus is at http://%s until this ends.\n\n", places.webhooks, webhookPath, places.prometheus)
	truthFile := filepath.Join(folder, "truth.json")
	err = simulate(ctx, bin, places, truthFile, people, rate)
	if err != nil {
		return err
	}
	want, err := readTruth(truthFile)
	if err != nil {
		return err
	}
	fmt.Println("\nWaiting for the silent ones to be taken for gone (12 s of silence here, 30 minutes by default).")
	got, err := awaitFunnel(ctx, places.prometheus, want)
	if err != nil {
		return err
	}
	return compare(os.Stdout, want, got)
}

// simulate runs verifyyougen, which shows how far it is.
func simulate(ctx context.Context, bin string, places *places, truth string, people, rate int) error {
	cmd := command(ctx, filepath.Join(bin, "verifyyougen"), "simulate", "--endpoint", "http://"+places.webhooks+webhookPath,
		"--verifications", strconv.Itoa(people), "--rate", strconv.Itoa(rate), "--speed", "60", "--truth", truth)
	cmd.Env = append(os.Environ(), "VERIFYYOU_SIGNING_SECRET="+secret)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// patience is for what must happen some time.
const patience = time.Minute
