// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"iter"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

// slowSource lets a test say when an answer is ready, and counts the questions.
type slowSource struct {
	Source
	asked, at, most atomic.Int64
	entered, ready  chan struct{}
}

func newSlowSource() *slowSource {
	return &slowSource{Source: statstest.New(50, noon), entered: make(chan struct{}, 10_000), ready: make(chan struct{})}
}

func (s *slowSource) Answer(q *cohorts.Query, now time.Time) (*cohorts.Answer, error) {
	s.asked.Add(1)
	if n := s.at.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.at.Add(-1)
	s.entered <- struct{}{}
	<-s.ready
	return s.Source.Answer(q, now)
}

// askMany asks all targets at once, each that often, and returns the statuses when all are answered.
func askMany(h http.Handler, times int, targets ...string) (statuses func() map[int]int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	counts := map[int]int{}
	for range times {
		for _, target := range targets {
			all.Go(func() {
				w := ask(h, http.MethodGet, target)
				mu.Lock()
				defer mu.Unlock()
				counts[w.Code]++
			})
		}
	}
	return func() map[int]int {
		all.Wait()
		return counts
	}
}

func TestAThousandEqualQuestionsAreOne(t *testing.T) {
	source := newSlowSource()
	h := newHandler(t, source)
	statuses := askMany(h, 1000, pathFunnel+"?from=7d")
	<-source.entered
	for readers := 0; readers < 1000; runtime.Gosched() { // all of them wait for it
		h.answers.mu.Lock()
		for _, a := range h.answers.recent {
			readers = a.readers
		}
		h.answers.mu.Unlock()
	}
	close(source.ready)
	assert.Equal(t, map[int]int{http.StatusOK: 1000}, statuses())
	assert.Equal(t, int64(1), source.asked.Load())
}

func TestAnAnswerIsSharedForASecond(t *testing.T) {
	source := newSlowSource()
	close(source.ready)
	clock := newClock(noon)
	h := NewHandler(source, clock.now, zap.NewNop())
	h.answers.kept = time.Hour
	for _, step := range []struct {
		after time.Duration
		asked int64
	}{{0, 1}, {999 * ms, 1}, {1 * ms, 2}, {500 * ms, 2}, {-600 * ms, 3}, {0, 3}} {
		clock.advance(step.after)
		get(t, h, pathFunnel)
		assert.Equal(t, step.asked, source.asked.Load(), "%+v", step)
	}
	// The same in other words is the same question; another format is not.
	get(t, h, pathFunnel+"?from=24h")
	get(t, h, pathFunnel+"?from=1d&time_zone=UTC")
	assert.Equal(t, int64(3), source.asked.Load())
	get(t, h, pathPage)
	get(t, h, pathFunnel+"?step=15m")
	get(t, h, pathFunnel+"?external_tracker=")
	get(t, h, pathFunnel+"?external_tracker=&external_tracker=")
	assert.Equal(t, int64(7), source.asked.Load())
}

const ms = time.Millisecond

func TestDifferentQuestionsAreAnsweredOneAfterTheOther(t *testing.T) {
	source := newSlowSource()
	h := newHandler(t, source)
	statuses := askMany(h, 1, pathFunnel+"?from=1h", pathFunnel+"?from=2h", pathFunnel+"?from=3h", "/?from=4h")
	for range 4 {
		<-source.entered
		source.ready <- struct{}{}
	}
	assert.Equal(t, map[int]int{http.StatusOK: 4}, statuses())
	assert.Equal(t, int64(1), source.most.Load())
}

func TestWhoWaitsTooLongIsTold(t *testing.T) {
	source := newSlowSource()
	h := newHandler(t, source)
	h.answers.patience = time.Millisecond
	first := askMany(h, 1, pathFunnel)
	<-source.entered
	for _, target := range []string{pathFunnel + "?from=1h", "/?from=1h"} {
		w := ask(h, http.MethodGet, target)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "2", w.Header().Get("Retry-After"))
	}
	close(source.ready)
	assert.Equal(t, map[int]int{http.StatusOK: 1}, first())
	get(t, h, pathFunnel+"?from=1h") // a refusal is not remembered
}

// failingSource panics, or fails.
type failingSource struct{ panics bool }

func (s failingSource) Answer(*cohorts.Query, time.Time) (*cohorts.Answer, error) {
	if s.panics {
		panic("a fault in the statistics")
	}
	return nil, errors.New("secret of the inside")
}

func (s failingSource) Rows(q *cohorts.Query, now time.Time) (iter.Seq[cohorts.Row], error) {
	_, err := s.Answer(q, now)
	return nil, err
}

func TestAFaultEndsOneAnswerAlone(t *testing.T) {
	for _, source := range []failingSource{{true}, {false}} {
		h := newHandler(t, source)
		for _, target := range []string{pathFunnel, pathCSV, pathPage} {
			statuses := askMany(h, 10, target)
			assert.Equal(t, map[int]int{http.StatusInternalServerError: 10}, statuses())
			assert.NotContains(t, ask(h, http.MethodGet, target).Body.String(), "inside")
		}
		assert.Empty(t, h.answers.recent)
		assert.Empty(t, h.answers.turn)
	}
}

func TestAnswersThatWaitForTheirReadersAreBounded(t *testing.T) {
	s := newAnswers(newClock(noon).now, zap.NewNop())
	s.kept = time.Hour
	large := func(time.Time) ([]byte, error) { return make([]byte, maxHeld+1), nil }
	a, err := s.get(t.Context(), "large", large)
	require.NoError(t, err)
	b, err := s.get(t.Context(), "another", large)
	require.ErrorIs(t, err, errBusy)
	s.release(b)
	same, err := s.get(t.Context(), "large", large)
	require.NoError(t, err, "one that is there can be shared")
	s.release(same)
	s.release(a)
	s.mu.Lock()
	s.forget("large", a)
	assert.Zero(t, s.held)
	s.mu.Unlock()
	c, err := s.get(t.Context(), "another", large)
	require.NoError(t, err)
	s.release(c)
}

func TestNothingIsAskedAfterClose(t *testing.T) {
	source := newSlowSource()
	h := newHandler(t, source)
	running := askMany(h, 1, pathFunnel)
	<-source.entered
	waiting := askMany(h, 1, pathFunnel+"?from=1h", "/?from=2h")
	closed := make(chan struct{})
	go func() {
		h.Close()
		close(closed)
	}()
	assert.Equal(t, map[int]int{http.StatusServiceUnavailable: 2}, waiting())
	select {
	case <-closed:
		assert.Fail(t, "Close did not wait for the answer that is being made")
	default:
	}
	close(source.ready)
	<-closed
	assert.Equal(t, map[int]int{http.StatusOK: 1}, running())
	assert.Equal(t, http.StatusServiceUnavailable, ask(h, http.MethodGet, pathFunnel+"?from=3h").Code)
	assert.Equal(t, int64(1), source.asked.Load())
}
