// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
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

// BenchmarkObserve is the cost of an event, with so many verifications that are followed.
func BenchmarkObserve(b *testing.B) {
	for _, verifications := range []int{1_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(verifications), func(b *testing.B) {
			f := NewFunnel(settings(verifications), nobody{}, start)
			n := 0
			next := func() { // ten events of one, spread over others as those of people are
				f.Observe(eventOf(n/10, n%10), start.Add(time.Duration(n)*time.Microsecond))
				n++
			}
			for range verifications * 10 {
				next()
			}
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}
