// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEndWithRequestsInFlight(t *testing.T) {
	c, cfg := start(t)
	var accepted idSet
	var senders sync.WaitGroup
	for i := range 200 {
		senders.Go(func() { c.sendUntilTheEnd(i, &accepted) })
	}
	require.Eventually(t, func() bool { return accepted.size() > 1000 }, deadline, poll)
	c.stop()
	senders.Wait()

	exported := map[string]int{}
	for _, r := range cfg.records(t) {
		id, _ := r.Attributes().Get("verifyyou.verification_id")
		exported[id.Str()]++
	}
	for id, times := range exported {
		assert.Equal(t, 1, times, "records of %s", id)
	}
	for id := range accepted.ids {
		assert.Contains(t, exported, id, "accepted, but not exported")
	}
	assert.Equal(t, map[series]int64{{stage: "liveness_passed", outcome: "progress"}: int64(len(exported))}, cfg.counts(t))
	cfg.checkSeries(t)
}

// TestEndRightAfterTheFirstEvent leaves one flush for the zero and the count of a new tracker's series.
func TestEndRightAfterTheFirstEvent(t *testing.T) {
	c, cfg := start(t)
	assert.Equal(t, `200 {"status":"accepted"}`, mustSend(t, c.newRequest(sample, sign(sample))))
	c.stop()

	assert.Equal(t, map[series]int64{{"verification_completed", "completed", "signup-campaign"}: 1}, cfg.counts(t))
	cfg.checkSeries(t)
}

// sendUntilTheEnd posts one event after the other, none twice, until nobody answers.
func (c *collector) sendUntilTheEnd(sender int, accepted *idSet) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("ver_%d_%d", sender, n)
		body := fmt.Sprintf(`{"stage": "liveness_passed", "verification_id": %q, "occurred_at": "2026-06-09T17:04:01+00:00"}`, id)
		answer, err := send(c.newRequest(body, sign(body)))
		if err != nil {
			return
		}
		if strings.HasPrefix(answer, "200 ") {
			accepted.add(id)
		}
	}
}

// idSet is safe for concurrent use by add and size.
type idSet struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (s *idSet) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]struct{}{}
	}
	s.ids[id] = struct{}{}
}

func (s *idSet) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}
