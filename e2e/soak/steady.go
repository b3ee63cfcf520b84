// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

//go:embed run_steady.yaml
var configSteady string

const (
	pprofAddress = "127.0.0.1:17777"
	warmUp       = time.Minute // not measured: buffers and what is remembered grow to their size
)

// sample is what a Collector has in use, after a collection of garbage.
type sample struct {
	at               time.Time
	heap, goroutines int
}

// steady sends events at one rate and prints what the Collector has in use in the first and in the last minute.
func steady(o options) error {
	s, err := newScene(o, configSteady)
	if err != nil {
		return err
	}
	ctx, done := context.WithCancel(context.Background())
	defer done()
	sent := make(chan struct{})
	go func() {
		s.sender.send(ctx, time.Now().Add(warmUp+o.duration))
		close(sent)
	}()
	go s.progress(ctx, "steady")
	sleep(ctx, warmUp)
	samples := watch(sent)
	if err := s.collector.end(syscall.SIGTERM); err != nil {
		return err
	}
	printMinute("first minute", samples, samples[0].at)
	printMinute("last minute", samples, samples[len(samples)-1].at.Add(-time.Minute))
	fmt.Printf("%d events, %d in the backend\n", s.sender.soFar().taken, s.backend.distinct())
	return os.RemoveAll(s.dir)
}

// watch takes samples until all is sent.
func watch(sent <-chan struct{}) []sample {
	var samples []sample
	for {
		heap := readNumber("heap?gc=1&debug=1", `# HeapAlloc = (\d+)`)
		goroutines := readNumber("goroutine?debug=1", `goroutine profile: total (\d+)`)
		samples = append(samples, sample{time.Now(), heap, goroutines})
		select {
		case <-sent:
			return samples
		case <-time.After(5 * time.Second):
		}
	}
}

// readNumber returns a number of a profile, 0 where there is none.
func readNumber(profile, pattern string) int {
	response, err := http.Get("http://" + pprofAddress + "/debug/pprof/" + profile)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0
	}
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		return 0
	}
	number, _ := strconv.Atoi(string(match[1]))
	return number
}

func printMinute(name string, samples []sample, from time.Time) {
	var heaps, goroutines []int
	for _, s := range samples {
		if !s.at.Before(from) && s.at.Before(from.Add(time.Minute)) {
			heaps, goroutines = append(heaps, s.heap), append(goroutines, s.goroutines)
		}
	}
	slices.Sort(heaps)
	slices.Sort(goroutines)
	fmt.Printf("%-13s heap %.1f MiB, %d goroutines (medians of %d)\n",
		name, float64(heaps[len(heaps)/2])/(1<<20), goroutines[len(goroutines)/2], len(heaps))
}
