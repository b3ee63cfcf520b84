// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// attack is a load on a Collector as users run it: with a batch processor and the file exporter.
type attack struct {
	rate        int // requests a second; 0: as many as it takes
	duration    time.Duration
	connections int
}

// report is what came of an attack.
type report struct {
	metrics vegeta.Metrics
	rss     int64 // bytes, at the end
}

// attackAll attacks the verifyyou Collector and, beside it, this program's with webhook_event, and prints a table.
func attackAll(collector string, rate int, duration time.Duration, connections int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := config("process_verifyyou")
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\trate\trequests/s\tp50\tp99\tp99.9\tresident memory")
	for _, a := range []attack{{rate, duration, connections}, {0, duration, connections}} {
		for _, c := range []struct {
			title string
			cmd   *exec.Cmd
		}{
			{"verifyyou, verified and counted", exec.Command(collector, "--config", "yaml:"+text)},
			{"webhook_event, neither", exec.Command(self, "serve", "process_webhook_event")},
		} {
			r, err := a.on(c.cmd)
			if err != nil {
				return fmt.Errorf("%s: %w", c.title, err)
			}
			r.print(w, c.title, a.rate)
		}
	}
	return w.Flush()
}

func (r *report) print(to io.Writer, title string, rate int) {
	wanted := "all it takes"
	if rate > 0 {
		wanted = strconv.Itoa(rate)
	}
	ms := func(q float64) string { return fmt.Sprintf("%.2f ms", r.metrics.Latencies.Quantile(q).Seconds()*1e3) }
	fmt.Fprintf(to, "%s\t%s\t%.0f\t%s\t%s\t%s\t%.0f MB\n", title, wanted, r.metrics.Throughput, ms(0.5), ms(0.99), ms(0.999), float64(r.rss)/1e6)
}

// on attacks a Collector. It is an error if not every request is answered 200 and is in the file at the end.
func (a attack) on(cmd *exec.Cmd) (*report, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "out.json")
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), "BENCH_ENDPOINT="+address, "BENCH_SECRET="+secret, "BENCH_FILE="+file)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // this program's Collector runs until its end
	if err != nil {
		return nil, err
	}
	defer in.Close()
	err = cmd.Start()
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	err = awaitListener(address)
	if err != nil {
		return nil, err
	}
	r := a.run(address)
	if r.metrics.Success < 1 {
		return nil, fmt.Errorf("%.4f of the requests succeeded: %v", r.metrics.Success, r.metrics.Errors)
	}
	if r.rss, err = residentBytes(cmd.Process.Pid); err != nil {
		return nil, err
	}
	return r, awaitRecords(file, r.metrics.Requests)
}

// maxRequests bounds what is prepared for an attack without a rate.
const maxRequests = 400_000

func (a attack) run(address string) *report {
	n := a.rate * int(a.duration.Seconds())
	if a.rate == 0 {
		n = maxRequests
	}
	attacker := vegeta.NewAttacker(vegeta.Connections(a.connections), vegeta.MaxWorkers(uint64(a.connections)), vegeta.Workers(uint64(a.connections)))
	var r report
	for result := range attacker.Attack(targets("http://"+address+"/webhooks/verifyyou", n), vegeta.Rate{Freq: a.rate, Per: time.Second}, a.duration, "") {
		if !errors.Is(errorOf(result), vegeta.ErrNoTargets) {
			r.metrics.Add(result)
		}
	}
	r.metrics.Close()
	return &r
}

// errorOf makes the text of a result's error the error that it was.
func errorOf(r *vegeta.Result) error {
	if r.Error == vegeta.ErrNoTargets.Error() {
		return vegeta.ErrNoTargets
	}
	return nil
}

// targets hands out so many prepared requests.
func targets(url string, n int) vegeta.Targeter {
	all := make([]vegeta.Target, n)
	for i := range all {
		b := body(i)
		all[i] = vegeta.Target{Method: http.MethodPost, URL: url, Body: b, Header: http.Header{
			"Content-Type":          {"application/json"},
			"X-Verifyyou-Event":     {"verification_completed"},
			"X-Verifyyou-Signature": {sign(b)},
		}}
	}
	var next atomic.Int64
	return func(t *vegeta.Target) error {
		i := next.Add(1) - 1
		if i >= int64(n) {
			return vegeta.ErrNoTargets
		}
		*t = all[i]
		return nil
	}
}

// residentBytes reads a process's resident memory (proc(5), status).
func residentBytes(pid int) (int64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kB, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kB), " kB"), 10, 64)
			return n * 1024, err
		}
	}
	return 0, errors.New("no resident memory in the status of the process")
}

// awaitRecords waits until so many log records are in a file of the file exporter.
func awaitRecords(file string, n uint64) error {
	var have int
	for range 100 {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if have = bytes.Count(data, []byte(`"observedTimeUnixNano"`)); uint64(have) == n {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%d requests were answered 200, but %d records are in the file", n, have)
}
