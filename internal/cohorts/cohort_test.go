// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"math"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestCohortCounts replaces sets of facts in a cohort, and compares its counts with those of a plain map.
func TestCohortCounts(t *testing.T) {
	facts := rapid.OneOf(
		rapid.Uint16Range(0, 300), // few, so that counts take more than one byte
		rapid.SampledFrom([]uint16{0, 1, 127, 128, 16383, 16384, uint16(numberOfFacts - 1)}),
		rapid.Uint16Range(0, uint16(numberOfFacts-1)),
	)
	rapid.Check(t, func(t *rapid.T) {
		var c cohort
		var memory scratch
		want := map[fact]int64{}
		var members [][]fact
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			var before, after []fact
			if len(members) > 0 && rapid.Bool().Draw(t, "goes") {
				i := rapid.IntRange(0, len(members)-1).Draw(t, "which")
				before = members[i]
				members = slices.Delete(members, i, i+1)
			}
			for _, f := range rapid.SliceOfN(facts, 0, 40).Draw(t, "facts") {
				after = append(after, fact(f))
			}
			slices.Sort(after)
			after = slices.Compact(after)
			for range rapid.SampledFrom([]int{1, 1, 200}).Draw(t, "times") {
				c.replace(nil, after)
				c.settle(&memory)
				require.LessOrEqual(t, len(c.pending), maxPending(c.packed))
				members = append(members, after)
				for _, f := range after {
					want[f]++
				}
			}
			c.replace(before, nil)
			c.settle(&memory)
			for _, f := range before {
				want[f]--
			}
		}
		got := map[fact]int64{}
		all := (&view{packed: c.packed, pending: c.pending}).counts(nil)
		for _, count := range all {
			got[count.fact] += count.n
		}
		settled := memory.pack(c.packed, c.pending)
		require.True(t, settled.valid())
		inOrder := settled.counts(nil)
		require.True(t, slices.IsSortedFunc(inOrder, func(x, y count) int { return int(x.fact) - int(y.fact) }))
		for f, n := range want {
			require.Equal(t, n, got[f])
			require.Equal(t, n > 0, slices.Contains(inOrder, count{f, n}))
		}
	})
}

// TestCountsThatWouldBeNegative has a cohort from which more is subtracted than was added: there is nothing left of it.
func TestCountsThatWouldBeNegative(t *testing.T) {
	var memory scratch
	p := memory.pack(nil, []change{{3, 1}, {5, 1}})
	require.Equal(t, []count{{5, 1}}, memory.pack(p, []change{{3, -1}, {3, -1}, {4, -1}}).counts(nil))
	require.Equal(t, []count{{5, math.MaxInt32 + 1}}, packed{5, 128, 128, 128, 128, 8}.counts(nil))
}

func TestValid(t *testing.T) {
	for _, test := range []struct {
		packed packed
		valid  bool
	}{
		{nil, true},
		{packed{0, 1}, true},
		{packed{0, 1, 1, 3}, true},
		{packed{0, 1, 130, 1, 255, 1}, true},
		{packed{0, 0}, false},           // a count of 0
		{packed{5, 1, 0, 1}, false},     // a fact twice
		{packed{5}, false},              // no count
		{packed{128}, false},            // half a number
		{packed{255, 255, 3, 1}, false}, // no such fact
		{packed{100, 1, 200, 249, 2, 1}, false},
		{packed{1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, false}, // more than there can be
	} {
		assert.Equal(t, test.valid, test.packed.valid(), "%v", test.packed)
	}
}

// TestBytesOfCohorts adds up the memory of cohorts of 20 verifications. What else there is of a cohort, such as its place
// in a map, BenchmarkBytesACohort measures.
func TestBytesOfCohorts(t *testing.T) {
	s := fill(time.Now(), 20)
	bytes := 0
	for _, q := range s.quarters {
		for _, c := range q.cohorts {
			bytes += int(unsafe.Sizeof(*c)) + cap(c.packed) + cap(c.pending)*int(unsafe.Sizeof(change{}))
		}
	}
	assert.Equal(t, 20*benchTrackers, s.Len())
	assert.Less(t, bytes/s.Len(), 800)
}
