// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestFormatCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567", math.MaxInt64: "9,223,372,036,854,775,807"} {
		assert.Equal(t, want, formatCount(n))
	}
}

func TestFormatShare(t *testing.T) {
	assert.Equal(t, "–", formatShare(nil))
	for part, want := range map[float64]string{
		0: "0%", 1: "100%", 0.5: "50%", 0.614: "61%", 0.0991: "9.9%", 0.0996: "10%", 0.9899: "99%", 0.991: "99.1%",
		0.99999: "99.9%", 0.00001: "0.1%",
	} {
		assert.Equal(t, want, formatShare(&part), part)
	}
}

func TestFormatSeconds(t *testing.T) {
	assert.Equal(t, "–", formatSeconds(nil))
	for seconds, want := range map[float64]string{
		0: "0 ms", 0.031: "31 ms", 0.9996: "1.0 s", 4.25: "4.2 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min", 63.1: "1 min 3 s",
		3599.7: "1 h", 5400: "1 h 30 min", 86399: "1 d", 90000: "1 d 1 h", 31 * 86400: "31 d",
	} {
		assert.Equal(t, want, formatSeconds(&seconds), seconds)
	}
}

func TestVisible(t *testing.T) {
	for s, want := range map[string]string{
		"campaign": "campaign", "ünï 日本 🙂": "ünï 日本 🙂", "a\x00b": `a\u0000b`, "\u202egnp": `\u202egnp`, "a\u00a0b": `a\u00a0b`, "\n": `\u000a`,
	} {
		assert.Equal(t, want, visible(s))
	}
}

func TestLengthOf(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "hour", 24 * time.Hour: "24 hours", 48 * time.Hour: "2 days", 90 * time.Minute: "90 minutes", 2 * time.Hour: "2 hours", 25 * time.Hour: "25 hours",
	} {
		assert.Equal(t, want, lengthOf(d))
	}
}
