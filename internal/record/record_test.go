// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

var received = time.Now()

func builder(key ...string) *Builder {
	return NewBuilder(pcommon.NewResource(), pcommon.NewInstrumentationScope(), key)
}

func only(t *testing.T, logs plog.Logs) plog.LogRecord {
	t.Helper()
	require.Equal(t, 1, logs.LogRecordCount())
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// recordOf makes the record of an event whose trace id is made as by default.
func recordOf(t *testing.T, e *event.Event) plog.LogRecord {
	t.Helper()
	return only(t, builder(verificationkey.Default()...).Event(e, []byte("{}"), received))
}

func TestEventName(t *testing.T) {
	for stage, want := range map[string]string{
		"verification_completed": "verifyyou.verification_completed",
		"liveness_failed":        "verifyyou.liveness_failed",
		"document_scanned":       "verifyyou.unknown_stage",
		"Liveness_Failed":        "verifyyou.unknown_stage",
		"unrecognized":           "verifyyou.unknown_stage",
	} {
		lr := recordOf(t, &event.Event{Stage: stage})
		assert.Equal(t, want, lr.EventName())
		assert.Equal(t, stage, lr.Attributes().AsRaw()["verifyyou.stage"])
	}
	for _, stage := range event.Stages() {
		assert.Equal(t, "verifyyou."+stage, recordOf(t, &event.Event{Stage: stage}).EventName())
	}
	lr := only(t, builder("x").Unrecognized(&event.Event{}, []byte("["), received, event.ErrNoStage))
	assert.Equal(t, "verifyyou.unrecognized", lr.EventName())
	assert.Equal(t, plog.SeverityNumberError, lr.SeverityNumber())
}

func withHash(beginning, whole string) string {
	sum := sha256.Sum256([]byte(whole))
	return beginning + "~" + hex.EncodeToString(sum[:])
}

func TestTruncation(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for name, tt := range map[string]struct{ value, text, id string }{
		"just fits":              {x(1024), x(1024), x(1024)},
		"just fits with runes":   {x(1022) + "é", x(1022) + "é", x(1022) + "é"},
		"one byte too many":      {x(1025), x(1024), withHash(x(959), x(1025))},
		"a rune across the end":  {x(1023) + "é", x(1023), withHash(x(959), x(1023)+"é")},
		"a rune before the end":  {x(1022) + "éé", x(1022) + "é", withHash(x(959), x(1022)+"éé")},
		"a rune across the hash": {x(958) + "é" + x(100), x(958) + "é" + x(64), withHash(x(958), x(958)+"é"+x(100))},
		"runes of four bytes":    {"x" + strings.Repeat("😀", 300), "x" + strings.Repeat("😀", 255), withHash("x"+strings.Repeat("😀", 239), "x"+strings.Repeat("😀", 300))},
		"65 kB":                  {x(65000), x(1024), withHash(x(959), x(65000))},
	} {
		t.Run(name, func(t *testing.T) {
			lr := recordOf(t, &event.Event{
				Stage: tt.value, VerificationID: tt.value, ExternalID: tt.value, ExternalTracker: tt.value,
				Further: []event.Further{{Name: "group", Value: tt.value}},
			})
			want := map[string]any{
				"log.record.uid": strings.Repeat("0", 32), "verifyyou.outcome": "unknown",
				"verifyyou.stage": tt.text, "verifyyou.external_tracker": tt.text,
				"verifyyou.verification_id": tt.id, "verifyyou.external_id": tt.id, "verifyyou.group": tt.id,
			}
			if tt.value != tt.text {
				want["verifyyou.truncated_fields"] = []any{"stage", "verification_id", "external_id", "external_tracker", "group"}
			}
			assert.Equal(t, want, lr.Attributes().AsRaw())
		})
	}

	a, b := recordOf(t, &event.Event{VerificationID: x(2000) + "a"}), recordOf(t, &event.Event{VerificationID: x(2000) + "b"})
	assert.NotEqual(t, a.Attributes().AsRaw(), b.Attributes().AsRaw())
	assert.NotEqual(t, a.TraceID(), b.TraceID())
}

func TestFurtherFields(t *testing.T) {
	lr := recordOf(t, &event.Event{
		Stage: "liveness_passed",
		Further: []event.Further{
			{Name: "session_id", Value: "s"}, {Name: "test", Value: true}, {Name: "attempt", Value: int64(2)}, {Name: "score", Value: 0.5},
		},
		InvalidFields:  []string{"step"},
		InvalidFurther: []string{"group"},
	})
	assert.Equal(t, map[string]any{
		"log.record.uid": strings.Repeat("0", 32), "verifyyou.outcome": "progress", "verifyyou.stage": "liveness_passed",
		"verifyyou.session_id": "s", "verifyyou.test": true, "verifyyou.attempt": int64(2), "verifyyou.score": 0.5,
		"verifyyou.invalid_fields": []any{"step", "group"},
	}, lr.Attributes().AsRaw())
}

func TestTraceID(t *testing.T) {
	e := event.Event{Stage: "a", VerificationID: "v", ExternalID: "e", Further: []event.Further{{Name: "attempt", Value: int64(2)}}}
	id := func(e event.Event, key ...string) pcommon.TraceID {
		lr := only(t, builder(key...).Event(&e, nil, received))
		assert.Zero(t, lr.SpanID())
		assert.Zero(t, lr.Flags())
		// By way of the name, as the funnel makes it of the record.
		if name, ok := verificationkey.Key(key).Name(lr.Attributes()); ok {
			assert.Equal(t, verificationkey.TraceID(name), lr.TraceID())
		} else {
			assert.Zero(t, lr.TraceID())
		}
		return lr.TraceID()
	}
	both := []string{"verifyyou.verification_id", "verifyyou.external_id"}
	want := id(e, both...)
	assert.Equal(t, "063e90e2ab1e7a202b6a710de6208851", id(event.Event{VerificationID: "ver_abc123"}, both...).String())

	other := e
	other.Stage, other.ExternalTracker = "b", "t"
	assert.Equal(t, want, id(other, both...))
	other.ExternalID = ""
	assert.NotEqual(t, want, id(other, both...))
	assert.NotZero(t, id(other, both...))
	other.VerificationID = ""
	assert.Zero(t, id(other, both...))
	assert.Zero(t, id(other, "verifyyou.session_id"))

	assert.NotEqual(t, want, id(e, "verifyyou.verification_id"))
	assert.NotZero(t, id(e, "verifyyou.attempt"))
	assert.NotZero(t, id(e, "verifyyou.outcome")) // as every attribute of the record that the funnel sees

	unrecognized := event.Event{VerificationID: "v", ExternalID: "e"}
	lr := only(t, builder(both...).Unrecognized(&unrecognized, nil, received, event.ErrNoStage))
	assert.Equal(t, want, lr.TraceID())
	lr = only(t, builder(both...).Unrecognized(&event.Event{}, nil, received, event.ErrNotObject))
	assert.Zero(t, lr.TraceID())
}

func TestValidateFields(t *testing.T) {
	many := make([]string, 17)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	require.NoError(t, ValidateFields("fields", nil))
	require.NoError(t, ValidateFields("fields", []string{"session_id", "group", "Stage", "verification", "verification_url", "uid"}))
	require.NoError(t, ValidateFields("fields", many[:16]))
	for want, names := range map[string][]string{
		"fields: has 17 names; use 16 at most":                                                         many,
		"fields::1: is empty; set the name of a field, or remove it":                                   {"group", ""},
		`fields::2: "group" is there twice; remove it`:                                                 {"group", "x", "group"},
		`fields::0: "occurred_at" is kept as the record's Timestamp; remove it`:                        {"occurred_at"},
		"fields::0: verifyyou.stage is an attribute already; remove \"stage\"":                         {"stage"},
		"fields::0: verifyyou.verification.path is an attribute already; remove \"verification.path\"": {"verification.path"},
	} {
		require.EqualError(t, ValidateFields("fields", names), want)
	}
	for _, name := range []string{
		"stage", "step", "occurred_at", "verification_id", "external_id", "external_tracker", "trust_score", "outcome",
		"invalid_fields", "truncated_fields", "decode_error", "verification.outcome", "verification.",
	} {
		require.Error(t, ValidateFields("fields", []string{name}), name)
	}
	assert.EqualError(t, ValidateFields("fields", []string{"stage", "x", ""}),
		"fields::0: verifyyou.stage is an attribute already; remove \"stage\"\nfields::2: is empty; set the name of a field, or remove it")
}

// FuzzTruncation tries the rules on any string: never more than the limit, never half a rune, never alike.
func FuzzTruncation(f *testing.F) {
	for _, s := range []string{strings.Repeat("x", 1023) + "é", strings.Repeat("😀", 400), strings.Repeat("\uFFFD", 342)} {
		f.Add(s, "")
		f.Add("x", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for len(a) <= maxStringBytes { // fuzzing hardly finds long ones
			a += "x" + b + "é"
		}
		a = strings.ToValidUTF8(a, "")
		if len(a) <= maxStringBytes {
			return
		}
		text, id := cut(a), cutUnique(a)
		for _, short := range []string{text, id} {
			assert.True(t, utf8.ValidString(short))
			assert.LessOrEqual(t, len(short), 1024)
			assert.Greater(t, len(short), 1024-utf8.UTFMax)
		}
		assert.True(t, strings.HasPrefix(a, text))
		beginning, digits, _ := strings.Cut(id[len(id)-65:], "~")
		assert.Empty(t, beginning)
		assert.Len(t, digits, 64)
		assert.True(t, strings.HasPrefix(a, id[:len(id)-65]))
		assert.NotEqual(t, id, cutUnique(a+"x"))
	})
}
