// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
)

func ptr[T any](value T) *T { return &value }

// hostile is an answer of something that is no Collector, or of one that takes
// what VerifyYou would never send.
func hostile() *statsapi.Funnel {
	const name = "\x1b[31m\n\u202e日本語"
	return &statsapi.Funnel{
		From: time.Unix(0, 0), To: time.Unix(1, 0), ExternalTrackers: []*string{ptr(name)}, Began: 10,
		Stages: []statsapi.Stage{
			{Name: name, Passed: ptr[int64](10), OfBegan: ptr(1.0), Stopped: &statsapi.Stopped{Open: 1, DropOff: 1, Abandoned: 1}},
			{Name: "日本", Passed: ptr[int64](7_000_000), OfBegan: ptr(700_000.0), OfPrevious: ptr(0.5)},
			{Name: "c", Passed: ptr[int64](-5)},
			{Name: name, Reached: 3},
		},
		Ended:          []statsapi.End{{Outcome: name, LastStage: name, Verifications: 1}},
		Attempts:       []statsapi.Attempts{{Attempts: -1, Verifications: 1}},
		TimeToComplete: statsapi.Quantiles{P50: ptr(1e300)},
		Trackers:       []statsapi.Tracker{{Name: ptr(name)}},
	}
}

func TestHostileFunnel(t *testing.T) {
	lines := Funnel(hostile(), Style{Width: 80})
	for _, line := range lines {
		for _, r := range line {
			assert.True(t, strconv.IsPrint(r), "%q in %q", r, line)
		}
		assert.Equal(t, strings.TrimRight(line, " "), line, "nothing is left at the end of a line")
	}
	text := strings.Join(lines, "\n")
	const name = `\x1b[31m\n\u202e日本語`
	for _, want := range []string{
		"External tracker: " + name,
		"Step                     passed     of began  of previous",
		name + "       10       100.0%            -  ██████████",
		"  3 stopped: 1 abandoned, 1 dropped off, 1 open",
		"Median time to complete: 1e+300 s",
		"        3         -  " + name,
		name + "  " + name,
	} {
		assert.Contains(t, text, want)
	}
}

// Columns are aligned by the width that characters have on the screen.
func TestWideNames(t *testing.T) {
	lines := Funnel(hostile(), Style{Width: 80})
	var ends []int
	for _, line := range lines {
		if before, _, found := strings.Cut(line, "%"); found && !strings.HasPrefix(line, " ") && !strings.Contains(line, ",") {
			ends = append(ends, uniseg.StringWidth(before))
		}
	}
	require.Len(t, ends, 2)
	assert.Equal(t, ends[0], ends[1])
}

func TestColor(t *testing.T) {
	plain := Funnel(hostile(), Style{Width: 80})
	colored := Funnel(hostile(), Style{Width: 80, Color: true})
	require.Len(t, colored, len(plain))
	without := strings.NewReplacer("\x1b[1m", "", "\x1b[36m", "", "\x1b[0m", "")
	for i, line := range colored {
		assert.Equal(t, plain[i], without.Replace(line), "color moves nothing")
		assert.Equal(t, strings.Count(line, "\x1b[1m")+strings.Count(line, "\x1b[36m"), strings.Count(line, "\x1b[0m"))
	}
	assert.Contains(t, colored[0], "\x1b[1mVerifications that began")
}

func TestBar(t *testing.T) {
	for _, test := range []struct {
		share float64
		width int
		want  string
	}{
		{1, 3, "███"},
		{0.5, 3, "█▌"},
		{0, 3, ""},
		{1e-9, 3, "▏"},
		{2, 3, "███"},
		{-1, 3, ""},
		{0.999, 3, "███"},
		{0.125, 1, "▏"},
	} {
		assert.Equal(t, test.want, bar(test.share, test.width), "%+v", test)
	}
}

func TestSeconds(t *testing.T) {
	for want, s := range map[string]*float64{
		"-": nil, "0s": ptr(0.0), "120ms": ptr(0.1234), "1.23s": ptr(1.2345), "1m0s": ptr(59.999), "1m3s": ptr(63.1),
		"20m0s": ptr(1200.0), "26h3m4s": ptr(93784.4), "-1 s": ptr(-1.0), "1e+10 s": ptr(1e10),
	} {
		assert.Equal(t, want, seconds(s))
	}
}

func TestTrackerName(t *testing.T) {
	assert.Equal(t, "(none)", trackerName(nil))
	assert.Equal(t, `"(none)"`, trackerName(ptr("(none)")))
	assert.Equal(t, "a", trackerName(ptr("a")))
	assert.Equal(t, "_OTHER", trackerName(ptr("_OTHER")))
}
