// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pipeline"
	"pgregory.net/rapid"
)

// testingT is what *testing.T and *rapid.T have in common.
type testingT interface {
	rapid.TB
	Cleanup(f func())
}

// harnessOptions is the configuration of a connector under test, and the outputs that it is connected to.
type harnessOptions struct {
	funnelRules
	delta   bool // metrics_temporality
	storage bool
	outputs []pipeline.Signal
}

// harness is a running connector, handled as the Collector does: one instance for each output, each of which is given
// every record. Whoever makes it stops it when the test is over. Its clock shows the times that it is given; on the way
// from one to the next the connector looks at it as often as it does while it runs.
type harness interface {
	// consume hands over records with the clock at the given time; it fails the test if they are not taken.
	consume(at time.Time, logs plog.Logs)
	// flush with the clock at the given time; the last one as in Shutdown, after which only results are asked for.
	flush(at time.Time, last bool)
	// refuse makes the consumers of these signals, and only these, refuse what comes (not for good) until called again.
	refuse(signals ...pipeline.Signal)
	// pause lets time pass in which the connector does not run.
	pause(d time.Duration)
	// setClock sets the wall clock forward, or back.
	setClock(d time.Duration)
	// restart is an orderly Shutdown, with the clock at the first time, and a start with the same storage at the second.
	restart(stopped, started time.Time)
	// results is what was taken until now of what was sent.
	results() results
	// exports is every call of the consumer of metrics, in order.
	exports() []exported
}

// run is a connector and all that it was given.
type run struct {
	harness
	t          testingT
	options    harnessOptions
	deliveries []delivery
	clock      time.Time
	lastExport map[int]bool // exports that came from a last flush
}

func newRun(t testingT, options harnessOptions) *run {
	t.Helper()
	return &run{
		harness:    newHarness(t, options),
		t:          t,
		options:    options,
		clock:      scheduleStart,
		lastExport: map[int]bool{},
	}
}

func (r *run) has(signal pipeline.Signal) bool {
	return slices.Contains(r.options.outputs, signal)
}

// deliver hands over records with the clock shift behind the schedule's.
func (r *run) deliver(s step, shift time.Duration) {
	r.clock = s.at
	for _, record := range s.records {
		r.deliveries = append(r.deliveries, delivery{s.at, record})
	}
	r.consume(s.at.Add(shift), s.logs)
}

// flushAt is a flush that is not the last.
func (r *run) flushAt(at time.Time, shift time.Duration) {
	r.clock = at
	r.flush(at.Add(shift), false)
}

func (r *run) play(s step, shift time.Duration) {
	if s.flush {
		r.flushAt(s.at, shift)
		return
	}
	r.deliver(s, shift)
}

// finish takes all that is left, after some more time.
func (r *run) finish(after, shift time.Duration) {
	r.refuse()
	r.clock = r.clock.Add(after)
	r.remember(func() { r.flush(r.clock.Add(shift), true) })
}

// remember takes down which exports come from a last flush: only there a count may follow its zero at once.
func (r *run) remember(lastFlush func()) {
	before := len(r.exports())
	lastFlush()
	for i := before; i < len(r.exports()); i++ {
		r.lastExport[i] = true
	}
}

func (r *run) expected() *expectation {
	return expect(r.options.funnelRules, r.deliveries, r.clock)
}

// sameAsModel compares all.
func (r *run) sameAsModel() {
	r.t.Helper()
	want, got := r.expected(), r.results()
	assert.Empty(r.t, difference(r.comparable(want.as(got)), r.comparable(got)), "(-model +connector)")
	if want.forgot == 0 { // one that begins anew may have the same ids
		checkUIDsOfSummaries(r.t, got.summaries)
		assert.Empty(r.t, got.repeated, "spans with ids that others have")
	}
}

// sameAsModelAtOnce compares what has to be seen right after a flush. Cumulative counts may lag by one flush, but not
// by more; truthBefore is what the model said at the flush before.
func (r *run) sameAsModelAtOnce(truthBefore *expectation) {
	r.t.Helper()
	if r.options.delta {
		r.sameAsModel()
		return
	}
	want, got := r.expected(), r.results()
	wantAtOnce, gotAtOnce := r.comparable(want.as(got)), r.comparable(got)
	for _, of := range []*results{&wantAtOnce, &gotAtOnce} {
		of.reached, of.passed, of.ended, of.resumed, of.histograms, of.trackedHistograms = nil, nil, nil, nil, nil, nil
		of.endedAfterDropOff, of.resumedAfterDropOff = nil, nil
	}
	assert.Empty(r.t, difference(wantAtOnce, gotAtOnce), "(-model +connector)")
	if r.has(pipeline.SignalMetrics) {
		checkBetween(r.t, truthBefore.reached, got.reached, want.reached)
		checkBetween(r.t, truthBefore.passed, got.passed, want.passed)
		checkBetween(r.t, truthBefore.ended, got.ended, want.ended)
		checkBetween(r.t, truthBefore.resumed, got.resumed, want.resumed)
		checkBetween(r.t, truthBefore.counts(), got.counts(), want.counts())
	}
}

func checkBetween[K comparable](t testingT, low, got, high map[K]int64) {
	t.Helper()
	for series, n := range got {
		assert.LessOrEqual(t, n, high[series], "%+v is ahead", series)
	}
	for series, n := range low {
		assert.GreaterOrEqual(t, got[series], n, "%+v is more than a flush behind", series)
	}
}

// counts is how many values each histogram has.
func (e *expectation) counts() map[histogramSeries]int64 {
	counts := map[histogramSeries]int64{}
	for series, values := range e.observed {
		counts[series] = int64(len(values))
	}
	return counts
}

func (r *results) counts() map[histogramSeries]int64 {
	counts := map[histogramSeries]int64{}
	for series, d := range r.histograms {
		counts[series] = int64(d.count)
	}
	return counts
}

// as puts the values of an expectation into the buckets of what was got.
func (e *expectation) as(got results) results {
	want := e.results
	want.histograms = map[histogramSeries]distribution{}
	for series, values := range e.observed {
		want.histograms[series] = distributionOf(values, got.histograms[series].bounds)
	}
	want.trackedHistograms = map[trackedSeries]distribution{}
	for series, values := range e.tracked {
		want.trackedHistograms[series] = distributionOf(values, got.trackedHistograms[series].bounds)
	}
	return want
}

// comparable leaves what is connected and what a model can know, and drops what is zero.
func (r *run) comparable(of results) results {
	of.ids, of.repeated = nil, nil
	of.summaries = slices.Clone(of.summaries)
	for i := range of.summaries {
		of.summaries[i].uid = ""
	}
	sortSummaries(of.summaries)
	if !r.has(pipeline.SignalMetrics) {
		of = results{summaries: of.summaries, spans: of.spans, events: of.events}
	}
	if !r.has(pipeline.SignalTraces) {
		of.spans = nil
	}
	if !r.has(pipeline.SignalLogs) {
		of.summaries = nil
	}
	return nonZero(of)
}

func nonZero(of results) results {
	of.reached, of.ended, of.resumed = withoutZeros(of.reached), withoutZeros(of.ended), withoutZeros(of.resumed)
	of.passed = withoutZeros(of.passed)
	of.endedAfterDropOff, of.resumedAfterDropOff = withoutZeros(of.endedAfterDropOff), withoutZeros(of.resumedAfterDropOff)
	of.active, of.activeTracked, of.events = withoutZeros(of.active), withoutZeros(of.activeTracked), withoutZeros(of.events)
	of.histograms = maps.Clone(of.histograms)
	maps.DeleteFunc(of.histograms, func(_ histogramSeries, d distribution) bool { return d.count == 0 })
	of.trackedHistograms = maps.Clone(of.trackedHistograms)
	maps.DeleteFunc(of.trackedHistograms, func(_ trackedSeries, d distribution) bool { return d.count == 0 })
	return of
}

func withoutZeros[K comparable](counts map[K]int64) map[K]int64 {
	counts = maps.Clone(counts)
	maps.DeleteFunc(counts, func(_ K, n int64) bool { return n == 0 })
	return counts
}

// difference of two results in words, empty where there is none. Sums of floating point numbers depend on their order.
func difference(want, got results) string {
	return gocmp.Diff(want, got,
		gocmp.AllowUnexported(results{}, stageTracker{}, endSeries{}, histogramSeries{}, trackedSeries{}, distribution{}, seenSummary{}, seenSpan{}),
		cmpopts.EquateApprox(1e-9, 0), cmpopts.EquateEmpty())
}

// checkUIDsOfSummaries holds while no window is over: a verification that begins anew may count its ends from one.
func checkUIDsOfSummaries(t testingT, summaries []seenSummary) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range summaries {
		assert.False(t, seen[s.uid], "two ends have the uid %s", s.uid)
		seen[s.uid] = true
	}
}

// A connector says the same as the model, whatever comes and whenever.
func TestAnySchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawOptions(t)
		r := newRun(t, options)
		truth := r.expected()
		for _, s := range drawSteps(t, options.funnelRules, false) {
			r.play(s, 0)
			if s.flush {
				r.sameAsModelAtOnce(truth)
				truth = r.expected()
			}
		}
		r.finish(drawLastGap(t, options.funnelRules), 0)
		r.sameAsModel()
	})
}

// drawLastGap is a second or what ends some or all verifications.
func drawLastGap(t *rapid.T, rules funnelRules) time.Duration {
	return pick(t, "last gap", time.Second, rules.settle, rules.abandonAfter, rules.window)
}

// Order, repetition and batching make no difference for what arrives before the end.
func TestOrderFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawOptions(t)
		s := &storyteller{t: t, timed: true, agreeing: true}
		records := slices.Concat(s.stories()...)
		end := scheduleStart.Add(options.settle + options.abandonAfter)

		plain := newRun(t, options)
		plain.deliver(step{at: scheduleStart, records: records, logs: drawLogs(t, records)}, 0)
		mixed := newRun(t, options)
		playMixed(t, mixed, records)
		for _, r := range []*run{plain, mixed} {
			r.finish(end.Sub(r.clock), 0)
			r.sameAsModel()
		}
		want, got := nonZero(plain.results()), nonZero(mixed.results())
		want.events, got.events = nil, nil // duplicates are counted there
		assert.Empty(t, difference(want, got), "(-plain +mixed)")
	})
}

// playMixed delivers the records in any order, some of them twice, in any batches, with flushes between them, all
// before the first deadline.
func playMixed(t *rapid.T, r *run, records []sentRecord) {
	if len(records) > 0 {
		again := rapid.SliceOfN(rapid.SampledFrom(records), 0, len(records)).Draw(t, "again")
		records = rapid.Permutation(slices.Concat(records, again)).Draw(t, "mixed")
	}
	rules := r.options.funnelRules
	first := min(rules.settle, rules.abandonAfter, rules.window)
	pause := (first / time.Duration(2*len(records)+2)).Truncate(time.Microsecond)
	at := scheduleStart
	for len(records) > 0 {
		n := rapid.IntRange(1, min(len(records), 20)).Draw(t, "batch")
		r.deliver(step{at: at, records: records[:n], logs: drawLogs(t, records[:n])}, 0)
		records = records[n:]
		at = at.Add(pause)
		if oneIn(t, 8, "flush") {
			r.flushAt(at, 0)
			at = at.Add(pause)
		}
	}
}

// What is refused is not lost, in deltas too.
func TestRefusedDeltasAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawOptions(t)
		options.delta, options.outputs = true, allOutputs()
		r := playRefusing(t, options)
		checkDeltas(t, r)
	})
}

// What backends rely on in a cumulative series holds although exports are refused.
func TestRefusedCumulativeSeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawOptions(t)
		options.delta, options.outputs = false, allOutputs()
		r := playRefusing(t, options)
		checkCumulative(t, r)
	})
}

// playRefusing plays any schedule to its end, with flushes that are refused by some of the consumers.
func playRefusing(t *rapid.T, options harnessOptions) *run {
	r := newRun(t, options)
	for _, s := range drawSteps(t, options.funnelRules, false) {
		if s.flush {
			r.refuse(rapid.SliceOfNDistinct(rapid.SampledFrom(allOutputs()), 0, 3, rapid.ID).Draw(t, "refusing")...)
		}
		r.play(s, 0)
	}
	r.finish(drawLastGap(t, options.funnelRules), 0)
	r.sameAsModel()
	return r
}

// checkDeltas looks at single points; that they add up is compared with the model.
func checkDeltas(t testingT, r *run) {
	t.Helper()
	ends := map[seenSeries]time.Time{}
	for _, e := range r.exports() {
		checkExport(t, e.metrics)
		for _, p := range pointsOf(t, e.metrics) {
			assert.Equal(t, p.metric != metricActive, p.delta, "temporality of %s", p.metric)
			if !p.delta {
				continue
			}
			assert.False(t, p.isZero(), "%+v did not move", p.seenSeries)
			assert.Less(t, p.start, p.at, "%+v covers no time", p.seenSeries)
			assert.False(t, p.start.Before(ends[p.seenSeries]), "%+v covers time twice", p.seenSeries)
			if !e.refused {
				ends[p.seenSeries] = p.at
			}
		}
	}
}

func (p seenPoint) isZero() bool {
	return p.value == 0 && p.distribution.count == 0
}

// life is what was seen of a cumulative series in exports that were taken.
type life struct {
	start  time.Time
	latest seenPoint
	export int // in which the latest point came
}

// checkCumulative follows every cumulative series through the exports that were taken.
func checkCumulative(t testingT, r *run) {
	t.Helper()
	lives := map[seenSeries]*life{}
	for i, e := range r.exports() {
		checkExport(t, e.metrics)
		points := pointsOf(t, e.metrics)
		checkKnownStages(t, points)
		for _, p := range points {
			assert.False(t, p.delta, "temporality of %s", p.metric)
			if e.refused || !p.monotonic {
				continue
			}
			if lives[p.seenSeries] == nil {
				lives[p.seenSeries] = &life{start: p.start}
				assert.True(t, p.isZero(), "%+v does not begin with 0", p.seenSeries)
				assert.Zero(t, p.distribution.sum)
			} else {
				checkNext(t, lives[p.seenSeries], p, i, r.lastExport[i])
			}
			assert.False(t, p.start.After(p.at), "%+v starts after a point", p.seenSeries)
			lives[p.seenSeries].latest, lives[p.seenSeries].export = p, i
		}
	}
}

// checkNext compares a point with the one before it in the same series.
func checkNext(t testingT, l *life, p seenPoint, export int, isLast bool) {
	t.Helper()
	assert.Equal(t, l.start, p.start, "%+v has another start", p.seenSeries)
	assert.Less(t, l.latest.at.UnixMilli(), p.at.UnixMilli(), "%+v has two points in one millisecond", p.seenSeries)
	assert.True(t, export > l.export || isLast, "%+v has two points in an export that is not the last", p.seenSeries)
	assert.GreaterOrEqual(t, p.value, l.latest.value, "%+v goes back", p.seenSeries)
	checkDistributionGrows(t, l.latest.distribution, p.distribution)
}

func checkDistributionGrows(t testingT, before, after distribution) {
	t.Helper()
	assert.Equal(t, before.bounds, after.bounds)
	assert.GreaterOrEqual(t, after.count, before.count)
	assert.GreaterOrEqual(t, after.sum, before.sum)
	for i := range before.buckets {
		assert.GreaterOrEqual(t, after.buckets[i], before.buckets[i])
	}
}

// checkKnownStages: every documented stage is there, before anybody reached it too.
func checkKnownStages(t testingT, points []seenPoint) {
	t.Helper()
	for _, row := range tableOfStages {
		for _, series := range []seenSeries{
			{metric: metricActive, attributes: [3]string{row.stage}},
			{metric: metricReached, attributes: [3]string{row.stage}},
		} {
			assert.True(t, slices.ContainsFunc(points, func(p seenPoint) bool { return p.seenSeries == series }),
				"%+v is missing", series)
		}
	}
}

// checkExport looks at what all exports have in common: one writer, and no point twice.
func checkExport(t testingT, metrics pmetric.Metrics) {
	t.Helper()
	require.Equal(t, 1, metrics.ResourceMetrics().Len())
	type moment struct {
		seenSeries
		at time.Time
	}
	seen := map[moment]bool{}
	for _, p := range pointsOf(t, metrics) {
		m := moment{p.seenSeries, p.at}
		assert.False(t, seen[m], "%+v is there twice", m)
		seen[m] = true
		assert.Equal(t, p.metric != metricActive, p.monotonic, p.metric)
	}
}

// A restart changes nothing, whenever it comes and however long it takes.
func TestRestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawOptions(t)
		options.storage, options.outputs = true, allOutputs()
		stopped := pick(t, "stopped", 0, time.Second, options.settle, options.abandonAfter, options.window)
		// A record without any time happens when it comes: later, where the clock went on.
		steps := drawSteps(t, options.funnelRules, stopped > 0)
		cut := rapid.IntRange(0, len(steps)).Draw(t, "cut")
		refused := rapid.Bool().Draw(t, "the last flush before it is refused")
		after := drawLastGap(t, options.funnelRules)

		straight, cutRun := newRun(t, options), newRun(t, options)
		for _, r := range []*run{straight, cutRun} {
			for _, s := range steps[:cut] {
				r.play(s, 0)
			}
			r.clock = r.clock.Add(2 * time.Millisecond)
		}
		if refused {
			cutRun.refuse(pipeline.SignalMetrics) // traces and summaries are not kept over a restart
		}
		cutRun.remember(func() { cutRun.restart(cutRun.clock, cutRun.clock.Add(stopped)) })
		cutRun.refuse()
		playOn(straight, steps[cut:], after, 0)
		playOn(cutRun, steps[cut:], after, stopped)

		cutRun.sameAsModel()
		assert.Empty(t, difference(nonZero(straight.results()), nonZero(cutRun.results())), "(-straight +cut)")
		if !options.delta && !refused {
			checkCumulative(t, cutRun)
		}
	})
}

// playOn plays the rest of a schedule, a little later than it was made for: a stop takes time.
func playOn(r *run, steps []step, after, shift time.Duration) {
	for _, s := range steps {
		s.at = s.at.Add(2 * time.Millisecond)
		r.play(s, shift)
	}
	r.finish(after, shift)
}

// The silence of a process that is paused, for however long, is no more than 10 s, and what is done to the wall clock is
// no silence at all.
func TestPausesAndClockSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawOptions(t)
		r := newRun(t, options)
		var late, shift time.Duration // of the clock by which the connector runs, and of the wall clock beside it
		for _, s := range drawSteps(t, options.funnelRules, true) {
			switch rapid.IntRange(0, 9).Draw(t, "trouble") {
			case 7: // right after a look, which delivering and flushing are
				pause := pick(t, "pause", time.Second, 10*time.Second, 11*time.Second, time.Hour, 25*time.Hour)
				r.pause(pause)
				ran := min(pause, 10*time.Second)
				late, shift = late+ran, shift+pause-ran
				r.clock = r.clock.Add(ran)
			case 8, 9:
				by := pick(t, "clock set by", time.Second, -time.Second, time.Hour, -time.Hour, 25*time.Hour, -25*time.Hour)
				r.setClock(by)
				shift += by
			}
			s.at = s.at.Add(late)
			r.play(s, shift)
		}
		r.finish(drawLastGap(t, options.funnelRules), shift)
		r.sameAsModel()
	})
}
