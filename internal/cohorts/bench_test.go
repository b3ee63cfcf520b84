// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unique"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// traffic is people as they come: most go along the happy path, some try liveness again, some stop.
type traffic struct {
	random *rand.Rand
	stages *cardinality.Stages
}

func newTraffic() *traffic {
	return &traffic{random: rand.New(rand.NewPCG(1, 2)), stages: cardinality.NewStages()}
}

// events draws the events of a person who begins at a time, from 1 s to some minutes apart.
func (t *traffic) events(at uint64, scratch []Event) []Event {
	events := scratch[:0]
	add := func(stage string) {
		events = append(events, Event{At: at, Stage: uint8(t.stages.Admit(stage))})
		at += uint64(time.Second) + uint64(t.random.ExpFloat64()*float64(40*time.Second))
	}
	for number, stage := range event.Stages() {
		if happyPath&(1<<number) == 0 {
			continue
		}
		if t.random.IntN(10) == 0 { // and does not come back
			break
		}
		for stage == "liveness_passed" && t.random.IntN(3) == 0 {
			add("liveness_failed")
			add("liveness_started")
		}
		add(stage)
	}
	if len(events) == 0 {
		add("verification_initialized")
	}
	return events
}

func outcomeAfter(events []Event) Outcome {
	switch last := events[len(events)-1].Stage; {
	case last == completed:
		return Completed
	case dropOffs&(1<<last) != 0:
		return DropOff
	default:
		return Abandoned
	}
}

// tell tells a Set of a person, event by event, and the end.
func (t *traffic) tell(s *Set, tracker unique.Handle[string], events []Event, before, after *Contribution, now time.Time) {
	before.Reset()
	var p Place
	v := Verification{Tracker: tracker}
	for n := range events {
		v.Events = events[:n+1]
		after.Describe(&v)
		p = s.Replace(p, before, after, now)
		before, after = after, before
	}
	v.Outcome = outcomeAfter(events)
	after.Describe(&v)
	s.Replace(p, before, after, now)
}

const (
	benchQuarters = 31 * 24 * 4
	benchTrackers = 17 // so that there are 50,592 cohorts
	benchPeople   = 20 // a cohort
)

// fill makes a Set with 17 cohorts of 20 verifications each in each quarter of an hour, told of as they would come. Those
// of 31 days are 50,592 cohorts.
func fill(now time.Time, quarters int64) *Set {
	t := newTraffic()
	s := NewSet(Settings{Retention: 32 * 24 * time.Hour, MaxCohorts: 160_000, MaxTrackers: benchTrackers}, t.stages, now)
	var trackers []unique.Handle[string]
	for n := range benchTrackers {
		trackers = append(trackers, unique.Make(fmt.Sprint("campaign-", n)))
	}
	var before, after Contribution
	var events []Event
	start := quarterAt(now) - quarters
	for number := range quarters {
		began := quarterStart(start + number)
		for _, tracker := range trackers {
			for range benchPeople {
				at := uint64(began.UnixNano()) + t.random.Uint64N(uint64(quarter15))
				events = t.events(at, events)
				t.tell(s, tracker, events, &before, &after, now)
			}
		}
	}
	return s
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkBytesACohort divides the memory of some 50,000 cohorts of 20 verifications each.
func BenchmarkBytesACohort(b *testing.B) {
	for b.Loop() {
		before := heap()
		s := fill(time.Now(), benchQuarters)
		b.ReportMetric(float64(heap()-before)/float64(s.Len()), "B/cohort")
		b.ReportMetric(float64(s.Len()), "cohorts")
		runtime.KeepAlive(s)
	}
}

// BenchmarkAnswer is a query over 31 days of some 50,000 cohorts.
func BenchmarkAnswer(b *testing.B) {
	now := time.Now()
	s := fill(now, benchQuarters)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Answer(lastMonth(now), now); err != nil {
			b.Fatal(err)
		}
	}
}

func lastMonth(now time.Time) *Query {
	return &Query{From: now.Add(-31 * 24 * time.Hour), To: now, Step: StepDay, Location: time.UTC}
}

// BenchmarkLongestLock is how long a query holds the lock at most, with one quarter of an hour that has 10,000
// trackers: the shortest of the longest, since on a busy machine whoever holds it may have to wait for a processor.
func BenchmarkLongestLock(b *testing.B) {
	now := time.Now()
	t := newTraffic()
	s := NewSet(Settings{Retention: 32 * 24 * time.Hour, MaxCohorts: 160_000, MaxTrackers: 10_000}, t.stages, now)
	var before, after Contribution
	var events []Event
	for n := range 200_000 {
		events = t.events(uint64(now.UnixNano()), events)
		t.tell(s, unique.Make(fmt.Sprint("campaign-", n%10_000)), events, &before, &after, now)
	}
	shortest := time.Hour
	for b.Loop() {
		w, err := s.walk(&Query{From: now, To: now.Add(1), Step: StepDay, Location: time.UTC}, now)
		if err != nil {
			b.Fatal(err)
		}
		w.views, w.pending = make([]view, 0, 1), nil
		begin := time.Now()
		w.next()
		shortest = min(shortest, time.Since(begin))
	}
	b.ReportMetric(float64(shortest.Microseconds()), "µs/lock")
}

// BenchmarkReplace is what an event costs: to describe a verification of seven events before and after it, and to count
// it so. There are 17 trackers, and a quarter of an hour has so many verifications of each.
func BenchmarkReplace(b *testing.B) {
	for _, people := range []int{20, 20_000} {
		b.Run(strconv.Itoa(people), func(b *testing.B) {
			t := newTraffic()
			now := time.Now()
			s := NewSet(Settings{Retention: 744 * time.Hour, MaxCohorts: 160_000, MaxTrackers: benchTrackers}, t.stages, now)
			tracker := unique.Make("campaign")
			var before, after Contribution
			var events []Event
			n := 0
			for b.Loop() {
				began := quarterStart(quarterAt(now) - int64(n/people)%benchQuarters)
				events = t.events(uint64(began.UnixNano())+t.random.Uint64N(uint64(quarter15)), events)
				n++
				t.tell(s, tracker, events, &before, &after, now)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/7, "ns/event")
		})
	}
}
