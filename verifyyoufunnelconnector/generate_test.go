// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pipeline"
	"pgregory.net/rapid"
)

// This file makes up what a connector may meet. Of the values to choose from the plainest stand first: to these rapid
// reduces a failure.

// scheduleStart is when the clock of every schedule begins.
var scheduleStart = time.Date(2026, 6, 9, 17, 0, 0, 0, time.UTC)

// longestSchedule is shorter than the time after which the series of a silent tracker end.
const longestSchedule = 6 * 24 * time.Hour

// oneIn is true once in so many times.
func oneIn(t *rapid.T, n int, label string) bool {
	return rapid.IntRange(0, n-1).Draw(t, label) == n-1
}

func pick[V any](t *rapid.T, label string, values ...V) V {
	return rapid.SampledFrom(values).Draw(t, label)
}

// drawOptions makes a configuration in which every deadline can be the first one.
func drawOptions(t *rapid.T) harnessOptions {
	outputs := allOutputs()
	if oneIn(t, 4, "some outputs only") {
		outputs = rapid.SliceOfNDistinct(rapid.SampledFrom(outputs), 1, len(outputs), rapid.ID).Draw(t, "outputs")
	}
	return harnessOptions{
		funnelRules: funnelRules{
			key:          pick(t, "key", []string{keyVerification}, []string{keyVerification, keyExternal}, []string{keyExternal}),
			abandonAfter: pick(t, "abandon_after", 30*time.Minute, time.Minute, 10*time.Second),
			settle:       pick(t, "settle", 30*time.Second, time.Second, 5*time.Minute),
			window:       pick(t, "window", 24*time.Hour, time.Hour, 2*time.Minute),
		},
		delta:   rapid.Bool().Draw(t, "delta"),
		storage: rapid.Bool().Draw(t, "storage"),
		outputs: outputs,
	}
}

func allOutputs() []pipeline.Signal {
	return []pipeline.Signal{pipeline.SignalMetrics, pipeline.SignalTraces, pipeline.SignalLogs}
}

// storyteller makes up the events of verifications.
type storyteller struct {
	t     *rapid.T
	uids  int
	timed bool // every event has a time of its own
	// agreeing: the events of a verification agree on tracker and external id, and no two stories share a key.
	agreeing bool
}

// uid is a new one each time. They do not rise, since an event's place on a tie must not be its place of arrival.
func (s *storyteller) uid() string {
	s.uids++
	return fmt.Sprintf("%08x%024x", rapid.Uint32().Draw(s.t, "uid"), s.uids)
}

// stories are the events of 1 to 20 verifications.
func (s *storyteller) stories() [][]sentRecord {
	n := rapid.IntRange(1, 20).Draw(s.t, "verifications")
	stories := make([][]sentRecord, n)
	for i := range stories {
		stories[i] = s.story(i)
	}
	return stories
}

// story is one verification, in the order in which its events were meant to happen.
func (s *storyteller) story(n int) []sentRecord {
	person := s.person(n)
	tracker := pick(s.t, "tracker", "", "ads", "newsletter", "été")
	trackerFrom := 0 // the first event that carries it
	if !s.agreeing && oneIn(s.t, 3, "tracker comes late") {
		trackerFrom = rapid.IntRange(1, 4).Draw(s.t, "tracker from")
	}
	// Clocks may be wrong by years.
	clock := scheduleStart.AddDate(pick(s.t, "years off", 0, 0, 0, 0, 0, 0, -50, 80), 0, 0)
	var story []sentRecord
	for i, stage := range s.path() {
		clock = clock.Add(s.pace())
		r := person
		r.uid, r.stage = s.uid(), stage
		s.setTimes(&r, clock)
		if i >= trackerFrom {
			r.tracker = tracker
		}
		if oneIn(s.t, 3, "scored") {
			r.scored = true
			r.trustScore = pick(s.t, "trust score", 0, 0.92, 1, 87.5, 100)
		}
		r.eventName = pick(s.t, "event name", "verifyyou."+stage, "", "something.else")
		story = append(story, r)
	}
	return story
}

// person names who is verified. Many of the names give the same text when they are put one behind the other.
func (s *storyteller) person(n int) sentRecord {
	verifications, externals := []string{"v", "v1", "v12"}, []string{"", "2", "12", "u"}
	if s.agreeing {
		// An external id of its own for each, since it may be the key.
		return sentRecord{verificationID: fmt.Sprintf("v%d", n), externalID: fmt.Sprintf("u%d", n)}
	}
	if n < len(verifications)*len(externals) {
		return sentRecord{verificationID: verifications[n%3], externalID: externals[n/3]}
	}
	return sentRecord{verificationID: pick(s.t, "verification", fmt.Sprintf("w%d", n), ""), externalID: "x"}
}

// path is a way through the stages: mostly the happy one.
func (s *storyteller) path() []string {
	happy := []string{
		"verification_initialized", "verification_started", "account_created", "consent_granted",
		"liveness_started", "liveness_passed", stageCompleted,
	}
	var path []string
	for next := 0; next < len(happy) && len(path) < 25; {
		switch rapid.IntRange(0, 19).Draw(s.t, "turn") {
		default:
			path = append(path, happy[next])
			next++
		case 12: // a step is skipped
			next++
		case 13, 14: // liveness is tried again
			path = append(path, pick(s.t, "failure", "liveness_failed", "liveness_cancelled"))
			next = slices.Index(happy, "liveness_started")
		case 15: // the end for most
			path = append(path, pick(s.t, "drop-off", "liveness_failed", "liveness_cancelled", "face_collision"))
			if rapid.Bool().Draw(s.t, "gives up") {
				return path
			}
		case 16: // the tab is closed
			return path
		case 17:
			path = append(path, pick(s.t, "unknown stage", "selfie_review", "document_scan", "a_stage"))
		case 18:
			path = append(path, stageCompleted)
		case 19:
			path = append(path, rapid.SampledFrom(happy).Draw(s.t, "any stage"))
		}
	}
	return path
}

// pace is the time from one event to the next by the events' own clock: none on a tie, less than none if clocks differ.
func (s *storyteller) pace() time.Duration {
	return pick(s.t, "pace",
		time.Second, 0, 0, 20*time.Second, 1500*time.Millisecond, 5*time.Minute, time.Hour,
		time.Nanosecond, 123456*time.Microsecond, -30*time.Second)
}

// setTimes gives the event its time, and rarely only that of its receipt, or none.
func (s *storyteller) setTimes(r *sentRecord, clock time.Time) {
	r.occurred, r.observed = clock, clock.Add(3*time.Second)
	switch rapid.IntRange(0, 29).Draw(s.t, "times") {
	case 28:
		r.occurred = time.Time{}
	case 29:
		r.occurred = time.Time{}
		if !s.timed {
			r.observed = time.Time{}
		}
	}
}

// otherRecord is a log record that is not an event, whatever the key.
func (s *storyteller) otherRecord() sentRecord {
	r := sentRecord{
		uid: s.uid(), stage: stageCompleted, occurred: scheduleStart, verificationID: "v", externalID: "2",
		form: pick(s.t, "form", formNoStage, formEmptyStage, formNumberAsStage, formUnrecognized, formWell),
	}
	if r.form == formWell { // but it says of nobody
		r.verificationID, r.externalID = "", ""
	}
	return r
}

// step is a moment of a schedule: records come, or the connector flushes.
type step struct {
	at      time.Time
	flush   bool
	records []sentRecord
	logs    plog.Logs // the records as they come
}

// drawSteps makes a schedule. Every way to end, to resume and to be late comes from how far the clock moves.
func drawSteps(t *rapid.T, rules funnelRules, timed bool) []step {
	s := &storyteller{t: t, timed: timed}
	pending := s.stories()
	var sent []sentRecord
	clock := scheduleStart
	steps := make([]step, rapid.IntRange(1, 60).Draw(t, "steps"))
	for i := range steps {
		clock = clock.Add(drawGap(t, rules, clock))
		if oneIn(t, 4, "flush") {
			clock = clock.Add(2 * time.Millisecond) // two flushes are never at the same time
			steps[i] = step{at: clock, flush: true}
			continue
		}
		records := s.drawBatch(pending, sent)
		sent = append(sent, records...)
		steps[i] = step{at: clock, records: records, logs: drawLogs(t, records)}
	}
	return steps
}

// drawGap is how far the clock moves: mostly a little, at times to a deadline or just before or behind it. They are
// whole milliseconds.
func drawGap(t *rapid.T, rules funnelRules, clock time.Time) time.Duration {
	kind := rapid.IntRange(0, 19).Draw(t, "gap")
	if clock.Sub(scheduleStart) > longestSchedule-2*rules.window {
		kind = 0
	}
	near := pick(t, "near", 0, -time.Millisecond, time.Millisecond)
	switch {
	case kind == 19:
		return rules.window + near
	case kind == 18:
		return rules.window / 2
	case kind >= 16:
		return min(rules.abandonAfter, rules.window) + near
	case kind >= 13:
		return min(rules.settle, rules.window) + near
	}
	return pick(t, "little", 0, time.Second, time.Millisecond, 5*time.Second)
}

// drawBatch takes some records from the stories, out of order at times, and puts ones between them that were sent
// before or that are no events.
func (s *storyteller) drawBatch(pending [][]sentRecord, sent []sentRecord) []sentRecord {
	var batch []sentRecord
	for range rapid.IntRange(1, 8).Draw(s.t, "batch") {
		kind := rapid.IntRange(0, 19).Draw(s.t, "record")
		seen := slices.Concat(sent, batch)
		switch {
		case kind == 19:
			batch = append(batch, s.otherRecord())
		case kind >= 16 && len(seen) > 0:
			batch = append(batch, rapid.SampledFrom(seen).Draw(s.t, "again"))
		default:
			story := &pending[rapid.IntRange(0, len(pending)-1).Draw(s.t, "story")]
			if len(*story) == 0 {
				continue
			}
			i := 0
			if oneIn(s.t, 4, "out of order") {
				i = rapid.IntRange(0, len(*story)-1).Draw(s.t, "which")
			}
			batch = append(batch, (*story)[i])
			*story = slices.Delete(*story, i, i+1)
		}
	}
	return batch
}

// drawLogs puts records into one batch, in one or more resources and scopes.
func drawLogs(t *rapid.T, records []sentRecord) plog.Logs {
	logs := plog.NewLogs()
	var resource plog.ResourceLogs
	var scope plog.ScopeLogs
	for i, r := range records {
		kind := rapid.IntRange(0, 7).Draw(t, "layout")
		newResource := i == 0 || kind == 7
		if newResource {
			resource = logs.ResourceLogs().AppendEmpty()
			resource.Resource().Attributes().PutStr("service.name", pick(t, "service", "verifyyou", "replay"))
		}
		if newResource || kind == 6 {
			scope = resource.ScopeLogs().AppendEmpty()
			scope.Scope().SetName(pick(t, "scope", "github.com/otel-verifyyou/verifyyoureceiver", ""))
		}
		r.put(scope.LogRecords().AppendEmpty())
	}
	return logs
}

// put writes the record as the receiver does.
func (r sentRecord) put(lr plog.LogRecord) {
	lr.SetEventName(r.eventName)
	if !r.occurred.IsZero() {
		lr.SetTimestamp(pcommon.NewTimestampFromTime(r.occurred))
	}
	if !r.observed.IsZero() {
		lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(r.observed))
	}
	a := lr.Attributes()
	putNonEmpty(a, attrUID, r.uid)
	putNonEmpty(a, keyVerification, r.verificationID)
	putNonEmpty(a, keyExternal, r.externalID)
	putNonEmpty(a, attrTracker, r.tracker)
	if r.scored {
		a.PutDouble("verifyyou.trust_score", r.trustScore)
	}
	switch r.form {
	case formWell:
		a.PutStr(attrStage, r.stage)
		a.PutStr("verifyyou.outcome", outcomeOfStage(r.stage))
	case formEmptyStage:
		a.PutStr(attrStage, "")
	case formNumberAsStage:
		a.PutInt(attrStage, 7)
	case formUnrecognized:
		lr.SetEventName("verifyyou.unrecognized")
		a.PutStr("verifyyou.decode_error", "no stage")
	case formNoStage:
	}
}

func putNonEmpty(attributes pcommon.Map, name, value string) {
	if value != "" {
		attributes.PutStr(name, value)
	}
}
