// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package funnel follows verifications through their events: which stages each has reached, when it ends, and how.
package funnel

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// Settings say how verifications are followed. Settle must not be negative, the other times and MaxVerifications must be
// positive.
type Settings struct {
	AbandonAfter time.Duration // silence after which an unfinished verification is ended
	Settle       time.Duration // how long stragglers are waited for after a completion
	Window       time.Duration // how long a verification is remembered from its first event

	MaxVerifications int // those remembered at once, ended ones included

	ActiveByTracker bool // Active counts by tracker too

	Statistics *cohorts.Settings // nil: none are kept
}

// Listener is told what happens to verifications. Its methods are called one at a time and with the Funnel's lock held:
// they must be quick, and must not call the Funnel. Stages are bounded, trackers are as they came, empty for none; now is
// the wall clock of the call that led to it.
type Listener interface {
	// Reached is called at the first event of a stage in a verification, whether it came before or after an end.
	Reached(stage, tracker string, now time.Time)
	// Resumed is called when a verification that had ended goes on, with how it had ended. It will end again.
	Resumed(as End, tracker string, now time.Time)
	// Reinitialized is called once a verification, when a second verification_initialized with another time comes: its
	// key may name something that many people share.
	Reinitialized()
	// Ended is called at each end; early says that there were too many verifications. The listener may keep e.
	Ended(e *Ended, early bool, now time.Time)
}

// Result is what an event was to its verification.
type Result int

// The results of Observe.
const (
	New       Result = iota // it counts in all that is told
	Duplicate               // an event with its identity is known: nothing changes
	Straggler               // it came after the end and is earlier than the last event: it counts in what was reached only
)

// Funnel follows verifications. It is safe for concurrent use.
//
// A verification ends after a silence, some time after its completion, or when its window closes. Each of the three takes
// equally long for all verifications, so each is a queue, and finding those that are due takes constant time.
type Funnel struct {
	settings Settings
	listener Listener
	stages   *cardinality.Stages

	mu      sync.Mutex
	clock   clock
	byKey   index
	table   table
	byState [states]list
	byFirst list
	active  map[activeKey]int64 // those that have not ended
	// beyond has a hash of each stage without a number that a verification has reached.
	beyond map[slot]map[uint64]struct{}
	// earliest has the tracker of the earliest event that has one, where it is not the first that came.
	earliest map[slot]unique.Handle[string]

	statistics statistics
	scratch    entries
}

// NewFunnel returns an empty Funnel, whose statistics begin at a time.
func NewFunnel(settings Settings, listener Listener, now time.Time) *Funnel {
	f := &Funnel{
		settings: settings,
		listener: listener,
		stages:   cardinality.NewStages(),
		byKey:    newIndex(),
		active:   map[activeKey]int64{},
		beyond:   map[slot]map[uint64]struct{}{},
		earliest: map[slot]unique.Handle[string]{},
		scratch:  make(entries, 0, maxEntries+1),
	}
	f.byFirst.kind = byFirst
	if settings.Statistics != nil {
		f.statistics.Set = cohorts.NewSet(*settings.Statistics, f.stages, now)
	}
	return f
}

// Observe takes an event that is received now, after it has ended what was due before (see Advance), and returns what it
// was to its verification. The Funnel keeps strings of e, but not e itself.
func (f *Funnel) Observe(e *Event, now time.Time) Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance(now, math.MaxInt)
	s := f.byKey.find(&f.table, e.Key)
	if s == 0 {
		s = f.begin(e.Key)
	}
	es, _ := f.table.at(s).trail.entries(f.scratch[:0])
	if es.contains(e.ID) {
		return Duplicate
	}
	f.beforeChange(s)
	defer f.afterChange(s)
	return f.take(s, e, es)
}

// take adds an event to a verification that does not have it, and tells of it.
func (f *Funnel) take(s slot, e *Event, es entries) Result {
	v := f.table.at(s)
	f.table.change(s)
	next := entry{at: e.At, id: e.ID, stage: uint8(f.stages.Admit(e.Stage))}
	f.reinitialize(v, es, &next)
	result := New
	if v.state == ended && !resumes(es, &next) {
		result, next.mark = Straggler, straggler
	} else if v.state == ended {
		f.listener.Resumed(f.endOf(es), v.tracker.Value(), f.clock.wall())
	}
	f.add(s, e, es, next)
	f.reach(s, e.Stage, next.stage)
	return result
}

// begin follows a new verification.
func (f *Funnel) begin(key string) slot {
	if f.byKey.count >= f.settings.MaxVerifications {
		f.makeRoom()
	}
	s := f.table.allocate()
	v := f.table.at(s)
	v.text, v.keyLen = key, uint16(len(key))
	v.tracker = noTracker
	v.first = f.clock.ran
	v.last = noStage
	v.state = following
	f.byKey.add(&f.table, s)
	f.byFirst.push(&f.table, s)
	f.byState[following].push(&f.table, s)
	return s
}

// noStage is the last stage of a verification without events.
const noStage = math.MaxUint8

// resumes reports whether an entry makes a verification go on that has ended.
func resumes(es entries, next *entry) bool {
	return next.compare(es.last()) > 0 || next.stage == completed && es.first(completed) == nil
}

// reinitialize tells, once a verification, that it has been initialized at two times.
func (f *Funnel) reinitialize(v *verification, es entries, next *entry) {
	again := next.stage == initialized && slices.ContainsFunc(es, func(e entry) bool {
		return e.stage == initialized && e.at != next.at
	})
	if again && v.flags&reinitialized == 0 {
		v.flags |= reinitialized
		f.listener.Reinitialized()
	}
}

// add adds an entry to a verification. A straggler is only kept.
func (f *Funnel) add(s slot, e *Event, es entries, next entry) {
	v := f.table.at(s)
	inTime := next.mark != straggler
	if inTime {
		if v.state != ended {
			f.countActive(v, -1)
		}
		v.name(e)
		v.events++
	}
	if inTime && e.TrustScore.Valid {
		es.score(&next)
	}
	if e.ExternalTracker != "" {
		es.track(&next)
	}
	if grown, isKept := es.insert(next); isKept {
		es = grown
		v.trail = newTrail(es)
		if next.scored {
			v.score = e.TrustScore.Value
		}
		if next.tracked {
			f.keepEarliest(s, unique.Make(e.ExternalTracker))
		}
	}
	if inTime {
		v.last = es.last().stage
		f.countActive(v, 1)
		f.wait(s, es)
	}
}

// keepEarliest keeps the tracker of the earliest event that has one.
func (f *Funnel) keepEarliest(s slot, tracker unique.Handle[string]) {
	if tracker == f.table.at(s).tracker {
		delete(f.earliest, s)
	} else {
		f.earliest[s] = tracker
	}
}

// wait says what a verification that has got an entry waits for.
func (f *Funnel) wait(s slot, es entries) {
	v := f.table.at(s)
	if v.state == settling {
		return // for stragglers, no longer than for the completion that it saw first
	}
	if es.first(completed) != nil {
		f.move(s, settling, f.settings.Settle)
		return
	}
	f.move(s, following, f.settings.AbandonAfter)
}

func (f *Funnel) move(s slot, to state, wait time.Duration) {
	v := f.table.at(s)
	f.byState[v.state].remove(&f.table, s)
	v.state = to
	v.due = f.clock.ran + wait
	f.byState[to].push(&f.table, s)
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

// activeKey is what active verifications are counted by; the tracker is none unless it is asked for.
type activeKey struct {
	stage   uint8
	tracker unique.Handle[string]
}

// countActive adds to the number of active verifications that are like one. There are few stages, but any number of
// trackers: a count of one of them is not kept at 0.
func (f *Funnel) countActive(v *verification, n int64) {
	if v.last == noStage {
		return
	}
	key := activeKey{v.last, noTracker}
	if f.settings.ActiveByTracker {
		key.tracker = v.tracker
	}
	f.active[key] += n
	if f.active[key] == 0 && key.tracker != noTracker {
		delete(f.active, key)
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
	f.listener.Reached(f.stages.Name(int(stage)), v.tracker.Value(), f.clock.wall())
}

func (f *Funnel) reachBeyond(s slot, hash uint64) bool {
	reached := f.beyond[s]
	if _, ok := reached[hash]; ok || len(reached) >= maxEntries {
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

// Advance ends what is due now. It has to be called at least every 10 s, better every 5 s: if more than 10 s pass between
// two calls of Advance or Observe, the process was stopped, and 10 s of it count as silence. Times should have their
// monotonic reading, as those of time.Now, so that setting the wall clock makes no difference; a time before an earlier
// one is then that of a caller that was late, and without the reading that of a clock that was set back.
func (f *Funnel) Advance(now time.Time) {
	for f.advanceSome(now) { // others come in between, also where very many are due
	}
}

// maxAtOnce is how many ends Advance handles without letting others in: some milliseconds' worth.
const maxAtOnce = 500

func (f *Funnel) advanceSome(now time.Time) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.advance(now, maxAtOnce)
}

// advance handles what is due, but no more than so many. It reports whether there is more.
func (f *Funnel) advance(now time.Time, atMost int) (more bool) {
	f.clock.look(now)
	for range atMost {
		s, due, closes := f.nextDue()
		if s == 0 || due > f.clock.ran {
			return false
		}
		if f.table.at(s).state != ended {
			f.end(s, false)
		}
		if closes {
			f.forget(s)
		}
	}
	return true
}

// nextDue returns the verification that is due first, when, and whether that is the end of its window.
func (f *Funnel) nextDue() (next slot, due time.Duration, closes bool) {
	if s := f.byFirst.head; s != 0 {
		next, due, closes = s, f.table.at(s).first+f.settings.Window, true
	}
	for _, waiting := range []state{following, settling} {
		if s := f.byState[waiting].head; s != 0 && f.table.at(s).due < due {
			next, due, closes = s, f.table.at(s).due, false
		}
	}
	return next, due, closes
}

func (f *Funnel) end(s slot, early bool) {
	f.table.change(s)
	f.beforeChange(s)
	defer f.afterChange(s)
	v := f.table.at(s)
	f.countActive(v, -1)
	f.byState[v.state].remove(&f.table, s)
	v.state = ended
	f.byState[ended].push(&f.table, s)
	v.ends++
	es, _ := v.trail.entries(f.scratch[:0])
	e := f.summarize(v, es)
	v.trail = newTrail(es)
	f.listener.Ended(e, early, f.clock.wall())
}

func (f *Funnel) forget(s slot) {
	f.table.change(s)
	v := f.table.at(s)
	f.byFirst.remove(&f.table, s)
	f.byState[v.state].remove(&f.table, s)
	f.byKey.remove(&f.table, s)
	delete(f.beyond, s)
	delete(f.earliest, s)
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
	silentOpen := f.table.at(open).due - f.settings.AbandonAfter
	silentSettling := f.table.at(settles).due - f.settings.Settle
	if silentSettling < silentOpen {
		return settles
	}
	return open
}

// ActiveKey is what active verifications have in common.
type ActiveKey struct {
	LastStage string // bounded
	Tracker   string // as it came; always empty without Settings.ActiveByTracker
}

// Active returns how many verifications have not ended. What has never been reached is not in it, nor is a tracker that
// has none any more.
func (f *Funnel) Active() map[ActiveKey]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	active := make(map[ActiveKey]int64, len(f.active))
	for key, n := range f.active {
		active[ActiveKey{f.stages.Name(int(key.stage)), key.tracker.Value()}] = n
	}
	return active
}

// Len returns how many verifications are remembered.
func (f *Funnel) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byKey.count
}
