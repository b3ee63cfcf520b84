// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"math"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Histogram is a distribution of values. It is safe for concurrent use.
type Histogram struct {
	table[*observations]
	buckets Buckets
}

// observations is the value of a series of a histogram.
type observations struct {
	buckets *Buckets

	mu    sync.Mutex
	count int64
	// total is all of them or, with delta temporality, those that no accepted export had.
	total distribution
	// exporting is the delta in the export in progress, which total lacks meanwhile; nil where there is none.
	exporting distribution
}

// AddHistogram adds a histogram to the set. See Set for when.
func (s *Set) AddHistogram(d Definition, b Buckets) *Histogram {
	h := &Histogram{buckets: b}
	h.table = newTable(d, func() *observations { return &observations{buckets: &h.buckets, total: h.buckets.newDistribution()} })
	s.add(h)
	return h
}

// Record adds a value, in the unit of the definition, to the series of a key. NaN and infinite values are ignored: a
// state that has one cannot be saved. The key's Tracker, if the histogram has an attribute for it, must be one that
// Set.Tracker returned. now is when a new series starts.
func (h *Histogram) Record(key Key, value float64, now time.Time) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	h.update(key, now, func(o *observations) { o.record(value) })
}

func (o *observations) record(value float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total.record(value)
	o.count++
}

func (o *observations) recorded() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count
}

func (o *observations) sample(delta bool) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if delta && o.total.count() > 0 {
		o.exporting, o.total = o.total, o.buckets.newDistribution()
	}
	return o.count
}

func (o *observations) accepted() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.exporting = nil
}

func (o *observations) refused() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.exporting != nil {
		o.total.merge(o.exporting)
		o.exporting = nil
	}
}

// write writes a sampled delta, or all observations: more of them than were sampled, if some came since.
func (o *observations) write(to dataPoint) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.exporting != nil {
		o.exporting.write(to)
		return
	}
	o.total.write(to)
}

func (h *Histogram) export(f *flush, to pmetric.Metric) {
	appendPoint := h.buckets.newPoints(to, f.temporality())
	h.exportSeries(f, func(key Key, start, at time.Time, n int64, o *observations) {
		dp := appendPoint()
		putHeader(dp, &h.def, key, start, at)
		if n == 0 {
			h.buckets.newDistribution().write(dp)
			return
		}
		o.write(dp)
	})
}
