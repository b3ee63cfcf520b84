// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		exitOn(serve(os.Args[2]))
		return
	}
	var l load
	rounds := flag.Int("rounds", 15, "how often each server is measured; medians are printed")
	only := flag.String("cases", "", "names of the servers to measure, with commas between (default all)")
	flag.IntVar(&l.requests, "requests", 10_000, "requests a round")
	flag.IntVar(&l.connections, "connections", 16, "connections, which are kept")
	flag.IntVar(&l.cores, "cores", 0, "GOMAXPROCS of the servers (default all)")
	flag.StringVar(&l.profiles, "profiles", "", "a folder for CPU, allocation and mutex profiles of the servers, which cost time themselves")
	collector := flag.String("collector", "", "attack this Collector, with a batch processor and the file exporter, instead")
	rate := flag.Int("rate", 3000, "requests a second of the first attack; the second one has no limit")
	duration := flag.Duration("duration", 20*time.Second, "how long an attack takes at most")
	flag.Parse()
	if *collector != "" {
		exitOn(attackAll(*collector, *rate, *duration, l.connections))
		return
	}
	exitOn(compare(chosen(*only), l, *rounds))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func chosen(names string) []benchCase {
	if names == "" {
		return cases
	}
	var some []benchCase
	for _, c := range cases {
		for name := range strings.SplitSeq(names, ",") {
			if c.name == name {
				some = append(some, c)
			}
		}
	}
	return some
}
