// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package truth

import (
	"strconv"
	"sync"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/population"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
)

// NoAnswer is the status of an attempt that got none.
const NoAnswer = 0

type (
	stageKey struct{ stage, tracker string }
	endKey   struct {
		outcome    Outcome
		lastStage  string
		droppedOff bool
		tracker    string
	}
	attemptKey struct {
		outcome  Outcome
		attempts int
		tracker  string
	}
)

// Recorder counts while events are sent. It keeps the verifications of which
// some event is neither acknowledged nor given up, and of the others only
// counts and 4 bytes a duration. It is safe for concurrent use.
type Recorder struct {
	mu         sync.Mutex
	open       map[*population.Verification]*progress
	ended      int64
	deliveries Deliveries
	first      time.Time
	last       time.Time
	events     map[stageKey]int64
	reached    map[stageKey]int64
	passed     map[stageKey]int64
	ends       map[endKey]int64
	attempts   map[attemptKey]int64
	took       map[string]*samples // by tracker
	tookStage  map[string]*samples // by stage
	beginnings beginnings
}

// progress is how far the deliveries of a verification have come.
type progress struct {
	acknowledged []bool
	latest       int // the last event that is acknowledged
	left         int // events that are neither acknowledged nor given up
}

// NewRecorder returns a Recorder that has counted nothing.
func NewRecorder() *Recorder {
	return &Recorder{
		open:       map[*population.Verification]*progress{},
		deliveries: Deliveries{Answers: map[string]int64{}},
		events:     map[stageKey]int64{},
		reached:    map[stageKey]int64{},
		passed:     map[stageKey]int64{},
		ends:       map[endKey]int64{},
		attempts:   map[attemptKey]int64{},
		took:       map[string]*samples{},
		tookStage:  map[string]*samples{},
		beginnings: beginnings{},
	}
}

// Kind says what comes before an attempt to deliver an event.
type Kind int

// The kinds of attempts.
const (
	First     Kind = iota
	Retry          // comes after an attempt that was not answered 2xx
	Duplicate      // comes after one that was
)

// Attempt counts a request and the status of its answer, which may be NoAnswer.
func (r *Recorder) Attempt(kind Kind, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(kind)
	if status == NoAnswer {
		r.deliveries.Answers["none"]++
		return
	}
	r.deliveries.Answers[strconv.Itoa(status)]++
}

// Signed counts an attempt that is left to somebody else, and has no answer yet.
func (r *Recorder) Signed(kind Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(kind)
}

func (r *Recorder) count(kind Kind) {
	r.deliveries.Attempts++
	switch kind {
	case First:
	case Retry:
		r.deliveries.Retries++
	case Duplicate:
		r.deliveries.Duplicates++
	}
}

// Acknowledge counts an event that is answered 2xx for the first time.
func (r *Recorder) Acknowledge(v *population.Verification, event int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.progressOf(v)
	p.acknowledged[event] = true
	if event < p.latest {
		r.deliveries.OutOfOrder++
	}
	p.latest = max(p.latest, event)
	r.deliveries.Acknowledged++
	r.settle(v, p)
}

// GiveUp counts an event that is not delivered. It is unclear whether the
// endpoint has taken it when an attempt got no answer.
func (r *Recorder) GiveUp(v *population.Verification, unclear bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries.GivenUp++
	if unclear {
		r.deliveries.Unclear++
	}
	r.settle(v, r.progressOf(v))
}

func (r *Recorder) progressOf(v *population.Verification) *progress {
	p, ok := r.open[v]
	if !ok {
		p = &progress{acknowledged: make([]bool, len(v.Events)), left: len(v.Events)}
		r.open[v] = p
	}
	return p
}

func (r *Recorder) settle(v *population.Verification, p *progress) {
	p.left--
	if p.left == 0 {
		r.end(v, p)
	}
}

// end counts a verification of which nothing more is sent.
func (r *Recorder) end(v *population.Verification, p *progress) {
	delete(r.open, v)
	r.ended++
	all, inTime := histories(v, p.acknowledged)
	if len(all) == 0 { // all were given up
		return
	}
	r.countEvents(v.Tracker, all)
	r.countEnd(v.Tracker, inTime)
	r.beginnings.count(v.Tracker, all)
}

func (r *Recorder) countEvents(tracker string, h history) {
	for _, e := range h {
		r.events[stageKey{e.Stage, tracker}]++
	}
	for e := range h.stages {
		r.reached[stageKey{e.Stage, tracker}]++
	}
	if at := h.first().OccurredAt; r.first.IsZero() || at.Before(r.first) {
		r.first = at
	}
	if at := h.last().OccurredAt; at.After(r.last) {
		r.last = at
	}
}

func (r *Recorder) countEnd(tracker string, h history) {
	outcome := h.outcome()
	r.ends[endKey{outcome, h.last().Stage, h.droppedOff(), tracker}]++
	r.attempts[attemptKey{outcome, h.attempts(), tracker}]++
	for _, stage := range h.passed() {
		r.passed[stageKey{stage, tracker}]++
	}
	for e, before := range h.stages {
		if before != nil {
			add(r.tookStage, e.Stage, e.OccurredAt.Sub(before.OccurredAt))
		}
		if e.Stage == scenario.Last {
			add(r.took, tracker, e.OccurredAt.Sub(h.first().OccurredAt))
		}
	}
}

func add(to map[string]*samples, name string, d time.Duration) {
	if to[name] == nil {
		to[name] = &samples{}
	}
	to[name].add(d)
}
