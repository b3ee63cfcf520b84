// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cardinality

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// start has a monotonic reading, as what a clock returns has.
var start = time.Now()

func TestStages(t *testing.T) {
	s := NewStages()
	for number, name := range event.Stages() {
		assert.Equal(t, number, s.Admit(name))
		assert.Equal(t, name, s.Name(number))
		assert.Equal(t, name, s.AdmitName(name))
	}
	assert.Equal(t, OtherNumber, s.Admit(strings.Repeat("x", 65)))
	assert.Equal(t, OtherNumber, s.Admit(Other))
	for n := range MaxUnknownStages {
		name := fmt.Sprint("unknown_", n)
		assert.Equal(t, len(event.Stages())+n, s.Admit(name))
		assert.Equal(t, name, s.Name(s.Admit(name)))
	}
	assert.Equal(t, OtherNumber, s.Admit(strings.Repeat("x", 64)), "there are 32 by now")
	assert.Equal(t, Other, s.Name(OtherNumber))
	assert.Equal(t, Other, s.AdmitName("one_more"))
	assert.Equal(t, "unknown_7", s.AdmitName("unknown_7"), "keeps its place")
	assert.Len(t, s.Names(), len(event.Stages())+MaxUnknownStages)
	assert.Equal(t, "unknown_0", s.Names()[len(event.Stages())])
	assert.Equal(t, strings.Repeat("x", 64), NewStages().AdmitName(strings.Repeat("x", 64)))
}

// admission is a tracker's name and whether it is new.
type admission struct {
	name  string
	isNew bool
}

func (t *Trackers) admitNow(name string) admission {
	admitted, isNew := t.Admit(name, start)
	return admission{admitted, isNew}
}

func TestTrackers(t *testing.T) {
	trackers := NewTrackers(2, nil)
	assert.Equal(t, admission{}, trackers.admitNow(""))
	assert.Equal(t, admission{name: Other}, trackers.admitNow(strings.Repeat("x", MaxTrackerBytes+1)))
	assert.Equal(t, admission{name: Other}, trackers.admitNow(Other), "without a place")
	longest := strings.Repeat("x", MaxTrackerBytes)
	assert.Equal(t, admission{longest, true}, trackers.admitNow(longest))
	assert.Equal(t, admission{"ads", true}, trackers.admitNow("ads"))
	assert.Equal(t, admission{"ads", false}, trackers.admitNow("ads"))
	assert.Equal(t, admission{name: Other}, trackers.admitNow("one more"))
	assert.Equal(t, map[string]int64{longest: start.UnixNano(), "ads": start.UnixNano()}, trackers.Seen())
	assert.Equal(t, admission{name: Other}, NewTrackers(0, nil).admitNow("ads"))
}

func TestAllowedTrackers(t *testing.T) {
	trackers := NewTrackers(0, []string{"ads", "news"})
	assert.Equal(t, admission{"ads", true}, trackers.admitNow("ads"))
	assert.Equal(t, admission{name: Other}, trackers.admitNow("other"))
	assert.Equal(t, admission{"news", true}, trackers.admitNow("news"))
	trackers.Restore(map[string]int64{"ads": 1, "gone": 2})
	assert.True(t, trackers.Holds("ads"))
	assert.False(t, trackers.Holds("gone"))
	assert.True(t, trackers.Holds(Other))
	assert.True(t, trackers.Holds(""))
}

func TestIdleTrackers(t *testing.T) {
	trackers := NewTrackers(2, nil)
	trackers.Admit("ads", start)
	trackers.Admit("news", start.Add(time.Hour))
	never := func(map[string]bool) map[string]bool { t.Error("no tracker is idle"); return nil }
	trackers.EvictIdle(start.Add(trackerIdle), never)

	trackers.EvictIdle(start.Add(trackerIdle+1), func(names map[string]bool) map[string]bool {
		assert.Equal(t, map[string]bool{"ads": true}, names)
		return nil // it has something pending
	})
	assert.True(t, trackers.Holds("ads"))
	trackers.EvictIdle(start.Add(trackerIdle+1), func(names map[string]bool) map[string]bool { return names })
	assert.False(t, trackers.Holds("ads"))
	assert.Equal(t, admission{"next", true}, trackers.admitNow("next"), "its place is free")
}

// TestActiveTracker keeps its place, as each event is its last one.
func TestActiveTracker(t *testing.T) {
	trackers := NewTrackers(1, nil)
	never := func(map[string]bool) map[string]bool { t.Error("no tracker is idle"); return nil }
	for days := range 30 {
		now := start.AddDate(0, 0, days)
		_, isNew := trackers.Admit("ads", now)
		assert.Equal(t, days == 0, isNew)
		assert.Equal(t, map[string]int64{"ads": now.UnixNano()}, trackers.Seen())
		trackers.EvictIdle(now.Add(trackerIdle), never)
	}
}

// TestManyAtOnce lets goroutines contend for the places: as many as there are get one, and each is new once.
func TestManyAtOnce(t *testing.T) {
	trackers, stages := NewTrackers(5, nil), NewStages()
	var mu sync.Mutex
	names, numbers, isNew := map[string]int{}, map[int]string{}, 0
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for n := range 200 {
				name := fmt.Sprint("name_", (n+caller)%50)
				tracker, first := trackers.Admit(name, start)
				number := stages.Admit(name)
				mu.Lock()
				names[tracker]++
				if first {
					isNew++
				}
				if number != OtherNumber {
					assert.Contains(t, []string{"", name}, numbers[number], "one number for two stages")
					numbers[number] = name
					assert.Equal(t, name, stages.Name(number))
				}
				mu.Unlock()
				trackers.EvictIdle(start, nil)
			}
		})
	}
	callers.Wait()
	assert.Equal(t, 5, isNew)
	assert.Len(t, names, 6, "and the other")
	assert.Len(t, numbers, MaxUnknownStages)
}

// TestTrackerSeenInTheFuture shows that a tracker is idle after 7 days, though its last event came while the clock was
// ahead by a year.
func TestTrackerSeenInTheFuture(t *testing.T) {
	trackers := NewTrackers(2, nil)
	trackers.Admit("ads", start.AddDate(1, 0, 0))
	evicted := map[string]bool{}
	evict := func(names map[string]bool) map[string]bool { evicted = names; return names }
	trackers.EvictIdle(start, evict)
	trackers.EvictIdle(start.Add(trackerIdle), evict)
	assert.Empty(t, evicted)
	trackers.EvictIdle(start.Add(trackerIdle+1), evict)
	assert.Equal(t, map[string]bool{"ads": true}, evicted)
}
