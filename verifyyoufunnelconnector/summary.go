// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/digest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
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
	attrs := to.Attributes()
	c.putVerification(attrs, e)
	attrs.PutDouble(semconv.AttrVerificationDuration, e.Seconds())
	path := attrs.PutEmptySlice(semconv.AttrVerificationPath)
	path.EnsureCapacity(len(e.Trail))
	for i := range e.Trail {
		path.AppendEmpty().SetStr(e.Trail[i].Stage)
	}
	attrs.PutInt(semconv.AttrVerificationEvents, int64(e.Events))
	attrs.PutBool(semconv.AttrVerificationResumed, e.Resumed())
	attrs.PutStr(semconv.AttrLogRecordUID, summaryID(e).String())
}
