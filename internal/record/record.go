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
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// Builder makes log records that share a resource and a scope. It is safe for concurrent use.
type Builder struct {
	resource pcommon.Resource
	scope    pcommon.InstrumentationScope
	key      verificationkey.Key
}

// NewBuilder returns a Builder for the resource and scope, neither of which may change from here on. The key is of
// the attributes from which a record's trace id is made.
func NewBuilder(resource pcommon.Resource, scope pcommon.InstrumentationScope, key verificationkey.Key) *Builder {
	return &Builder{resource: resource, scope: scope, key: key}
}

// Event makes the record of an event from what was decoded of it, its body and the time when the request was read. It
// keeps none of its arguments. The body becomes a string, or bytes if it is not valid UTF-8; strings that are too long
// for an attribute are cut and named in verifyyou.truncated_fields.
func (b *Builder) Event(e *event.Event, body []byte, received time.Time) plog.Logs {
	logs, lr := b.record(e, body, received)
	lr.SetEventName(eventName(e.Stage))
	setSeverity(lr, severityOf(e.Outcome()))
	lr.Attributes().PutStr(semconv.AttrOutcome, string(e.Outcome()))
	b.setTraceID(lr)
	return logs
}

// Unrecognized makes the record of a body that has no event in it, with the reason as verifyyou.decode_error and what
// could be decoded as for an event.
func (b *Builder) Unrecognized(e *event.Event, body []byte, received time.Time, reason error) plog.Logs {
	logs, lr := b.record(e, body, received)
	lr.SetEventName(semconv.EventUnrecognized)
	setSeverity(lr, plog.SeverityNumberError)
	lr.Attributes().PutStr(semconv.AttrDecodeError, reason.Error())
	b.setTraceID(lr)
	return logs
}

// setTraceID comes when all attributes are there: the funnel, which makes the same id, sees them all.
func (b *Builder) setTraceID(lr plog.LogRecord) {
	lr.SetTraceID(b.key.TraceID(lr.Attributes()))
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

// eventNames are those of the documented stages. An unknown one has no name of its own, as event names are meant to be
// few (OpenTelemetry semantic conventions, events).
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
	return semconv.EventUnknownStage
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
