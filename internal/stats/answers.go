// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
)

const (
	// maxAge is how old an answer may be when an equal question shares it.
	maxAge = time.Second
	// maxHeld is how many bytes of answers may wait for their readers before no further one is made.
	maxHeld = 64 << 20
	// patience is how long a question waits for those before it. It leaves time to write the answer in.
	patience = 10 * time.Second
)

// answers makes the answers to questions, one after the other, so that however many ask, the Collector has most of its
// time for events. Equal questions share an answer. It is safe for concurrent use.
type answers struct {
	now      func() time.Time
	logger   *zap.Logger
	patience time.Duration
	kept     time.Duration // how long an answer is there to be shared, whatever the clock says
	turn     chan struct{} // has a place for the one answer that is being made
	closed   chan struct{}

	mu     sync.Mutex
	recent map[string]*answer
	held   int // bytes of the answers that are recent or have readers
}

// answer is made once, for all who ask the same.
type answer struct {
	done chan struct{} // closed when body and err are there

	body []byte
	err  error

	asOf    time.Time // zero until it is being made
	readers int
	recent  bool
}

func newAnswers(now func() time.Time, logger *zap.Logger) *answers {
	return &answers{now: now, logger: logger, patience: patience, kept: maxAge, turn: make(chan struct{}, 1), closed: make(chan struct{}), recent: map[string]*answer{}}
}

// get returns the answer to a question, which has a key of its own. It calls prepare with the time as of which to answer,
// unless an answer can be shared. Whoever gets an answer releases it when it is written, also one with an error. The error
// is that of prepare, errBusy, a guard.ErrPanic or that of ctx.
func (s *answers) get(ctx context.Context, key string, prepare func(now time.Time) ([]byte, error)) (*answer, error) {
	a, isNew := s.find(key)
	if isNew {
		// It goes on for the others when this one leaves.
		go s.make(key, a, prepare)
	}
	select {
	case <-a.done:
		return a, a.err
	case <-ctx.Done():
		return a, ctx.Err()
	}
}

func (s *answers) find(key string) (a *answer, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a = s.recent[key]
	if a == nil || a.isOld(s.now()) {
		s.forget(key, a)
		a, isNew = &answer{done: make(chan struct{}), recent: true}, true
		s.recent[key] = a
	}
	a.readers++
	return a, isNew
}

// isOld reports true also of an answer that was made before the clock was set back.
func (a *answer) isOld(now time.Time) bool {
	age := now.Sub(a.asOf)
	return !a.asOf.IsZero() && (age < 0 || age >= maxAge)
}

// release is for whoever has read an answer.
func (s *answers) release(a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.readers--
	s.drop(a)
}

// forget makes an answer one that is not shared any more. It is called with the lock held.
func (s *answers) forget(key string, a *answer) {
	if a == nil || !a.recent {
		return
	}
	if s.recent[key] == a {
		delete(s.recent, key)
	}
	a.recent = false
	s.drop(a)
}

// drop no longer counts an answer that nobody can read. It is called with the lock held.
func (s *answers) drop(a *answer) {
	if a.readers == 0 && !a.recent {
		s.held -= len(a.body)
	}
}

func (s *answers) make(key string, a *answer, prepare func(now time.Time) ([]byte, error)) {
	body, err := s.prepare(a, prepare)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.err = err
	if a.readers > 0 || a.recent {
		a.body = body
		s.held += len(body)
	}
	close(a.done)
	if err != nil {
		s.forget(key, a)
		return
	}
	time.AfterFunc(s.kept, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forget(key, a)
	})
}

// prepare waits for its turn.
func (s *answers) prepare(a *answer, prepare func(now time.Time) ([]byte, error)) (body []byte, err error) {
	tired := time.NewTimer(s.patience)
	defer tired.Stop()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.closed:
		return nil, errBusy
	case <-tired.C:
		return nil, errBusy
	}
	now, ok := s.begin(a)
	if !ok {
		return nil, errBusy
	}
	defer guard.Recover(s.logger, &err)
	return prepare(now)
}

// close waits for the answer that is being made. None is made after it. It is called once.
func (s *answers) close() {
	close(s.closed)
	s.turn <- struct{}{} // for good
}

func (s *answers) begin(a *answer) (now time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.asOf = s.now()
	return a.asOf, s.held <= maxHeld
}
