// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package counters

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// droppedOffValues returns the values of series by their dropped_off, "" for those without it.
func droppedOffValues(t *testing.T, md pmetric.Metrics) map[string]int64 {
	t.Helper()
	values := map[string]int64{}
	for _, dp := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
		name := ""
		if v, ok := dp.Attributes().Get(semconv.AttrVerificationDroppedOff); ok {
			name = v.Type().String() + " " + v.AsString()
		}
		require.NotContains(t, values, name, "one series for each value")
		values[name] = dp.IntValue()
	}
	return values
}

// TestDroppedOff counts by a boolean attribute, of which false is a value as true is, over a restart too.
func TestDroppedOff(t *testing.T) {
	for name, want := range map[string]map[string]int64{
		"":                                 {"": 5},
		semconv.AttrVerificationDroppedOff: {"Bool true": 2, "Bool false": 3},
	} {
		newSet := func() (*Set, *Sum) {
			set := NewSet(settings(), start)
			sum := set.AddSum(Definition{Name: "ended", DroppedOff: name})
			return set, sum
		}
		set, sum := newSet()
		for n := range 5 {
			sum.Add(Key{Step: NoStep, DroppedOff: n%2 == 1}, start)
		}
		x := set.Export(at(1), true)
		x.Commit()
		stored, err := json.Marshal(x.State())
		x.End()
		require.NoError(t, err)
		var state State
		require.NoError(t, json.Unmarshal(stored, &state))

		set, _ = newSet()
		require.NoError(t, set.Restore(&state))
		x = set.Export(at(2), false)
		assert.Equal(t, want, droppedOffValues(t, x.Metrics))
		x.End()
	}
}
