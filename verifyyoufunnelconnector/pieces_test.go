// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
)

// checkPieces fails if one of those that were sent is too large for a server, or has nothing in it. It returns how many
// spans there are, each of which there is once, and how many summaries.
func (a *adapter) checkPieces(t *testing.T) (spans, summaries int) {
	t.Helper()
	seen := map[string]bool{}
	for _, td := range a.traces {
		encoded, err := new(ptrace.ProtoMarshaler).MarshalTraces(td)
		require.NoError(t, err)
		require.LessOrEqual(t, len(encoded), 1<<20)
		require.Positive(t, td.SpanCount())
	}
	for _, s := range spansOf(a.traces) {
		id := s.TraceID().String() + s.SpanID().String()
		require.False(t, seen[id], "span %s is sent twice", s.Name())
		seen[id] = true
	}
	for _, ld := range a.summaries {
		encoded, err := new(plog.ProtoMarshaler).MarshalLogs(ld)
		require.NoError(t, err)
		require.LessOrEqual(t, len(encoded), 1<<20)
		require.Positive(t, ld.LogRecordCount())
		summaries += ld.LogRecordCount()
	}
	return len(seen), summaries
}

// TestFiveThousandEnds of one flush are handed on in pieces that a gRPC server takes, which takes 4 MiB.
func TestFiveThousandEnds(t *testing.T) {
	a := connect(t)
	const people, events = 5000, 10
	long := strings.Repeat("ü", 100)
	for n := range people {
		id := fmt.Sprint(long, n)
		for e := range events {
			a.consume(a.at, logsOf(recordAt(e, attrs{keyVerification: id, keyExternal: id, attrTracker: long, attrStage: tableOfStages[e].stage})))
		}
	}
	a.flushAt(hour)
	spans, summaries := a.checkPieces(t)
	assert.Equal(t, people*(1+events), spans)
	assert.Equal(t, people, summaries)
	assert.Less(t, len(a.traces), 60, "the pieces are not small either")
	assert.Less(t, len(a.summaries), 10)
}

// largeVerification ends one whose trace is larger than a piece: its spans name a key of 64 attributes.
func largeVerification(t *testing.T) *adapter {
	t.Helper()
	names := make([]string, 64)
	key := attrs{attrTracker: strings.Repeat("t", 256)}
	for i := range names {
		names[i] = fmt.Sprintf("attribute.%d", i)
		key[names[i]] = strings.Repeat("x", 256)
	}
	a := connect(t, withKey(names...)).keyedBy(names...)
	for n := range 256 {
		lr := recordAt(n, key)
		lr.Attributes().PutStr(attrStage, fmt.Sprintf("%064d", n%30))
		a.take(0, lr)
	}
	a.take(0, eventAt(0, "", "verification_started")) // which is none
	return a
}

func TestTraceLargerThanAPiece(t *testing.T) {
	a := largeVerification(t)
	a.flushAt(hour)
	spans, summaries := a.checkPieces(t)
	assert.Equal(t, 257, spans)
	assert.Equal(t, 1, summaries)
	assert.Greater(t, len(a.traces), 4)
}

// TestTraceLargerThanAPieceIsRefused for now after two pieces, which are not sent again; then for good, after which the
// rest is of no use, and it counts as one that was dropped.
func TestTraceLargerThanAPieceIsRefused(t *testing.T) {
	a := largeVerification(t)
	whole := largeVerification(t)
	whole.flushAt(hour)
	a.run(after(hour))
	traces := a.outputs[0].traces
	answers := []error{nil, nil, errAway}
	consume := a.outputs[0].nextTraces
	a.outputs[0].nextTraces = consumeTraces(func(td ptrace.Traces) error {
		err := error(nil)
		if len(answers) > 0 {
			err, answers = answers[0], answers[1:]
		}
		if err != nil {
			return err
		}
		return consume.ConsumeTraces(context.Background(), td)
	})
	require.ErrorIs(t, traces.send(t.Context()), errAway)
	assert.Len(t, a.traces, 2)
	answers = []error{nil, consumererror.NewPermanent(errAway)}
	require.ErrorIs(t, traces.send(t.Context()), errAway)
	assert.Len(t, a.traces, 3)
	require.NoError(t, traces.send(t.Context()))
	assert.Len(t, a.traces, 3, "nothing is left")
	assert.EqualValues(t, 1, ownSum(t, a, "dropped")["traces"])
	got, want := spansOf(a.traces), spansOf(whole.traces)
	for i, s := range got {
		assert.Equal(t, want[i].SpanID(), s.SpanID(), "in order, none twice and none left out")
	}
	assert.Less(t, len(got), len(want))
	a.checkPieces(t)

	next := largeVerification(t)
	next.refuse(pipeline.SignalTraces)
	next.flushAt(hour)
	next.refuse()
	next.flushAt(hour + 1)
	spans, _ := next.checkPieces(t)
	assert.Equal(t, 257, spans)
}

// consumeTraces is a consumer of traces.
type consumeTraces func(ptrace.Traces) error

func (c consumeTraces) ConsumeTraces(_ context.Context, td ptrace.Traces) error { return c(td) }

func (consumeTraces) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// TestSecondEnd adds to a trace what has come since, and sends nothing again.
func TestSecondEnd(t *testing.T) {
	a := connect(t)
	id := func(second int, stage string) plog.LogRecord {
		return recordAt(second, attrs{keyVerification: "ver_1", keyExternal: "user_1", attrTracker: "ads", attrStage: stage})
	}
	a.take(0, id(0, "verification_started"), id(20, "liveness_started"), id(30, "liveness_failed"))
	a.flushAt(hour)
	first := spansOf(a.traces)
	require.Len(t, first, 4)
	root := first[0].SpanID()
	a.traces = nil
	a.take(hour, id(hour, "liveness_started"), id(hour+5, "liveness_passed"), id(hour+5, stageCompleted))
	a.flushAt(2 * hour)
	type span struct {
		name, parent string
		start, end   int64 // in nanoseconds after the beginning
		status       ptrace.StatusCode
	}
	names := map[pcommon.SpanID]string{root: "root"}
	for _, s := range spansOf(a.traces) {
		names[s.SpanID()] = s.Name()
	}
	var got []span
	for _, s := range spansOf(a.traces) {
		nanos := func(ts pcommon.Timestamp) int64 { return ts.AsTime().Sub(scheduleStart).Nanoseconds() }
		got = append(got, span{s.Name(), names[s.ParentSpanID()], nanos(s.StartTimestamp()), nanos(s.EndTimestamp()), s.Status().Code()})
		assert.Equal(t, "ads", textOf(s.Attributes(), attrTracker), s.Name())
		assert.Equal(t, "ver_1", textOf(s.Attributes(), keyVerification), s.Name())
		assert.Equal(t, "user_1", textOf(s.Attributes(), keyExternal), s.Name())
	}
	const s = int64(1_000_000_000)
	assert.Equal(t, []span{
		{"verification resumed", "root", 3600 * s, 3605 * s, ptrace.StatusCodeUnset},
		{"liveness_started", "verification resumed", 3600 * s, 3600*s + 1, ptrace.StatusCodeUnset},
		{"liveness_passed", "verification resumed", 3600 * s, 3605 * s, ptrace.StatusCodeUnset},
		{stageCompleted, "verification resumed", 3605 * s, 3605*s + 1, ptrace.StatusCodeUnset},
	}, got)
}

// TestSecondEndWithEventsBetween has an old event between two that are new: it is not sent again, but its time is where
// the one after it starts.
func TestSecondEndWithEventsBetween(t *testing.T) {
	a := connect(t)
	a.take(0, eventAt(0, "ver_1", "verification_started"), eventAt(30, "ver_1", "liveness_started"))
	a.flushAt(hour)
	a.traces = nil
	a.take(hour, eventAt(20, "ver_1", stageCompleted), eventAt(40, "ver_1", "liveness_passed"))
	a.flushAt(2 * hour)
	var got []string
	for _, s := range spansOf(a.traces) {
		got = append(got, fmt.Sprintf("%s %v-%v", s.Name(), s.StartTimestamp().AsTime().Sub(scheduleStart), s.EndTimestamp().AsTime().Sub(scheduleStart)))
	}
	assert.Equal(t, []string{"verification resumed 20s-40s", stageCompleted + " 20s-20.000000001s", "liveness_passed 30s-40s"}, got)
}

// TestTraceAndSummaryBelongTogether by the id that the receiver gives to the records of the same key.
func TestTraceAndSummaryBelongTogether(t *testing.T) {
	a := connect(t)
	a.take(0, eventAt(0, "ver_1", "verification_started"))
	a.flushAt(hour)
	summary := a.summaries[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	assert.False(t, summary.TraceID().IsEmpty())
	for _, s := range spansOf(a.traces) {
		assert.Equal(t, summary.TraceID(), s.TraceID())
		assert.Equal(t, ptrace.StatusCodeError == s.Status().Code(), s.ParentSpanID().IsEmpty(), "abandoned, but no event of it is a drop-off")
	}
}
