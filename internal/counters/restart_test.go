// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/clocktest"
)

// values returns the values of the points of a series "a" of each metric, in order: of a histogram, the counts.
func values(md pmetric.Metrics) map[string][]int64 {
	all := map[string][]int64{}
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Type() == pmetric.MetricTypeHistogram {
			for _, dp := range m.Histogram().DataPoints().All() {
				all[m.Name()] = append(all[m.Name()], int64(dp.Count()))
			}
			continue
		}
		for _, dp := range m.Sum().DataPoints().All() {
			all[m.Name()] = append(all[m.Name()], dp.IntValue())
		}
	}
	delete(all, "active")
	return all
}

// killed is how a process ends during an export.
type killed string

const (
	beforeExport killed = "after saving, before the export"
	afterRefusal killed = "after the export was refused and, by the last flush, saved"
	afterCommit  killed = "after the export was accepted and, by the last flush, saved"
)

// flushAndDie flushes with an end as said, and returns the set that continues.
func (c *clocked) flushAndDie(t *testing.T, last bool, how killed) *clocked {
	t.Helper()
	c.clock.Advance(time.Second)
	x := c.Export(c.clock.Now(), last)
	defer x.End()
	state := stored(t, x)
	switch how {
	case afterRefusal:
		x.Rollback()
	case afterCommit:
		x.Commit()
	case beforeExport:
	}
	if last && how != beforeExport {
		state = stored(t, x)
	}
	again := newClocked(c.clock, c.settings.Delta)
	require.NoError(t, again.Restore(state))
	return again
}

func (c *clocked) next(last, accepted bool) map[string][]int64 {
	c.clock.Advance(time.Second)
	x := c.Export(c.clock.Now(), last)
	defer x.End()
	if accepted {
		x.Commit()
	}
	return values(x.Metrics)
}

func both(v ...int64) map[string][]int64 {
	return map[string][]int64{"sum": v, "histogram": v}
}

// TestRestoredZero shows when a restored series begins with 0: whenever nothing above 0 of it was exported.
func TestRestoredZero(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(c *clocked) // the series has a count of 1 when the process ends
		last   bool
		how    killed
		want   [][]int64 // the points of the next flushes
	}{
		{"new", (*clocked).count, false, beforeExport, [][]int64{{0}, {1}}},
		{"new", (*clocked).count, false, afterRefusal, [][]int64{{0}, {1}}},
		{"zero exported", (*clocked).count, false, afterCommit, [][]int64{{0}, {1}}},
		{"zero refused", func(c *clocked) { c.count(); c.next(false, false) }, false, beforeExport, [][]int64{{0}, {1}}},
		{"zero exported, count perhaps", func(c *clocked) { c.count(); c.next(false, true) }, false, beforeExport, [][]int64{{1}, {1}}},
		{"count exported", func(c *clocked) { c.count(); c.next(false, true); c.next(false, true) }, false, beforeExport, [][]int64{{1}, {1}}},
		{"zero and count perhaps", (*clocked).count, true, beforeExport, [][]int64{{1}, {1}}},
		{"zero and count refused", (*clocked).count, true, afterRefusal, [][]int64{{0}, {1}}},
		{"zero and count exported", (*clocked).count, true, afterCommit, [][]int64{{1}, {1}}},
		{"count refused", func(c *clocked) { c.count(); c.next(false, true) }, true, afterRefusal, [][]int64{{0}, {1}}},
	} {
		t.Run(fmt.Sprintf("%s, killed %s, last=%v", tt.name, tt.how, tt.last), func(t *testing.T) {
			c := newClocked(clocktest.New(), false)
			tt.before(c)
			c = c.flushAndDie(t, tt.last, tt.how)
			for _, want := range tt.want {
				assert.Equal(t, both(want...), c.next(false, true))
			}
		})
	}
}

// TestRestoredTwice keeps it in mind over a second restart that a count was exported before the first.
func TestRestoredTwice(t *testing.T) {
	c := newClocked(clocktest.New(), false)
	c.count()
	c.next(false, true)
	c = c.flushAndDie(t, true, afterCommit)
	c = c.flushAndDie(t, true, afterRefusal)
	assert.Equal(t, both(1), c.next(false, true))
}

// TestRefusedZero exports a refused zero again before its count, whichever flush is the last.
func TestRefusedZero(t *testing.T) {
	c := newClocked(clocktest.New(), false)
	c.count()
	assert.Equal(t, both(0), c.next(false, false))
	c.count()
	assert.Equal(t, both(0), c.next(false, false))
	assert.Equal(t, both(0, 2), c.next(true, false))
	assert.Equal(t, both(0), c.next(false, true))
	assert.Equal(t, both(2), c.next(false, false))
	assert.Equal(t, both(2), c.next(true, true))
}
