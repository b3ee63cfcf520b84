// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
)

// The bytes that protobuf adds: to each message in a list its tag and length, and to the lengths of the lists' own
// messages what they take more than those of empty ones. Both are at most.
const (
	itemBytes = 1 + 5
	listBytes = 2 * 4
)

// packTraces makes a piece of the traces of ends, but for so many spans of the first one. A trace is not divided unless
// it is larger than a piece.
func (c *funnelConnector) packTraces(ends []*funnel.Ended, sent int) piece {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	c.resource.CopyTo(rs.Resource())
	ss := rs.ScopeSpans().AppendEmpty()
	c.scope.CopyTo(ss.Scope())
	p := piece{consume: func(ctx context.Context) (err error) {
		defer guard.Recover(c.settings.Logger, &err)
		return c.nextTraces.ConsumeTraces(ctx, td)
	}}
	room := maxPieceBytes - new(ptrace.ProtoMarshaler).TracesSize(td) - listBytes
	for i, e := range ends {
		spans := c.newSpans(e)
		if i == 0 {
			n := 0
			spans.RemoveIf(func(ptrace.Span) bool { n++; return n <= sent })
		}
		n, size := fit(spans, room)
		if n < spans.Len() {
			if i == 0 {
				n = max(n, 1) // a span that is larger than a piece is one all the same
				p.spans = sent + n
				moveSpans(spans, n, ss.Spans())
			}
			break
		}
		room -= size
		spans.MoveAndAppendTo(ss.Spans())
		p.ends++
	}
	return p
}

// fit returns how many spans there is room for, and the bytes that they take.
func fit(spans ptrace.SpanSlice, room int) (n, size int) {
	var sizer ptrace.ProtoMarshaler
	for _, s := range spans.All() {
		bytes := sizer.SpanSize(s) + itemBytes
		if size+bytes > room {
			break
		}
		size += bytes
		n++
	}
	return n, size
}

// moveSpans moves the first n spans.
func moveSpans(from ptrace.SpanSlice, n int, to ptrace.SpanSlice) {
	for i := range n {
		from.At(i).MoveTo(to.AppendEmpty())
	}
}

// packSummaries makes a piece of the summaries of ends.
func (c *funnelConnector) packSummaries(ends []*funnel.Ended, _ int) piece {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	c.resource.CopyTo(rl.Resource())
	sl := rl.ScopeLogs().AppendEmpty()
	c.scope.CopyTo(sl.Scope())
	p := piece{consume: func(ctx context.Context) (err error) {
		defer guard.Recover(c.settings.Logger, &err)
		return c.nextLogs.ConsumeLogs(ctx, ld)
	}}
	var sizer plog.ProtoMarshaler
	room := maxPieceBytes - sizer.LogsSize(ld) - listBytes
	now := pcommon.NewTimestampFromTime(c.now())
	for _, e := range ends {
		lr := plog.NewLogRecord()
		c.summarize(e, now, lr)
		room -= sizer.LogRecordSize(lr) + itemBytes
		if room < 0 && p.ends > 0 {
			break
		}
		lr.MoveTo(sl.LogRecords().AppendEmpty())
		p.ends++
	}
	return p
}
