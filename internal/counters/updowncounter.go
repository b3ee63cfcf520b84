// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
)

// upDownCounter is a sum that can fall: how many there are of something now. It is always cumulative, so that it adds up
// across instances. Nothing of it is stored and nothing of it is ever pending: each export has its values at that time.
type upDownCounter struct {
	table[*count]
	trackers *cardinality.Trackers
	values   func() map[Key]int64
}

// AddUpDownCounter adds a metric to the set. See Set for when. values returns the values at the time of the call; those
// of keys that it leaves out are 0. A Tracker in them that has no series of its own is counted as cardinality.Other.
//
// values is called once a flush, from Set.Export, with a lock of the set held that Export and End take, and no other.
func (s *Set) AddUpDownCounter(d Definition, values func() map[Key]int64) {
	s.add(&upDownCounter{newTable(d, func() *count { return &count{} }), s.trackers, values})
}

func (c *upDownCounter) export(f *flush, to pmetric.Metric) {
	sum := to.SetEmptySum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	c.observe(f.now)
	for _, e := range c.entries() {
		e.startNotAfter(f.now)
		dp := sum.DataPoints().AppendEmpty()
		putHeader(dp, &c.def, e.key, e.start, f.now)
		dp.SetIntValue(e.value.Load())
	}
}

// observe sets all values to those of now. A series stays until its tracker is evicted: one that is gone would be shown
// with its last value for minutes, by a Prometheus that is pushed to.
func (c *upDownCounter) observe(now time.Time) {
	for _, e := range c.entries() {
		e.value.Store(0)
	}
	for key, value := range c.values() {
		if !c.trackers.Holds(key.Tracker) {
			key.Tracker = cardinality.Other
		}
		c.update(key, now, func(v *count) { v.Add(value) })
	}
}

func (*upDownCounter) pending(map[string]bool) map[string]bool               { return nil }
func (*upDownCounter) state() []seriesState                                  { return nil }
func (*upDownCounter) restore([]seriesState, func(tracker string) bool) bool { return true }
