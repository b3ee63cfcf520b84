// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package clocktest

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

func TestClock(t *testing.T) {
	assert.Equal(t, unsafe.Sizeof(time.Time{}), unsafe.Sizeof(layout{}))
	before := time.Now()
	c := New()
	first := c.Now()
	assert.False(t, first.Before(before))
	assert.Equal(t, first, c.Now(), "it stands still")

	c.Advance(time.Minute)
	second := c.Now()
	assert.Equal(t, time.Minute, second.Sub(first))
	assert.Equal(t, time.Minute, second.Round(0).Sub(first.Round(0)))

	c.Set(-time.Hour)
	c.Advance(time.Second)
	third := c.Now()
	assert.Equal(t, time.Second, third.Sub(second), "the monotonic reading goes on")
	assert.True(t, third.After(second))
	assert.Equal(t, time.Second-time.Hour, third.Round(0).Sub(second.Round(0)), "the wall clock was set back")
	assert.True(t, third.Round(0).Before(second.Round(0)))
}
