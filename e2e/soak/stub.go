// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// mode is how the backend answers.
type mode string

const (
	up          mode = "up"
	slow        mode = "slow"        // far below the deadline of a delivery
	unavailable mode = "unavailable" // 503
	gone        mode = "gone"        // nobody listens
	refusing    mode = "refusing"    // 400, which exporters take for permanent
)

const (
	minDelay = 200 * time.Millisecond
	maxDelay = 500 * time.Millisecond
)

// stub takes what an OTLP/HTTP exporter sends of one signal. Its outages are clean: the mode is looked at before
// anything is taken, and what is taken is answered, so that it never has what the exporter takes for refused.
type stub struct {
	address string
	take    func(body []byte) error
	mode    atomic.Value
	server  *http.Server // nil: gone
	outages map[mode]int
}

func newStub(take func(body []byte) error) (*stub, error) {
	s := &stub{address: "127.0.0.1:0", take: take, outages: map[mode]int{}}
	s.mode.Store(up)
	err := s.listen()
	return s, err
}

func (s *stub) listen() error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	server := &http.Server{Handler: s}
	s.server = server
	go func() { _ = server.Serve(listener) }() // ends when the mode does
	return nil
}

// enter changes the mode. Requests that began in the old one end in it.
func (s *stub) enter(m mode) error {
	s.mode.Store(m)
	if m != up {
		s.outages[m]++
	}
	switch {
	case m == gone && s.server != nil:
		server := s.server
		s.server = nil
		return server.Shutdown(context.Background())
	case m != gone && s.server == nil:
		return s.listen()
	}
	return nil
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := s.mode.Load()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the exporter has gone and nothing is taken
	}
	switch m {
	case unavailable, gone:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case refusing:
		w.WriteHeader(http.StatusBadRequest)
		return
	case slow:
		time.Sleep(minDelay + rand.N(maxDelay-minDelay))
	}
	if err := s.take(body); err != nil {
		panic(fmt.Sprintf("an exporter sent what nobody can read: %v", err))
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // of an empty response
}
