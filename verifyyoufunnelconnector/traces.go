// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/digest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// newSpans makes the spans of an end: at the first one the root and a child for each event; at a later one, a child of
// that root for what has come since, with children of its own. No span is made twice, since backends keep both.
//
// The ids come from the key and from the identities of the events, so that an end that is sent again has the same.
func (c *funnelConnector) newSpans(e *funnel.Ended) ptrace.SpanSlice {
	spans := ptrace.NewSpanSlice()
	first, last := newEntries(e.Trail)
	if first < 0 {
		return spans
	}
	parent := spans.AppendEmpty()
	parent.SetTraceID(verificationkey.TraceID(e.Key))
	rootID := spanID(e.Key, "verification")
	if e.Resumed() {
		parent.SetName("verification resumed")
		parent.SetSpanID(spanID(e.Key, "verification resumed", string(e.Trail[first].ID[:])))
		parent.SetParentSpanID(rootID)
	} else {
		parent.SetName("verification")
		parent.SetSpanID(rootID)
	}
	c.setSpan(parent, e.Trail[first].At, e.Trail[last].At, e.Outcome != funnel.Completed)
	c.putVerification(parent.Attributes(), e)
	for i := first; i <= last; i++ {
		if e.Trail[i].New {
			c.addEventSpan(spans.AppendEmpty(), parent, e, i)
		}
	}
	return spans
}

// newEntries returns the places of the first and the last event that the end before has not had, -1 if it has had all.
func newEntries(trail []funnel.Entry) (first, last int) {
	first, last = -1, -1
	for i := range trail {
		if trail[i].New {
			last = i
			if first < 0 {
				first = i
			}
		}
	}
	return first, last
}

// addEventSpan makes the span of an event: from the one before it, but not before its parent, to its own time.
func (c *funnelConnector) addEventSpan(span, parent ptrace.Span, e *funnel.Ended, i int) {
	entry := &e.Trail[i]
	span.SetTraceID(parent.TraceID())
	span.SetSpanID(spanID(e.Key, string(entry.ID[:])))
	span.SetParentSpanID(parent.SpanID())
	span.SetName(entry.Stage)
	start := uint64(parent.StartTimestamp())
	if i > 0 {
		start = max(start, e.Trail[i-1].At)
	}
	c.setSpan(span, start, entry.At, isDropOff(entry.Stage))
	attrs := span.Attributes()
	c.putNames(attrs, e)
	attrs.PutStr(semconv.AttrStage, entry.Stage)
	attrs.PutStr(semconv.AttrOutcome, string(event.OutcomeOf(entry.Stage)))
	attrs.PutStr(semconv.AttrLogRecordUID, entry.ID.String())
}

func spanID(key string, of ...string) (id pcommon.SpanID) {
	sum := digest.Sum("", append([]string{"span", key}, of...)...)
	copy(id[:], sum[:])
	return id
}

// setSpan sets what all spans have. One ends at least 1 ns after it starts: Jaeger takes 0 for a negative duration.
func (*funnelConnector) setSpan(span ptrace.Span, start, end uint64, failed bool) {
	start = min(start, math.MaxUint64-1)
	span.SetKind(ptrace.SpanKindInternal)
	span.SetStartTimestamp(pcommon.Timestamp(start))
	span.SetEndTimestamp(pcommon.Timestamp(max(end, start+1)))
	if failed {
		span.Status().SetCode(ptrace.StatusCodeError)
	}
}

// putNames adds what a verification is called.
func (c *funnelConnector) putNames(attrs pcommon.Map, e *funnel.Ended) {
	for i, value := range c.cfg.Key.Values(e.Key) {
		semconv.PutString(attrs, c.cfg.Key[i], value)
	}
	semconv.PutString(attrs, semconv.AttrExternalTracker, e.Tracker)
}

// putVerification adds what a verification is called and how it ended.
func (c *funnelConnector) putVerification(attrs pcommon.Map, e *funnel.Ended) {
	c.putNames(attrs, e)
	semconv.PutString(attrs, semconv.AttrExternalID, e.ExternalID)
	semconv.PutString(attrs, semconv.AttrVerificationOutcome, string(e.Outcome))
	semconv.PutString(attrs, semconv.AttrVerificationLastStage, e.LastStage())
	if e.TrustScore.Valid {
		attrs.PutDouble(semconv.AttrTrustScore, e.TrustScore.Value)
	}
}
