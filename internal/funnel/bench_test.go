// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// nobody listens.
type nobody struct{}

func (nobody) Reached(string, string, time.Time) {}
func (nobody) Resumed(End, string, time.Time)    {}
func (nobody) Reinitialized()                    {}
func (nobody) Ended(*Ended, bool, time.Time)     {}

var start = clocktest.Time(time.Date(2026, 6, 9, 17, 0, 0, 0, time.UTC), 0)

func settings(maxVerifications int) Settings {
	return Settings{AbandonAfter: 30 * time.Minute, Settle: 30 * time.Second, Window: 24 * time.Hour, MaxVerifications: maxVerifications}
}

// tenEvents are the stages of a person who tries liveness again.
var tenEvents = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
	"liveness_failed", "liveness_started", "liveness_cancelled", "liveness_started", "liveness_passed",
}

// eventOf returns an event of a verification, 20 s and some microseconds after the one before.
func eventOf(verification, number int) *Event {
	e := &Event{
		Key:   fmt.Sprintf("ver_%08x", verification),
		Stage: tenEvents[number%len(tenEvents)],
		At:    uint64(start.Add(time.Duration(number)*20*time.Second + time.Duration(verification%1e6)*time.Microsecond).UnixNano()),
		ID:    event.ID{}, ExternalID: fmt.Sprintf("user_%06d", verification), ExternalTracker: "signup-campaign",
		TrustScore: event.Number[float64]{Value: 0.9, Valid: true},
	}
	binary.LittleEndian.PutUint64(e.ID[:], uint64(verification)<<16|uint64(number))
	binary.LittleEndian.PutUint64(e.ID[8:], uint64(verification)*0x9e3779b97f4a7c15)
	return e
}

// BenchmarkBytesAVerification follows a million verifications of ten events each and divides the heap.
func BenchmarkBytesAVerification(b *testing.B) {
	const verifications = 1_000_000
	for b.Loop() {
		before := heap()
		f := NewFunnel(settings(verifications), nobody{}, start)
		for v := range verifications {
			for n := range tenEvents {
				f.Observe(eventOf(v, n), start)
			}
		}
		b.ReportMetric(float64(heap()-before)/verifications, "B/verification")
		runtime.KeepAlive(f)
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkObserve is the cost of an event, with so many verifications that are followed, with and without statistics.
func BenchmarkObserve(b *testing.B) {
	for _, verifications := range []int{1_000, 100_000, 1_000_000} {
		for name, s := range map[string]Settings{"": settings(verifications), "/statistics": withStatistics(verifications)} {
			b.Run(strconv.Itoa(verifications)+name, func(b *testing.B) {
				c := &crowd{f: NewFunnel(s, nobody{}, start)}
				for range verifications * 10 {
					c.next()
				}
				b.ReportAllocs()
				for b.Loop() {
					c.next()
				}
			})
		}
	}
}

// crowd is people whose events come one after the other.
type crowd struct {
	f *Funnel
	n atomic.Int64
}

// next observes an event: ten of one, spread over others as those of people are.
func (c *crowd) next() {
	n := int(c.n.Add(1) - 1)
	c.f.Observe(eventOf(n/10, n%10), c.now())
}

func (c *crowd) now() time.Time {
	return start.Add(time.Duration(c.n.Load()) * time.Microsecond)
}

// BenchmarkObserveDuringQuestions reports the longest time that an event waits while somebody asks about 31 days without
// a pause, with a million verifications followed. The garbage collector's own pauses, and those of a busy machine, are in
// it: the smallest of several runs says what the locks cost.
func BenchmarkObserveDuringQuestions(b *testing.B) {
	const verifications = 1_000_000
	c := &crowd{f: NewFunnel(withStatistics(verifications), nobody{}, start)}
	for range verifications * 10 {
		c.next()
	}
	done, asked := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-done:
				asked <- n
				return
			default:
			}
			_, err := c.f.Answer(&cohorts.Query{
				From: start.Add(-31 * 24 * time.Hour), To: start.Add(24 * time.Hour), Step: cohorts.StepHour, Location: time.UTC,
			}, c.now())
			if err != nil {
				panic(err)
			}
		}
	}()
	var longest time.Duration
	for b.Loop() {
		before := time.Now()
		c.next()
		longest = max(longest, time.Since(before))
	}
	close(done)
	b.ReportMetric(float64(<-asked), "answers")
	b.ReportMetric(float64(longest)/float64(time.Millisecond), "ms/longest")
}
