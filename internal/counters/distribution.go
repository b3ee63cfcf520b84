// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"math"
	"slices"

	"github.com/lightstep/go-expohisto/structure"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Buckets say how the values of a histogram are grouped: by explicit bounds, or exponentially.
type Buckets struct {
	// Bounds are the upper bounds of all buckets but the last, in rising order.
	Bounds []float64
	// MaxSize is the largest number of exponential buckets for positive, and for negative, values. 0 is for explicit ones.
	MaxSize int32
}

// distribution is the values of one series.
type distribution interface {
	record(value float64)
	// merge adds the values of another one that was made from the same Buckets.
	merge(other distribution)
	write(to dataPoint)
	values() Values
}

// dataPoint is what the points of both kinds of histograms have in common.
type dataPoint interface {
	Attributes() pcommon.Map
	SetStartTimestamp(pcommon.Timestamp)
	SetTimestamp(pcommon.Timestamp)
	SetCount(uint64)
	SetSum(float64)
	SetMin(float64)
	SetMax(float64)
}

// points is where the points of a histogram go.
type points struct {
	add func() dataPoint
}

func (b *Buckets) newPoints(m pmetric.Metric, temporality pmetric.AggregationTemporality) points {
	if b.MaxSize > 0 {
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(temporality)
		return points{add: func() dataPoint { return h.DataPoints().AppendEmpty() }}
	}
	h := m.SetEmptyHistogram()
	h.SetAggregationTemporality(temporality)
	return points{add: func() dataPoint { return h.DataPoints().AppendEmpty() }}
}

func (b *Buckets) newDistribution() distribution {
	if b.MaxSize > 0 {
		d := &exponential{maxSize: b.MaxSize}
		d.histogram.Init(structure.NewConfig(structure.WithMaxSize(b.MaxSize)))
		return d
	}
	return &explicit{bounds: b.Bounds, counts: make([]uint64, len(b.Bounds)+1)}
}

// Values is the state of a distribution. It can be written as JSON.
type Values struct {
	Count uint64   `json:"count"`
	Sum   float64  `json:"sum"`
	Min   float64  `json:"min"`
	Max   float64  `json:"max"`
	Zero  uint64   `json:"zero,omitempty"` // these are of exponential ones
	Scale int32    `json:"scale,omitempty"`
	Pos   Side     `json:"positive"` // the counts of explicit ones too
	Neg   Side     `json:"negative"`
	Of    *Buckets `json:"buckets"`
}

// Side is the buckets of one sign.
type Side struct {
	Offset int32    `json:"offset,omitempty"`
	Counts []uint64 `json:"counts,omitempty"`
}

// restore returns a distribution with the values, or false where they were grouped in other buckets.
func (b *Buckets) restore(v *Values) (distribution, bool) {
	if v.Of == nil || v.Of.MaxSize != b.MaxSize || !slices.Equal(v.Of.Bounds, b.Bounds) {
		return nil, false
	}
	d := b.newDistribution()
	switch d := d.(type) {
	case *explicit:
		if len(v.Pos.Counts) != len(d.counts) {
			return nil, false
		}
		copy(d.counts, v.Pos.Counts)
		d.count, d.sum, d.min, d.max = v.Count, v.Sum, v.Min, v.Max
	case *exponential:
		d.restore(v)
	}
	return d, true
}

// finite keeps a sum a number, since others cannot be written as JSON: a state that cannot be saved would hold up all.
func finite(sum float64) float64 {
	if math.IsNaN(sum) {
		return 0
	}
	return min(max(sum, -math.MaxFloat64), math.MaxFloat64)
}

func writeSummary(to dataPoint, count uint64, sum, least, greatest float64) {
	to.SetCount(count)
	to.SetSum(sum)
	if count > 0 {
		to.SetMin(least)
		to.SetMax(greatest)
	}
}

// explicit is a distribution in buckets with bounds.
type explicit struct {
	bounds        []float64
	counts        []uint64
	count         uint64
	sum, min, max float64
}

func (d *explicit) record(value float64) {
	bucket, _ := slices.BinarySearch(d.bounds, value) // a bound belongs to the bucket below it
	d.add(bucket, 1)
	d.addSummary(1, value, value, value)
}

func (d *explicit) add(bucket int, count uint64) {
	d.counts[bucket] += count
}

func (d *explicit) addSummary(count uint64, sum, least, greatest float64) {
	if d.count == 0 {
		d.min, d.max = least, greatest
	}
	d.count += count
	d.sum = finite(d.sum + sum)
	d.min, d.max = min(d.min, least), max(d.max, greatest)
}

func (d *explicit) merge(other distribution) {
	o := other.(*explicit)
	if o.count == 0 {
		return
	}
	for bucket, count := range o.counts {
		d.add(bucket, count)
	}
	d.addSummary(o.count, o.sum, o.min, o.max)
}

func (d *explicit) write(to dataPoint) {
	dp := to.(pmetric.HistogramDataPoint)
	writeSummary(dp, d.count, d.sum, d.min, d.max)
	dp.ExplicitBounds().FromRaw(d.bounds)
	dp.BucketCounts().FromRaw(d.counts)
}

func (d *explicit) values() Values {
	return Values{
		Count: d.count, Sum: d.sum, Min: d.min, Max: d.max,
		Pos: Side{Counts: slices.Clone(d.counts)}, Of: &Buckets{Bounds: d.bounds},
	}
}

// exponential is a distribution in exponential buckets.
type exponential struct {
	histogram structure.Histogram[float64]
	// sumOffset is what the sum of the histogram lacks: a restored one was made from other values of its buckets.
	sumOffset float64
	maxSize   int32
}

func (d *exponential) record(value float64) {
	d.histogram.Update(value)
}

func (d *exponential) sum() float64 {
	return finite(d.histogram.Sum() + d.sumOffset)
}

func (d *exponential) merge(other distribution) {
	o := other.(*exponential)
	if o.histogram.Count() == 0 {
		return
	}
	d.histogram.MergeFrom(&o.histogram)
	d.sumOffset += o.sumOffset
}

func (d *exponential) write(to dataPoint) {
	dp := to.(pmetric.ExponentialHistogramDataPoint)
	h := &d.histogram
	writeSummary(dp, h.Count(), d.sum(), h.Min(), h.Max())
	dp.SetScale(h.Scale())
	dp.SetZeroCount(h.ZeroCount())
	writeSide(h.Positive(), dp.Positive())
	writeSide(h.Negative(), dp.Negative())
}

func writeSide(from *structure.Buckets, to pmetric.ExponentialHistogramDataPointBuckets) {
	side := sideOf(from)
	to.SetOffset(side.Offset)
	to.BucketCounts().FromRaw(side.Counts)
}

func sideOf(b *structure.Buckets) Side {
	side := Side{Offset: b.Offset(), Counts: make([]uint64, b.Len())}
	for i := range side.Counts {
		side.Counts[i] = b.At(uint32(i))
	}
	return side
}

func (d *exponential) values() Values {
	h := &d.histogram
	v := Values{
		Count: h.Count(), Sum: d.sum(), Zero: h.ZeroCount(), Scale: h.Scale(),
		Pos: sideOf(h.Positive()), Neg: sideOf(h.Negative()), Of: &Buckets{MaxSize: d.maxSize},
	}
	if v.Count > 0 {
		v.Min, v.Max = h.Min(), h.Max()
	}
	return v
}

// restore records values that make the same buckets, the library has no other way in: the smallest and the greatest
// value, and for the others one of the bucket that each is in.
func (d *exponential) restore(v *Values) {
	groups := v.groups()
	for i, value := range []float64{v.Min, v.Max} {
		if g := outermost(groups, i); g != nil {
			g.count--
			d.histogram.Update(value)
		}
	}
	for _, g := range groups {
		d.histogram.UpdateByIncr(g.value, g.count)
	}
	d.sumOffset = finite(v.Sum - d.histogram.Sum())
}

// outermost returns the first or the last group, nil if nothing is in it any more.
func outermost(groups []group, end int) *group {
	if len(groups) == 0 {
		return nil
	}
	g := &groups[end*(len(groups)-1)]
	if g.count == 0 {
		return nil
	}
	return g
}

// group is so many values that are in one bucket, of which it has one.
type group struct {
	value float64
	count uint64
}

// groups returns the buckets of an exponential distribution that are not empty, in rising order.
func (v *Values) groups() []group {
	var all []group
	add := func(value float64, count uint64) {
		if count > 0 {
			all = append(all, group{value: min(max(value, v.Min), v.Max), count: count})
		}
	}
	// It is in the lower half of its bucket: in the upper one, buckets half as wide could be enough for all values, and
	// the library would choose those.
	inside := func(side Side, i int) float64 {
		return math.Exp2(math.Ldexp(float64(side.Offset)+float64(i)+0.25, -int(v.Scale)))
	}
	for i, count := range slices.Backward(v.Neg.Counts) {
		add(-inside(v.Neg, i), count)
	}
	add(0, v.Zero)
	for i, count := range v.Pos.Counts {
		add(inside(v.Pos, i), count)
	}
	return all
}
