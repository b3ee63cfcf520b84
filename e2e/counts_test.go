// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

const summaryEvent = "verifyyou.verification.summary"

// counts has the values of the series of a counter, without those that are 0.
type counts map[series]int64

func (c counts) plus(o counts) counts {
	return c.add(o, 1)
}

func (c counts) minus(o counts) counts {
	return c.add(o, -1)
}

func (c counts) add(o counts, times int64) counts {
	sum := counts{}
	maps.Copy(sum, c)
	for s, n := range o {
		sum[s] += times * n
	}
	maps.DeleteFunc(sum, func(_ series, n int64) bool { return n == 0 })
	return sum
}

func (c counts) sum() int64 {
	var sum int64
	for _, n := range c {
		sum += n
	}
	return sum
}

// countsByWriter has the counts of each service.instance.id.
type countsByWriter map[string]counts

func (w countsByWriter) of(writer string) counts {
	return w[writer]
}

func (w countsByWriter) total() counts {
	total := counts{}
	for _, c := range w {
		total = total.plus(c)
	}
	return total
}

// written is a series of one writer.
type written struct {
	metric, writer string
	series
	droppedOff string // where it is told apart
}

// cumulative returns the points of every cumulative counter, in the order of their times: a queue with several
// consumers may send them in another one.
func (in *intake) cumulative() map[written][]pmetric.NumberDataPoint {
	points := map[written][]pmetric.NumberDataPoint{}
	in.eachMetric(func(resource pcommon.Map, metric pmetric.Metric) {
		if metric.Type() != pmetric.MetricTypeSum || !metric.Sum().IsMonotonic() {
			return
		}
		for _, point := range metric.Sum().DataPoints().All() {
			key := written{
				metric.Name(), text(resource, "service.instance.id"), seriesOf(point.Attributes()),
				text(point.Attributes(), "verifyyou.verification.dropped_off"),
			}
			points[key] = append(points[key], point)
		}
	})
	for _, p := range points {
		slices.SortStableFunc(p, func(a, b pmetric.NumberDataPoint) int {
			return a.Timestamp().AsTime().Compare(b.Timestamp().AsTime())
		})
	}
	return points
}

func seriesOf(attributes pcommon.Map) series {
	s := series{text(attributes, "verifyyou.stage"), text(attributes, "verifyyou.outcome"), text(attributes, "verifyyou.external_tracker")}
	if outcome := text(attributes, "verifyyou.verification.outcome"); outcome != "" {
		s.outcome, s.stage = outcome, text(attributes, "verifyyou.verification.last_stage")
	}
	return s
}

// last returns the last values of a cumulative counter.
func (in *intake) last(metric string) countsByWriter {
	last := countsByWriter{}
	for key, points := range in.cumulative() {
		if n := points[len(points)-1].IntValue(); key.metric == metric && n > 0 {
			if last[key.writer] == nil {
				last[key.writer] = counts{}
			}
			last[key.writer][key.series] += n
		}
	}
	return last
}

// checkSeries checks what a backend needs for exact increases, over restarts too: each series begins with 0 and never
// falls.
func (in *intake) checkSeries(t *testing.T) {
	t.Helper()
	for key, points := range in.cumulative() {
		assert.Zero(t, points[0].IntValue(), "first value of %v", key)
		for i, point := range points[1:] {
			assert.Equal(t, points[0].StartTimestamp(), point.StartTimestamp(), "start of %v", key)
			assert.GreaterOrEqual(t, point.IntValue(), points[i].IntValue(), "value of %v", key)
		}
	}
}

// summarized returns of how many verifications there is a summary.
func (in *intake) summarized() int {
	verifications := map[pcommon.TraceID]bool{}
	in.eachRecord(func(_ pcommon.Map, record plog.LogRecord) {
		if record.EventName() == summaryEvent {
			verifications[record.TraceID()] = true
		}
	})
	return len(verifications)
}

// recorded returns how many records of events there are.
func (in *intake) recorded() (n int) {
	in.eachRecord(func(_ pcommon.Map, record plog.LogRecord) {
		if record.EventName() != summaryEvent {
			n++
		}
	})
	return n
}
