// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	connections = 64
	maxPending  = 5000 // events that are being sent or wait for their next try
	window      = 32   // events that change places

	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
	latest       = 5 * time.Second // after which an event is delivered again
)

// sender behaves like VerifyYou: it delivers each event until the answer is 2xx, some of them twice, out of order. It
// does not wait as long as Retry-After says; that VerifyYou would is not documented.
type sender struct {
	url    string
	epoch  time.Time
	rate   int
	random *rand.Rand // of send only
	client http.Client

	mu       sync.Mutex
	tally    tally
	answered []time.Time // by event: when it got its first 200
}

// tally is what the sender knows of its deliveries.
type tally struct {
	sent       int // distinct events
	attempts   int
	retried    int // attempts after one that was not answered 200
	duplicates int // deliveries of events that had got a 200
	taken      int // distinct events that got a 200
	answers    map[string]int
}

func newSender(url string, rate int, random *rand.Rand) *sender {
	return &sender{
		url:    url,
		epoch:  time.Now().UTC(),
		rate:   rate,
		random: random,
		client: http.Client{Transport: &http.Transport{
			MaxConnsPerHost:       connections,
			MaxIdleConnsPerHost:   connections,
			ResponseHeaderTimeout: time.Minute,
		}},
		tally: tally{answers: map[string]int{}},
	}
}

// send makes events until a time and returns when all of them have got a 200, or when ctx ends.
func (s *sender) send(ctx context.Context, until time.Time) {
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	pending := make(chan struct{}, maxPending)
	pace := time.NewTicker(time.Second / time.Duration(s.rate))
	defer pace.Stop()
	for first := 0; time.Now().Before(until); first += window {
		s.begin(window)
		for _, i := range s.random.Perm(window) {
			<-pace.C
			pending <- struct{}{}
			deliveries.Go(func() {
				s.deliver(ctx, event{first + i, s.epoch})
				<-pending
			})
		}
	}
}

func (s *sender) begin(events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.sent += events
	s.answered = append(s.answered, make([]time.Time, events)...)
}

// deliver delivers an event, and one in twenty a second time, right away or later.
func (s *sender) deliver(ctx context.Context, e event) {
	if !s.deliverOnce(ctx, e) || e.n%20 != 7 {
		return
	}
	if e.n%40 == 7 && !sleep(ctx, rand.N(latest)) {
		return
	}
	s.mu.Lock()
	s.tally.duplicates++
	s.mu.Unlock()
	s.deliverOnce(ctx, e)
}

// deliverOnce posts an event until the answer is 200. It reports false if ctx ends before.
func (s *sender) deliverOnce(ctx context.Context, e event) bool {
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		answer := s.post(ctx, e)
		taken := strings.HasPrefix(answer, "200 ")
		s.note(e, answer, taken, backoff > firstBackoff)
		if taken {
			return true
		}
		if !sleep(ctx, backoff/2+rand.N(backoff)) {
			return false
		}
	}
}

func (s *sender) note(e event, answer string, taken, retry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.attempts++
	s.tally.answers[answer]++
	if retry {
		s.tally.retried++
	}
	if taken && s.answered[e.n].IsZero() {
		s.tally.taken++
		s.answered[e.n] = time.Now()
	}
}

// post returns the status and the body of the answer.
func (s *sender) post(ctx context.Context, e event) string {
	const none = "no answer"
	body := e.body()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is wrong
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-VerifyYou-Signature", sign(body))
	request.Header.Set("X-VerifyYou-Event", e.series().stage)
	response, err := s.client.Do(request)
	if err != nil {
		return none
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return none
	}
	return fmt.Sprintf("%d %s", response.StatusCode, text)
}

// soFar returns the tally but for its answers, which go on changing.
func (s *sender) soFar() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tally
	t.answers = nil
	return t
}

// sleep reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
