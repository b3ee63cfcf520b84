// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// This file is a second, slow way to find what the connector has to say, for tests to compare it with. It shares no
// code with the connector. From all that was delivered it follows one key after the other from the beginning, keeps
// every event and looks at all of them whenever it has to know something.

const (
	keyVerification = "verifyyou.verification_id"
	keyExternal     = "verifyyou.external_id"

	stageCompleted = "verification_completed"

	endCompleted = "completed"
	endDropOff   = "drop_off"
	endAbandoned = "abandoned"

	takenAsNew       = "new"
	takenAsDuplicate = "duplicate"
	takenAsStraggler = "straggler"
	takenAsOther     = "other_record"

	metricDuration      = "verifyyou.verification.duration"
	metricStageDuration = "verifyyou.stage.duration"
	metricTrustScore    = "verifyyou.verification.trust_score"
)

// tableOfStages is VerifyYou's, in its order, with what each stage means for a verification.
var tableOfStages = []struct{ stage, outcome string }{
	{"verification_initialized", "progress"},
	{"verification_started", "progress"},
	{"account_created", "progress"},
	{"consent_granted", "progress"},
	{"liveness_started", "progress"},
	{"liveness_passed", "progress"},
	{"liveness_failed", "drop_off"},
	{"liveness_cancelled", "drop_off"},
	{"face_collision", "drop_off"},
	{stageCompleted, "completed"},
}

// placeInTable is behind all others for a stage that is not in the table.
func placeInTable(stage string) int {
	for i, row := range tableOfStages {
		if row.stage == stage {
			return i
		}
	}
	return len(tableOfStages)
}

func outcomeOfStage(stage string) string {
	if place := placeInTable(stage); place < len(tableOfStages) {
		return tableOfStages[place].outcome
	}
	return "unknown"
}

// funnelRules is the part of a configuration that decides what becomes of a verification.
type funnelRules struct {
	key                          []string
	abandonAfter, settle, window time.Duration
}

// recordForm says how a record carries its stage. Only a well-formed one can be an event.
type recordForm int

const (
	formWell recordForm = iota
	formNoStage
	formEmptyStage
	formNumberAsStage
	formUnrecognized
)

// sentRecord is a log record as a test sends it. What is zero is not there.
type sentRecord struct {
	form                recordForm
	uid                 string // 32 hex digits in lower case, so that their order is that of the bytes
	stage               string
	occurred, observed  time.Time
	verificationID      string
	externalID, tracker string
	trustScore          float64
	scored              bool
	eventName           string
}

func (r sentRecord) attribute(name string) string {
	switch name {
	case keyVerification:
		return r.verificationID
	case keyExternal:
		return r.externalID
	}
	return ""
}

// keyOf are the attributes of the key that the record has.
func (r sentRecord) keyOf(names []string) map[string]string {
	key := map[string]string{}
	for _, name := range names {
		if value := r.attribute(name); value != "" {
			key[name] = value
		}
	}
	return key
}

func (r sentRecord) isEvent(names []string) bool {
	return r.form == formWell && r.stage != "" && len(r.keyOf(names)) > 0
}

// delivery is a record and the time by the connector's clock when it came.
type delivery struct {
	at     time.Time
	record sentRecord
}

// happened is the time of the event that a delivery carries.
func (d delivery) happened() time.Time {
	switch {
	case !d.record.occurred.IsZero():
		return d.record.occurred
	case !d.record.observed.IsZero():
		return d.record.observed
	}
	return d.at
}

type stageTracker struct{ stage, tracker string }

type endSeries struct{ outcome, lastStage, tracker string }

// histogramSeries is one series of a histogram: the attribute is its tracker, stage or outcome.
type histogramSeries struct{ metric, attribute string }

// distribution is what an explicit histogram says about the values that it was given.
type distribution struct {
	count   uint64
	sum     float64
	bounds  []float64
	buckets []uint64
}

// distributionOf is the distribution of values; a bucket holds its upper bound.
func distributionOf(values, bounds []float64) distribution {
	d := distribution{bounds: bounds, buckets: make([]uint64, len(bounds)+1)}
	for _, v := range values {
		d.count++
		d.sum += v
		bucket := 0
		for bucket < len(bounds) && v > bounds[bucket] {
			bucket++
		}
		d.buckets[bucket]++
	}
	return d
}

// seenSummary is the summary record of one end.
type seenSummary struct {
	key                         map[string]string
	externalID, tracker         string
	outcome, lastStage          string
	last                        time.Time
	path                        []string
	events                      int64
	resumed, scored             bool
	trustScore, durationSeconds float64
	uid                         string // not known to the model
}

// seenSpan is one span. Spans of two ends of one verification have the same ids, so they are not kept in trees:
// a trace goes by the smallest uid among all spans in it.
type seenSpan struct {
	trace               string
	root                bool
	name                string
	start, end          time.Time
	failed              bool
	stage, outcome, uid string
}

// results is all that can be seen of a connector from outside. Series that are zero and series that are missing are
// the same.
type results struct {
	reached        map[stageTracker]int64
	ended, resumed map[endSeries]int64
	active         map[string]int64 // by last stage
	histograms     map[histogramSeries]distribution
	summaries      []seenSummary // sorted
	spans          []seenSpan    // sorted
	// ids holds trace and span id by the uid of the event, and by the name of the trace for a root. Not known to the
	// model.
	ids map[string]string
	// events is own telemetry: records by result, added up over restarts.
	events map[string]int64
}

// expectation is what the model finds. Values are kept one by one, since only the connector knows its buckets.
type expectation struct {
	results
	rules    funnelRules
	observed map[histogramSeries][]float64
	forgot   int // verifications whose window is over
}

// expect finds what a connector with these rules has to have said at the time now, when all was delivered that is
// given, in this order. Whether anything looked at the clock in between makes no difference.
func expect(rules funnelRules, deliveries []delivery, now time.Time) *expectation {
	e := &expectation{
		results: results{
			reached: map[stageTracker]int64{},
			ended:   map[endSeries]int64{},
			resumed: map[endSeries]int64{},
			active:  map[string]int64{},
			events:  map[string]int64{},
		},
		rules:    rules,
		observed: map[histogramSeries][]float64{},
	}
	byKey := map[string][]delivery{}
	for _, d := range deliveries {
		if !d.record.isEvent(rules.key) {
			e.events[takenAsOther]++
			continue
		}
		key := fmt.Sprintf("%q", d.record.keyOf(rules.key))
		byKey[key] = append(byKey[key], d)
	}
	for _, ofKey := range byKey {
		e.follow(ofKey, now)
	}
	sortSummaries(e.summaries)
	sortSpans(e.spans)
	return e
}

// follow goes through all that was delivered for one key.
func (e *expectation) follow(deliveries []delivery, now time.Time) {
	var v *verification
	spansBefore := len(e.spans)
	for _, d := range deliveries {
		v = e.advance(v, d.at)
		if v == nil {
			v = &verification{
				key:         d.record.keyOf(e.rules.key),
				began:       d.at,
				reached:     map[string]bool{},
				stagesGiven: map[string]bool{},
			}
		}
		e.take(v, d)
	}
	if v = e.advance(v, now); v != nil && v.end == nil {
		e.active[v.last().record.stage]++
	}
	nameTrace(e.spans[spansBefore:])
}

// verification is one run of one person.
type verification struct {
	key            map[string]string
	began, heard   time.Time   // by the clock of receipt
	settlesFrom    time.Time   // zero while it is not completed
	events         []happening // as they came
	reached        map[string]bool
	tracker        string
	externalID     string
	end            *endSeries // nil while it goes on
	resumed, timed bool
	stagesGiven    map[string]bool
}

// happening is an event and its time.
type happening struct {
	at     time.Time
	record sentRecord
}

func (h happening) compare(other happening) int {
	return cmp.Or(
		h.at.Compare(other.at),
		cmp.Compare(placeInTable(h.record.stage), placeInTable(other.record.stage)),
		cmp.Compare(h.record.uid, other.record.uid),
	)
}

// sorted are the events in the order in which they happened.
func (v *verification) sorted() []happening {
	return slices.SortedFunc(slices.Values(v.events), happening.compare)
}

func (v *verification) last() happening {
	events := v.sorted()
	return events[len(events)-1]
}

func (v *verification) completed() bool {
	return slices.ContainsFunc(v.events, func(h happening) bool { return h.record.stage == stageCompleted })
}

func (v *verification) has(uid string) bool {
	return slices.ContainsFunc(v.events, func(h happening) bool { return h.record.uid == uid })
}

// resumedBy reports whether a new event makes a verification that has ended go on.
func (v *verification) resumedBy(h happening) bool {
	if h.record.stage == stageCompleted && v.end.outcome != endCompleted {
		return true
	}
	return h.compare(v.last()) > 0
}

// advance ends what has to end until now, and returns nil when the verification is forgotten.
func (e *expectation) advance(v *verification, now time.Time) *verification {
	if v == nil {
		return nil
	}
	closes := v.began.Add(e.rules.window)
	if v.end == nil && (isDue(e.deadline(v), now) || isDue(closes, now)) {
		e.finish(v)
	}
	if isDue(closes, now) {
		e.forgot++
		return nil
	}
	return v
}

func isDue(deadline, now time.Time) bool {
	return !now.Before(deadline)
}

// deadline is when silence, or waiting for stragglers, is over. Silence ends only what is not completed.
func (e *expectation) deadline(v *verification) time.Time {
	if !v.settlesFrom.IsZero() {
		return v.settlesFrom.Add(e.rules.settle)
	}
	return v.heard.Add(e.rules.abandonAfter)
}

func (e *expectation) take(v *verification, d delivery) {
	h := happening{d.happened(), d.record}
	switch {
	case v.has(h.record.uid):
		e.events[takenAsDuplicate]++
	case v.end != nil && !v.resumedBy(h):
		e.events[takenAsStraggler]++
		e.reach(v, h.record.stage)
	default:
		e.events[takenAsNew]++
		e.resume(v)
		v.add(h, d.at)
		e.reach(v, h.record.stage)
	}
}

// resume makes a verification that has ended go on.
func (e *expectation) resume(v *verification) {
	if v.end == nil {
		return
	}
	e.resumed[*v.end]++
	v.end, v.resumed, v.settlesFrom = nil, true, time.Time{}
}

func (v *verification) add(h happening, received time.Time) {
	v.events = append(v.events, h)
	v.heard = received
	v.tracker = cmp.Or(v.tracker, h.record.tracker)
	v.externalID = cmp.Or(v.externalID, h.record.externalID)
	if v.completed() && v.settlesFrom.IsZero() {
		v.settlesFrom = received
	}
}

func (e *expectation) reach(v *verification, stage string) {
	if !v.reached[stage] {
		v.reached[stage] = true
		e.reached[stageTracker{stage, v.tracker}]++
	}
}

func (v *verification) outcome() string {
	switch {
	case v.completed():
		return endCompleted
	case outcomeOfStage(v.last().record.stage) == endDropOff:
		return endDropOff
	}
	return endAbandoned
}

func (e *expectation) finish(v *verification) {
	v.end = &endSeries{v.outcome(), v.last().record.stage, v.tracker}
	e.ended[*v.end]++
	e.observeDuration(v)
	e.observeStages(v)
	if score, ok := v.trustScore(); ok {
		e.observe(metricTrustScore, v.end.outcome, score)
	}
	e.summarize(v)
	e.trace(v)
}

func (e *expectation) observe(metric, attribute string, value float64) {
	series := histogramSeries{metric, attribute}
	e.observed[series] = append(e.observed[series], value)
}

// observeDuration takes the time to the first completion, once a verification.
func (e *expectation) observeDuration(v *verification) {
	if v.end.outcome != endCompleted || v.timed {
		return
	}
	v.timed = true
	events := v.sorted()
	first := slices.IndexFunc(events, func(h happening) bool { return h.record.stage == stageCompleted })
	e.observe(metricDuration, v.tracker, secondsBetween(events[0], events[first]))
}

// observeStages takes the time to the first event of each stage, once a verification and stage.
func (e *expectation) observeStages(v *verification) {
	events := v.sorted()
	seen := map[string]bool{}
	for i, h := range events {
		stage := h.record.stage
		isFirst := !seen[stage]
		seen[stage] = true
		if isFirst && i > 0 && !v.stagesGiven[stage] {
			v.stagesGiven[stage] = true
			e.observe(metricStageDuration, stage, secondsBetween(events[i-1], h))
		}
	}
}

func secondsBetween(from, to happening) float64 {
	return to.at.Sub(from.at).Seconds()
}

// trustScore is the last one known.
func (v *verification) trustScore() (score float64, ok bool) {
	for _, h := range v.sorted() {
		if h.record.scored {
			score, ok = h.record.trustScore, true
		}
	}
	return score, ok
}

func (e *expectation) summarize(v *verification) {
	events := v.sorted()
	last := events[len(events)-1]
	score, scored := v.trustScore()
	s := seenSummary{
		key:             v.key,
		externalID:      v.externalID,
		tracker:         v.tracker,
		outcome:         v.end.outcome,
		lastStage:       v.end.lastStage,
		last:            last.at,
		events:          int64(len(events)),
		resumed:         v.resumed,
		scored:          scored,
		trustScore:      score,
		durationSeconds: secondsBetween(events[0], last),
	}
	for _, h := range events {
		s.path = append(s.path, h.record.stage)
	}
	e.summaries = append(e.summaries, s)
}

func (e *expectation) trace(v *verification) {
	events := v.sorted()
	e.spans = append(e.spans, seenSpan{
		root:   true,
		name:   "verification",
		start:  events[0].at,
		end:    events[len(events)-1].at,
		failed: v.end.outcome != endCompleted,
	})
	before := events[0]
	for _, h := range events {
		outcome := outcomeOfStage(h.record.stage)
		e.spans = append(e.spans, seenSpan{
			name:    h.record.stage,
			start:   before.at,
			end:     h.at,
			failed:  outcome == endDropOff,
			stage:   h.record.stage,
			outcome: outcome,
			uid:     h.record.uid,
		})
		before = h
	}
}

// nameTrace gives the spans of one trace its name.
func nameTrace(spans []seenSpan) {
	name := ""
	for _, s := range spans {
		if !s.root && (name == "" || s.uid < name) {
			name = s.uid
		}
	}
	for i := range spans {
		spans[i].trace = name
	}
}

// sortSummaries and sortSpans put them into an order that depends on nothing but what they say.
func sortSummaries(summaries []seenSummary) {
	slices.SortFunc(summaries, func(a, b seenSummary) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func sortSpans(spans []seenSpan) {
	slices.SortFunc(spans, func(a, b seenSpan) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// noon is the first moment of a hand-made example: by the clock of receipt and by the events' own.
var noon = time.Date(2026, 6, 9, 12, 0, 0, 0, time.UTC)

// exampleRules have short, different times, so that a mix-up shows.
var exampleRules = funnelRules{
	key: []string{keyVerification}, abandonAfter: 10 * time.Minute, settle: 30 * time.Second, window: time.Hour,
}

func secondsAfterNoon(s int) time.Time {
	return noon.Add(time.Duration(s) * time.Second)
}

// exampleEvent is an event of the verification "v" that happens, and by default arrives, so many seconds after noon.
func exampleEvent(uid string, second int, stage string, changes ...func(*delivery)) delivery {
	d := delivery{
		at: secondsAfterNoon(second),
		record: sentRecord{
			uid: uid, stage: stage, occurred: secondsAfterNoon(second), verificationID: "v",
		},
	}
	for _, change := range changes {
		change(&d)
	}
	return d
}

func arrivesAt(second int) func(*delivery) {
	return func(d *delivery) { d.at = secondsAfterNoon(second) }
}

func withTracker(tracker string) func(*delivery) {
	return func(d *delivery) { d.record.tracker = tracker }
}

func withExternalID(id string) func(*delivery) {
	return func(d *delivery) { d.record.externalID = id }
}

func withTrustScore(score float64) func(*delivery) {
	return func(d *delivery) { d.record.trustScore, d.record.scored = score, true }
}

func ofVerification(id string) func(*delivery) {
	return func(d *delivery) { d.record.verificationID = id }
}

// exampleResult is what an example leads to, worked out by hand.
type exampleResult struct {
	reached   map[stageTracker]int64
	ended     map[endSeries]int64
	resumed   map[endSeries]int64
	active    map[string]int64
	observed  map[histogramSeries][]float64
	summaries []seenSummary
	spans     []seenSpan
	events    map[string]int64
}

func TestModel(t *testing.T) {
	const (
		initialized = "verification_initialized"
		started     = "verification_started"
		liveness    = "liveness_started"
		failed      = "liveness_failed"
		passed      = "liveness_passed"
	)
	v := map[string]string{keyVerification: "v"}
	at := secondsAfterNoon
	tests := []struct {
		name       string
		deliveries []delivery
		now        int
		want       exampleResult
	}{
		{
			name: "happy path",
			deliveries: []delivery{
				exampleEvent("01", 0, initialized),
				exampleEvent("02", 10, started, withTracker("ads"), withTrustScore(0.5)),
				exampleEvent("02", 10, started, withTracker("other"), arrivesAt(11)),
				exampleEvent("03", 25, stageCompleted, withTrustScore(0.9), withExternalID("u")),
				{at: at(26), record: sentRecord{form: formNoStage, verificationID: "v"}},
			},
			now: 55,
			want: exampleResult{
				reached: map[stageTracker]int64{{initialized, ""}: 1, {started, "ads"}: 1, {stageCompleted, "ads"}: 1},
				ended:   map[endSeries]int64{{endCompleted, stageCompleted, "ads"}: 1},
				observed: map[histogramSeries][]float64{
					{metricDuration, "ads"}:               {25},
					{metricStageDuration, started}:        {10},
					{metricStageDuration, stageCompleted}: {15},
					{metricTrustScore, endCompleted}:      {0.9},
				},
				summaries: []seenSummary{{
					key: v, externalID: "u", tracker: "ads", outcome: endCompleted, lastStage: stageCompleted,
					last: at(25), path: []string{initialized, started, stageCompleted}, events: 3,
					scored: true, trustScore: 0.9, durationSeconds: 25,
				}},
				spans: []seenSpan{
					{trace: "01", name: initialized, start: at(0), end: at(0), stage: initialized, outcome: "progress", uid: "01"},
					{trace: "01", name: stageCompleted, start: at(10), end: at(25), stage: stageCompleted, outcome: "completed", uid: "03"},
					{trace: "01", name: started, start: at(0), end: at(10), stage: started, outcome: "progress", uid: "02"},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(25)},
				},
				events: map[string]int64{takenAsNew: 3, takenAsDuplicate: 1, takenAsOther: 1},
			},
		},
		{
			name: "completed and not yet settled",
			deliveries: []delivery{
				exampleEvent("01", 0, initialized),
				exampleEvent("02", 25, stageCompleted),
				exampleEvent("03", 40, started), // later events do not move the end
			},
			now: 54,
			want: exampleResult{
				reached: map[stageTracker]int64{{initialized, ""}: 1, {started, ""}: 1, {stageCompleted, ""}: 1},
				active:  map[string]int64{started: 1},
				events:  map[string]int64{takenAsNew: 3},
			},
		},
		{
			name: "retry of liveness, out of order and on a tie",
			deliveries: []delivery{
				exampleEvent("05", 30, passed, arrivesAt(1)),
				exampleEvent("04", 20, liveness, arrivesAt(2)),
				exampleEvent("03", 20, failed, arrivesAt(3)),
				exampleEvent("02", 10, liveness, arrivesAt(4)),
				exampleEvent("06", 30, stageCompleted, arrivesAt(5)),
			},
			now: 35,
			want: exampleResult{
				reached: map[stageTracker]int64{{liveness, ""}: 1, {failed, ""}: 1, {passed, ""}: 1, {stageCompleted, ""}: 1},
				ended:   map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1},
				observed: map[histogramSeries][]float64{
					{metricDuration, ""}:                  {20},
					{metricStageDuration, failed}:         {0},
					{metricStageDuration, passed}:         {10},
					{metricStageDuration, stageCompleted}: {0},
				},
				summaries: []seenSummary{{
					key: v, outcome: endCompleted, lastStage: stageCompleted, last: at(30),
					path: []string{liveness, liveness, failed, passed, stageCompleted}, events: 5, durationSeconds: 20,
				}},
				spans: []seenSpan{
					{trace: "02", name: failed, start: at(20), end: at(20), failed: true, stage: failed, outcome: "drop_off", uid: "03"},
					{trace: "02", name: passed, start: at(20), end: at(30), stage: passed, outcome: "progress", uid: "05"},
					{trace: "02", name: liveness, start: at(10), end: at(10), stage: liveness, outcome: "progress", uid: "02"},
					{trace: "02", name: liveness, start: at(10), end: at(20), stage: liveness, outcome: "progress", uid: "04"},
					{trace: "02", name: stageCompleted, start: at(30), end: at(30), stage: stageCompleted, outcome: "completed", uid: "06"},
					{trace: "02", root: true, name: "verification", start: at(10), end: at(30)},
				},
				events: map[string]int64{takenAsNew: 5},
			},
		},
		{
			name: "abandoned after silence, which a duplicate does not break",
			deliveries: []delivery{
				exampleEvent("01", 0, started, withTrustScore(0)),
				exampleEvent("01", 0, started, arrivesAt(599)),
			},
			now: 600,
			want: exampleResult{
				reached:  map[stageTracker]int64{{started, ""}: 1},
				ended:    map[endSeries]int64{{endAbandoned, started, ""}: 1},
				observed: map[histogramSeries][]float64{{metricTrustScore, endAbandoned}: {0}},
				summaries: []seenSummary{{
					key: v, outcome: endAbandoned, lastStage: started, last: at(0), path: []string{started}, events: 1, scored: true,
				}},
				spans: []seenSpan{
					{trace: "01", name: started, start: at(0), end: at(0), stage: started, outcome: "progress", uid: "01"},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(0), failed: true},
				},
				events: map[string]int64{takenAsNew: 1, takenAsDuplicate: 1},
			},
		},
		{
			name: "drop-off, and another verification that goes on",
			deliveries: []delivery{
				exampleEvent("01", 0, liveness),
				exampleEvent("02", 5, failed),
				exampleEvent("03", 6, liveness, ofVerification("w")),
			},
			now: 605,
			want: exampleResult{
				reached:  map[stageTracker]int64{{liveness, ""}: 2, {failed, ""}: 1},
				ended:    map[endSeries]int64{{endDropOff, failed, ""}: 1},
				active:   map[string]int64{liveness: 1},
				observed: map[histogramSeries][]float64{{metricStageDuration, failed}: {5}},
				summaries: []seenSummary{{
					key: v, outcome: endDropOff, lastStage: failed, last: at(5),
					path: []string{liveness, failed}, events: 2, durationSeconds: 5,
				}},
				spans: []seenSpan{
					{trace: "01", name: failed, start: at(0), end: at(5), failed: true, stage: failed, outcome: "drop_off", uid: "02"},
					{trace: "01", name: liveness, start: at(0), end: at(0), stage: liveness, outcome: "progress", uid: "01"},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(5), failed: true},
				},
				events: map[string]int64{takenAsNew: 3},
			},
		},
		{
			name: "straggler",
			deliveries: []delivery{
				exampleEvent("02", 10, stageCompleted),
				exampleEvent("01", 5, started, arrivesAt(40), withTracker("late"), withTrustScore(1)),
				exampleEvent("01", 5, started, arrivesAt(41)), // it is not remembered
			},
			now: 50,
			want: exampleResult{
				reached:  map[stageTracker]int64{{stageCompleted, ""}: 1, {started, ""}: 1},
				ended:    map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1},
				observed: map[histogramSeries][]float64{{metricDuration, ""}: {0}},
				summaries: []seenSummary{{
					key: v, outcome: endCompleted, lastStage: stageCompleted, last: at(10), path: []string{stageCompleted}, events: 1,
				}},
				spans: []seenSpan{
					{trace: "02", name: stageCompleted, start: at(10), end: at(10), stage: stageCompleted, outcome: "completed", uid: "02"},
					{trace: "02", root: true, name: "verification", start: at(10), end: at(10)},
				},
				events: map[string]int64{takenAsNew: 1, takenAsStraggler: 2},
			},
		},
		{
			name: "resumed and ended again",
			deliveries: []delivery{
				exampleEvent("01", 0, initialized, withTrustScore(3)),
				exampleEvent("02", 5, liveness),
				exampleEvent("03", 1000, "selfie", withTracker("ads")), // 605 was the end
			},
			now: 1600,
			want: exampleResult{
				reached: map[stageTracker]int64{{initialized, ""}: 1, {liveness, ""}: 1, {"selfie", "ads"}: 1},
				ended:   map[endSeries]int64{{endAbandoned, liveness, ""}: 1, {endAbandoned, "selfie", "ads"}: 1},
				resumed: map[endSeries]int64{{endAbandoned, liveness, ""}: 1},
				observed: map[histogramSeries][]float64{
					{metricStageDuration, liveness}:  {5},
					{metricStageDuration, "selfie"}:  {995},
					{metricTrustScore, endAbandoned}: {3, 3},
				},
				summaries: []seenSummary{
					{
						key: v, outcome: endAbandoned, lastStage: liveness, last: at(5), path: []string{initialized, liveness},
						events: 2, scored: true, trustScore: 3, durationSeconds: 5,
					},
					{
						key: v, tracker: "ads", outcome: endAbandoned, lastStage: "selfie", last: at(1000),
						path: []string{initialized, liveness, "selfie"}, events: 3, resumed: true,
						scored: true, trustScore: 3, durationSeconds: 1000,
					},
				},
				spans: []seenSpan{
					{trace: "01", name: liveness, start: at(0), end: at(5), stage: liveness, outcome: "progress", uid: "02"},
					{trace: "01", name: liveness, start: at(0), end: at(5), stage: liveness, outcome: "progress", uid: "02"},
					{trace: "01", name: "selfie", start: at(5), end: at(1000), stage: "selfie", outcome: "unknown", uid: "03"},
					{trace: "01", name: initialized, start: at(0), end: at(0), stage: initialized, outcome: "progress", uid: "01"},
					{trace: "01", name: initialized, start: at(0), end: at(0), stage: initialized, outcome: "progress", uid: "01"},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(5), failed: true},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(1000), failed: true},
				},
				events: map[string]int64{takenAsNew: 3},
			},
		},
		{
			name: "a completion that comes late resumes, although it is earlier than the last event",
			deliveries: []delivery{
				exampleEvent("02", 20, liveness),
				exampleEvent("01", 10, stageCompleted, arrivesAt(700)), // 620 was the end
			},
			now: 730,
			want: exampleResult{
				reached: map[stageTracker]int64{{liveness, ""}: 1, {stageCompleted, ""}: 1},
				ended:   map[endSeries]int64{{endAbandoned, liveness, ""}: 1, {endCompleted, liveness, ""}: 1},
				resumed: map[endSeries]int64{{endAbandoned, liveness, ""}: 1},
				observed: map[histogramSeries][]float64{
					{metricDuration, ""}:            {0},
					{metricStageDuration, liveness}: {10}, // it had none at the first end
				},
				summaries: []seenSummary{
					{key: v, outcome: endAbandoned, lastStage: liveness, last: at(20), path: []string{liveness}, events: 1},
					{
						key: v, outcome: endCompleted, lastStage: liveness, last: at(20),
						path: []string{stageCompleted, liveness}, events: 2, resumed: true, durationSeconds: 10,
					},
				},
				spans: []seenSpan{
					{trace: "01", name: liveness, start: at(10), end: at(20), stage: liveness, outcome: "progress", uid: "02"},
					{trace: "01", name: liveness, start: at(20), end: at(20), stage: liveness, outcome: "progress", uid: "02"},
					{trace: "01", name: stageCompleted, start: at(10), end: at(10), stage: stageCompleted, outcome: "completed", uid: "01"},
					{trace: "01", root: true, name: "verification", start: at(10), end: at(20)},
					{trace: "01", root: true, name: "verification", start: at(20), end: at(20), failed: true},
				},
				events: map[string]int64{takenAsNew: 2},
			},
		},
		{
			name: "one that is completed goes on, and its durations are not given again",
			deliveries: []delivery{
				exampleEvent("01", 0, started),
				exampleEvent("02", 10, stageCompleted),
				exampleEvent("03", 60, started), // 40 was the end
			},
			now: 90,
			want: exampleResult{
				reached: map[stageTracker]int64{{started, ""}: 1, {stageCompleted, ""}: 1},
				ended:   map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1, {endCompleted, started, ""}: 1},
				resumed: map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1},
				observed: map[histogramSeries][]float64{
					{metricDuration, ""}:                  {10},
					{metricStageDuration, stageCompleted}: {10},
				},
				summaries: []seenSummary{
					{
						key: v, outcome: endCompleted, lastStage: started, last: at(60),
						path: []string{started, stageCompleted, started}, events: 3, resumed: true, durationSeconds: 60,
					},
					{
						key: v, outcome: endCompleted, lastStage: stageCompleted, last: at(10),
						path: []string{started, stageCompleted}, events: 2, durationSeconds: 10,
					},
				},
				spans: []seenSpan{
					{trace: "01", name: stageCompleted, start: at(0), end: at(10), stage: stageCompleted, outcome: "completed", uid: "02"},
					{trace: "01", name: stageCompleted, start: at(0), end: at(10), stage: stageCompleted, outcome: "completed", uid: "02"},
					{trace: "01", name: started, start: at(0), end: at(0), stage: started, outcome: "progress", uid: "01"},
					{trace: "01", name: started, start: at(0), end: at(0), stage: started, outcome: "progress", uid: "01"},
					{trace: "01", name: started, start: at(10), end: at(60), stage: started, outcome: "progress", uid: "03"},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(10)},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(60)},
				},
				events: map[string]int64{takenAsNew: 3},
			},
		},
		{
			name: "the window closes on one that is never silent, and the next event begins anew",
			deliveries: []delivery{
				exampleEvent("01", 0, liveness),
				exampleEvent("02", 500, liveness),
				exampleEvent("03", 1000, liveness),
				exampleEvent("04", 1500, liveness),
				exampleEvent("05", 2000, liveness),
				exampleEvent("06", 2500, liveness),
				exampleEvent("07", 3000, liveness),
				exampleEvent("08", 3500, failed),
				exampleEvent("08", 3500, failed, arrivesAt(3600)),
			},
			now: 3600,
			want: exampleResult{
				reached:  map[stageTracker]int64{{liveness, ""}: 1, {failed, ""}: 2},
				ended:    map[endSeries]int64{{endDropOff, failed, ""}: 1},
				active:   map[string]int64{failed: 1},
				observed: map[histogramSeries][]float64{{metricStageDuration, failed}: {500}},
				summaries: []seenSummary{{
					key: v, outcome: endDropOff, lastStage: failed, last: at(3500),
					path:   []string{liveness, liveness, liveness, liveness, liveness, liveness, liveness, failed},
					events: 8, durationSeconds: 3500,
				}},
				spans: []seenSpan{
					{trace: "01", name: failed, start: at(3000), end: at(3500), failed: true, stage: failed, outcome: "drop_off", uid: "08"},
					{trace: "01", name: liveness, start: at(0), end: at(0), stage: liveness, outcome: "progress", uid: "01"},
					{trace: "01", name: liveness, start: at(0), end: at(500), stage: liveness, outcome: "progress", uid: "02"},
					{trace: "01", name: liveness, start: at(500), end: at(1000), stage: liveness, outcome: "progress", uid: "03"},
					{trace: "01", name: liveness, start: at(1000), end: at(1500), stage: liveness, outcome: "progress", uid: "04"},
					{trace: "01", name: liveness, start: at(1500), end: at(2000), stage: liveness, outcome: "progress", uid: "05"},
					{trace: "01", name: liveness, start: at(2000), end: at(2500), stage: liveness, outcome: "progress", uid: "06"},
					{trace: "01", name: liveness, start: at(2500), end: at(3000), stage: liveness, outcome: "progress", uid: "07"},
					{trace: "01", root: true, name: "verification", start: at(0), end: at(3500), failed: true},
				},
				events: map[string]int64{takenAsNew: 9},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := expect(exampleRules, tt.deliveries, secondsAfterNoon(tt.now))
			assertSameMap(t, "reached", tt.want.reached, got.reached)
			assertSameMap(t, "ended", tt.want.ended, got.ended)
			assertSameMap(t, "resumed", tt.want.resumed, got.resumed)
			assertSameMap(t, "active", tt.want.active, got.active)
			assertSameMap(t, "observed", tt.want.observed, got.observed)
			assertSameMap(t, "events", tt.want.events, got.events)
			assert.ElementsMatch(t, tt.want.summaries, got.summaries)
			assert.ElementsMatch(t, tt.want.spans, got.spans)
		})
	}
}

// assertSameMap takes a map that is nil and one that is empty for the same.
func assertSameMap[K comparable, V any](t *testing.T, what string, want, got map[K]V) {
	t.Helper()
	if want == nil {
		want = map[K]V{}
	}
	assert.Equal(t, want, got, what)
}
