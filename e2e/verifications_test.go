// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// verification is what the log records say of one, without a funnel.
type verification struct {
	trace      pcommon.TraceID
	names      map[string]any // the attributes that every span has
	externalID string
	events     []occurrence // in order of their times
}

// occurrence is an event that a record has.
type occurrence struct {
	stage, outcome, uid string
	at, observed        time.Time
	score               any // nil: unknown
}

func (o *occurrence) dropOff() bool { return o.outcome == "drop_off" }

// verifications returns them by their trace ids, and fails if the records of one do not agree on its trace id. key is as
// in the configuration.
func (in *intake) verifications(t *testing.T, key []string) map[pcommon.TraceID]*verification {
	t.Helper()
	byTrace := map[pcommon.TraceID]*verification{}
	traces := map[string]pcommon.TraceID{}
	in.eachRecord(func(_ pcommon.Map, record plog.LogRecord) {
		if record.EventName() == summaryEvent {
			return
		}
		attributes := record.Attributes()
		trace := record.TraceID()
		v := byTrace[trace]
		if v == nil {
			v = &verification{trace: trace, names: map[string]any{}, externalID: text(attributes, "verifyyou.external_id")}
			for _, name := range append([]string{"verifyyou.external_tracker"}, key...) {
				if value := text(attributes, name); value != "" {
					v.names[name] = value
				}
			}
			byTrace[trace] = v
		}
		id := text(attributes, key[0])
		require.NotEmpty(t, id)
		require.Equal(t, v.names[key[0]], id, "one trace id of two verifications")
		if known, ok := traces[id]; ok {
			require.Equal(t, known, trace, "two trace ids of one verification")
		}
		traces[id] = trace
		score, _ := attributes.AsRaw()["verifyyou.trust_score"]
		v.events = append(v.events, occurrence{
			stage: text(attributes, "verifyyou.stage"), outcome: text(attributes, "verifyyou.outcome"),
			uid: text(attributes, "log.record.uid"), score: score,
			at: record.Timestamp().AsTime(), observed: record.ObservedTimestamp().AsTime(),
		})
	})
	for _, v := range byTrace {
		slices.SortFunc(v.events, func(a, b occurrence) int { return a.at.Compare(b.at) })
	}
	return byTrace
}

// inTime returns the verification with the events that came before it ended: after a silence come stragglers.
func (v *verification) inTime(silence time.Duration) *verification {
	arrivals := make([]time.Time, len(v.events))
	for i, e := range v.events {
		arrivals[i] = e.observed
	}
	slices.SortFunc(arrivals, time.Time.Compare)
	last := arrivals[0]
	for _, arrival := range arrivals[1:] {
		if arrival.Sub(last) > silence {
			break
		}
		last = arrival
	}
	ended := *v
	ended.events = slices.DeleteFunc(slices.Clone(v.events), func(e occurrence) bool { return e.observed.After(last) })
	return &ended
}

func (v *verification) last() *occurrence { return &v.events[len(v.events)-1] }

func (v *verification) count(stage string) (n int64) {
	for _, e := range v.events {
		if e.stage == stage {
			n++
		}
	}
	return n
}

func (v *verification) dropOffs() []any {
	var stages []any
	for _, e := range v.events {
		if e.dropOff() && !slices.Contains(stages, any(e.stage)) {
			stages = append(stages, e.stage)
		}
	}
	return stages
}

func (v *verification) end() string {
	switch {
	case v.count("verification_completed") > 0:
		return "completed"
	case v.last().dropOff():
		return "drop_off"
	default:
		return "abandoned"
	}
}

// ending has the attributes that the root span and the summary have.
func (v *verification) ending() map[string]any {
	attributes := map[string]any{
		"verifyyou.verification.outcome":    v.end(),
		"verifyyou.verification.last_stage": v.last().stage,
	}
	for name, value := range v.names {
		attributes[name] = value
	}
	if v.externalID != "" {
		attributes["verifyyou.external_id"] = v.externalID
	}
	for _, e := range v.events {
		if e.score != nil {
			attributes["verifyyou.trust_score"] = e.score
		}
	}
	return attributes
}

// summary has the attributes that a summary has, without its uid.
func (v *verification) summary() map[string]any {
	attributes := v.ending()
	first := v.events[0].at
	attributes["verifyyou.verification.start_time"] = first.Format(time.RFC3339Nano)
	attributes["verifyyou.verification.duration"] = math.Round(v.last().at.Sub(first).Seconds()*1e6) / 1e6
	attributes["verifyyou.verification.attempts"] = v.count("liveness_started")
	attributes["verifyyou.verification.events"] = int64(len(v.events))
	attributes["verifyyou.verification.resumed"] = false
	if dropOffs := v.dropOffs(); dropOffs != nil {
		attributes["verifyyou.verification.drop_offs"] = dropOffs
	}
	path := make([]any, len(v.events))
	for i := range v.events {
		path[i] = v.events[i].stage
	}
	attributes["verifyyou.verification.path"] = path
	return attributes
}

// durations adds the seconds from the event before a stage to its first event, and "" for all until the completion.
func (v *verification) durations(to map[string][]float64) {
	seen := map[string]bool{v.events[0].stage: true}
	for i, e := range v.events[1:] {
		if seen[e.stage] {
			continue
		}
		seen[e.stage] = true
		to[e.stage] = append(to[e.stage], e.at.Sub(v.events[i].at).Seconds())
		if e.stage == "verification_completed" {
			to[""] = append(to[""], e.at.Sub(v.events[0].at).Seconds())
		}
	}
}

// span is what is compared of one.
type span struct {
	name, parent string // the parent's name
	start, end   time.Time
	failed       bool
	attributes   map[string]any
}

// spans returns what a trace of the verification is: the root, then a span for each event.
func (v *verification) spans() []span {
	first, last := v.events[0].at, v.last().at
	atLeast := func(start, end time.Time) time.Time {
		if end.After(start) {
			return end
		}
		return start.Add(time.Nanosecond)
	}
	spans := []span{{"verification", "", first, atLeast(first, last), v.end() != "completed", v.ending()}}
	before := first
	for _, e := range v.events {
		attributes := map[string]any{"verifyyou.stage": e.stage, "verifyyou.outcome": e.outcome, "log.record.uid": e.uid}
		for name, value := range v.names {
			attributes[name] = value
		}
		spans = append(spans, span{e.stage, "verification", before, atLeast(before, e.at), e.dropOff(), attributes})
		before = e.at
	}
	return spans
}

// spans returns those that came, by trace, in the order in which they end, the root first. No id comes twice.
func (in *intake) spans(t *testing.T) map[pcommon.TraceID][]span {
	t.Helper()
	names := map[pcommon.SpanID]string{}
	in.eachSpan(func(s ptrace.Span) {
		require.Empty(t, names[s.SpanID()], "%s has the id of this one", s.Name())
		names[s.SpanID()] = s.Name()
	})
	spans := map[pcommon.TraceID][]span{}
	in.eachSpan(func(s ptrace.Span) {
		spans[s.TraceID()] = append(spans[s.TraceID()], span{
			s.Name(), names[s.ParentSpanID()], s.StartTimestamp().AsTime(), s.EndTimestamp().AsTime(),
			s.Status().Code() == ptrace.StatusCodeError, s.Attributes().AsRaw(),
		})
	})
	for _, of := range spans {
		slices.SortStableFunc(of, func(a, b span) int {
			if (a.parent == "") != (b.parent == "") {
				return map[bool]int{true: -1, false: 1}[a.parent == ""]
			}
			return a.end.Compare(b.end)
		})
	}
	return spans
}

// summaries returns the attributes of those that came, by trace. None comes twice.
func (in *intake) summaries(t *testing.T) map[pcommon.TraceID]map[string]any {
	t.Helper()
	summaries := map[pcommon.TraceID]map[string]any{}
	uids := map[any]bool{}
	in.eachRecord(func(_ pcommon.Map, record plog.LogRecord) {
		if record.EventName() != summaryEvent {
			return
		}
		require.Nil(t, summaries[record.TraceID()], "a verification has ended twice")
		attributes := record.Attributes().AsRaw()
		assert.Regexp(t, `^(completed|drop_off|abandoned) after [0-9.]+ s, \d+ events, last \w+$`, record.Body().Str())
		uid := attributes["log.record.uid"]
		assert.False(t, uids[uid], uid)
		uids[uid] = true
		delete(attributes, "log.record.uid")
		took := attributes["verifyyou.verification.duration"].(float64)
		attributes["verifyyou.verification.duration"] = math.Round(took*1e6) / 1e6
		summaries[record.TraceID()] = attributes
	})
	return summaries
}
