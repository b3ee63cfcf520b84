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
	"strings"
	"syscall"
	"time"
)

const secret = "demo-secret"

func main() {
	var c crowd
	flag.IntVar(&c.people, "people", 2000, "how many verifications begin")
	flag.IntVar(&c.rate, "rate", 40, "how many of them begin in a second")
	flag.IntVar(&c.speed, "speed", 60, "how many times faster than in life people are")
	bin := flag.String("bin", "../bin", "the folder of otelcol-verifyyou and verifyyougen")
	then := flag.String("then", "", "a program to run in the end, with PROMETHEUS_URL in its environment, and the unix seconds FROM and TO between which people began")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, c, strings.Fields(*then)); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1) //nolint:gocritic // what was deferred is done
	}
}

// crowd is who goes through VerifyYou.
type crowd struct {
	people, rate, speed int
}

// The silence after which the funnel takes people for gone, and its wait for stragglers, in the time of the crowd. No
// one in the scenario is silent for as long.
const (
	abandonAfter = 12 * time.Minute
	settle       = 3 * time.Minute
)

// scaled returns how long something takes this crowd.
func (c crowd) scaled(inLife time.Duration) time.Duration {
	return inLife / time.Duration(c.speed)
}

// arrival is how long it takes until all have begun.
func (c crowd) arrival() time.Duration {
	return time.Duration(c.people) * time.Second / time.Duration(c.rate)
}

func run(ctx context.Context, bin string, c crowd, then []string) (err error) {
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
	servers, err := startServers(ctx, folder, bin, prometheus, places, c)
	defer servers.stop()
	if err != nil {
		return err
	}
	fmt.Printf("The Collector takes webhooks at http://%s%s, Prometheus is at http://%s until this ends.\n\n", places.webhooks, webhookPath, places.prometheus)
	truthFile := filepath.Join(folder, "truth.json")
	began := time.Now()
	err = simulate(ctx, bin, places, truthFile, c)
	if err != nil {
		return err
	}
	want, err := readTruth(truthFile)
	if err != nil {
		return err
	}
	fmt.Printf("\nWaiting for the silent ones to be taken for gone (%v of silence here, 30 minutes by default).\n", c.scaled(abandonAfter))
	got, err := awaitFunnel(ctx, places.prometheus, want, c.scaled(abandonAfter)+patience)
	if err != nil {
		return err
	}
	err = compare(os.Stdout, want, got)
	if err != nil || len(then) == 0 {
		return err
	}
	return follow(ctx, then, places, began, began.Add(c.arrival()))
}

// simulate runs verifyyougen, which shows how far it is.
func simulate(ctx context.Context, bin string, places *places, truth string, c crowd) error {
	cmd := command(ctx, filepath.Join(bin, "verifyyougen"), "simulate", "--endpoint", "http://"+places.webhooks+webhookPath,
		"--verifications", strconv.Itoa(c.people), "--rate", strconv.Itoa(c.rate), "--speed", strconv.Itoa(c.speed), "--truth", truth)
	cmd.Env = append(os.Environ(), "VERIFYYOU_SIGNING_SECRET="+secret)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// follow runs a program that looks at what Prometheus has.
func follow(ctx context.Context, program []string, places *places, from, to time.Time) error {
	cmd := command(ctx, program[0], program[1:]...)
	cmd.Env = append(os.Environ(), "PROMETHEUS_URL=http://"+places.prometheus,
		fmt.Sprintf("FROM=%d", from.Unix()), fmt.Sprintf("TO=%d", to.Unix()))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// patience is for what must happen some time.
const patience = time.Minute
