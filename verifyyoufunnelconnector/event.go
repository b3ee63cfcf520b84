// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"encoding/hex"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/digest"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// eventOf reads an event from a log record. It reports false if the record is none: it has no stage, or nothing of the
// key.
func eventOf(lr plog.LogRecord, key verificationkey.Key, now time.Time) (funnel.Event, bool) {
	attrs := lr.Attributes()
	stage := stringOf(attrs, semconv.AttrStage)
	if stage == "" {
		return funnel.Event{}, false
	}
	name, ok := key.Name(attrs)
	if !ok {
		return funnel.Event{}, false
	}
	e := funnel.Event{
		Key:             name,
		Stage:           stage,
		At:              timeOf(lr, now),
		ExternalID:      verificationkey.Shorten(stringOf(attrs, semconv.AttrExternalID)),
		ExternalTracker: trackerOf(attrs),
		TrustScore:      scoreOf(attrs),
	}
	e.ID = idOf(lr, &e)
	return e, true
}

// stringOf returns an attribute that is a string, and nothing otherwise.
func stringOf(attrs pcommon.Map, name string) string {
	v, ok := attrs.Get(name)
	if !ok || v.Type() != pcommon.ValueTypeStr {
		return ""
	}
	return v.Str()
}

// trackerOf returns the tracker, cardinality.Other for one that is too long to get series of its own, and to be kept.
func trackerOf(attrs pcommon.Map) string {
	tracker := stringOf(attrs, semconv.AttrExternalTracker)
	if len(tracker) > cardinality.MaxTrackerBytes {
		return cardinality.Other
	}
	return tracker
}

// scoreOf returns the trust score, none where it is not a finite number.
func scoreOf(attrs pcommon.Map) event.Number[float64] {
	v, ok := attrs.Get(semconv.AttrTrustScore)
	if !ok {
		return event.Number[float64]{}
	}
	var score float64
	switch v.Type() {
	case pcommon.ValueTypeDouble:
		score = v.Double()
	case pcommon.ValueTypeInt: // as JSON exporters may make of 1.0
		score = float64(v.Int())
	default:
		return event.Number[float64]{}
	}
	return event.Number[float64]{Value: score, Valid: !math.IsNaN(score) && !math.IsInf(score, 0)}
}

// timeOf returns when an event occurred, or the best that is known of it, in nanoseconds since 1970.
func timeOf(lr plog.LogRecord, now time.Time) uint64 {
	switch {
	case lr.Timestamp() != 0:
		return uint64(lr.Timestamp())
	case lr.ObservedTimestamp() != 0:
		return uint64(lr.ObservedTimestamp())
	default:
		return uint64(now.UnixNano())
	}
}

// idOf identifies an event by the log.record.uid that the receiver has given it. For one that lost it on the way, what
// the receiver makes it of is used.
func idOf(lr plog.LogRecord, e *funnel.Event) (id event.ID) {
	uid := stringOf(lr.Attributes(), semconv.AttrLogRecordUID)
	if len(uid) == hex.EncodedLen(len(id)) {
		if _, err := hex.Decode(id[:], []byte(uid)); err == nil {
			return id
		}
	}
	parts := []string{uid}
	if uid == "" {
		parts = []string{e.Key, e.Stage, e.ExternalID, lr.Timestamp().String()}
		if lr.Timestamp() == 0 {
			parts = append(parts, lr.Body().AsString())
		}
	}
	sum := digest.Sum("", parts...)
	copy(id[:], sum[:])
	return id
}
