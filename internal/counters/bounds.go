// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"sync/atomic"
	"time"
)

// Other is the value of an attribute whose own value got no series of its own, as in the limits that the
// OpenTelemetry SDKs put on cardinality.
const Other = "_OTHER"

const (
	maxTrackerBytes = 256
	trackerIdle     = 7 * 24 * time.Hour

	maxStageBytes    = 64
	maxUnknownStages = 32
)

// trackers decides which values of external_tracker get series of their own. Its methods are not safe for concurrent
// use, but for find.
type trackers struct {
	max     int
	allowed map[string]bool // nil: any
	seen    map[string]*atomic.Int64
}

func newTrackers(limit int, allowed []string) *trackers {
	t := &trackers{max: limit, seen: map[string]*atomic.Int64{}}
	if len(allowed) > 0 {
		t.max = len(allowed)
		t.allowed = make(map[string]bool, len(allowed))
		for _, name := range allowed {
			t.allowed[name] = true
		}
	}
	return t
}

// find returns the name to count an event under that came at a time. It reports false if that is not decided yet:
// admit does.
func (t *trackers) find(name string, now time.Time) (string, bool) {
	if seen, ok := t.seen[name]; ok {
		seen.Store(now.UnixNano())
		return name, true
	}
	switch {
	case name == "":
		return "", true
	case len(name) > maxTrackerBytes, t.allowed != nil && !t.allowed[name], len(t.seen) >= t.max:
		return Other, true
	}
	return "", false
}

// admit is find for one that may take a place.
func (t *trackers) admit(name string, now time.Time) string {
	found, ok := t.find(name, now)
	if ok {
		return found
	}
	seen := new(atomic.Int64)
	seen.Store(now.UnixNano())
	t.seen[name] = seen
	return name
}

// restore gives a place to a name that had one, also beyond max, which may have been more then.
func (t *trackers) restore(name string, seenNanos int64) {
	if t.allowed != nil && !t.allowed[name] {
		return
	}
	seen := new(atomic.Int64)
	seen.Store(seenNanos)
	t.seen[name] = seen
}

// holds reports whether a bounded name can have series.
func (t *trackers) holds(name string) bool {
	_, ok := t.seen[name]
	return ok || name == "" || name == Other
}

// idle returns those that had no event for long enough to lose their place.
func (t *trackers) idle(now time.Time) []string {
	var names []string
	limit := now.Add(-trackerIdle).UnixNano()
	for name, seen := range t.seen {
		if seen.Load() < limit {
			names = append(names, name)
		}
	}
	return names
}

func (t *trackers) forget(name string) {
	delete(t.seen, name)
}

// stages decides which stages get series of their own: the known ones and the first so many others. Its methods are
// not safe for concurrent use, but for find.
type stages struct {
	known   map[string]bool
	unknown map[string]bool
}

func newStages(known []string) *stages {
	s := &stages{known: make(map[string]bool, len(known)), unknown: map[string]bool{}}
	for _, name := range known {
		s.known[name] = true
	}
	return s
}

// find returns the stage to count an event under. It reports false if that is not decided yet: admit does.
func (s *stages) find(name string) (string, bool) {
	switch {
	case s.known[name], s.unknown[name]:
		return name, true
	case len(name) > maxStageBytes, len(s.unknown) >= maxUnknownStages:
		return Other, true
	}
	return "", false
}

// admit is find for one that may take a place.
func (s *stages) admit(name string) string {
	found, ok := s.find(name)
	if ok {
		return found
	}
	s.unknown[name] = true
	return name
}
