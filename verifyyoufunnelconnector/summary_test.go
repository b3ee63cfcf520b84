// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
)

// TestSummaryID shows what makes two summaries the same record to a backend.
func TestSummaryID(t *testing.T) {
	end := func(key string, first byte, number int) *funnel.Ended {
		return &funnel.Ended{Key: key, Number: number, Trail: []funnel.Entry{{ID: event.ID{first}}, {ID: event.ID{9}}}}
	}
	id := summaryID(end("a", 1, 1))
	assert.Equal(t, id, summaryID(end("a", 1, 1)), "a replay")
	assert.NotEqual(t, id, summaryID(end("b", 1, 1)), "another verification")
	assert.NotEqual(t, id, summaryID(end("a", 1, 2)), "a second end")
	assert.NotEqual(t, id, summaryID(end("a", 2, 1)), "one that began anew after its window")
}
