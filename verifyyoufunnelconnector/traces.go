// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/digest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// newSpans makes the trace of an end.
func (c *funnelConnector) newSpans(e *funnel.Ended) ptrace.SpanSlice {
	spans := ptrace.NewSpanSlice()
	traceID := verificationkey.TraceID(e.Key)
	root := spans.AppendEmpty()
	root.SetTraceID(traceID)
	root.SetSpanID(spanID(e.Key, "verification"))
	root.SetName("verification")
	c.setSpan(root, e.Trail[0].At, e.Trail[len(e.Trail)-1].At, e.Outcome != funnel.Completed)
	c.putVerification(root.Attributes(), e)

	before := e.Trail[0].At
	for i := range e.Trail {
		entry := &e.Trail[i]
		span := spans.AppendEmpty()
		span.SetTraceID(traceID)
		span.SetSpanID(spanID(e.Key, string(entry.ID[:])))
		span.SetParentSpanID(root.SpanID())
		span.SetName(entry.Stage)
		c.setSpan(span, before, entry.At, isDropOff(entry.Stage))
		span.Attributes().PutStr(semconv.AttrStage, entry.Stage)
		span.Attributes().PutStr(semconv.AttrOutcome, string(event.OutcomeOf(entry.Stage)))
		span.Attributes().PutStr(semconv.AttrLogRecordUID, entry.ID.String())
		before = entry.At
	}
	return spans
}

func spanID(key, of string) (id pcommon.SpanID) {
	sum := digest.Sum("", "span", key, of)
	copy(id[:], sum[:])
	return id
}

func (*funnelConnector) setSpan(span ptrace.Span, start, end uint64, failed bool) {
	span.SetKind(ptrace.SpanKindInternal)
	span.SetStartTimestamp(pcommon.Timestamp(start))
	span.SetEndTimestamp(pcommon.Timestamp(end))
	if failed {
		span.Status().SetCode(ptrace.StatusCodeError)
	}
}

// putVerification adds what a verification is called and how it ended.
func (c *funnelConnector) putVerification(attrs pcommon.Map, e *funnel.Ended) {
	for i, value := range c.cfg.Key.Values(e.Key) {
		semconv.PutString(attrs, c.cfg.Key[i], value)
	}
	semconv.PutString(attrs, semconv.AttrExternalID, e.ExternalID)
	semconv.PutString(attrs, semconv.AttrExternalTracker, e.Tracker)
	semconv.PutString(attrs, semconv.AttrVerificationOutcome, string(e.Outcome))
	semconv.PutString(attrs, semconv.AttrVerificationLastStage, e.LastStage())
	if e.TrustScore.Valid {
		attrs.PutDouble(semconv.AttrTrustScore, e.TrustScore.Value)
	}
}
