// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// benchCase is a server to be measured.
type benchCase struct {
	name     string // of its configuration
	title    string
	verifies bool

	// What must come out of its pipelines for each request.
	records, counted int64
}

// reference is the case that the others are compared with.
const reference = "confighttp"

var cases = []benchCase{
	{name: "nethttp", title: "net/http, empty handler"},
	{name: reference, title: "confighttp, empty handler"},
	{name: "verifyyou_logs", title: "verifyyou, logs", verifies: true, records: 1},
	{name: "verifyyou_metrics", title: "verifyyou, metrics", verifies: true, counted: 1},
	{name: "verifyyou_both", title: "verifyyou, logs and metrics", verifies: true, records: 1, counted: 1},
	{name: "verifyyou", title: "verifyyou, with deduplication", verifies: true, records: 1, counted: 1},
	{name: "webhook_event", title: "webhook_event", records: 1},
	{name: "webhook_event_count", title: "webhook_event and count", records: 1, counted: 1},
}

// load is how a server is loaded.
type load struct {
	requests    int
	connections int
	cores       int    // 0: all
	profiles    string // a folder for profiles of the servers, or empty
}

// result is what one round of requests to a case took.
type result struct {
	perSecond          float64
	cpu                float64 // nanoseconds a request
	bytes, allocations float64 // a request
}

// warmUp is how many requests go before those that are measured.
const warmUp = 2_000

// server is the process of a case.
type server struct {
	benchCase
	address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	sent    int
}

// round measures a server once.
func (s *server) round(l load) (result, error) {
	all := s.requests(l.requests)
	before, err := s.measure()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	err = post(s.address, all, l.connections)
	if err != nil {
		return result{}, err
	}
	took := time.Since(began)
	after, err := s.measure()
	if err != nil {
		return result{}, err
	}
	n := float64(l.requests)
	return result{
		perSecond:   n / took.Seconds(),
		cpu:         float64(after.CPU-before.CPU) / n,
		bytes:       float64(after.Bytes-before.Bytes) / n,
		allocations: float64(after.Allocations-before.Allocations) / n,
	}, nil
}

// requests returns so many requests for events that the server has not had yet.
func (s *server) requests(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = request(s.address, s.sent)
		s.sent++
	}
	return all
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start runs a server and warms it up.
func start(c benchCase, l load) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "serve", c.name)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "BENCH_ENDPOINT="+address, "BENCH_SECRET="+secret, profilesVariable+"="+l.profiles)
	if l.cores > 0 {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(l.cores))
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{benchCase: c, address: address, cmd: cmd, in: in, out: json.NewDecoder(out)}
	if err := errors.Join(awaitListener(address), post(address, s.requests(warmUp), l.connections)); err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

func awaitListener(address string) error {
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the server does not listen")
}

func (s *server) measure() (usage, error) {
	var u usage
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return u, err
	}
	err := s.out.Decode(&u)
	return u, err
}

// stop ends a server in order. It is an error if the server has not taken, or not counted, every request.
func (s *server) stop() error {
	if err := s.in.Close(); err != nil {
		return err
	}
	var t taken
	if err := s.out.Decode(&t); err != nil {
		return err
	}
	if n := int64(s.sent); t.Records != n*s.records || t.Counted != n*s.counted {
		return fmt.Errorf("%d requests made %d records and a count of %d, not %d and %d", n, t.Records, t.Counted, n*s.records, n*s.counted)
	}
	return s.cmd.Wait()
}

// kill ends a server that has not ended.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}
