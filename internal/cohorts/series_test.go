// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func location(t testingT, name string) *time.Location {
	in, err := time.LoadLocation(name)
	require.NoError(t, err)
	return in
}

func instant(t testingT, s string) time.Time {
	at, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return at.UTC()
}

// TestPoints has the days on which clocks were set, by hand.
func TestPoints(t *testing.T) {
	for _, test := range []struct {
		zone     string
		step     Step
		from, to string
		want     []string
	}{
		{"UTC", StepQuarter, "2026-06-09T10:00:00Z", "2026-06-09T10:30:00Z", []string{"2026-06-09T10:00:00Z", "2026-06-09T10:15:00Z"}},
		{"UTC", StepDay, "2026-06-09T10:00:00Z", "2026-06-10T00:15:00Z", []string{"2026-06-09T00:00:00Z", "2026-06-10T00:00:00Z"}},
		// 45 minutes from full hours
		{"Asia/Kathmandu", StepHour, "2026-06-09T10:00:00Z", "2026-06-09T11:15:00Z", []string{"2026-06-09T09:15:00Z", "2026-06-09T10:15:00Z"}},
		{"Asia/Kathmandu", StepDay, "2026-06-09T18:00:00Z", "2026-06-09T18:30:00Z", []string{"2026-06-08T18:15:00Z", "2026-06-09T18:15:00Z"}},
		{"Asia/Kathmandu", StepQuarter, "2026-06-09T10:00:00Z", "2026-06-09T10:15:00Z", []string{"2026-06-09T10:00:00Z"}},
		// an hour that comes twice
		{"Europe/Berlin", StepHour, "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", []string{
			"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z",
		}},
		// 23 and 25 hours
		{"Europe/Berlin", StepDay, "2026-03-28T23:00:00Z", "2026-03-30T00:00:00Z", []string{"2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"}},
		{"Europe/Berlin", StepDay, "2026-10-24T22:00:00Z", "2026-10-26T00:00:00Z", []string{"2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}},
		// half an hour that comes twice, and one that does not come
		{"Australia/Lord_Howe", StepHour, "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z", []string{
			"2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z",
		}},
		{"Australia/Lord_Howe", StepHour, "2026-10-03T14:30:00Z", "2026-10-03T16:15:00Z", []string{
			"2026-10-03T14:30:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z",
		}},
		// the last second of 32-bit times and the beginning of a year, where time.Location goes on by rules: no clock is set
		{"America/Sao_Paulo", StepHour, "2038-01-19T03:00:00Z", "2038-01-19T05:00:00Z", []string{
			"2038-01-19T03:00:00Z", "2038-01-19T04:00:00Z",
		}},
		{"America/St_Johns", StepHour, "2038-01-01T00:00:00Z", "2038-01-01T01:00:00Z", []string{
			"2037-12-31T23:30:00Z", "2038-01-01T00:30:00Z",
		}},
		// a day that begins at 01:00, one whose midnight comes twice, and one that did not come
		{"America/Sao_Paulo", StepDay, "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z", []string{
			"2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z",
		}},
		{"America/Havana", StepDay, "2025-11-01T12:00:00Z", "2025-11-03T12:00:00Z", []string{
			"2025-11-01T04:00:00Z", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z",
		}},
		{"America/Sao_Paulo", StepDay, "2019-02-16T12:00:00Z", "2019-02-17T12:00:00Z", []string{
			"2019-02-16T02:00:00Z", "2019-02-17T03:00:00Z",
		}},
		{"Pacific/Apia", StepDay, "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z", []string{
			"2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z",
		}},
		// a minute after midnight, the clock was set to the day before
		{"America/St_Johns", StepDay, "2006-10-29T03:00:00Z", "2006-10-30T04:00:00Z", []string{"2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z"}},
		{"America/St_Johns", StepDay, "2006-10-29T02:00:00Z", "2006-10-29T03:30:00Z", []string{"2006-10-28T02:30:00Z", "2006-10-29T02:30:00Z"}},
	} {
		q := &Query{From: instant(t, test.from), To: instant(t, test.to), Step: test.step, Location: location(t, test.zone)}
		var want []time.Time
		for _, start := range test.want {
			want = append(want, instant(t, start))
		}
		got, err := q.points(quarterAt(q.From), quarterAt(q.To))
		require.NoError(t, err)
		assert.Equal(t, want, got, "%s %s %s", test.zone, test.step, test.from)
	}
}

// TestPointsByTheMinute compares points with what clocks showed, minute by minute, about the times when they were set.
func TestPointsByTheMinute(t *testing.T) {
	zones := []string{
		"Europe/Berlin", "America/New_York", "America/Havana", "America/Sao_Paulo", "America/St_Johns", "Australia/Lord_Howe",
		"Asia/Kathmandu", "Asia/Beirut", "Asia/Gaza", "Pacific/Apia", "Pacific/Chatham", "Africa/Casablanca", "Antarctica/Troll",
	}
	rapid.Check(t, func(t *rapid.T) {
		in := location(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		at := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "seconds since 1970"), 0)
		if _, set := at.In(in).ZoneBounds(); !set.IsZero() {
			at = set
		}
		q := &Query{
			From:     at.Add(-time.Duration(rapid.IntRange(1, 48*60).Draw(t, "minutes before")) * time.Minute),
			To:       at.Add(time.Duration(rapid.IntRange(0, 48*60).Draw(t, "minutes after")) * time.Minute),
			Step:     rapid.SampledFrom([]Step{StepHour, StepDay}).Draw(t, "step"),
			Location: in,
		}
		from, to := widened(q)
		got, err := q.points(quarterAt(from), quarterAt(to))
		require.NoError(t, err)
		require.Equal(t, startsOf(q), got)
	})
}
