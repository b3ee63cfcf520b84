// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Sum is a monotonic sum of integers. It is safe for concurrent use.
type Sum struct {
	table[*count]
}

// count is the value of a series of a sum.
type count struct {
	atomic.Int64
}

func (c *count) recorded() int64   { return c.Load() }
func (c *count) sample(bool) int64 { return c.Load() }
func (*count) accepted()           {}
func (*count) refused()            {}

// AddSum adds a sum to the set. See Set for when.
func (s *Set) AddSum(d Definition) *Sum {
	sum := &Sum{newTable(d, func() *count { return &count{} })}
	s.add(sum)
	return sum
}

// Add adds 1 to the series of a key. Its Tracker, if the sum has an attribute for it, must be one that Set.Tracker
// returned. now is when a new series starts.
func (s *Sum) Add(key Key, now time.Time) {
	s.update(key, now, func(c *count) { c.Add(1) })
}

func (s *Sum) export(f *flush, to pmetric.Metric) {
	sum := to.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(f.temporality())
	dps := sum.DataPoints()
	if !f.delta {
		dps.EnsureCapacity(s.size())
	}
	s.exportSeries(f, func(key Key, start, at time.Time, n int64, _ *count) {
		dp := dps.AppendEmpty()
		putHeader(dp, &s.def, key, start, at)
		dp.SetIntValue(n)
	})
}
