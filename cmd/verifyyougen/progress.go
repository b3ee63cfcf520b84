// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 10 * time.Second // for logs, and for people who pipe the output
)

// showProgress shows on out how far a simulation has come, as a bar on a
// terminal and as a line now and then elsewhere, until the function that it
// returns is called.
func showProgress(out io.Writer, verifications int, soFar func() truth.Progress) (stop func()) {
	show, erase, interval := lines(out, verifications), func() {}, lineInterval
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		show, erase = bar(out, verifications)
		interval = barInterval
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				show(soFar())
			case <-end:
				erase()
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

func lines(out io.Writer, verifications int) (show func(truth.Progress)) {
	begin := time.Now()
	return func(p truth.Progress) {
		fmt.Fprintf(out, "%s: %d of %d verifications, %s\n", time.Since(begin).Round(time.Second), p.Ended, verifications, deliveries(p))
	}
}

func bar(out io.Writer, verifications int) (show func(truth.Progress), erase func()) {
	b := progressbar.NewOptions(verifications,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetDescription("verifications"),
		progressbar.OptionShowCount(),
		progressbar.OptionFullWidth(),
	)
	show = func(p truth.Progress) {
		b.Describe("verifications, " + deliveries(p))
		_ = b.Set64(p.Ended)
	}
	return show, func() { _ = b.Clear() }
}

func deliveries(p truth.Progress) string {
	return fmt.Sprintf("%d events acknowledged, %d attempts not", p.Acknowledged, p.Refused)
}
