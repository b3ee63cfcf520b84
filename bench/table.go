// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"
)

// compare measures cases in turn, so many rounds, and prints a table.
func compare(some []benchCase, l load, rounds int) (err error) {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.kill()
		}
	}()
	for _, c := range some {
		s, err := start(c, l)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		servers = append(servers, s)
	}
	results := map[string][]result{}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, s := range servers {
			r, err := s.round(l)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			results[s.name] = append(results[s.name], r)
		}
	}
	for _, s := range servers {
		if err := s.stop(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return printTable(os.Stdout, some, results, l)
}

// column is one figure of the table.
type column struct {
	title  string
	of     func(result) float64
	format func(float64) string
}

var columns = []column{
	{"requests/s", func(r result) float64 { return r.perSecond }, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	{"CPU", func(r result) float64 { return r.cpu }, func(v float64) string { return fmt.Sprintf("%.1f µs", v/1e3) }},
	{"bytes", func(r result) float64 { return r.bytes }, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	{"allocations", func(r result) float64 { return r.allocations }, func(v float64) string { return fmt.Sprintf("%.1f", v) }},
}

func printTable(to io.Writer, some []benchCase, results map[string][]result, l load) error {
	fmt.Fprintf(to, "\n%d requests a round, %d connections, GOMAXPROCS %s\n", l.requests, l.connections, coresText(l.cores))
	fmt.Fprintf(to, "Server side, a request: median [quartiles]; × is the median of the ratios to %s in the same round\n\n", reference)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\tverifies")
	for _, c := range columns {
		fmt.Fprintf(w, "\t%s\t×", c.title)
	}
	fmt.Fprintln(w)
	for _, c := range some {
		fmt.Fprintf(w, "%s\t%s", c.title, map[bool]string{true: "yes", false: "no"}[c.verifies])
		for _, col := range columns {
			values := valuesOf(results[c.name], col.of)
			fmt.Fprintf(w, "\t%s [%s, %s]\t%s", col.format(quantile(values, 0.5)), col.format(quantile(values, 0.25)), col.format(quantile(values, 0.75)),
				ratio(values, valuesOf(results[reference], col.of)))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func coresText(cores int) string {
	if cores == 0 {
		cores = runtime.NumCPU()
	}
	return strconv.Itoa(cores)
}

func valuesOf(rs []result, of func(result) float64) []float64 {
	values := make([]float64, len(rs))
	for i, r := range rs {
		values[i] = of(r)
	}
	return values
}

// ratio compares values with those of the same rounds of the reference. What disturbs the machine disturbs both.
func ratio(values, base []float64) string {
	if len(base) == 0 {
		return "-"
	}
	ratios := make([]float64, len(values))
	for i := range values {
		ratios[i] = values[i] / base[i]
	}
	return fmt.Sprintf("%.2f", quantile(ratios, 0.5))
}

// quantile returns the value of nearest rank.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}
