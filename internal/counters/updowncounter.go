// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// upDownCounter is a sum that can fall: how many there are of something now. It is always cumulative, so that it adds up
// across instances, and nothing of it is stored.
type upDownCounter struct {
	def     Definition
	created time.Time
	values  func() map[Key]int64
}

// AddUpDownCounter adds a metric to the set. See Set for when. values returns the values of all series at the time of the
// call; it is called once a flush, with a lock of the set held, and must not export or end an export.
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
	for key, value := range totals {
		dp := sum.DataPoints().AppendEmpty()
		putHeader(dp, &c.def, key, c.created, f.now)
		dp.SetIntValue(value)
	}
}

func (*upDownCounter) createKnown(string, time.Time)                         {}
func (*upDownCounter) commit()                                               {}
func (*upDownCounter) rollback()                                             {}
func (*upDownCounter) pending(map[string]bool) map[string]bool               { return nil }
func (*upDownCounter) evict(map[string]bool)                                 {}
func (*upDownCounter) state() []seriesState                                  { return nil }
func (*upDownCounter) restore([]seriesState, func(tracker string) bool) bool { return true }
