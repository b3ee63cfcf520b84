// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package clocktest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTime(t *testing.T) {
	for _, wall := range []time.Time{
		time.Date(2026, 6, 9, 17, 0, 0, 123456789, time.UTC),
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2156, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		got := Time(wall, time.Minute)
		assert.True(t, got.Round(0).Equal(wall), got)
		assert.Equal(t, wall.UnixNano(), got.UnixNano())
		assert.Equal(t, time.Minute, got.Sub(Time(wall.Add(-time.Hour), 0)), "by the monotonic reading")
		assert.Equal(t, time.Hour, got.Round(0).Sub(Time(wall.Add(-time.Hour), 0)), "by the wall clock")
		assert.Equal(t, 2*time.Minute, got.Add(time.Minute).Sub(Time(wall, 0)), "it is a time as others are")
	}
}
