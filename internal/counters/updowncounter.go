// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// upDownCounter is a sum that can fall: how many there are of something now. It is always cumulative, so that it adds up over
// instances, and has no state of its own.
type upDownCounter struct {
	def     Definition
	created time.Time
	values  func() map[Key]int64
}

// AddUpDownCounter adds a metric to the set whose values are those that a function returns at each flush.
func (s *Set) AddUpDownCounter(d Definition, values func() map[Key]int64) {
	s.add(&upDownCounter{def: d, created: s.created, values: values})
}

func (c *upDownCounter) definition() *Definition {
	return &c.def
}

func (c *upDownCounter) export(f *flush, to pmetric.Metric) {
	sum := to.SetEmptySum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	totals := map[Key]int64{}
	for _, key := range c.def.known("") {
		totals[c.def.reduce(key)] = 0
	}
	for key, value := range c.values() {
		totals[c.def.reduce(key)] += value
	}
	w := pointWriter{to: sum.DataPoints(), def: &c.def}
	for key, value := range totals {
		w.add(key, c.created, f.now, value)
	}
}

func (*upDownCounter) createKnown(string, time.Time)                    {}
func (*upDownCounter) commit(*flush)                                    {}
func (*upDownCounter) rollback()                                        {}
func (*upDownCounter) moved(map[string]bool) map[string]bool            { return nil }
func (*upDownCounter) end(map[string]bool)                              {}
func (*upDownCounter) state() []Series                                  { return nil }
func (*upDownCounter) restore([]Series, func(tracker string) bool) bool { return true }
