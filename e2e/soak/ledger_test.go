// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var start = time.Date(2026, 6, 9, 17, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// ideal is a run of 100 events in which nothing went wrong.
func ideal() (*sender, *backend, *ledger) {
	s, b, l := newSender("", 1, nil), newBackend(), &ledger{name: "a"}
	for n := range 100 {
		s.answered = append(s.answered, at(n))
		b.events[n] = 1
		b.uids[fmt.Sprint("uid", n)] = 1
		of := event{n: n}.series()
		if b.points[of] == nil {
			b.points[of] = []point{{start, at(0), 0}}
		}
		last := b.points[of][len(b.points[of])-1]
		b.points[of] = append(b.points[of], point{start, at(n + 1), last.value + 1})
	}
	s.tally.sent, s.tally.taken = 100, 100
	return s, b, l
}

func TestJudge(t *testing.T) {
	exact, crash := promises{once: true, exact: true}, promises{}
	of := func(n int) series { return event{n: n}.series() }
	lastOf := func(b *backend, n int) *point { return &b.points[of(n)][len(b.points[of(n)])-1] }
	for name, tt := range map[string]struct {
		promises promises
		change   func(*sender, *backend, *ledger)
		broken   string
	}{
		"nothing":                  {exact, func(*sender, *backend, *ledger) {}, ""},
		"lost":                     {crash, func(_ *sender, b *backend, _ *ledger) { delete(b.events, 7); delete(b.uids, "uid7") }, "an event that got a 200 is in the backend"},
		"doubled":                  {exact, func(_ *sender, b *backend, _ *ledger) { b.events[7]++; b.uids["uid7"]++ }, "an event is in the backend once"},
		"doubled, after a kill":    {crash, func(_ *sender, b *backend, _ *ledger) { b.events[7]++; b.uids["uid7"]++ }, ""},
		"doubled, with other uids": {crash, func(_ *sender, b *backend, _ *ledger) { b.events[7]++; b.uids["other"]++ }, "every delivery of an event has the same log.record.uid"},
		"never answered 200":       {exact, func(s *sender, _ *backend, _ *ledger) { s.tally.sent++ }, "every event gets a 200 in the end"},
		"one not counted":          {exact, func(_ *sender, b *backend, _ *ledger) { lastOf(b, 99).value-- }, "the counters equal the truth"},
		"one not counted, no kill": {crash, func(_ *sender, b *backend, _ *ledger) { lastOf(b, 99).value-- }, "a kill takes no more from the counters"},
		"one not counted, kill":    {crash, func(_ *sender, b *backend, l *ledger) { lastOf(b, 99).value--; l.killed = []time.Time{at(100)} }, ""},
		"counted twice":            {crash, func(_ *sender, b *backend, _ *ledger) { lastOf(b, 99).value++ }, "no event is counted twice"},
		"fallen":                   {crash, func(_ *sender, b *backend, _ *ledger) { b.points[of(0)][1].value = 50 }, "a series never falls"},
		"another start":            {crash, func(_ *sender, b *backend, _ *ledger) { lastOf(b, 99).start = at(1) }, "a series has one start"},
		"no zero":                  {exact, func(_ *sender, b *backend, _ *ledger) { b.points[of(0)] = b.points[of(0)][1:] }, "a series begins with 0"},
		"sent again, out of order": {crash, func(_ *sender, b *backend, _ *ledger) { b.points[of(0)] = append(b.points[of(0)], b.points[of(0)][0]) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, b, l := ideal()
			tt.change(s, b, l)
			l.judge(tt.promises, s, b)
			var printed bytes.Buffer
			l.print(&printed)
			if tt.broken == "" {
				assert.Empty(t, l.broken)
				assert.Contains(t, printed.String(), "PASS")
				return
			}
			assert.Contains(t, printed.String(), "FAIL")
			assert.Contains(t, printed.String(), "broken: "+tt.broken)
		})
	}
}
