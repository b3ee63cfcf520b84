// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package record makes log records of events.
package record

import (
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// maxAttributes is how many attributes an event without invalid fields can have.
const maxAttributes = 8

// Builder makes log records that share a resource and a scope. It is safe for concurrent use.
type Builder struct {
	resource pcommon.Resource
	scope    pcommon.InstrumentationScope
}

// NewBuilder returns a Builder for the resource and scope, neither of which may change from here on.
func NewBuilder(resource pcommon.Resource, scope pcommon.InstrumentationScope) *Builder {
	return &Builder{resource: resource, scope: scope}
}

// Event makes the record of an event from what was decoded of it, its body and the time when it was read. It keeps
// neither of them.
func (b *Builder) Event(e *event.Event, body []byte, received time.Time) plog.Logs {
	logs, lr := b.record(e, body, received)
	lr.SetEventName(eventName(e.Stage))
	setSeverity(lr, severityOf(e.Outcome()))
	lr.Attributes().PutStr(semconv.AttrOutcome, string(e.Outcome()))
	return logs
}

// Unrecognized makes the record of a body that has no event in it, for the given reason.
func (b *Builder) Unrecognized(e *event.Event, body []byte, received time.Time, reason error) plog.Logs {
	logs, lr := b.record(e, body, received)
	lr.SetEventName(semconv.EventUnrecognized)
	setSeverity(lr, plog.SeverityNumberError)
	lr.Attributes().PutStr(semconv.AttrDecodeError, reason.Error())
	return logs
}

// record makes what all records have in common.
func (b *Builder) record(e *event.Event, body []byte, received time.Time) (plog.Logs, plog.LogRecord) {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	b.resource.CopyTo(rl.Resource())
	sl := rl.ScopeLogs().AppendEmpty()
	b.scope.CopyTo(sl.Scope())
	lr := sl.LogRecords().AppendEmpty()

	lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(received))
	if !e.OccurredAt.IsZero() {
		lr.SetTimestamp(pcommon.NewTimestampFromTime(e.OccurredAt))
	}
	setBody(lr.Body(), body)
	setAttributes(lr.Attributes(), e)
	return logs, lr
}

// setBody keeps the bytes as they came: a string where that loses nothing.
func setBody(v pcommon.Value, body []byte) {
	if utf8.Valid(body) {
		v.SetStr(string(body))
		return
	}
	v.SetEmptyBytes().FromRaw(body)
}

func setAttributes(attrs pcommon.Map, e *event.Event) {
	attrs.EnsureCapacity(maxAttributes)
	attrs.PutStr(semconv.AttrLogRecordUID, e.ID.String())
	semconv.PutString(attrs, semconv.AttrStage, e.Stage)
	if e.Step.Valid {
		attrs.PutInt(semconv.AttrStep, e.Step.Value)
	}
	semconv.PutString(attrs, semconv.AttrVerificationID, e.VerificationID)
	semconv.PutString(attrs, semconv.AttrExternalID, e.ExternalID)
	semconv.PutString(attrs, semconv.AttrExternalTracker, e.ExternalTracker)
	if e.TrustScore.Valid {
		attrs.PutDouble(semconv.AttrTrustScore, e.TrustScore.Value)
	}
	if len(e.InvalidFields) > 0 {
		names := attrs.PutEmptySlice(semconv.AttrInvalidFields)
		for _, name := range e.InvalidFields {
			names.AppendEmpty().SetStr(name)
		}
	}
}

// eventNames are those of the documented stages.
var eventNames = func() map[string]string {
	m := map[string]string{}
	for _, stage := range event.Stages() {
		m[stage] = semconv.Prefix + stage
	}
	return m
}()

func eventName(stage string) string {
	if name, ok := eventNames[stage]; ok {
		return name
	}
	return semconv.Prefix + stage
}

func severityOf(o event.Outcome) plog.SeverityNumber {
	if o == event.DropOff {
		return plog.SeverityNumberWarn
	}
	return plog.SeverityNumberInfo
}

func setSeverity(lr plog.LogRecord, n plog.SeverityNumber) {
	lr.SetSeverityNumber(n)
	lr.SetSeverityText(severityTexts[n])
}

var severityTexts = map[plog.SeverityNumber]string{
	plog.SeverityNumberInfo:  "INFO",
	plog.SeverityNumberWarn:  "WARN",
	plog.SeverityNumberError: "ERROR",
}
