// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// TestWhatIsAnEvent hands over single records. That they come from another scope, or have another name, does not matter.
func TestWhatIsAnEvent(t *testing.T) {
	for name, tt := range map[string]struct {
		record plog.LogRecord
		want   string
	}{
		"event":                 {eventAt(0, "ver_1", "verification_started"), takenAsNew},
		"unknown stage":         {eventAt(0, "ver_1", "something_new"), takenAsNew},
		"no attributes":         {recordAt(0, attrs{}), takenAsOther},
		"no stage":              {recordAt(0, attrs{keyVerification: "ver_1"}), takenAsOther},
		"empty stage":           {eventAt(0, "ver_1", ""), takenAsOther},
		"stage is a number":     {recordAt(0, attrs{keyVerification: "ver_1", attrStage: 7}), takenAsOther},
		"stage is a list":       {recordAt(0, attrs{keyVerification: "ver_1", attrStage: []any{"verification_started"}}), takenAsOther},
		"no key":                {recordAt(0, attrs{attrTracker: "ads", attrStage: "verification_started"}), takenAsOther},
		"one part of the key":   {recordAt(0, attrs{keyExternal: "user_1", attrStage: "verification_started"}), takenAsNew},
		"empty key":             {eventAt(0, "", "verification_started"), takenAsOther},
		"key is a number":       {recordAt(0, attrs{keyVerification: 42, attrStage: "verification_started"}), takenAsNew},
		"unrecognized":          {recordAt(0, attrs{"verifyyou.decode_error": "no stage"}), takenAsOther},
		"a summary of a funnel": {recordAt(0, attrs{keyVerification: "ver_1", semconv.AttrVerificationLastStage: "verification_started"}), takenAsOther},
	} {
		t.Run(name, func(t *testing.T) {
			a := connect(t)
			ld := logsOf(tt.record)
			ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetName("another")
			ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetEventName("another")
			a.consume(after(0), ld)
			assert.Equal(t, map[string]int64{tt.want: 1}, withoutZeros(a.results().events))
		})
	}
}

// TestTimeOfEvents has events without the time when they occurred.
func TestTimeOfEvents(t *testing.T) {
	a := connect(t)
	event := func(stage string) plog.LogRecord {
		return bareRecord(attrs{keyVerification: "ver_1", attrStage: stage})
	}
	observed := event("liveness_failed")
	observed.SetObservedTimestamp(pcommon.NewTimestampFromTime(after(7)))
	a.take(20, observed, event("liveness_started"))
	both := eventAt(10, "ver_1", "consent_granted")
	both.SetObservedTimestamp(pcommon.NewTimestampFromTime(after(1000)))
	a.take(21, both)
	a.flushAt(hour)
	s := a.onlySummary()
	assert.Equal(t, []string{"liveness_failed", "consent_granted", "liveness_started"}, s.path)
	assert.Equal(t, after(20), s.last, "by the clock of receipt")
	assert.InDelta(t, 13.0, s.durationSeconds, 0)
}

// TestClocksFarOff has events of 1970, of 2262 and after: their order and how long it took are right, and they end as
// others do, by the clock of receipt.
func TestClocksFarOff(t *testing.T) {
	for name, last := range map[string]pcommon.Timestamp{"int64": math.MaxInt64, "uint64": math.MaxUint64} {
		t.Run(name, func(t *testing.T) {
			a := connect(t)
			first, end := eventAt(0, "ver_1", "verification_started"), eventAt(0, "ver_1", "verification_completed")
			first.SetTimestamp(1)
			end.SetTimestamp(last)
			a.take(0, end, first)
			a.flushAt(29)
			assert.Empty(t, a.results().summaries)
			a.flushAt(30)
			s := a.onlySummary()
			assert.Equal(t, []string{"verification_started", "verification_completed"}, s.path)
			assert.Equal(t, endCompleted, s.outcome)
			assert.InEpsilon(t, float64(last)/1e9, s.durationSeconds, 1e-9)
			d := a.results().histograms[histogramSeries{metric: metricDuration}]
			assert.InEpsilon(t, float64(last)/1e9, d.sum, 1e-9)
		})
	}
}

func TestWrongTypes(t *testing.T) {
	a := connect(t, withKey(keyVerification)).keyedBy(keyVerification)
	a.take(0, recordAt(0, attrs{
		keyVerification: "ver_1", attrStage: "verification_started", keyExternal: 7, attrTracker: []any{"ads"},
		"verifyyou.trust_score": "0.9", attrUID: 7,
	}))
	a.take(1, recordAt(0, attrs{keyVerification: "ver_1", attrStage: "verification_started"})) // the same by its fields
	a.flushAt(hour)
	s := a.onlySummary()
	assert.Empty(t, s.externalID)
	assert.Empty(t, s.tracker)
	assert.False(t, s.scored)
	assert.EqualValues(t, 1, s.events)
}

func TestTrustScore(t *testing.T) {
	for name, tt := range map[string]struct {
		score any
		want  float64
		valid bool
	}{
		"double":    {0.92, 0.92, true},
		"int":       {87, 87, true},
		"zero":      {0.0, 0, true},
		"string":    {"1", 0, false},
		"no number": {math.NaN(), 0, false},
		"infinite":  {math.Inf(1), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := connect(t, storing) // which has to keep it
			a.take(0, recordAt(0, attrs{keyVerification: "ver_1", attrStage: "verification_started", "verifyyou.trust_score": tt.score}))
			a.flushAt(hour)
			s := a.onlySummary()
			assert.Equal(t, tt.valid, s.scored)
			assert.InDelta(t, tt.want, s.trustScore, 0)
			assert.EqualValues(t, map[bool]int{true: 1}[tt.valid], a.results().histograms[histogramSeries{metric: metricTrustScore, attribute: endAbandoned}].count)
		})
	}
}

// TestGreatScores shows that scores whose sum is no number hold nothing up.
func TestGreatScores(t *testing.T) {
	for _, change := range []func(*Config){func(*Config) {}, exponentialHistogram} {
		a := connect(t, storing, change)
		for n, verification := range []string{"ver_1", "ver_2", "ver_3"} {
			a.take(n, recordAt(n, attrs{
				keyVerification: verification, attrStage: "verification_started",
				"verifyyou.trust_score": []float64{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64}[n],
			}))
		}
		a.flushAt(hour)
		a.take(hour, eventAt(hour, "ver_4", "verification_started"))
		a.flushAt(2 * hour)
		a.restart(after(2*hour), after(2*hour))
		a.flushAt(2*hour + 1)
	}
}

// TestIdentity hands over pairs of records.
func TestIdentity(t *testing.T) {
	uid := "0123456789abcdef0123456789abcdef"
	with := func(a attrs) plog.LogRecord {
		for name, value := range map[string]any{keyVerification: "ver_1", attrStage: "verification_started"} {
			if _, ok := a[name]; !ok {
				a[name] = value
			}
		}
		return recordAt(0, a)
	}
	timeless := func(body string) plog.LogRecord {
		lr := bareRecord(attrs{keyVerification: "ver_1", attrStage: "verification_started"})
		lr.Body().SetStr(body)
		return lr
	}
	for name, tt := range map[string]struct {
		first, second plog.LogRecord
		same          bool
	}{
		"same uid, another stage":      {with(attrs{attrUID: uid}), with(attrs{attrUID: uid, attrStage: "liveness_started"}), true},
		"same uid, in upper case":      {with(attrs{attrUID: uid}), with(attrs{attrUID: strings.ToUpper(uid), attrStage: "liveness_started"}), true},
		"another uid":                  {with(attrs{attrUID: uid}), with(attrs{attrUID: "1" + uid[1:]}), false},
		"same other uid":               {with(attrs{attrUID: "01ARZ3NDEK"}), with(attrs{attrUID: "01ARZ3NDEK", attrStage: "liveness_started"}), true},
		"other uids":                   {with(attrs{attrUID: "01ARZ3NDEK"}), with(attrs{attrUID: "01ARZ3NDEL"}), false},
		"32 characters that are not":   {with(attrs{attrUID: "g" + uid[1:]}), with(attrs{attrUID: "h" + uid[1:]}), false},
		"no uid":                       {with(attrs{}), with(attrs{}), true},
		"no uid, another stage":        {with(attrs{}), with(attrs{attrStage: "liveness_started"}), false},
		"no uid, another external id":  {with(attrs{}), with(attrs{keyExternal: "user_1"}), false},
		"no uid, another time":         {with(attrs{}), eventAt(1, "ver_1", "verification_started"), false},
		"no uid, an empty one":         {with(attrs{}), with(attrs{attrUID: ""}), true},
		"no uid, no time":              {timeless("a"), timeless("a"), true},
		"no uid, no time, other body":  {timeless("a"), timeless("b"), false},
		"same uid, other verification": {with(attrs{attrUID: uid}), with(attrs{attrUID: uid, keyVerification: "ver_2"}), false},
	} {
		t.Run(name, func(t *testing.T) {
			a := connect(t)
			a.take(0, tt.first)
			a.take(1, tt.second)
			want := map[string]int64{takenAsNew: 2}
			if tt.same {
				want = map[string]int64{takenAsNew: 1, takenAsDuplicate: 1}
			}
			assert.Equal(t, want, withoutZeros(a.results().events))
		})
	}
}

// TestKeysOfManyAttributes has keys that are the same when their values are put one behind the other.
func TestKeysOfManyAttributes(t *testing.T) {
	a := connect(t, withKey(keyVerification, keyExternal, "tenant")).keyedBy(keyVerification, keyExternal, "tenant")
	keys := []attrs{
		{keyVerification: "ab", keyExternal: "c"},
		{keyVerification: "a", keyExternal: "bc"},
		{keyVerification: "abc"},
		{keyExternal: "abc"},
		{"tenant": "abc"},
		{keyVerification: "ab", "tenant": "c"},
		{keyVerification: "ab", keyExternal: "c", "tenant": 42},
		{keyVerification: "ab", keyExternal: "c", "tenant": true},
	}
	var want []map[string]string
	for _, key := range keys {
		lr := recordAt(0, key)
		lr.Attributes().PutStr(attrStage, "verification_started")
		a.take(0, lr, lr)
		shown := map[string]string{}
		for name := range key {
			shown[name] = textOf(lr.Attributes(), name)
		}
		want = append(want, shown)
	}
	a.take(0, recordAt(0, attrs{attrStage: "verification_started", "tenant": ""}))
	assert.Equal(t, map[string]int64{takenAsNew: 8, takenAsDuplicate: 8, takenAsOther: 1}, withoutZeros(a.results().events))
	a.flushAt(hour)
	var got []map[string]string
	for _, s := range a.results().summaries {
		got = append(got, s.key)
	}
	assert.ElementsMatch(t, want, got)
}

// TestLongValues has ids of 64 KiB that differ in their last byte: they stay apart, but are kept and sent shortened.
func TestLongValues(t *testing.T) {
	for name, long := range map[string]string{
		"letters":       strings.Repeat("x", 1<<16),
		"two bytes":     strings.Repeat("é", 1<<15),
		"no UTF-8":      strings.Repeat("\x80", 1<<16),
		"just too long": strings.Repeat("x", verificationkey.MaxIDBytes),
	} {
		t.Run(name, func(t *testing.T) {
			a := connect(t)
			event := func(last string) plog.LogRecord {
				return recordAt(0, attrs{
					keyVerification: long + last, attrStage: "verification_started", keyExternal: long + last, attrTracker: long + last,
				})
			}
			a.take(0, event("a"), event("b"), event("a"))
			assert.Equal(t, map[string]int64{takenAsNew: 2, takenAsDuplicate: 1}, withoutZeros(a.results().events))
			a.flushAt(hour)
			summaries := a.results().summaries
			require.Len(t, summaries, 2)
			assert.NotEqual(t, summaries[0].key, summaries[1].key)
			assert.NotEqual(t, summaries[0].externalID, summaries[1].externalID)
			for _, s := range summaries {
				assert.LessOrEqual(t, len(s.key[keyVerification]), 100)
				assert.LessOrEqual(t, len(s.externalID), 100)
				assert.Equal(t, cardinality.Other, s.tracker)
			}
		})
	}
	a := connect(t)
	longest := strings.Repeat("x", verificationkey.MaxIDBytes)
	a.take(0, recordAt(0, attrs{keyVerification: longest, attrStage: "verification_started", attrTracker: longest}))
	a.flushAt(hour)
	assert.Equal(t, longest, a.onlySummary().key[keyVerification], "up to there as it is")
	assert.Equal(t, longest, a.onlySummary().tracker)
}
