// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Histogram is a distribution of values. It is safe for concurrent use.
type Histogram struct {
	def     Definition
	buckets Buckets

	mu     sync.Mutex
	points map[Key]*histogramPoint
}

// histogramPoint is one series of a histogram.
type histogramPoint struct {
	created time.Time
	begun   bool

	// total is all that was recorded, or, with delta temporality, what has not been exported.
	total distribution
	// leaving is what of a delta is being exported, nil where nothing is.
	leaving distribution
	// unexported is how much of total no export has had; exporting, how much is being exported.
	unexported, exporting uint64
	// written says that the export under way has the series: one that is newer has not begun with it.
	written bool
}

// AddHistogram adds a histogram to the set.
func (s *Set) AddHistogram(d Definition, b Buckets) *Histogram {
	h := &Histogram{def: d, buckets: b, points: map[Key]*histogramPoint{}}
	s.add(h)
	return h
}

// Record adds a value to the series of a key at a time.
func (h *Histogram) Record(key Key, value float64, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.create(h.def.reduce(key), now)
	p.total.record(value)
	p.unexported++
}

func (h *Histogram) create(key Key, now time.Time) *histogramPoint {
	p := h.points[key]
	if p == nil {
		p = &histogramPoint{created: now, total: h.buckets.newDistribution()}
		h.points[key] = p
	}
	return p
}

func (h *Histogram) definition() *Definition {
	return &h.def
}

func (h *Histogram) createKnown(tracker string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range h.def.known(tracker) {
		h.create(h.def.reduce(key), now)
	}
}

func (h *Histogram) export(f *flush, to pmetric.Metric) {
	h.mu.Lock()
	defer h.mu.Unlock()
	written := h.buckets.newPoints(to, f.temporality())
	for key, p := range h.points {
		p.written = true
		if f.delta {
			h.exportDelta(f, key, p, written)
			continue
		}
		h.exportCumulative(f, key, p, written)
	}
}

// exportCumulative begins a series with 0, as a sum does.
func (h *Histogram) exportCumulative(f *flush, key Key, p *histogramPoint, to points) {
	if !p.begun {
		h.write(h.buckets.newDistribution(), key, p.created, f.now, to)
	}
	switch {
	case p.begun:
		h.write(p.total, key, p.created, f.now, to)
	case f.last && p.unexported > 0:
		h.write(p.total, key, p.created, f.now.Add(zeroToCount), to)
	default:
		return // nothing of what there is
	}
	p.exporting = p.unexported
}

func (h *Histogram) exportDelta(f *flush, key Key, p *histogramPoint, to points) {
	if p.unexported == 0 {
		return
	}
	h.write(p.total, key, f.since, f.now, to)
	p.leaving, p.total = p.total, h.buckets.newDistribution()
	p.exporting = p.unexported
}

func (h *Histogram) write(d distribution, key Key, start, at time.Time, to points) {
	dp := to.add()
	dp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	h.def.attributes(key, dp.Attributes())
	d.write(dp)
}

func (h *Histogram) commit(*flush) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.points {
		p.begun = p.begun || p.written
		p.unexported -= p.exporting
		p.exporting, p.leaving, p.written = 0, nil, false
	}
}

func (h *Histogram) rollback() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.points {
		if p.leaving != nil {
			p.total.merge(p.leaving)
		}
		p.exporting, p.leaving, p.written = 0, nil, false
	}
}

func (h *Histogram) moved(trackers map[string]bool) map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	moved := map[string]bool{}
	for key, p := range h.points {
		if trackers[key.Tracker] && p.unexported > 0 {
			moved[key.Tracker] = true
		}
	}
	return moved
}

func (h *Histogram) end(trackers map[string]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.points {
		if trackers[key.Tracker] {
			delete(h.points, key)
		}
	}
}
