// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// metrics counts what happens to verifications. Those that are switched off, or that nobody wants, are nil.
type metrics struct {
	*counters.Set
	reached, passed, ended, resumed               *counters.Sum
	attempts, duration, stageDuration, trustScore *counters.Histogram

	activeByTracker bool
}

// The metrics, each with all attributes that it can have.
var (
	reachedMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationReached.Name,
		Description: "Number of distinct verifications that reached the stage.",
		Unit:        "{verification}",
		Stage:       semconv.AttrStage,
		Tracker:     semconv.AttrExternalTracker,
		Known:       knownStages,
	}
	passedMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationPassed.Name,
		Description: "Number of ended verifications that reached the step of the happy path or a later one: the conversion of those that have ended.",
		Unit:        "{verification}",
		Stage:       semconv.AttrStage,
		Tracker:     semconv.AttrExternalTracker,
		Known:       knownSteps,
	}
	endedMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationEnded.Name,
		Description: "Number of verifications that ended.",
		Unit:        "{verification}",
		Stage:       semconv.AttrVerificationLastStage,
		Outcome:     semconv.AttrVerificationOutcome,
		Tracker:     semconv.AttrExternalTracker,
		DroppedOff:  semconv.AttrVerificationDroppedOff,
		Known:       knownEnds,
	}
	resumedMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationResumed.Name,
		Description: "Number of verifications that went on after they had ended, by what they had ended as.",
		Unit:        "{verification}",
		Stage:       semconv.AttrVerificationLastStage,
		Outcome:     semconv.AttrVerificationOutcome,
		Tracker:     semconv.AttrExternalTracker,
		DroppedOff:  semconv.AttrVerificationDroppedOff,
		Known:       knownEnds,
	}
	attemptsMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationAttempts.Name,
		Description: "Number of distinct attempts at liveness of a verification when it ended.",
		Unit:        "{attempt}",
		Outcome:     semconv.AttrVerificationOutcome,
		Tracker:     semconv.AttrExternalTracker,
		Known:       knownOutcomes,
	}
	activeMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationActive.Name,
		Description: "Number of verifications that are followed and have not ended.",
		Unit:        "{verification}",
		Stage:       semconv.AttrVerificationLastStage,
		Tracker:     semconv.AttrExternalTracker,
		Known:       knownStages,
	}
	durationMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationDuration.Name,
		Description: "Time from the first event of a verification to its completion.",
		Unit:        "s",
		Tracker:     semconv.AttrExternalTracker,
		Known:       knownTracker,
	}
	stageDurationMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouStageDuration.Name,
		Description: "Time to the first event of the stage from the event before it in the same verification.",
		Unit:        "s",
		Stage:       semconv.AttrStage,
		Tracker:     semconv.AttrExternalTracker,
		Known:       knownStages,
	}
	trustScoreMetric = counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationTrustScore.Name,
		Description: "Last known trust score of a verification when it ended.",
		Unit:        "1",
		Outcome:     semconv.AttrVerificationOutcome,
		Tracker:     semconv.AttrExternalTracker,
		Known:       knownOutcomes,
	}
)

func (c *funnelConnector) newMetrics(resource pcommon.Resource) *metrics {
	m := &metrics{Set: counters.NewSet(counters.SetSettings{
		Logger: c.settings.Logger, Resource: resource, Scope: c.scope, Delta: c.cfg.IsDelta(),
		MaxTrackers: c.cfg.MaxExternalTrackers, Trackers: c.cfg.ExternalTrackers,
	}, c.now())}
	if c.nextMetrics == nil {
		return m
	}
	add := m.adders(&c.cfg.Histogram, func() map[counters.Key]int64 { return m.activeByKey(c.funnel.Active(), c.now()) })
	for _, s := range settingsOf(&c.cfg.MetricsBuilderConfig.Metrics) {
		if s.enabled {
			add[s.name](&s)
		}
	}
	return m
}

// adders returns what adds each metric, by its name.
func (m *metrics) adders(histogram *HistogramConfig, activeNow func() map[counters.Key]int64) map[string]func(*metricSettings) {
	durations, scores := histogram.durationBuckets(), histogram.scoreBuckets()
	attempts := counters.Buckets{Bounds: attemptBuckets}
	return map[string]func(*metricSettings){
		reachedMetric.Name:  func(s *metricSettings) { m.reached = m.AddSum(s.choose(reachedMetric)) },
		passedMetric.Name:   func(s *metricSettings) { m.passed = m.AddSum(s.choose(passedMetric)) },
		endedMetric.Name:    func(s *metricSettings) { m.ended = m.AddSum(s.choose(endedMetric)) },
		resumedMetric.Name:  func(s *metricSettings) { m.resumed = m.AddSum(s.choose(resumedMetric)) },
		attemptsMetric.Name: func(s *metricSettings) { m.attempts = m.AddHistogram(s.choose(attemptsMetric), attempts) },
		activeMetric.Name: func(s *metricSettings) {
			chosen := s.choose(activeMetric)
			m.activeByTracker = chosen.Tracker != ""
			m.AddUpDownCounter(chosen, activeNow)
		},
		durationMetric.Name:      func(s *metricSettings) { m.duration = m.AddHistogram(s.choose(durationMetric), durations) },
		stageDurationMetric.Name: func(s *metricSettings) { m.stageDuration = m.AddHistogram(s.choose(stageDurationMetric), durations) },
		trustScoreMetric.Name:    func(s *metricSettings) { m.trustScore = m.AddHistogram(s.choose(trustScoreMetric), scores) },
	}
}

// activeByKey also admits the tracker of a verification of which nothing has been counted under it yet.
func (m *metrics) activeByKey(active map[funnel.ActiveKey]int64, now time.Time) map[counters.Key]int64 {
	values := make(map[counters.Key]int64, len(active))
	for key, n := range active {
		values[counters.Key{Stage: key.LastStage, Tracker: m.Tracker(key.Tracker, now)}] += n
	}
	return values
}

func knownTracker(tracker string) []counters.Key {
	return []counters.Key{{Tracker: tracker}}
}

func knownStages(tracker string) []counters.Key {
	return counters.KnownStages(tracker, func(string) string { return "" })
}

// knownSteps are those of the happy path: VerifyYou's stages but for the drop-offs.
func knownSteps(tracker string) []counters.Key {
	return slices.DeleteFunc(knownStages(tracker), func(k counters.Key) bool { return isDropOff(k.Stage) })
}

// knownEnds are the ends that there are without events in an order that nobody expects, each with and without a drop-off
// before it; one after a drop-off has had one.
func knownEnds(tracker string) []counters.Key {
	ends := counters.KnownStages(tracker, func(stage string) string { return string(funnel.OutcomeAfter(stage)) })
	all := slices.DeleteFunc(slices.Clone(ends), func(k counters.Key) bool { return isDropOff(k.Stage) })
	for _, k := range ends {
		k.DroppedOff = true
		all = append(all, k)
	}
	return all
}

func knownOutcomes(tracker string) []counters.Key {
	var keys []counters.Key
	for _, o := range []funnel.Outcome{funnel.Completed, funnel.DropOff, funnel.Abandoned} {
		keys = append(keys, counters.Key{Outcome: string(o), Tracker: tracker})
	}
	return keys
}

// Reached, Resumed, Reinitialized and Ended are what the funnel tells.
var _ funnel.Listener = (*funnelConnector)(nil)

// Reached counts the first event of a stage in a verification.
func (c *funnelConnector) Reached(stage, tracker string, now time.Time) {
	if m := c.metrics; m.reached != nil {
		m.reached.Add(counters.Key{Stage: stage, Tracker: m.Tracker(tracker, now)}, now)
	}
}

// Resumed counts a verification that goes on.
func (c *funnelConnector) Resumed(as funnel.End, tracker string, now time.Time) {
	if m := c.metrics; m.resumed != nil {
		m.resumed.Add(keyOf(as, m.Tracker(tracker, now)), now)
	}
}

// Reinitialized counts a key that may name something that many people share. It is warned of with the next flush.
func (c *funnelConnector) Reinitialized() {
	c.telemetry.countReinitialized(context.Background())
	c.reinitialized.Add(1)
}

// keyOf returns the series of an end.
func keyOf(end funnel.End, tracker string) counters.Key {
	return counters.Key{Stage: end.LastStage, Outcome: string(end.Outcome), DroppedOff: end.DroppedOff, Tracker: tracker}
}

// Ended counts an end, and keeps it for its trace and its summary.
func (c *funnelConnector) Ended(e *funnel.Ended, early bool, now time.Time) {
	if early {
		c.telemetry.countEndedEarly(context.Background())
	}
	c.metrics.countEnd(e, now)
	if c.nextTraces != nil {
		c.traces.put(e)
	}
	if c.nextLogs != nil {
		c.summaries.put(e)
	}
}

func (m *metrics) countEnd(e *funnel.Ended, now time.Time) {
	tracker := m.Tracker(e.Tracker, now)
	if m.ended != nil {
		m.ended.Add(keyOf(funnel.End{Outcome: e.Outcome, LastStage: e.LastStage(), DroppedOff: e.DroppedOff()}, tracker), now)
	}
	if m.passed != nil {
		for _, step := range e.Passed {
			m.passed.Add(counters.Key{Stage: step, Tracker: tracker}, now)
		}
	}
	if m.stageDuration != nil {
		for _, t := range e.StageTimes {
			m.stageDuration.Record(counters.Key{Stage: t.Stage, Tracker: tracker}, t.Seconds, now)
		}
	}
	if m.duration != nil && e.Duration.Valid {
		m.duration.Record(counters.Key{Tracker: tracker}, e.Duration.Value, now)
	}
	if m.attempts != nil {
		m.attempts.Record(counters.Key{Outcome: string(e.Outcome), Tracker: tracker}, float64(e.Attempts), now)
	}
	if m.trustScore != nil && e.TrustScore.Valid {
		m.trustScore.Record(counters.Key{Outcome: string(e.Outcome), Tracker: tracker}, e.TrustScore.Value, now)
	}
}

// isDropOff reports whether a stage is one.
func isDropOff(stage string) bool {
	return event.OutcomeOf(stage) == event.DropOff
}
