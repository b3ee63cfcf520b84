// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package funnel follows verifications through their events: which stages each has reached, when it ends, and how.
package funnel

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// Settings say how verifications are followed. All must be positive.
type Settings struct {
	AbandonAfter time.Duration // silence after which an unfinished verification is ended
	Settle       time.Duration // how long stragglers are waited for after a completion
	Window       time.Duration // how long a verification is remembered from its first event

	MaxVerifications int
}

// Listener is told what happens, while the Funnel is locked: it must not call it.
type Listener interface {
	// Reached is for the first event of a stage in a verification.
	Reached(stage, tracker string, now time.Time)
	// Resumed is for a verification that goes on, with what it had ended as.
	Resumed(as Outcome, lastStage, tracker string, now time.Time)
	// Ended is for an end; early says that it came because there were too many verifications.
	Ended(e *Ended, early bool, now time.Time)
}

// Result is what an event was to its verification.
type Result int

// An event is new; or it was there before; or it came after the end, and is earlier than it.
const (
	New Result = iota
	Duplicate
	Straggler
)

// Funnel follows verifications. It is safe for concurrent use.
//
// A verification ends when nothing has come for long, a while after its completion, or when its window closes. Each of
// the three waits the same time for all, so that each is a queue, and no end has to be searched for.
type Funnel struct {
	settings Settings
	listener Listener
	stages   *cardinality.Stages

	mu      sync.Mutex
	now     time.Time     // of a clock that never goes back, and stands still while there is no Funnel
	stopped time.Duration // how far that clock is behind
	byKey   index
	table   table
	byState [states]list
	byFirst list
	active  map[uint8]int64 // those that have not ended, by their last stage
	// beyond has a hash of each stage without a number that a verification has reached.
	beyond map[slot]map[uint64]struct{}

	scratch []step
}

// NewFunnel returns an empty Funnel.
func NewFunnel(settings Settings, listener Listener) *Funnel {
	f := &Funnel{
		settings: settings,
		listener: listener,
		stages:   cardinality.NewStages(),
		byKey:    newIndex(),
		active:   map[uint8]int64{},
		beyond:   map[slot]map[uint64]struct{}{},
		scratch:  make([]step, 0, maxSteps+1),
	}
	f.byFirst.kind = byFirst
	return f
}

// Observe takes an event that is received at a time.
func (f *Funnel) Observe(e *Event, now time.Time) Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(now)
	s := f.byKey.find(&f.table, e.Key)
	if s == 0 {
		s = f.begin(e.Key)
	}
	v := f.table.at(s)
	steps, _ := v.trail.steps(f.scratch[:0])
	if contains(steps, e.ID) {
		return Duplicate
	}
	f.table.change(s)
	stage := uint8(f.stages.Admit(e.Stage))
	next := step{at: e.At, id: e.ID, stage: stage}
	if v.state == ended {
		if !resumes(steps, &next) {
			f.reach(s, e.Stage, stage)
			return Straggler
		}
		f.listener.Resumed(outcomeOf(steps), f.stages.Name(int(v.last)), v.tracker.Value(), f.clock())
	}
	f.take(s, e, steps, next)
	f.reach(s, e.Stage, stage)
	return New
}

// begin follows a new verification.
func (f *Funnel) begin(key string) slot {
	if f.byKey.count >= f.settings.MaxVerifications {
		f.makeRoom()
	}
	s := f.table.take()
	v := f.table.at(s)
	v.text, v.keyLen = key, uint16(len(key))
	v.tracker = noTracker
	v.first = f.now.UnixNano()
	v.last = noStage
	v.state = following
	f.byKey.add(&f.table, s)
	f.byFirst.push(&f.table, s)
	f.byState[following].push(&f.table, s)
	return s
}

// noStage is the last stage of a verification without events.
const noStage = math.MaxUint8

// resumes reports whether a step of a verification that has ended makes it go on.
func resumes(steps []step, next *step) bool {
	return next.compare(&steps[len(steps)-1]) > 0 || next.stage == completed && indexOfStage(steps, completed) < 0
}

// take adds a step to a verification.
func (f *Funnel) take(s slot, e *Event, steps []step, next step) {
	v := f.table.at(s)
	v.name(e)
	v.events++
	scores := e.TrustScore.Valid && takesScore(steps, &next)
	if grown, ok := insert(steps, next); ok {
		steps = grown
		v.trail = newTrail(steps)
		if scores {
			v.score = e.TrustScore.Value
		}
	}
	if v.state != ended {
		f.countActive(v.last, -1)
	}
	v.last = steps[len(steps)-1].stage
	f.countActive(v.last, 1)
	f.wait(s, steps)
}

// name keeps the first external id and the first tracker that there are.
func (v *verification) name(e *Event) {
	if v.externalID() == "" && e.ExternalID != "" {
		v.text = v.key() + e.ExternalID
	}
	if v.tracker == noTracker && e.ExternalTracker != "" {
		v.tracker = unique.Make(e.ExternalTracker)
	}
}

// takesScore moves the mark of the last known score to a step, unless a later one has it.
func takesScore(steps []step, next *step) bool {
	for i := range steps {
		if steps[i].scored {
			if next.compare(&steps[i]) < 0 {
				return false
			}
			steps[i].scored = false
		}
	}
	next.scored = true
	return true
}

// wait says what a verification that has taken a step waits for.
func (f *Funnel) wait(s slot, steps []step) {
	v := f.table.at(s)
	if v.state == settling {
		return // for stragglers, no longer than for the completion that it saw first
	}
	if indexOfStage(steps, completed) >= 0 {
		f.move(s, settling, f.settings.Settle)
		return
	}
	f.move(s, following, f.settings.AbandonAfter)
}

func (f *Funnel) move(s slot, to state, wait time.Duration) {
	v := f.table.at(s)
	f.byState[v.state].remove(&f.table, s)
	v.state = to
	v.due = f.now.Add(wait).UnixNano()
	f.byState[to].push(&f.table, s)
}

func (f *Funnel) countActive(stage uint8, n int64) {
	if stage != noStage {
		f.active[stage] += n
	}
}

// reach tells of a stage that a verification had not reached. Of the stages that have no number it keeps hashes, of so
// many as it keeps events.
func (f *Funnel) reach(s slot, name string, stage uint8) {
	v := f.table.at(s)
	if stage == cardinality.OtherNumber {
		if !f.reachBeyond(s, hashOf(name)) {
			return
		}
	} else if !v.reach(stage) {
		return
	}
	f.listener.Reached(f.stages.Name(int(stage)), v.tracker.Value(), f.clock())
}

func (f *Funnel) reachBeyond(s slot, hash uint64) bool {
	reached := f.beyond[s]
	if _, ok := reached[hash]; ok || len(reached) >= maxSteps {
		return false
	}
	if reached == nil {
		reached = map[uint64]struct{}{}
		f.beyond[s] = reached
	}
	reached[hash] = struct{}{}
	return true
}

// hashOf is the same on every machine, since it is kept over a restart.
func hashOf(stage string) uint64 {
	sum := sha256.Sum256([]byte(stage))
	return binary.BigEndian.Uint64(sum[:])
}

// Advance ends what is due at a time.
func (f *Funnel) Advance(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(now)
}

// clock returns the time as those outside know it.
func (f *Funnel) clock() time.Time {
	return f.now.Add(f.stopped)
}

func (f *Funnel) advance(now time.Time) {
	now = now.Add(-f.stopped)
	if now.Before(f.now) {
		return // the clock has been set back
	}
	for {
		s, due, closes := f.nextDue()
		if s == 0 || due > now.UnixNano() {
			break
		}
		f.now = time.Unix(0, max(due, f.now.UnixNano()))
		if f.table.at(s).state != ended {
			f.end(s, false)
		}
		if closes {
			f.forget(s)
		}
	}
	f.now = now
}

// nextDue returns the verification that is due first, when, and whether that is the end of its window.
func (f *Funnel) nextDue() (next slot, due int64, closes bool) {
	if s := f.byFirst.head; s != 0 {
		next, due, closes = s, f.table.at(s).first+int64(f.settings.Window), true
	}
	for _, waiting := range []state{following, settling} {
		if s := f.byState[waiting].head; s != 0 && f.table.at(s).due < due {
			next, due, closes = s, f.table.at(s).due, false
		}
	}
	return next, due, closes
}

func (f *Funnel) end(s slot, early bool) {
	v := f.table.at(s)
	f.countActive(v.last, -1)
	f.byState[v.state].remove(&f.table, s)
	v.state = ended
	f.byState[ended].push(&f.table, s)
	v.ends++
	f.table.change(s)
	steps, _ := v.trail.steps(f.scratch[:0])
	e := f.summarize(v, steps)
	v.trail = newTrail(steps)
	f.listener.Ended(e, early, f.clock())
}

func (f *Funnel) forget(s slot) {
	v := f.table.at(s)
	f.byFirst.remove(&f.table, s)
	f.byState[v.state].remove(&f.table, s)
	f.byKey.remove(&f.table, s)
	delete(f.beyond, s)
	f.table.release(s)
}

// makeRoom forgets the verification that has ended longest ago, or ends the one that has been silent longest.
func (f *Funnel) makeRoom() {
	s := f.byState[ended].head
	if s == 0 {
		s = f.longestSilent()
		f.end(s, true)
	}
	f.forget(s)
}

func (f *Funnel) longestSilent() slot {
	open, settles := f.byState[following].head, f.byState[settling].head
	switch {
	case open == 0:
		return settles
	case settles == 0:
		return open
	}
	silentOpen := f.table.at(open).due - int64(f.settings.AbandonAfter)
	silentSettling := f.table.at(settles).due - int64(f.settings.Settle)
	if silentSettling < silentOpen {
		return settles
	}
	return open
}

// Active returns how many verifications have not ended, by their last stage.
func (f *Funnel) Active() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	active := make(map[string]int64, len(f.active))
	for stage, n := range f.active {
		active[f.stages.Name(int(stage))] = n
	}
	return active
}

// Len returns how many verifications are remembered.
func (f *Funnel) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byKey.count
}
