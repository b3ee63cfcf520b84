// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

// chunks says where in storage each quarter of an hour is: in a chunk of its own, which is used again, so that nothing
// has to be deleted.
type chunks struct {
	quarters []*quarter // by chunk, nil where it is free
	changed  []bool     // since it was written
	free     []int
}

// take returns the number of a chunk for a quarter of an hour, which is about to change.
func (c *chunks) take(q *quarter) int {
	if len(c.free) == 0 {
		c.free = append(c.free, len(c.quarters))
		c.quarters, c.changed = append(c.quarters, nil), append(c.changed, true)
	}
	chunk := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	c.quarters[chunk] = q
	return chunk
}

func (c *chunks) change(chunk int) {
	c.changed[chunk] = true
}

func (c *chunks) release(chunk int) {
	c.quarters[chunk] = nil
	c.change(chunk)
	c.free = append(c.free, chunk)
}
