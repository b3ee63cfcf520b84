// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/bounds"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/record"
)

// eventOf reads an event from a log record. It reports false if the record is none: it has no stage, or nothing of the
// key.
func eventOf(lr plog.LogRecord, key []string, now time.Time) (funnel.Event, bool) {
	attrs := lr.Attributes()
	stage := stringOf(attrs, record.AttrStage)
	if stage == "" {
		return funnel.Event{}, false
	}
	name, ok := keyOf(attrs, key)
	if !ok {
		return funnel.Event{}, false
	}
	e := funnel.Event{
		Key:             name,
		Stage:           stage,
		At:              timeOf(lr, now),
		ExternalID:      shorten(stringOf(attrs, record.AttrExternalID)),
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

// keyOf names a verification by the attributes of a key. It reports false if there is none of them.
func keyOf(attrs pcommon.Map, key []string) (string, bool) {
	values := make([]string, len(key))
	found := false
	for i, name := range key {
		if v, ok := attrs.Get(name); ok {
			values[i] = shorten(v.AsString())
			found = found || values[i] != ""
		}
	}
	return joinKey(values), found
}

// joinKey makes one string of values, from which splitKey takes them again. The only value of a key is its name.
func joinKey(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	var name []byte
	for _, v := range values {
		name = binary.AppendUvarint(name, uint64(len(v)))
		name = append(name, v...)
	}
	return string(name)
}

func splitKey(name string, count int) []string {
	if count == 1 {
		return []string{name}
	}
	values := make([]string, count)
	rest := []byte(name)
	for i := range values {
		length, n := binary.Uvarint(rest)
		values[i] = string(rest[n : n+int(length)])
		rest = rest[n+int(length):]
	}
	return values
}

// maxIDBytes is the length of the longest id that is kept as it is, so that memory is bounded.
const maxIDBytes = 256

// shorten keeps the beginning of a long id, with a hash of the whole, so that different ones stay different.
func shorten(id string) string {
	if len(id) <= maxIDBytes {
		return id
	}
	const kept = 64
	end := kept
	for end > 0 && !utf8.RuneStart(id[end]) {
		end--
	}
	sum := sha256.Sum256([]byte(id))
	return id[:end] + "…" + hex.EncodeToString(sum[:16])
}

// trackerOf returns the tracker, bounds.Other for one that is too long to get series of its own, and to be kept.
func trackerOf(attrs pcommon.Map) string {
	tracker := stringOf(attrs, record.AttrExternalTracker)
	if len(tracker) > bounds.MaxTrackerBytes {
		return bounds.Other
	}
	return tracker
}

// scoreOf returns the trust score, none where it is not a finite number.
func scoreOf(attrs pcommon.Map) event.Number[float64] {
	v, ok := attrs.Get(record.AttrTrustScore)
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
	uid := stringOf(lr.Attributes(), record.AttrUID)
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
	copy(id[:], hash(parts...))
	return id
}

// hash is a SHA-256 of strings, each with its length before it, so that no two lists of them make the same input.
func hash(parts ...string) []byte {
	var in []byte
	for _, p := range parts {
		in = binary.AppendUvarint(in, uint64(len(p)))
		in = append(in, p...)
	}
	sum := sha256.Sum256(in)
	return sum[:]
}
