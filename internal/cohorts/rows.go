// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// Rows answers a query by point and tracker: a row for each pair in which somebody began, by start, then by tracker,
// those without one first. Each point is counted when the iteration comes to it, so that the memory is that of one
// point. The iteration can be repeated. Errors are those of Answer.
func (s *Set) Rows(q *Query, now time.Time) (iter.Seq[Row], error) {
	first, err := s.walk(q, now)
	if err != nil {
		return nil, err
	}
	return func(yield func(Row) bool) {
		var rows rowsOfPoint
		w := *first
		for more := w.next(); more; {
			number := w.point
			for ; more && w.point == number; more = w.next() {
				for i := range w.views {
					rows.add(w.starts[number], &w.views[i])
				}
			}
			if !rows.yield(yield) {
				return
			}
		}
	}, nil
}

// rowsOfPoint are the rows of one point.
type rowsOfPoint struct {
	rows   map[string]*Row
	counts []count
}

func (p *rowsOfPoint) add(start time.Time, v *view) {
	p.counts = v.counts(p.counts[:0])
	row := p.rows[v.tracker]
	if row == nil {
		if p.rows == nil {
			p.rows = map[string]*Row{}
		}
		row = &Row{Start: start, Tracker: Tracker{Tracker: optional(v.tracker)}, Reached: make([]int64, len(stages))}
		p.rows[v.tracker] = row
	}
	summary := v.summarize(p.counts)
	row.add(&summary)
	for _, c := range p.counts {
		if c.fact >= factReached && c.fact < factReached+fact(len(stages)) {
			row.Reached[c.fact-factReached] += c.n
		}
	}
}

// yield yields the rows in order, and clears them. It reports false if the caller wants no more.
func (p *rowsOfPoint) yield(yield func(Row) bool) bool {
	rows := make([]*Row, 0, len(p.rows))
	for _, row := range p.rows {
		rows = append(rows, row)
	}
	clear(p.rows)
	slices.SortFunc(rows, func(x, y *Row) int { return cmp.Compare(x.name(), y.name()) })
	for _, row := range rows {
		if !yield(*row) {
			return false
		}
	}
	return true
}
