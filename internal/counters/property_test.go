// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// backend counts what it is sent as backends do, for each series.
type backend struct {
	delta  bool
	series map[string]*received
}

// received is what a backend knows of a series.
type received struct {
	counted   int64     // the answer to how many
	last      int64     // the last value, if cumulative
	at, start time.Time // of the last point
	known     bool      // whether a point of it came before
	setBack   bool      // whether the clock was set back since
}

// accept takes points, those of a series in the order of their times.
func (b *backend) accept(t *rapid.T, md pmetric.Metrics) {
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		point := func(attributes pcommon.Map, start, at pcommon.Timestamp, value int64) {
			stage, _ := attributes.Get(semconv.AttrStage)
			b.point(t, m.Name()+"/"+stage.Str(), start.AsTime(), at.AsTime(), value)
		}
		if m.Type() == pmetric.MetricTypeHistogram {
			for _, dp := range m.Histogram().DataPoints().All() {
				point(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), int64(dp.Count()))
			}
			continue
		}
		for _, dp := range m.Sum().DataPoints().All() {
			point(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), dp.IntValue())
		}
	}
}

func (b *backend) point(t *rapid.T, name string, start, at time.Time, value int64) {
	s := b.series[name]
	if s == nil {
		s = &received{start: start, at: start}
		b.series[name] = s
	}
	require.False(t, start.After(at), name)
	if !s.setBack {
		require.False(t, at.Before(s.at), name)
		require.False(t, s.known && at.UnixMilli() == s.at.UnixMilli(), "%s: two points in one millisecond", name)
	}
	if b.delta {
		require.True(t, start.Before(at), name)
		require.Positive(t, value, name)
		require.True(t, s.setBack || start.Equal(s.at) || !s.known, "%s: a gap or an overlap", name)
		s.counted += value
	} else {
		switch {
		case !s.known: // as increase() does, it cannot see the rise to the first value
		case value < s.last: // a reset
			s.counted += value
		default:
			s.counted += value - s.last
		}
		s.last = value
	}
	s.known, s.setBack, s.at, s.start = true, false, at, start
}

// machine is a process that is killed and started again, the storage that it has, and the backend that it exports to.
type machine struct {
	set       *Set
	sum       *Sum
	histogram *Histogram
	clock     *clocktest.Clock
	delta     bool
	stored    []byte

	backend  backend
	counted  map[string]int64 // in the process
	recorded map[string]int64 // that the backend has to know in the end
}

var propertyStages = []string{"a", "b", "c"}

func (p *machine) start(t *rapid.T) {
	s := settings()
	s.Delta, s.Logger = p.delta, zap.NewNop()
	p.set = NewSet(s, p.clock.Now())
	d := Definition{Stage: semconv.AttrStage, Known: func(string) []Key { return []Key{active("a", "")} }}
	d.Name = "sum"
	p.sum = p.set.AddSum(d)
	d.Name = "histogram"
	p.histogram = p.set.AddHistogram(d, explicitBuckets)
	if p.stored != nil {
		require.NoError(t, p.set.Restore(unmarshal(t, p.stored)))
	}
}

func (p *machine) count(stage string) {
	p.sum.Add(active(stage, ""), p.clock.Now())
	p.histogram.Record(active(stage, ""), 5, p.clock.Now())
	p.counted["sum/"+stage]++
	p.counted["histogram/"+stage]++
}

// save stores the state: what was counted survives a kill from now on.
func (p *machine) save(t *rapid.T, x *Export) {
	p.stored = marshal(t, x)
	for name, n := range p.counted {
		p.recorded[name] = n
	}
}

// restart starts the process again, which takes a second. What was counted and not stored is lost.
func (p *machine) restart(t *rapid.T) {
	p.clock.Advance(time.Second)
	p.counted = map[string]int64{}
	for name, n := range p.recorded {
		p.counted[name] = n
	}
	p.start(t)
}

// flush exports as both components do. It returns false if the process is killed meanwhile.
func (p *machine) flush(t *rapid.T, last bool) bool {
	x := p.set.Export(p.clock.Now(), last)
	defer x.End()
	p.save(t, x)
	// Whether a backend has what a process exports as it is killed nobody knows then: of a delta it may be exported twice,
	// of a new series in the last flush the rise from 0 be lost.
	certain := !p.delta && !last
	if certain && rapid.IntRange(0, 9).Draw(t, "killed before the export") == 0 {
		return false
	}
	p.count(rapid.SampledFrom(propertyStages).Draw(t, "stage during the export"))
	if rapid.IntRange(0, 2).Draw(t, "refused") == 0 {
		x.Rollback()
	} else {
		p.backend.accept(t, x.Metrics)
		if certain && rapid.IntRange(0, 9).Draw(t, "killed after the export") == 0 {
			return false
		}
		x.Commit()
	}
	if p.delta || last {
		p.save(t, x)
	}
	return true
}

// TestExactOverRestarts adds at random and flushes, refused or not, on a clock that is set, in a process that is killed
// at any time: in the end the backend has counted exactly what came, less what a kill lost since the state was stored.
func TestExactOverRestarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &machine{
			clock: clocktest.New(), delta: rapid.Bool().Draw(t, "delta"),
			counted: map[string]int64{}, recorded: map[string]int64{},
		}
		p.backend = backend{delta: p.delta, series: map[string]*received{}}
		p.start(t)
		t.Repeat(map[string]func(*rapid.T){
			"count": func(t *rapid.T) { p.count(rapid.SampledFrom(propertyStages).Draw(t, "stage")) },
			"wait": func(t *rapid.T) {
				p.clock.Advance(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			},
			"set the clock": func(t *rapid.T) {
				d := rapid.SampledFrom([]time.Duration{-time.Hour, -time.Minute, -time.Second, time.Minute, time.Hour}).Draw(t, "by")
				p.clock.Set(d)
				for _, s := range p.backend.series {
					s.setBack = s.setBack || d < 0
				}
			},
			"flush": func(t *rapid.T) {
				if !p.flush(t, false) {
					p.restart(t)
				}
			},
			"restart": func(t *rapid.T) {
				p.flush(t, true)
				p.restart(t)
			},
			"kill": func(t *rapid.T) { p.restart(t) },
		})
		for range 2 { // the zero, and the count
			p.clock.Advance(time.Minute)
			x := p.set.Export(p.clock.Now(), false)
			p.backend.accept(t, x.Metrics)
			x.Commit()
			x.End()
		}
		for name, want := range p.counted {
			require.Equal(t, want, p.backend.series[name].counted, fmt.Sprint(name, " of ", p.counted))
		}
	})
}
