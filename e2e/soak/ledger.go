// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// ledger is what a run came to.
type ledger struct {
	name    string
	took    time.Duration
	tally   tally
	outages map[mode]int
	ended   []time.Time // when the Collector was ended in order
	killed  []time.Time

	lost    int // events that got a 200 and are not in the backend
	doubled int // records of an event beyond the first, with another log.record.uid
	again   int // the same, with the same log.record.uid: a backend can drop them
	records int

	truth   int64 // distinct events
	counted int64
	missing int64 // of the truth from the counters
	allowed int64 // how many may be missing after the kills
	broken  []string
}

// promises are what a run has to keep.
type promises struct {
	once  bool // the backend has each event once
	exact bool // the counters equal the truth; otherwise kills may take what came since the last write
}

// judge compares what was sent with what the backend has.
func (l *ledger) judge(p promises, s *sender, b *backend) {
	l.tally = s.tally
	l.truth = int64(s.tally.taken)
	l.records = b.records
	for n, at := range s.answered {
		if !at.IsZero() && b.events[n] == 0 {
			l.lost++
		}
	}
	l.doubled = len(b.uids) - len(b.events)
	for _, times := range b.uids {
		l.again += times - 1
	}
	l.breakIf(l.lost > 0, "an event that got a 200 is in the backend")
	l.breakIf(p.once && l.again > 0, "an event is in the backend once")
	l.breakIf(l.doubled != 0, "every delivery of an event has the same log.record.uid, and no other has it")
	l.breakIf(s.tally.taken != s.tally.sent, "every event gets a 200 in the end")
	l.judgeCounters(p, s, b)
}

func (l *ledger) judgeCounters(p promises, s *sender, b *backend) {
	truth := map[series]int64{}
	for n, at := range s.answered {
		if !at.IsZero() {
			truth[event{n: n}.series()]++
		}
	}
	for series, points := range b.points {
		// After a restart a persistent queue may send what it has in another order.
		slices.SortStableFunc(points, func(a, b point) int { return a.at.Compare(b.at) })
		value := points[len(points)-1].value
		l.counted += value
		l.breakIf(value > truth[series], fmt.Sprintf("no event is counted twice (%v: %d of %d)", series, value, truth[series]))
		for i, point := range points[1:] {
			l.breakIf(!point.start.Equal(points[i].start), fmt.Sprintf("a series has one start (%v)", series))
			l.breakIf(point.value < points[i].value, fmt.Sprintf("a series never falls (%v: %d after %d)", series, point.value, points[i].value))
		}
		// A kill between the write of a series' first count and the export of its zero leaves it without the zero.
		l.breakIf(p.exact && points[0].value != 0, fmt.Sprintf("a series begins with 0 (%v)", series))
	}
	l.missing = l.truth - l.counted
	l.allowed = l.atRisk(s.answered)
	if p.exact {
		l.breakIf(l.missing != 0, "the counters equal the truth")
	} else {
		l.breakIf(l.missing > l.allowed, "a kill takes no more from the counters than came since the last write")
	}
}

// flushTime is how much longer than the interval it can be since the last write: a flush takes time, and may begin late.
const flushTime = flushInterval / 2

// atRisk counts the events that were answered so shortly before a kill that they may be missing from the counters.
func (l *ledger) atRisk(answered []time.Time) (events int64) {
	for _, at := range answered {
		for _, killed := range l.killed {
			if before := killed.Sub(at); before > 0 && before < flushInterval+flushTime {
				events++
				break
			}
		}
	}
	return events
}

func (l *ledger) breakIf(broken bool, promise string) {
	if broken && !slices.Contains(l.broken, promise) {
		l.broken = append(l.broken, promise)
	}
}

func (l *ledger) print(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(w, "  %s\t%v\n", name, value) }
	fmt.Fprintf(w, "\nRun %s, %v\n", l.name, l.took.Round(time.Second))
	row("sent (distinct events)", l.tally.sent)
	row("delivery attempts", l.tally.attempts)
	row("  retried", l.tally.retried)
	row("  duplicates", l.tally.duplicates)
	for _, answer := range slices.Sorted(maps.Keys(l.tally.answers)) {
		row("  answered "+answer, l.tally.answers[answer])
	}
	for _, m := range slices.Sorted(maps.Keys(l.outages)) {
		row("outages, "+string(m), l.outages[m])
	}
	row("restarts", len(l.ended))
	row("kills", len(l.killed))
	row("records in the backend", l.records)
	row("lost", l.lost)
	row("doubled", l.doubled)
	row("sent again, with the same log.record.uid", l.again)
	row("truth", l.truth)
	row("counted", l.counted)
	row("missing from the counters", fmt.Sprintf("%d (kills may take %d)", l.missing, l.allowed))
	if len(l.broken) == 0 {
		row("PASS", "")
	}
	for _, promise := range l.broken {
		row("FAIL", "broken: "+promise)
	}
	_ = w.Flush()
}
