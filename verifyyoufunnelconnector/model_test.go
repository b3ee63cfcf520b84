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
	metricAttempts      = "verifyyou.verification.attempts"

	spanVerification = "verification"
	spanResumed      = "verification resumed"
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

// happyPath is the table without the drop-off stages.
func happyPath() []string {
	var path []string
	for _, row := range tableOfStages {
		if row.outcome != endDropOff {
			path = append(path, row.stage)
		}
	}
	return path
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

// delivery is a record and when it came, by a clock that stands still while the connector does not run.
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

// trackedSeries is one of a histogram that has the tracker as a further attribute.
type trackedSeries struct {
	histogramSeries
	tracker string
}

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
	start, last                 time.Time
	attempts                    int64
	dropOffs                    []string
	path                        []string
	events                      int64
	resumed, scored             bool
	trustScore, durationSeconds float64
	uid                         string // not known to the model
}

// seenSpan is one span. A trace goes by the smallest uid among all spans in it.
type seenSpan struct {
	trace                    string
	parent                   string // its name; empty for the root
	name                     string
	start, end               time.Time
	failed                   bool
	key                      string // all of its attributes, as formatKey shows them
	tracker                  string
	stage, stageOutcome, uid string // of an event
	outcome, lastStage       string // of a verification
}

// formatKey shows the attributes of a key.
func formatKey(key map[string]string) string {
	return fmt.Sprintf("%q", key)
}

// results is all that can be seen of a connector from outside. Series that are zero and series that are missing are
// the same.
type results struct {
	reached, passed map[stageTracker]int64
	ended, resumed  map[endSeries]int64
	// endedAfterDropOff and resumedAfterDropOff are those of them with dropped_off.
	endedAfterDropOff, resumedAfterDropOff map[endSeries]int64

	active        map[string]int64       // by last stage
	activeTracked map[stageTracker]int64 // by last stage and tracker

	histograms        map[histogramSeries]distribution
	trackedHistograms map[trackedSeries]distribution
	summaries         []seenSummary // sorted
	spans             []seenSpan    // sorted
	// ids holds trace and span id by the uid of the event, and by the name of the trace for a root. Not known to the
	// model.
	ids map[string]string
	// repeated are spans that have the ids of one before. Not known to the model.
	repeated []string
	// events is own telemetry: records by result, added up over restarts.
	events map[string]int64
	// reinitialized is own telemetry too: keys that were initialized again.
	reinitialized int64
}

// expectation is what the model finds. Values are kept one by one, since only the connector knows its buckets.
type expectation struct {
	results
	rules    funnelRules
	observed map[histogramSeries][]float64
	tracked  map[trackedSeries][]float64 // the same values
	forgot   int                         // verifications whose window is over
}

// expect finds what a connector with these rules has to have said at the time now, when all was delivered that is
// given, in this order. Whether anything looked at the clock in between makes no difference.
func expect(rules funnelRules, deliveries []delivery, now time.Time) *expectation {
	e := &expectation{
		results: results{
			reached:             map[stageTracker]int64{},
			passed:              map[stageTracker]int64{},
			ended:               map[endSeries]int64{},
			resumed:             map[endSeries]int64{},
			endedAfterDropOff:   map[endSeries]int64{},
			resumedAfterDropOff: map[endSeries]int64{},
			active:              map[string]int64{},
			activeTracked:       map[stageTracker]int64{},
			events:              map[string]int64{},
		},
		rules:    rules,
		observed: map[histogramSeries][]float64{},
		tracked:  map[trackedSeries][]float64{},
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
				passed:      map[string]bool{},
				stagesGiven: map[string]bool{},
				eventsGiven: map[string]bool{},
			}
		}
		e.take(v, d)
	}
	if v = e.advance(v, now); v != nil && v.end == nil {
		e.active[v.last().record.stage]++
		e.activeTracked[stageTracker{v.last().record.stage, v.tracker}]++
	}
	nameTrace(e.spans[spansBefore:])
}

// verification is one run of one person.
type verification struct {
	key            map[string]string
	began, heard   time.Time   // by the clock of receipt
	settlesFrom    time.Time   // zero while it is not completed
	events         []happening // as they came
	stragglers     []happening
	reached        map[string]bool
	passed         map[string]bool // as told
	reinitialized  bool
	tracker        string
	externalID     string
	end            *endSeries // nil while it goes on
	resumed, timed bool
	stagesGiven    map[string]bool
	eventsGiven    map[string]bool // by uid: those that were there at an end
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

// all are the events that came, whether they change anything or not.
func (v *verification) all() []happening {
	return slices.Concat(v.events, v.stragglers)
}

func (v *verification) has(uid string) bool {
	return slices.ContainsFunc(v.all(), func(h happening) bool { return h.record.uid == uid })
}

// stages are those of the events, in order, each once.
func (v *verification) stages() []string {
	var stages []string
	for _, h := range v.sorted() {
		if !slices.Contains(stages, h.record.stage) {
			stages = append(stages, h.record.stage)
		}
	}
	return stages
}

// dropOffs are the drop-off stages that it reached, in order, each once.
func (v *verification) dropOffs() []string {
	var stages []string
	for _, stage := range v.stages() {
		if outcomeOfStage(stage) == endDropOff {
			stages = append(stages, stage)
		}
	}
	return stages
}

// attempts is how often liveness was started.
func (v *verification) attempts() int64 {
	attempts := int64(0)
	for _, h := range v.events {
		if h.record.stage == "liveness_started" {
			attempts++
		}
	}
	return attempts
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
		e.reinitialize(v, h)
		v.stragglers = append(v.stragglers, h)
		e.reach(v, h.record.stage)
	default:
		e.events[takenAsNew]++
		e.reinitialize(v, h)
		e.resume(v)
		v.add(h, d.at)
		e.reach(v, h.record.stage)
	}
}

// reinitialize notes, once a key, a verification_initialized with another time than one before.
func (e *expectation) reinitialize(v *verification, h happening) {
	const initialized = "verification_initialized"
	again := h.record.stage == initialized && slices.ContainsFunc(v.all(), func(other happening) bool {
		return other.record.stage == initialized && !other.at.Equal(h.at)
	})
	if again && !v.reinitialized {
		v.reinitialized = true
		e.reinitialized++
	}
}

// resume makes a verification that has ended go on.
func (e *expectation) resume(v *verification) {
	if v.end == nil {
		return
	}
	e.resumed[*v.end]++
	if len(v.dropOffs()) > 0 {
		e.resumedAfterDropOff[*v.end]++
	}
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
	if len(v.dropOffs()) > 0 {
		e.endedAfterDropOff[*v.end]++
	}
	e.pass(v)
	e.observeDuration(v)
	e.observeStages(v)
	e.observe(v, metricAttempts, v.end.outcome, float64(v.attempts()))
	if score, ok := v.trustScore(); ok {
		e.observe(v, metricTrustScore, v.end.outcome, score)
	}
	e.summarize(v)
	e.trace(v)
	for _, h := range v.events {
		v.eventsGiven[h.record.uid] = true
	}
}

// pass counts the steps of the happy path that were reached, or that a later one was reached of, each once.
func (e *expectation) pass(v *verification) {
	path, stages := happyPath(), v.stages()
	for i, step := range path {
		reached := slices.ContainsFunc(path[i:], func(later string) bool { return slices.Contains(stages, later) })
		if reached && !v.passed[step] {
			v.passed[step] = true
			e.passed[stageTracker{step, v.tracker}]++
		}
	}
}

func (e *expectation) observe(v *verification, metric, attribute string, value float64) {
	series := histogramSeries{metric, attribute}
	e.observed[series] = append(e.observed[series], value)
	e.tracked[trackedSeries{series, v.tracker}] = append(e.tracked[trackedSeries{series, v.tracker}], value)
}

// observeDuration takes the time to the first completion, once a verification.
func (e *expectation) observeDuration(v *verification) {
	if v.end.outcome != endCompleted || v.timed {
		return
	}
	v.timed = true
	events := v.sorted()
	first := slices.IndexFunc(events, func(h happening) bool { return h.record.stage == stageCompleted })
	e.observe(v, metricDuration, v.tracker, secondsBetween(events[0], events[first]))
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
			e.observe(v, metricStageDuration, stage, secondsBetween(events[i-1], h))
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
		start:           events[0].at,
		last:            last.at,
		attempts:        v.attempts(),
		dropOffs:        v.dropOffs(),
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

// trace gives a root and a span for each event at the first end; later a span that stands for what came since the end
// before, and below it one for each event of that.
func (e *expectation) trace(v *verification) {
	events := v.sorted()
	isNew := func(h happening) bool { return !v.eventsGiven[h.record.uid] }
	first := slices.IndexFunc(events, isNew)
	last := first
	for i := range events {
		if isNew(events[i]) {
			last = i
		}
	}
	parent := seenSpan{
		name:      spanVerification,
		start:     events[first].at,
		end:       events[last].at,
		failed:    v.end.outcome != endCompleted,
		outcome:   v.end.outcome,
		lastStage: v.end.lastStage,
	}
	if v.resumed {
		parent.name, parent.parent = spanResumed, spanVerification
	}
	e.addSpan(v, parent)
	for i, h := range events {
		if !isNew(h) {
			continue
		}
		start := h.at
		if i > 0 && events[i-1].at.After(parent.start) {
			start = events[i-1].at
		} else if i > 0 {
			start = parent.start
		}
		outcome := outcomeOfStage(h.record.stage)
		e.addSpan(v, seenSpan{
			parent:       parent.name,
			name:         h.record.stage,
			start:        start,
			end:          h.at,
			failed:       outcome == endDropOff,
			stage:        h.record.stage,
			stageOutcome: outcome,
			uid:          h.record.uid,
		})
	}
}

// addSpan adds what all spans of a verification have in common.
func (e *expectation) addSpan(v *verification, s seenSpan) {
	if !s.end.After(s.start) {
		s.end = s.start.Add(time.Nanosecond)
	}
	s.key, s.tracker = formatKey(v.key), v.tracker
	e.spans = append(e.spans, s)
}

// nameTrace gives the spans of one trace its name.
func nameTrace(spans []seenSpan) {
	name := ""
	for _, s := range spans {
		if s.uid != "" && (name == "" || s.uid < name) {
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
	reached, passed map[stageTracker]int64
	ended, resumed  map[endSeries]int64
	endedDropped    map[endSeries]int64
	resumedDropped  map[endSeries]int64
	active          map[stageTracker]int64
	observed        map[trackedSeries][]float64
	summaries       []seenSummary
	spans           []seenSpan
	events          map[string]int64
	reinitialized   int64
}

// Spans of an example: of the verification "v" in the trace that goes by the uid "01", from so many seconds after noon
// to so many after, in which a nanosecond stands for none.

func exampleSpan(from, to int, span seenSpan) seenSpan {
	span.trace, span.key = "01", formatKey(map[string]string{keyVerification: "v"})
	span.start, span.end = secondsAfterNoon(from), secondsAfterNoon(to)
	if from == to {
		span.end = span.end.Add(1)
	}
	return span
}

func rootSpan(from, to int, tracker, outcome, lastStage string) seenSpan {
	return exampleSpan(from, to, seenSpan{
		name: "verification", failed: outcome != endCompleted, tracker: tracker, outcome: outcome, lastStage: lastStage,
	})
}

func resumedSpan(from, to int, tracker, outcome, lastStage string) seenSpan {
	return exampleSpan(from, to, seenSpan{
		name: "verification resumed", parent: "verification", failed: outcome != endCompleted, tracker: tracker,
		outcome: outcome, lastStage: lastStage,
	})
}

func eventSpan(from, to int, tracker, uid, stage, stageOutcome string) seenSpan {
	return exampleSpan(from, to, seenSpan{
		name: stage, parent: "verification", failed: stageOutcome == "drop_off", tracker: tracker, uid: uid,
		stage: stage, stageOutcome: stageOutcome,
	})
}

// underResumed moves a span below the one that resumed the verification.
func underResumed(span seenSpan) seenSpan {
	span.parent = spanResumed
	return span
}

// valuesOf is a series of a histogram.
func valuesOf(metric, attribute, tracker string) trackedSeries {
	return trackedSeries{histogramSeries{metric, attribute}, tracker}
}

func TestModel(t *testing.T) {
	const (
		initialized = "verification_initialized"
		started     = "verification_started"
		account     = "account_created"
		consent     = "consent_granted"
		liveness    = "liveness_started"
		failed      = "liveness_failed"
		cancelled   = "liveness_cancelled"
		collision   = "face_collision"
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
			name: "happy path, with steps that are skipped",
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
				passed: map[stageTracker]int64{
					{initialized, "ads"}: 1, {started, "ads"}: 1, {account, "ads"}: 1, {consent, "ads"}: 1,
					{liveness, "ads"}: 1, {passed, "ads"}: 1, {stageCompleted, "ads"}: 1,
				},
				ended: map[endSeries]int64{{endCompleted, stageCompleted, "ads"}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricDuration, "ads", "ads"):               {25},
					valuesOf(metricStageDuration, started, "ads"):        {10},
					valuesOf(metricStageDuration, stageCompleted, "ads"): {15},
					valuesOf(metricTrustScore, endCompleted, "ads"):      {0.9},
					valuesOf(metricAttempts, endCompleted, "ads"):        {0},
				},
				summaries: []seenSummary{{
					key: v, externalID: "u", tracker: "ads", outcome: endCompleted, lastStage: stageCompleted,
					start: at(0), last: at(25), path: []string{initialized, started, stageCompleted}, events: 3,
					scored: true, trustScore: 0.9, durationSeconds: 25,
				}},
				spans: []seenSpan{
					rootSpan(0, 25, "ads", endCompleted, stageCompleted),
					eventSpan(0, 0, "ads", "01", initialized, "progress"),
					eventSpan(0, 10, "ads", "02", started, "progress"),
					eventSpan(10, 25, "ads", "03", stageCompleted, "completed"),
				},
				events: map[string]int64{takenAsNew: 3, takenAsDuplicate: 1, takenAsOther: 1},
			},
		},
		{
			name: "completed and not yet settled",
			deliveries: []delivery{
				exampleEvent("01", 0, initialized),
				exampleEvent("02", 25, stageCompleted),
				exampleEvent("03", 40, started, withTracker("ads")), // later events do not move the end
			},
			now: 54,
			want: exampleResult{
				reached: map[stageTracker]int64{{initialized, ""}: 1, {started, "ads"}: 1, {stageCompleted, ""}: 1},
				active:  map[stageTracker]int64{{started, "ads"}: 1},
				events:  map[string]int64{takenAsNew: 3},
			},
		},
		{
			name: "retry of liveness, out of order and on a tie: two attempts, and finished is not passed",
			deliveries: []delivery{
				exampleEvent("05", 30, passed, arrivesAt(1)),
				exampleEvent("04", 20, liveness, arrivesAt(2)),
				exampleEvent("03", 20, failed, arrivesAt(3)),
				exampleEvent("01", 10, liveness, arrivesAt(4)),
				exampleEvent("06", 30, stageCompleted, arrivesAt(5)),
			},
			now: 35,
			want: exampleResult{
				reached: map[stageTracker]int64{{liveness, ""}: 1, {failed, ""}: 1, {passed, ""}: 1, {stageCompleted, ""}: 1},
				passed: map[stageTracker]int64{
					{initialized, ""}: 1, {started, ""}: 1, {account, ""}: 1, {consent, ""}: 1, {liveness, ""}: 1,
					{passed, ""}: 1, {stageCompleted, ""}: 1,
				},
				ended:        map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1},
				endedDropped: map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricDuration, "", ""):                  {20},
					valuesOf(metricStageDuration, failed, ""):         {0},
					valuesOf(metricStageDuration, passed, ""):         {10},
					valuesOf(metricStageDuration, stageCompleted, ""): {0},
					valuesOf(metricAttempts, endCompleted, ""):        {2},
				},
				summaries: []seenSummary{{
					key: v, outcome: endCompleted, lastStage: stageCompleted, start: at(10), last: at(30), attempts: 2,
					dropOffs: []string{failed},
					path:     []string{liveness, liveness, failed, passed, stageCompleted}, events: 5, durationSeconds: 20,
				}},
				spans: []seenSpan{
					rootSpan(10, 30, "", endCompleted, stageCompleted),
					eventSpan(10, 10, "", "01", liveness, "progress"),
					eventSpan(10, 20, "", "04", liveness, "progress"),
					eventSpan(20, 20, "", "03", failed, "drop_off"),
					eventSpan(20, 30, "", "05", passed, "progress"),
					eventSpan(30, 30, "", "06", stageCompleted, "completed"),
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
				reached: map[stageTracker]int64{{started, ""}: 1},
				passed:  map[stageTracker]int64{{initialized, ""}: 1, {started, ""}: 1},
				ended:   map[endSeries]int64{{endAbandoned, started, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricTrustScore, endAbandoned, ""): {0},
					valuesOf(metricAttempts, endAbandoned, ""):   {0},
				},
				summaries: []seenSummary{{
					key: v, outcome: endAbandoned, lastStage: started, start: at(0), last: at(0), path: []string{started}, events: 1, scored: true,
				}},
				spans: []seenSpan{
					rootSpan(0, 0, "", endAbandoned, started),
					eventSpan(0, 0, "", "01", started, "progress"),
				},
				events: map[string]int64{takenAsNew: 1, takenAsDuplicate: 1},
			},
		},
		{
			name: "drop-offs, and another verification that goes on",
			deliveries: []delivery{
				exampleEvent("01", 0, liveness),
				exampleEvent("02", 5, failed),
				exampleEvent("04", 6, cancelled),
				exampleEvent("05", 7, failed),
				exampleEvent("03", 8, liveness, ofVerification("w")),
			},
			now: 607,
			want: exampleResult{
				reached: map[stageTracker]int64{{liveness, ""}: 2, {failed, ""}: 1, {cancelled, ""}: 1},
				passed: map[stageTracker]int64{
					{initialized, ""}: 1, {started, ""}: 1, {account, ""}: 1, {consent, ""}: 1, {liveness, ""}: 1,
				},
				ended:        map[endSeries]int64{{endDropOff, failed, ""}: 1},
				endedDropped: map[endSeries]int64{{endDropOff, failed, ""}: 1},
				active:       map[stageTracker]int64{{liveness, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricStageDuration, failed, ""):    {5},
					valuesOf(metricStageDuration, cancelled, ""): {1},
					valuesOf(metricAttempts, endDropOff, ""):     {1},
				},
				summaries: []seenSummary{{
					key: v, outcome: endDropOff, lastStage: failed, start: at(0), last: at(7), attempts: 1,
					dropOffs: []string{failed, cancelled},
					path:     []string{liveness, failed, cancelled, failed}, events: 4, durationSeconds: 7,
				}},
				spans: []seenSpan{
					rootSpan(0, 7, "", endDropOff, failed),
					eventSpan(0, 0, "", "01", liveness, "progress"),
					eventSpan(0, 5, "", "02", failed, "drop_off"),
					eventSpan(5, 6, "", "04", cancelled, "drop_off"),
					eventSpan(6, 7, "", "05", failed, "drop_off"),
				},
				events: map[string]int64{takenAsNew: 5},
			},
		},
		{
			name: "stragglers: they are remembered, and change nothing but reached",
			deliveries: []delivery{
				exampleEvent("01", 10, stageCompleted),
				exampleEvent("02", 5, collision, arrivesAt(40), withTracker("late"), withTrustScore(1)),
				exampleEvent("02", 5, collision, arrivesAt(41)),
				exampleEvent("03", 4, liveness, arrivesAt(42)),
				exampleEvent("04", 60, liveness), // resumed by one without a tracker
			},
			now: 90,
			want: exampleResult{
				reached: map[stageTracker]int64{{stageCompleted, ""}: 1, {collision, ""}: 1, {liveness, ""}: 1},
				passed: map[stageTracker]int64{
					{initialized, ""}: 1, {started, ""}: 1, {account, ""}: 1, {consent, ""}: 1, {liveness, ""}: 1,
					{passed, ""}: 1, {stageCompleted, ""}: 1,
				},
				ended:   map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1, {endCompleted, liveness, ""}: 1},
				resumed: map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricDuration, "", ""):            {0},
					valuesOf(metricStageDuration, liveness, ""): {50},
					valuesOf(metricAttempts, endCompleted, ""):  {0, 1},
				},
				summaries: []seenSummary{
					{
						key: v, outcome: endCompleted, lastStage: stageCompleted, start: at(10), last: at(10),
						path: []string{stageCompleted}, events: 1,
					},
					{
						key: v, outcome: endCompleted, lastStage: liveness, start: at(10), last: at(60), attempts: 1,
						path: []string{stageCompleted, liveness}, events: 2, resumed: true, durationSeconds: 50,
					},
				},
				spans: []seenSpan{
					rootSpan(10, 10, "", endCompleted, stageCompleted),
					eventSpan(10, 10, "", "01", stageCompleted, "completed"),
					resumedSpan(60, 60, "", endCompleted, liveness),
					underResumed(eventSpan(60, 60, "", "04", liveness, "progress")),
				},
				events: map[string]int64{takenAsNew: 2, takenAsStraggler: 2, takenAsDuplicate: 1},
			},
		},
		{
			name: "resumed after a drop-off and ended again: passed is only what is new, by the tracker that is known by then",
			deliveries: []delivery{
				exampleEvent("01", 0, initialized, withTrustScore(3)),
				exampleEvent("02", 5, failed),
				exampleEvent("03", 1000, liveness, withTracker("ads")), // 605 was the end
				exampleEvent("04", 1010, "selfie"),
			},
			now: 1610,
			want: exampleResult{
				reached: map[stageTracker]int64{{initialized, ""}: 1, {failed, ""}: 1, {liveness, "ads"}: 1, {"selfie", "ads"}: 1},
				passed: map[stageTracker]int64{
					{initialized, ""}: 1, {started, "ads"}: 1, {account, "ads"}: 1, {consent, "ads"}: 1, {liveness, "ads"}: 1,
				},
				ended:          map[endSeries]int64{{endDropOff, failed, ""}: 1, {endAbandoned, "selfie", "ads"}: 1},
				endedDropped:   map[endSeries]int64{{endDropOff, failed, ""}: 1, {endAbandoned, "selfie", "ads"}: 1},
				resumed:        map[endSeries]int64{{endDropOff, failed, ""}: 1},
				resumedDropped: map[endSeries]int64{{endDropOff, failed, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricStageDuration, failed, ""):       {5},
					valuesOf(metricStageDuration, liveness, "ads"):  {995},
					valuesOf(metricStageDuration, "selfie", "ads"):  {10},
					valuesOf(metricTrustScore, endDropOff, ""):      {3},
					valuesOf(metricTrustScore, endAbandoned, "ads"): {3},
					valuesOf(metricAttempts, endDropOff, ""):        {0},
					valuesOf(metricAttempts, endAbandoned, "ads"):   {1},
				},
				summaries: []seenSummary{
					{
						key: v, outcome: endDropOff, lastStage: failed, start: at(0), last: at(5), dropOffs: []string{failed},
						path: []string{initialized, failed}, events: 2, scored: true, trustScore: 3, durationSeconds: 5,
					},
					{
						key: v, tracker: "ads", outcome: endAbandoned, lastStage: "selfie", start: at(0), last: at(1010),
						attempts: 1, dropOffs: []string{failed}, path: []string{initialized, failed, liveness, "selfie"},
						events: 4, resumed: true, scored: true, trustScore: 3, durationSeconds: 1010,
					},
				},
				spans: []seenSpan{
					rootSpan(0, 5, "", endDropOff, failed),
					eventSpan(0, 0, "", "01", initialized, "progress"),
					eventSpan(0, 5, "", "02", failed, "drop_off"),
					resumedSpan(1000, 1010, "ads", endAbandoned, "selfie"),
					underResumed(eventSpan(1000, 1000, "ads", "03", liveness, "progress")),
					underResumed(eventSpan(1000, 1010, "ads", "04", "selfie", "unknown")),
				},
				events: map[string]int64{takenAsNew: 4},
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
				passed: map[stageTracker]int64{
					{initialized, ""}: 1, {started, ""}: 1, {account, ""}: 1, {consent, ""}: 1, {liveness, ""}: 1,
					{passed, ""}: 1, {stageCompleted, ""}: 1,
				},
				ended:   map[endSeries]int64{{endAbandoned, liveness, ""}: 1, {endCompleted, liveness, ""}: 1},
				resumed: map[endSeries]int64{{endAbandoned, liveness, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricDuration, "", ""):            {0},
					valuesOf(metricStageDuration, liveness, ""): {10}, // it had none at the first end
					valuesOf(metricAttempts, endAbandoned, ""):  {1},
					valuesOf(metricAttempts, endCompleted, ""):  {1},
				},
				summaries: []seenSummary{
					{
						key: v, outcome: endAbandoned, lastStage: liveness, start: at(20), last: at(20), attempts: 1,
						path: []string{liveness}, events: 1,
					},
					{
						key: v, outcome: endCompleted, lastStage: liveness, start: at(10), last: at(20), attempts: 1,
						path: []string{stageCompleted, liveness}, events: 2, resumed: true, durationSeconds: 10,
					},
				},
				spans: []seenSpan{
					rootSpan(20, 20, "", endAbandoned, liveness),
					eventSpan(20, 20, "", "02", liveness, "progress"),
					resumedSpan(10, 10, "", endCompleted, liveness),
					underResumed(eventSpan(10, 10, "", "01", stageCompleted, "completed")),
				},
				events: map[string]int64{takenAsNew: 2},
			},
		},
		{
			name: "one that is completed goes on, and its durations are not given again; an event since may be earlier than one before",
			deliveries: []delivery{
				exampleEvent("01", 0, started),
				exampleEvent("02", 10, stageCompleted),
				exampleEvent("03", 60, started), // 40 was the end
				exampleEvent("04", 5, consent, arrivesAt(61)),
			},
			now: 90,
			want: exampleResult{
				reached: map[stageTracker]int64{{started, ""}: 1, {stageCompleted, ""}: 1, {consent, ""}: 1},
				passed: map[stageTracker]int64{
					{initialized, ""}: 1, {started, ""}: 1, {account, ""}: 1, {consent, ""}: 1, {liveness, ""}: 1,
					{passed, ""}: 1, {stageCompleted, ""}: 1,
				},
				ended:   map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1, {endCompleted, started, ""}: 1},
				resumed: map[endSeries]int64{{endCompleted, stageCompleted, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricDuration, "", ""):                  {10},
					valuesOf(metricStageDuration, stageCompleted, ""): {10},
					valuesOf(metricStageDuration, consent, ""):        {5},
					valuesOf(metricAttempts, endCompleted, ""):        {0, 0},
				},
				summaries: []seenSummary{
					{
						key: v, outcome: endCompleted, lastStage: started, start: at(0), last: at(60),
						path: []string{started, consent, stageCompleted, started}, events: 4, resumed: true, durationSeconds: 60,
					},
					{
						key: v, outcome: endCompleted, lastStage: stageCompleted, start: at(0), last: at(10),
						path: []string{started, stageCompleted}, events: 2, durationSeconds: 10,
					},
				},
				spans: []seenSpan{
					rootSpan(0, 10, "", endCompleted, stageCompleted),
					eventSpan(0, 0, "", "01", started, "progress"),
					eventSpan(0, 10, "", "02", stageCompleted, "completed"),
					resumedSpan(5, 60, "", endCompleted, started),
					underResumed(eventSpan(5, 5, "", "04", consent, "progress")), // not before its parent
					underResumed(eventSpan(10, 60, "", "03", started, "progress")),
				},
				events: map[string]int64{takenAsNew: 4},
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
				reached: map[stageTracker]int64{{liveness, ""}: 1, {failed, ""}: 2},
				passed: map[stageTracker]int64{
					{initialized, ""}: 1, {started, ""}: 1, {account, ""}: 1, {consent, ""}: 1, {liveness, ""}: 1,
				},
				ended:        map[endSeries]int64{{endDropOff, failed, ""}: 1},
				endedDropped: map[endSeries]int64{{endDropOff, failed, ""}: 1},
				active:       map[stageTracker]int64{{failed, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricStageDuration, failed, ""): {500},
					valuesOf(metricAttempts, endDropOff, ""):  {7},
				},
				summaries: []seenSummary{{
					key: v, outcome: endDropOff, lastStage: failed, start: at(0), last: at(3500), attempts: 7,
					dropOffs: []string{failed},
					path:     []string{liveness, liveness, liveness, liveness, liveness, liveness, liveness, failed},
					events:   8, durationSeconds: 3500,
				}},
				spans: []seenSpan{
					rootSpan(0, 3500, "", endDropOff, failed),
					eventSpan(0, 0, "", "01", liveness, "progress"),
					eventSpan(0, 500, "", "02", liveness, "progress"),
					eventSpan(500, 1000, "", "03", liveness, "progress"),
					eventSpan(1000, 1500, "", "04", liveness, "progress"),
					eventSpan(1500, 2000, "", "05", liveness, "progress"),
					eventSpan(2000, 2500, "", "06", liveness, "progress"),
					eventSpan(2500, 3000, "", "07", liveness, "progress"),
					eventSpan(3000, 3500, "", "08", failed, "drop_off"),
				},
				events: map[string]int64{takenAsNew: 9},
			},
		},
		{
			name: "initialized again, counted once a key; not by a duplicate, nor by another event of the same time",
			deliveries: []delivery{
				exampleEvent("01", 0, initialized),
				exampleEvent("01", 0, initialized, arrivesAt(1)),
				exampleEvent("02", 5, initialized),
				exampleEvent("03", 6, initialized),
				exampleEvent("04", 7, initialized, ofVerification("w")),
				exampleEvent("05", 7, initialized, ofVerification("w")),
			},
			now: 10,
			want: exampleResult{
				reached:       map[stageTracker]int64{{initialized, ""}: 2},
				active:        map[stageTracker]int64{{initialized, ""}: 2},
				events:        map[string]int64{takenAsNew: 5, takenAsDuplicate: 1},
				reinitialized: 1,
			},
		},
		{
			name: "nothing of the happy path",
			deliveries: []delivery{
				exampleEvent("01", 0, "selfie"),
				exampleEvent("02", 5, collision),
			},
			now: 605,
			want: exampleResult{
				reached:      map[stageTracker]int64{{"selfie", ""}: 1, {collision, ""}: 1},
				ended:        map[endSeries]int64{{endDropOff, collision, ""}: 1},
				endedDropped: map[endSeries]int64{{endDropOff, collision, ""}: 1},
				observed: map[trackedSeries][]float64{
					valuesOf(metricStageDuration, collision, ""): {5},
					valuesOf(metricAttempts, endDropOff, ""):     {0},
				},
				summaries: []seenSummary{{
					key: v, outcome: endDropOff, lastStage: collision, start: at(0), last: at(5), dropOffs: []string{collision},
					path: []string{"selfie", collision}, events: 2, durationSeconds: 5,
				}},
				spans: []seenSpan{
					rootSpan(0, 5, "", endDropOff, collision),
					eventSpan(0, 0, "", "01", "selfie", "unknown"),
					eventSpan(0, 5, "", "02", collision, "drop_off"),
				},
				events: map[string]int64{takenAsNew: 2},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := expect(exampleRules, tt.deliveries, secondsAfterNoon(tt.now))
			assertSameMap(t, "reached", tt.want.reached, got.reached)
			assertSameMap(t, "passed", tt.want.passed, got.passed)
			assertSameMap(t, "ended", tt.want.ended, got.ended)
			assertSameMap(t, "resumed", tt.want.resumed, got.resumed)
			assertSameMap(t, "ended after a drop-off", tt.want.endedDropped, got.endedAfterDropOff)
			assertSameMap(t, "resumed after a drop-off", tt.want.resumedDropped, got.resumedAfterDropOff)
			assertSameMap(t, "active", tt.want.active, got.activeTracked)
			assertSameMap(t, "observed", tt.want.observed, got.tracked)
			assertSameMap(t, "events", tt.want.events, got.events)
			assert.Equal(t, tt.want.reinitialized, got.reinitialized, "reinitialized")
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
