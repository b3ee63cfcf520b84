// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/digest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// summaryID identifies a summary by key and number of the end, and by the first event: a verification that is forgotten
// and begins anew counts its ends from 1 again.
func summaryID(e *funnel.Ended) (id event.ID) {
	sum := digest.Sum("", "summary", e.Key, string(e.Trail[0].ID[:]), strconv.Itoa(e.Number))
	copy(id[:], sum[:])
	return id
}

// summarize makes the log record of an end.
func (c *funnelConnector) summarize(e *funnel.Ended, now pcommon.Timestamp, to plog.LogRecord) {
	to.SetEventName(semconv.EventVerificationSummary)
	to.SetTimestamp(pcommon.Timestamp(e.Trail[len(e.Trail)-1].At))
	to.SetObservedTimestamp(now)
	to.SetSeverityNumber(plog.SeverityNumberInfo)
	to.SetSeverityText("INFO")
	to.SetTraceID(verificationkey.TraceID(e.Key))
	to.Body().SetStr(sentence(e))
	attrs := to.Attributes()
	c.putVerification(attrs, e)
	attrs.PutStr(semconv.AttrVerificationStartTime, formatTime(e.Start()))
	attrs.PutDouble(semconv.AttrVerificationDuration, e.Seconds())
	attrs.PutInt(semconv.AttrVerificationAttempts, int64(e.Attempts))
	if e.DroppedOff() {
		putStrings(attrs, semconv.AttrVerificationDropOffs, e.DropOffs)
	}
	path := make([]string, len(e.Trail))
	for i := range e.Trail {
		path[i] = e.Trail[i].Stage
	}
	putStrings(attrs, semconv.AttrVerificationPath, path)
	attrs.PutInt(semconv.AttrVerificationEvents, int64(e.Events))
	attrs.PutBool(semconv.AttrVerificationResumed, e.Resumed())
	attrs.PutStr(semconv.AttrLogRecordUID, summaryID(e).String())
}

func putStrings(attrs pcommon.Map, name string, values []string) {
	list := attrs.PutEmptySlice(name)
	list.EnsureCapacity(len(values))
	for _, value := range values {
		list.AppendEmpty().SetStr(value)
	}
}

// sentence is for people who read lines: log backends show a record without a body as if something were missing.
func sentence(e *funnel.Ended) string {
	seconds := strconv.FormatFloat(math.Round(e.Seconds()*1000)/1000, 'f', -1, 64)
	return fmt.Sprintf("%s after %s s, %d events, last %s", e.Outcome, seconds, e.Events, e.LastStage())
}

// formatTime writes nanoseconds since 1970 as RFC 3339 in UTC. There are more of them than an int64 holds.
func formatTime(nanos uint64) string {
	const second = uint64(time.Second)
	return time.Unix(int64(nanos/second), int64(nanos%second)).UTC().Format(time.RFC3339Nano)
}
