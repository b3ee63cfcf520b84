// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
)

// TestClock looks at a clock several times.
func TestClock(t *testing.T) {
	noon := time.Date(2026, 6, 9, 12, 0, 0, 0, time.UTC)
	wall := noon.Add
	both := func(wall, monotonic time.Duration) time.Time { return clocktest.Time(noon.Add(wall), monotonic) }
	for name, tt := range map[string]struct {
		looks []time.Time
		ran   time.Duration
		wall  time.Duration
	}{
		"the first look":                      {[]time.Time{both(0, time.Hour)}, 0, 0},
		"it runs":                             {[]time.Time{both(0, 0), both(5*time.Second, 5*time.Second), both(15*time.Second, 15*time.Second)}, 15 * time.Second, 15 * time.Second},
		"paused":                              {[]time.Time{both(0, 0), both(time.Hour, time.Hour), both(time.Hour+1, time.Hour+1)}, 10*time.Second + 1, time.Hour + 1},
		"suspended: the monotonic one stands": {[]time.Time{both(0, 0), both(time.Hour, time.Second)}, time.Second, time.Hour},
		"set forward":                         {[]time.Time{both(0, 0), both(time.Hour, 3*time.Second)}, 3 * time.Second, time.Hour},
		"set back":                            {[]time.Time{both(0, 0), both(-time.Hour, 3*time.Second), both(-time.Hour+1, 3*time.Second+1)}, 3*time.Second + 1, -time.Hour + 1},
		"a caller that is late":               {[]time.Time{both(0, 0), both(6*time.Second, 6*time.Second), both(2*time.Second, 2*time.Second), both(7*time.Second, 7*time.Second)}, 7 * time.Second, 7 * time.Second},
		"one by an hour":                      {[]time.Time{both(0, time.Hour), both(time.Hour, 2*time.Hour), both(0, time.Hour), both(time.Hour, 2*time.Hour)}, 10 * time.Second, time.Hour},
		"no monotonic reading, set forward":   {[]time.Time{wall(0), wall(time.Hour), wall(time.Hour + 1)}, 10*time.Second + 1, time.Hour + 1},
		"no monotonic reading, set back":      {[]time.Time{wall(0), wall(-time.Hour), wall(-time.Hour + 3*time.Second)}, 3 * time.Second, -time.Hour + 3*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var c clock
			for _, now := range tt.looks {
				c.look(now)
			}
			assert.Equal(t, tt.ran, c.ran)
			assert.Equal(t, wall(tt.wall).UnixNano(), c.wall().UnixNano())
			assert.False(t, isMonotonic(c.wall()), "as nobody could compare it with one of another clock")
		})
	}
}

// TestNotSilence pauses the process, and sets its clock: neither is silence, settling or the end of a window.
func TestNotSilence(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_started"), start)
	f.observe(at(0, "ver_2", "verification_completed"), start)
	day := start.Add(24 * time.Hour)
	f.Advance(day)
	forward := func(ran time.Duration) time.Time {
		return clocktest.Time(day.Round(0).AddDate(0, 1, 0).Add(ran), day.Sub(start)+ran)
	}
	f.Advance(forward(1))
	back := func(ran time.Duration) time.Time {
		return clocktest.Time(day.Round(0).AddDate(-1, 0, 0).Add(ran), day.Sub(start)+ran)
	}
	f.Advance(back(2))
	assert.Empty(t, h.ended, "10 s have passed")
	f.run(back(20*time.Second - 1))
	assert.Empty(t, h.ended)
	f.run(back(20 * time.Second))
	assert.Equal(t, "ver_2", h.lastEnd(t).Key, "after 30 s")
	f.run(back(30*time.Minute - 10*time.Second - 1))
	assert.Len(t, h.ended, 1)
	f.run(back(30*time.Minute - 10*time.Second))
	assert.Equal(t, "ver_1", h.lastEnd(t).Key, "after 30 min")
	f.run(back(24*time.Hour - 10*time.Second - 1))
	assert.Equal(t, 2, f.Len())
	f.run(back(24*time.Hour - 10*time.Second))
	assert.Zero(t, f.Len())
}

// TestWallClock shows that the listener is told what the wall clock shows, also after a stop and when it is set.
func TestWallClock(t *testing.T) {
	f, h := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_started"), start)
	assert.Equal(t, start.Round(0), h.now)
	noon := start.Add(19 * time.Hour)
	f, h = restored(t, keepAll(f), settings(10), noon)
	f.observe(at(1, "ver_1", "liveness_started"), noon.Add(time.Minute))
	assert.Equal(t, noon.Add(time.Minute).Round(0), h.now, "19 hours of which it knows nothing")
	f.observe(at(100, "ver_1", "liveness_passed"), clocktest.Time(start.Round(0), 19*time.Hour+2*time.Minute))
	assert.Equal(t, start.Round(0), h.now)
	f.run(clocktest.Time(start.Add(time.Hour).Round(0), 20*time.Hour+2*time.Minute))
	assert.Len(t, h.ended, 1)
	assert.Equal(t, start.Add(30*time.Minute).Round(0), h.now)
}
