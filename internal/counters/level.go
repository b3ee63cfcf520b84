// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// level is a sum that can fall: how many there are of something now. It is always cumulative, so that it adds up over
// instances, and has no state of its own.
type level struct {
	def     Definition
	created time.Time
	values  func() map[Key]int64
}

// AddLevel adds a metric to the set whose values are those that a function returns at each flush.
func (s *Set) AddLevel(d Definition, values func() map[Key]int64) {
	s.add(&level{def: d, created: s.created, values: values})
}

func (l *level) definition() *Definition {
	return &l.def
}

func (l *level) export(f *flush, to pmetric.Metric) {
	sum := to.SetEmptySum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	totals := map[Key]int64{}
	for _, key := range l.def.known("") {
		totals[l.def.reduce(key)] = 0
	}
	for key, value := range l.values() {
		totals[l.def.reduce(key)] += value
	}
	w := pointWriter{to: sum.DataPoints(), def: &l.def}
	for key, value := range totals {
		w.add(key, l.created, f.now, value)
	}
}

func (*level) createKnown(string, time.Time)                    {}
func (*level) commit(*flush)                                    {}
func (*level) rollback()                                        {}
func (*level) moved(map[string]bool) map[string]bool            { return nil }
func (*level) end(map[string]bool)                              {}
func (*level) state() []Series                                  { return nil }
func (*level) restore([]Series, func(tracker string) bool) bool { return true }
