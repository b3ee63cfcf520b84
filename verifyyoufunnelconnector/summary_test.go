// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"math"
	"testing"
	"time"

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

// TestSummaryOfARetry has a drop-off on the way to a completion.
func TestSummaryOfARetry(t *testing.T) {
	a := connect(t)
	for second, stage := range map[int]string{
		0: "verification_started", 4: "liveness_started", 9: "face_collision", 20: "liveness_started", 31: "liveness_failed",
		40: "liveness_failed", 86: "liveness_started", 87: stageCompleted,
	} {
		a.take(0, eventAt(second, "ver_1", stage))
	}
	a.flushAt(hour)
	lr := a.summaries[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	assert.Equal(t, "completed after 87 s, 8 events, last verification_completed", lr.Body().Str())
	got := lr.Attributes().AsRaw()
	assert.Equal(t, scheduleStart.Format(time.RFC3339), got["verifyyou.verification.start_time"])
	assert.Equal(t, int64(3), got["verifyyou.verification.attempts"])
	assert.Equal(t, []any{"face_collision", "liveness_failed"}, got["verifyyou.verification.drop_offs"], "each once, in order")

	b := connect(t)
	b.take(0, eventAt(0, "ver_1", "verification_started"))
	b.flushAt(hour)
	got = b.summaries[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()
	assert.NotContains(t, got, "verifyyou.verification.drop_offs")
	assert.Equal(t, int64(0), got["verifyyou.verification.attempts"], "there, though it is 0")
}

// Tests run in a time zone of their own, so that one which is not meant to matter does.
func init() {
	time.Local = time.FixedZone("here", 2*60*60)
}

func TestFormatTime(t *testing.T) {
	for nanos, want := range map[uint64]string{
		0:                         "1970-01-01T00:00:00Z",
		1781024400_123456000:      "2026-06-09T17:00:00.123456Z",
		math.MaxInt64:             "2262-04-11T23:47:16.854775807Z",
		math.MaxUint64:            "2554-07-21T23:34:33.709551615Z",
		1781024400_000000000:      "2026-06-09T17:00:00Z",
		1781024400_000000000 + 10: "2026-06-09T17:00:00.00000001Z",
	} {
		assert.Equal(t, want, formatTime(nanos))
	}
}

func TestSentence(t *testing.T) {
	at := func(nanos uint64) *funnel.Ended {
		return &funnel.Ended{Outcome: funnel.Abandoned, Events: 300, Trail: []funnel.Entry{{}, {At: nanos, Stage: "something_new"}}}
	}
	for nanos, want := range map[uint64]string{
		0:                 "abandoned after 0 s, 300 events, last something_new",
		87_123_456_789:    "abandoned after 87.123 s, 300 events, last something_new",
		8_640_000_000_000: "abandoned after 8640 s, 300 events, last something_new",
	} {
		assert.Equal(t, want, sentence(at(nanos)))
	}
}
