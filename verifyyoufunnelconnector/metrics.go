// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
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
	reached, ended, resumed *counters.Sum
	duration, stageDuration *counters.Histogram
	trustScore              *counters.Histogram
}

func (c *funnelConnector) newMetrics(resource pcommon.Resource) *metrics {
	m := &metrics{Set: counters.NewSet(counters.SetSettings{
		Resource: resource, Scope: c.scope, Delta: c.cfg.IsDelta(),
		MaxTrackers: c.cfg.MaxExternalTrackers, Trackers: c.cfg.ExternalTrackers,
	}, c.now())}
	if c.nextMetrics != nil {
		m.addSums(&c.cfg.MetricsBuilderConfig.Metrics)
		m.addHistograms(&c.cfg.MetricsBuilderConfig.Metrics, &c.cfg.Histogram)
		m.addActive(&c.cfg.MetricsBuilderConfig.Metrics, func() map[funnel.ActiveKey]int64 { return c.funnel.Active() })
	}
	return m
}

func (m *metrics) addSums(cfg *metadata.MetricsConfig) {
	if s := cfg.VerifyyouVerificationReached; s.Enabled {
		m.reached = m.AddSum(counters.Definition{
			Name:        metadata.MetricsInfo.VerifyyouVerificationReached.Name,
			Description: "Number of distinct verifications that reached the stage.",
			Unit:        "{verification}",
			Stage:       counters.Enabled(s.EnabledAttributes, semconv.AttrStage),
			Tracker:     counters.Enabled(s.EnabledAttributes, semconv.AttrExternalTracker),
			Known:       knownStages,
		})
	}
	if s := cfg.VerifyyouVerificationEnded; s.Enabled {
		m.ended = m.AddSum(counters.Definition{
			Name:        metadata.MetricsInfo.VerifyyouVerificationEnded.Name,
			Description: "Number of verifications that ended.",
			Unit:        "{verification}",
			Stage:       counters.Enabled(s.EnabledAttributes, semconv.AttrVerificationLastStage),
			Outcome:     counters.Enabled(s.EnabledAttributes, semconv.AttrVerificationOutcome),
			Tracker:     counters.Enabled(s.EnabledAttributes, semconv.AttrExternalTracker),
			Known:       knownEnds,
		})
	}
	if s := cfg.VerifyyouVerificationResumed; s.Enabled {
		m.resumed = m.AddSum(counters.Definition{
			Name:        metadata.MetricsInfo.VerifyyouVerificationResumed.Name,
			Description: "Number of verifications that went on after they had ended, by what they had ended as.",
			Unit:        "{verification}",
			Stage:       counters.Enabled(s.EnabledAttributes, semconv.AttrVerificationLastStage),
			Outcome:     counters.Enabled(s.EnabledAttributes, semconv.AttrVerificationOutcome),
			Tracker:     counters.Enabled(s.EnabledAttributes, semconv.AttrExternalTracker),
			Known:       knownEnds,
		})
	}
}

func (m *metrics) addHistograms(cfg *metadata.MetricsConfig, histogram *HistogramConfig) {
	if s := cfg.VerifyyouVerificationDuration; s.Enabled {
		m.duration = m.AddHistogram(counters.Definition{
			Name:        metadata.MetricsInfo.VerifyyouVerificationDuration.Name,
			Description: "Time from the first event of a verification to its completion.",
			Unit:        "s",
			Tracker:     counters.Enabled(s.EnabledAttributes, semconv.AttrExternalTracker),
			Known:       func(tracker string) []counters.Key { return []counters.Key{{Tracker: tracker, Step: counters.NoStep}} },
		}, histogram.durationBuckets())
	}
	if s := cfg.VerifyyouStageDuration; s.Enabled {
		m.stageDuration = m.AddHistogram(counters.Definition{
			Name:        metadata.MetricsInfo.VerifyyouStageDuration.Name,
			Description: "Time to the first event of the stage from the event before it in the same verification.",
			Unit:        "s",
			Stage:       counters.Enabled(s.EnabledAttributes, semconv.AttrStage),
			Known:       knownStages,
		}, histogram.durationBuckets())
	}
	if s := cfg.VerifyyouVerificationTrustScore; s.Enabled {
		m.trustScore = m.AddHistogram(counters.Definition{
			Name:        metadata.MetricsInfo.VerifyyouVerificationTrustScore.Name,
			Description: "Last known trust score of a verification when it ended.",
			Unit:        "1",
			Outcome:     counters.Enabled(s.EnabledAttributes, semconv.AttrVerificationOutcome),
			Known:       knownOutcomes,
		}, histogram.scoreBuckets())
	}
}

func (m *metrics) addActive(cfg *metadata.MetricsConfig, active func() map[funnel.ActiveKey]int64) {
	s := cfg.VerifyyouVerificationActive
	if !s.Enabled {
		return
	}
	m.AddUpDownCounter(counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouVerificationActive.Name,
		Description: "Number of verifications that are followed and have not ended.",
		Unit:        "{verification}",
		Stage:       counters.Enabled(s.EnabledAttributes, semconv.AttrVerificationLastStage),
		Known:       knownStages,
	}, func() map[counters.Key]int64 {
		values := map[counters.Key]int64{}
		for key, n := range active() {
			values[counters.Key{Stage: key.LastStage, Step: counters.NoStep}] = n
		}
		return values
	})
}

func knownStages(tracker string) []counters.Key {
	return counters.KnownStages(tracker, func(string) string { return "" })
}

// knownEnds are the ends that there are without events in an order that nobody expects.
func knownEnds(tracker string) []counters.Key {
	return counters.KnownStages(tracker, func(stage string) string { return string(funnel.OutcomeAfter(stage)) })
}

func knownOutcomes(tracker string) []counters.Key {
	var keys []counters.Key
	for _, o := range []funnel.Outcome{funnel.Completed, funnel.DropOff, funnel.Abandoned} {
		keys = append(keys, counters.Key{Outcome: string(o), Tracker: tracker, Step: counters.NoStep})
	}
	return keys
}

// Reached, Resumed, Reinitialized and Ended are what the funnel tells.
var _ funnel.Listener = (*funnelConnector)(nil)

// Reached counts the first event of a stage in a verification.
func (c *funnelConnector) Reached(stage, tracker string, now time.Time) {
	if m := c.metrics; m.reached != nil {
		m.reached.Add(counters.Key{Stage: stage, Tracker: m.Tracker(tracker, now), Step: counters.NoStep}, now)
	}
}

// Resumed counts a verification that goes on.
func (c *funnelConnector) Resumed(as funnel.End, tracker string, now time.Time) {
	if m := c.metrics; m.resumed != nil {
		m.resumed.Add(counters.Key{Stage: as.LastStage, Outcome: string(as.Outcome), Tracker: m.Tracker(tracker, now), Step: counters.NoStep}, now)
	}
}

// Reinitialized is not counted yet.
func (*funnelConnector) Reinitialized() {}

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
	if m.ended != nil {
		m.ended.Add(counters.Key{Stage: e.LastStage(), Outcome: string(e.Outcome), Tracker: m.Tracker(e.Tracker, now), Step: counters.NoStep}, now)
	}
	if m.duration != nil && e.Duration.Valid {
		m.duration.Record(counters.Key{Tracker: m.Tracker(e.Tracker, now), Step: counters.NoStep}, e.Duration.Value, now)
	}
	if m.stageDuration != nil {
		for _, t := range e.StageTimes {
			m.stageDuration.Record(counters.Key{Stage: t.Stage, Step: counters.NoStep}, t.Seconds, now)
		}
	}
	if m.trustScore != nil && e.TrustScore.Valid {
		m.trustScore.Record(counters.Key{Outcome: string(e.Outcome), Step: counters.NoStep}, e.TrustScore.Value, now)
	}
}

// isDropOff reports whether a stage is one.
func isDropOff(stage string) bool {
	return event.OutcomeOf(stage) == event.DropOff
}
