// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"math"
	"slices"

	"github.com/lightstep/go-expohisto/structure"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Buckets are those of a histogram: explicit, with the bounds given, or exponential.
type Buckets struct {
	// Bounds are the inclusive upper bounds of all explicit buckets but the last, which has none. They must increase.
	Bounds []float64
	// MaxSize makes the buckets exponential: it is the largest number of them for positive values, and for negative ones.
	MaxSize int32
}

// distribution is values grouped into buckets. It is not safe for concurrent use.
type distribution interface {
	record(value float64)
	// merge adds the values of another distribution with the same Buckets.
	merge(other distribution)
	count() uint64
	write(to dataPoint)
	state() distributionState
}

// dataPoint is a data point of a histogram of either kind.
type dataPoint interface {
	pointHeader
	SetCount(uint64)
	SetSum(float64)
	SetMin(float64)
	SetMax(float64)
}

// newPoints makes m a histogram, and returns a function that appends a data point to it.
func (b *Buckets) newPoints(m pmetric.Metric, temporality pmetric.AggregationTemporality) func() dataPoint {
	if b.MaxSize > 0 {
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(temporality)
		return func() dataPoint { return h.DataPoints().AppendEmpty() }
	}
	h := m.SetEmptyHistogram()
	h.SetAggregationTemporality(temporality)
	return func() dataPoint { return h.DataPoints().AppendEmpty() }
}

func (b *Buckets) newDistribution() distribution {
	if b.MaxSize > 0 {
		d := &exponential{maxSize: b.MaxSize}
		d.histogram.Init(structure.NewConfig(structure.WithMaxSize(b.MaxSize)))
		return d
	}
	return &explicit{bounds: b.Bounds, counts: make([]uint64, len(b.Bounds)+1)}
}

// distributionState is a distribution as it is stored.
type distributionState struct {
	Count    uint64       `json:"count"`
	Sum      float64      `json:"sum"`
	Min      float64      `json:"min"`
	Max      float64      `json:"max"`
	Zero     uint64       `json:"zero,omitempty"`  // exponential ones only
	Scale    int32        `json:"scale,omitempty"` // exponential ones only
	Positive bucketsState `json:"positive"`        // the counts of explicit ones too
	Negative bucketsState `json:"negative"`
	Buckets  *Buckets     `json:"buckets"`
}

// bucketsState is the exponential buckets of one sign.
type bucketsState struct {
	Offset int32    `json:"offset,omitempty"`
	Counts []uint64 `json:"counts,omitempty"`
}

// isValid reports whether as many values are in the buckets as there are.
func (v *distributionState) isValid() bool {
	inBuckets := v.Zero
	for _, side := range []bucketsState{v.Positive, v.Negative} {
		for _, count := range side.Counts {
			inBuckets += count
		}
	}
	return inBuckets == v.Count && v.Count <= math.MaxInt64 && v.Min <= v.Max
}

// restore returns the distribution that was stored, false if it has other buckets.
func (b *Buckets) restore(v *distributionState) (distribution, bool) {
	if v.Buckets == nil || v.Buckets.MaxSize != b.MaxSize || !slices.Equal(v.Buckets.Bounds, b.Bounds) {
		return nil, false
	}
	d := b.newDistribution()
	switch d := d.(type) {
	case *explicit:
		if len(v.Positive.Counts) != len(d.counts) {
			return nil, false
		}
		copy(d.counts, v.Positive.Counts)
		d.total, d.sum, d.min, d.max = v.Count, v.Sum, v.Min, v.Max
	case *exponential:
		d.restore(v)
	}
	return d, true
}

// finite limits a sum to what JSON can hold: a state that cannot be saved would keep back all metrics.
func finite(sum float64) float64 {
	if math.IsNaN(sum) {
		return 0
	}
	return min(max(sum, -math.MaxFloat64), math.MaxFloat64)
}

// writeSummary writes what distributions of both kinds have. One with a negative value has no sum (OTLP, metrics.proto,
// on the sum of HistogramDataPoint): it could fall, which a backend would take for a reset.
func writeSummary(to dataPoint, count uint64, sum, least, greatest float64) {
	to.SetCount(count)
	if count > 0 {
		to.SetMin(least)
		to.SetMax(greatest)
	}
	if count == 0 || least >= 0 {
		to.SetSum(sum)
	}
}

// explicit is a distribution with explicit buckets.
type explicit struct {
	bounds        []float64
	counts        []uint64
	total         uint64
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
	if d.total == 0 {
		d.min, d.max = least, greatest
	}
	d.total += count
	d.sum = finite(d.sum + sum)
	d.min, d.max = min(d.min, least), max(d.max, greatest)
}

func (d *explicit) count() uint64 {
	return d.total
}

func (d *explicit) merge(other distribution) {
	o := other.(*explicit)
	if o.total == 0 {
		return
	}
	for bucket, count := range o.counts {
		d.add(bucket, count)
	}
	d.addSummary(o.total, o.sum, o.min, o.max)
}

func (d *explicit) write(to dataPoint) {
	dp := to.(pmetric.HistogramDataPoint)
	writeSummary(dp, d.total, d.sum, d.min, d.max)
	dp.ExplicitBounds().FromRaw(d.bounds)
	dp.BucketCounts().FromRaw(d.counts)
}

func (d *explicit) state() distributionState {
	return distributionState{
		Count: d.total, Sum: d.sum, Min: d.min, Max: d.max,
		Positive: bucketsState{Counts: slices.Clone(d.counts)}, Buckets: &Buckets{Bounds: d.bounds},
	}
}

// exponential is a distribution with exponential buckets.
type exponential struct {
	histogram structure.Histogram[float64]
	// sumOffset is what the sum of the histogram lacks: a restored one was made from other values in the same buckets.
	sumOffset float64
	maxSize   int32
}

func (d *exponential) record(value float64) {
	d.histogram.Update(value)
}

func (d *exponential) sum() float64 {
	return finite(d.histogram.Sum() + d.sumOffset)
}

func (d *exponential) count() uint64 {
	return d.histogram.Count()
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
	writeBuckets(h.Positive(), dp.Positive())
	writeBuckets(h.Negative(), dp.Negative())
}

func writeBuckets(from *structure.Buckets, to pmetric.ExponentialHistogramDataPointBuckets) {
	side := stateOf(from)
	to.SetOffset(side.Offset)
	to.BucketCounts().FromRaw(side.Counts)
}

func stateOf(b *structure.Buckets) bucketsState {
	side := bucketsState{Offset: b.Offset(), Counts: make([]uint64, b.Len())}
	for i := range side.Counts {
		side.Counts[i] = b.At(uint32(i))
	}
	return side
}

func (d *exponential) state() distributionState {
	h := &d.histogram
	v := distributionState{
		Count: h.Count(), Sum: d.sum(), Zero: h.ZeroCount(), Scale: h.Scale(),
		Positive: stateOf(h.Positive()), Negative: stateOf(h.Negative()), Buckets: &Buckets{MaxSize: d.maxSize},
	}
	if v.Count > 0 {
		v.Min, v.Max = h.Min(), h.Max()
	}
	return v
}

// restore records values that make the same buckets, as the library offers no other way: the least and the greatest
// value, and for each of the others one in the same bucket.
func (d *exponential) restore(v *distributionState) {
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

// outermost returns the first (end 0) or the last (end 1) group, nil if it is empty.
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

// group is the values in one bucket: how many there are, and a value that would be in it.
type group struct {
	value float64
	count uint64
}

// groups returns the buckets of an exponential distribution that are not empty, in increasing order.
func (v *distributionState) groups() []group {
	var all []group
	add := func(value float64, count uint64) {
		if count > 0 {
			all = append(all, group{value: min(max(value, v.Min), v.Max), count: count})
		}
	}
	// The value is in the lower half of its bucket: with one in the upper half, buckets half as wide could be enough for
	// all values, and the library would choose those.
	inside := func(side bucketsState, i int) float64 {
		return math.Exp2(math.Ldexp(float64(side.Offset)+float64(i)+0.25, -int(v.Scale)))
	}
	for i, count := range slices.Backward(v.Negative.Counts) {
		add(-inside(v.Negative, i), count)
	}
	add(0, v.Zero)
	for i, count := range v.Positive.Counts {
		add(inside(v.Positive, i), count)
	}
	return all
}
