// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Command soak runs the built Collector between a sender that behaves like VerifyYou and a backend that fails, ends
// and starts it again, and compares what arrived with what was sent. It exits with 1 where a promise is broken.
//
// In run A a 200 means that the backend has the event: there is no queue. In run B it means that it is on disk, and
// the Collector is killed too. In a steady run nothing fails: it shows whether memory and goroutines grow.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

//go:embed run_a.yaml
var configA string

//go:embed run_b.yaml
var configB string

// run is what happens to the Collector and its backend.
type run struct {
	name     string
	config   string
	logs     []mode // of the backend for logs, in turn
	metrics  []mode
	ends     []syscall.Signal // of the Collector, in turn
	promises promises
}

var runs = []run{
	{
		name:     "a",
		config:   configA,
		logs:     []mode{up, unavailable, up, slow, up, gone, up, refusing},
		metrics:  []mode{up, up, refusing, up, gone, up, slow, unavailable},
		ends:     []syscall.Signal{syscall.SIGTERM},
		promises: promises{once: true, exact: true},
	},
	{
		name:    "b",
		config:  configB,
		logs:    []mode{up, unavailable, up, slow, up, gone},
		metrics: []mode{up, up, slow, up, gone, unavailable},
		ends:    []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL},
	},
}

// options are the same for all runs.
type options struct {
	collector string
	duration  time.Duration
	rate      int
	seed      uint64
}

func main() {
	var o options
	flag.StringVar(&o.collector, "collector", "../bin/otelcol-verifyyou", "the Collector")
	flag.DurationVar(&o.duration, "duration", time.Minute, "how long a run sends new events")
	flag.IntVar(&o.rate, "rate", 500, "new events a second")
	flag.Uint64Var(&o.seed, "seed", 1, "of all that is random in what is sent")
	only := flag.String("run", "", "a, b or steady; a and b if empty")
	flag.Parse()
	if *only == "steady" {
		exitOn(steady(o))
		return
	}

	passed := true
	for _, r := range runs {
		if *only != "" && *only != r.name {
			continue
		}
		l, err := r.soak(o)
		exitOn(err)
		l.print(os.Stdout)
		passed = passed && len(l.broken) == 0
	}
	if !passed {
		os.Exit(1)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
}

// scene is a Collector that takes events, and what is around it.
type scene struct {
	dir           string
	collector     *collector
	sender        *sender
	backend       *backend
	logs, metrics *stub
}

func newScene(o options, config string) (*scene, error) {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return nil, err
	}
	b := newBackend()
	logs, err := newStub(b.takeLogs)
	if err != nil {
		return nil, err
	}
	metrics, err := newStub(b.takeMetrics)
	if err != nil {
		return nil, err
	}
	c, err := newCollector(dir, o.collector, config, logs, metrics)
	if err != nil {
		return nil, err
	}
	s := newSender("http://"+c.address+"/webhooks/verifyyou", o.rate, rand.New(rand.NewPCG(o.seed, 0)))
	return &scene{dir, c, s, b, logs, metrics}, c.start()
}

// enter changes how the backend answers.
func (s *scene) enter(logs, metrics mode) error {
	return errors.Join(s.logs.enter(logs), s.metrics.enter(metrics))
}

func (r *run) soak(o options) (*ledger, error) {
	s, err := newScene(o, r.config)
	if err != nil {
		return nil, err
	}
	l := &ledger{name: r.name, outages: map[mode]int{}}
	began := time.Now()
	if err := r.play(o, l, s); err != nil {
		return nil, err
	}
	l.took = time.Since(began)
	for _, stub := range []*stub{s.logs, s.metrics} {
		for m, times := range stub.outages {
			l.outages[m] += times
		}
	}
	l.judge(r.promises, s.sender, s.backend)
	if len(l.broken) > 0 {
		fmt.Printf("What the Collector printed is in %s\n", s.dir)
		return l, nil
	}
	return l, os.RemoveAll(s.dir)
}

// play sends events while things fail, and then until all have arrived.
func (r *run) play(o options, l *ledger, s *scene) error {
	ctx, giveUp := context.WithTimeout(context.Background(), 2*o.duration+10*patience)
	defer giveUp()
	until := time.Now().Add(o.duration)
	sent := make(chan struct{})
	go func() {
		s.sender.send(ctx, until)
		close(sent)
	}()
	go s.progress(ctx, r.name)

	// Steps are of random length, so that nothing is in step with the flushes. The Collector is restarted amid every
	// fifth, and so in every mode of the backend in the end.
	random := rand.New(rand.NewPCG(o.seed, 1))
	step := min(o.duration/30, 5*time.Second)
	pause := func() { time.Sleep(step/4 + time.Duration(random.Int64N(int64(step/2)))) }
	for n := 1; time.Now().Before(until); n++ {
		pause()
		if n%5 == 0 {
			if err := r.restart(l, s.collector); err != nil {
				return err
			}
		}
		pause()
		if err := s.enter(r.logs[n%len(r.logs)], r.metrics[n%len(r.metrics)]); err != nil {
			return err
		}
	}
	if err := s.enter(up, up); err != nil {
		return err
	}
	<-sent
	s.drain(ctx)
	return s.collector.end(syscall.SIGTERM)
}

func (r *run) restart(l *ledger, c *collector) error {
	signal := r.ends[(len(l.ended)+len(l.killed))%len(r.ends)]
	if signal == syscall.SIGKILL {
		l.killed = append(l.killed, time.Now())
	} else {
		l.ended = append(l.ended, time.Now())
	}
	if err := c.end(signal); err != nil {
		return err
	}
	return c.start()
}

// drain waits until queues have sent what they hold, as long as they send, and until the counters have come to rest.
func (s *scene) drain(ctx context.Context) {
	s.await(ctx, patience, func() (int64, bool) {
		distinct := s.backend.distinct()
		return int64(distinct), distinct >= s.sender.soFar().taken
	})
	s.await(ctx, 5*flushInterval, func() (int64, bool) {
		_, counted := s.backend.soFar()
		return counted, false
	})
}

// await returns when a number is reached, or when it has not changed for a time.
func (s *scene) await(ctx context.Context, still time.Duration, progress func() (number int64, reached bool)) {
	last, changed := int64(-1), time.Now()
	for {
		number, reached := progress()
		if number != last {
			last, changed = number, time.Now()
		}
		if reached || time.Since(changed) > still || !sleep(ctx, flushInterval) {
			return
		}
	}
}

// progress prints a line now and then.
func (s *scene) progress(ctx context.Context, name string) {
	for sleep(ctx, 10*time.Second) {
		t := s.sender.soFar()
		records, counted := s.backend.soFar()
		fmt.Printf("run %s: sent %d, answered 200 %d, retried %d, records %d, counted %d\n", name, t.sent, t.taken, t.retried, records, counted)
	}
}
