// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// funnelAnswer is an answer of the Stats API.
type funnelAnswer struct {
	From             time.Time `json:"from"`
	To               time.Time `json:"to"`
	RetainedFrom     time.Time `json:"retained_from"`
	GeneratedAt      time.Time `json:"generated_at"`
	ExternalTrackers []*string `json:"external_trackers"`
	Began            int64     `json:"began"`
	Open             int64     `json:"open"`
	Completed        struct {
		Verifications  int64    `json:"verifications"`
		OfBegan        *float64 `json:"of_began"`
		OnFirstAttempt int64    `json:"on_first_attempt"`
		AfterDropOff   int64    `json:"after_drop_off"`
	} `json:"completed"`
	Stages         []stageAnswer      `json:"stages"`
	Ended          []endAnswer        `json:"ended"`
	Attempts       []attemptsAnswer   `json:"attempts"`
	TimeToComplete quantiles          `json:"time_to_complete"`
	Transitions    []transitionAnswer `json:"transitions"`
	Trackers       []trackerAnswer    `json:"by_external_tracker"`
	Series         struct {
		Step     string        `json:"step"`
		TimeZone string        `json:"time_zone"`
		Points   []pointAnswer `json:"points"`
	} `json:"series"`
}

type (
	stageAnswer struct {
		Stage      string         `json:"stage"`
		Reached    int64          `json:"reached"`
		Passed     *int64         `json:"passed"`
		OfBegan    *float64       `json:"of_began"`
		OfPrevious *float64       `json:"of_previous"`
		Stopped    *stoppedAnswer `json:"stopped"`
		Time       quantiles      `json:"time"`
	}
	stoppedAnswer struct {
		Open      int64 `json:"open"`
		DropOff   int64 `json:"drop_off"`
		Abandoned int64 `json:"abandoned"`
	}
	endAnswer struct {
		Outcome       string   `json:"outcome"`
		LastStage     string   `json:"last_stage"`
		Verifications int64    `json:"verifications"`
		OfBegan       *float64 `json:"of_began"`
	}
	attemptsAnswer struct {
		Attempts      int   `json:"attempts"`
		OrMore        bool  `json:"or_more"`
		Verifications int64 `json:"verifications"`
		Completed     int64 `json:"completed"`
	}
	transitionAnswer struct {
		From          *string `json:"from"`
		To            *string `json:"to"`
		Verifications int64   `json:"verifications"`
	}
	trackerAnswer struct {
		Tracker   *string  `json:"external_tracker"`
		Began     int64    `json:"began"`
		Open      int64    `json:"open"`
		Completed int64    `json:"completed"`
		DropOff   int64    `json:"drop_off"`
		Abandoned int64    `json:"abandoned"`
		OfBegan   *float64 `json:"of_began"`
	}
	pointAnswer struct {
		Start     time.Time `json:"start"`
		Began     int64     `json:"began"`
		Completed int64     `json:"completed"`
		OfBegan   *float64  `json:"of_began"`
	}
	quantiles struct {
		Count int64    `json:"count"`
		P50   *float64 `json:"p50"`
		P90   *float64 `json:"p90"`
		P99   *float64 `json:"p99"`
	}
)

// stages are VerifyYou's, in the order of its table.
var stages = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
	"liveness_passed", "liveness_failed", "liveness_cancelled", "face_collision", "verification_completed",
}

func onHappyPath(stage string) bool { return outcome(stage) != "drop_off" }

// recently is the parameters with which all that a test does is in an answer, by quarters of an hour.
func recently(trackers ...string) url.Values {
	return url.Values{"from": {"1h"}, "step": {"15m"}, "external_tracker": trackers}
}

func (f *follower) ask(t *testing.T, query url.Values) *funnelAnswer {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(f.answer(t, "/api/v1/funnel?"+query.Encode())))
	decoder.DisallowUnknownFields()
	answer := &funnelAnswer{}
	require.NoError(t, decoder.Decode(answer))
	return answer
}

// answer returns the body of what is found in the statistics.
func (f *follower) answer(t *testing.T, path string) string {
	t.Helper()
	response, err := client.Get(f.stats + path)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", body)
	return string(body)
}

// compareStatistics compares the answers of the API with the truth, for all and for each tracker.
func (f *follower) compareStatistics(t *testing.T, want *truth, verifications map[pcommon.TraceID]*verification) {
	t.Helper()
	trackers := map[string]bool{}
	for _, b := range want.Beginnings {
		trackers[b.Tracker] = true
	}
	f.compareAnswer(t, want, verifications)
	for tracker := range trackers {
		f.compareAnswer(t, want.of(tracker), ofTracker(verifications, tracker), tracker)
	}
	f.compareCSV(t, want.Beginnings)

	all := &truthBeginning{}
	all.add(want.Beginnings...)
	printed := output(t, verifyyougen(t, "funnel", "--url", f.stats, "--from", "1h"))
	assert.Contains(t, printed, fmt.Sprintf("%d began, %d completed (", all.Began, all.Completed))
	assert.Contains(t, printed, ", 0 open")
}

func ofTracker(all map[pcommon.TraceID]*verification, tracker string) map[pcommon.TraceID]*verification {
	some := map[pcommon.TraceID]*verification{}
	for trace, v := range all {
		if name, _ := v.names["verifyyou.external_tracker"].(string); name == tracker {
			some[trace] = v
		}
	}
	return some
}

func (f *follower) compareAnswer(t *testing.T, want *truth, verifications map[pcommon.TraceID]*verification, trackers ...string) {
	t.Helper()
	answer := f.ask(t, recently(trackers...))
	all := &truthBeginning{}
	all.add(want.Beginnings...)
	assert.Equal(t, all.Began, answer.Began)
	assert.Zero(t, answer.Open)
	assert.Equal(t, all.Completed, answer.Completed.Verifications)
	assert.Equal(t, share(all.Completed, all.Began), answer.Completed.OfBegan)
	assert.Equal(t, all.OnFirstAttempt, answer.Completed.OnFirstAttempt)
	assert.Equal(t, all.AfterDropOff, answer.Completed.AfterDropOff)
	assert.Equal(t, attemptRows(all), answer.Attempts)
	assert.ElementsMatch(t, transitionRows(all), answer.Transitions)
	assert.ElementsMatch(t, endRows(want, all.Began), answer.Ended)
	assert.ElementsMatch(t, trackerRows(want.Beginnings), answer.Trackers)
	assert.True(t, slices.IsSortedFunc(answer.Transitions, func(a, b transitionAnswer) int { return int(b.Verifications - a.Verifications) }))
	assert.True(t, slices.IsSortedFunc(answer.Ended, func(a, b endAnswer) int { return int(b.Verifications - a.Verifications) }))
	assert.True(t, slices.IsSortedFunc(answer.Trackers, func(a, b trackerAnswer) int { return int(b.Began - a.Began) }))
	assert.Equal(t, points(answer.From, answer.To, want.Beginnings), answer.Series.Points)

	durations := map[string][]float64{}
	for _, v := range verifications {
		v.durations(durations)
	}
	compareQuantiles(t, "time to complete", durations[""], answer.TimeToComplete)
	for i := range answer.Stages {
		compareQuantiles(t, answer.Stages[i].Stage, durations[answer.Stages[i].Stage], answer.Stages[i].Time)
		answer.Stages[i].Time = quantiles{}
	}
	assert.Equal(t, stageRows(all), answer.Stages)
}

// compareQuantiles checks that each is about the value at its rank: between the two around it, within 5 % or 1 ms.
func compareQuantiles(t *testing.T, of string, durations []float64, got quantiles) {
	t.Helper()
	assert.EqualValues(t, len(durations), got.Count, of)
	slices.Sort(durations)
	for p, value := range map[float64]*float64{0.5: got.P50, 0.9: got.P90, 0.99: got.P99} {
		if len(durations) == 0 {
			assert.Nil(t, value, of)
			continue
		}
		require.NotNil(t, value, of)
		rank := p * float64(len(durations)-1)
		low, high := durations[int(math.Floor(rank))], durations[int(math.Ceil(rank))]
		assert.GreaterOrEqual(t, *value, min(low*0.95, low-0.001), "p%v of %s", p, of)
		assert.LessOrEqual(t, *value, max(high*1.05, high+0.001), "p%v of %s", p, of)
	}
}

// add adds what has become of others.
func (b *truthBeginning) add(others ...truthBeginning) {
	for i := range others {
		o := &others[i]
		b.Began += o.Began
		b.Completed += o.Completed
		b.OnFirstAttempt += o.OnFirstAttempt
		b.AfterDropOff += o.AfterDropOff
		b.DropOff += o.DropOff
		b.Abandoned += o.Abandoned
		b.Reached = sumOf(b.Reached, o.Reached)
		b.Passed = sumOf(b.Passed, o.Passed)
		b.Stopped = nestedSumOf(b.Stopped, o.Stopped)
		b.Transitions = nestedSumOf(b.Transitions, o.Transitions)
		for i := range b.Attempts {
			b.Attempts[i].Verifications += o.Attempts[i].Verifications
			b.Attempts[i].Completed += o.Attempts[i].Completed
		}
	}
}

func sumOf(summands ...map[string]int64) map[string]int64 {
	sum := map[string]int64{}
	for _, counts := range summands {
		for name, n := range counts {
			sum[name] += n
		}
	}
	return sum
}

func nestedSumOf(summands ...map[string]map[string]int64) map[string]map[string]int64 {
	sum := map[string]map[string]int64{}
	for _, counts := range summands {
		for name, inner := range counts {
			sum[name] = sumOf(sum[name], inner)
		}
	}
	return sum
}

// share returns nil where it would divide by 0.
func share(part, of int64) *float64 {
	if of == 0 {
		return nil
	}
	s := float64(part) / float64(of)
	return &s
}

// orNull returns nil for no name.
func orNull(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}

func stageRows(all *truthBeginning) []stageAnswer {
	var rows []stageAnswer
	before := int64(-1)
	for _, stage := range stages {
		row := stageAnswer{Stage: stage, Reached: all.Reached[stage], OfBegan: share(all.Reached[stage], all.Began)}
		if onHappyPath(stage) {
			passed := all.Passed[stage]
			row.Passed, row.OfBegan = &passed, share(passed, all.Began)
			stopped := all.Stopped[stage]
			row.Stopped = &stoppedAnswer{DropOff: stopped["drop_off"], Abandoned: stopped["abandoned"]}
			if before >= 0 {
				row.OfPrevious = share(passed, before)
			}
			before = passed
		}
		rows = append(rows, row)
	}
	return rows
}

func attemptRows(all *truthBeginning) []attemptsAnswer {
	rows := make([]attemptsAnswer, len(all.Attempts))
	for i, a := range all.Attempts {
		rows[i] = attemptsAnswer{i, i == len(rows)-1, a.Verifications, a.Completed}
	}
	return rows
}

func transitionRows(all *truthBeginning) (rows []transitionAnswer) {
	for from, counts := range all.Transitions {
		for to, n := range counts {
			rows = append(rows, transitionAnswer{orNull(from), orNull(to), n})
		}
	}
	return rows
}

func endRows(want *truth, began int64) (rows []endAnswer) {
	type end struct{ outcome, lastStage string }
	counts := map[end]int64{}
	for _, e := range want.Ended {
		counts[end{e.Outcome, e.LastStage}] += e.Count
	}
	for e, n := range counts {
		rows = append(rows, endAnswer{e.outcome, e.lastStage, n, share(n, began)})
	}
	return rows
}

func trackerRows(beginnings []truthBeginning) (rows []trackerAnswer) {
	byTracker := map[string]*truthBeginning{}
	for _, b := range beginnings {
		if byTracker[b.Tracker] == nil {
			byTracker[b.Tracker] = &truthBeginning{}
		}
		byTracker[b.Tracker].add(b)
	}
	for tracker, b := range byTracker {
		rows = append(rows, trackerAnswer{orNull(tracker), b.Began, 0, b.Completed, b.DropOff, b.Abandoned, share(b.Completed, b.Began)})
	}
	return rows
}

// points returns one for each quarter of an hour of a range.
func points(from, to time.Time, beginnings []truthBeginning) (points []pointAnswer) {
	for start := from; start.Before(to); start = start.Add(15 * time.Minute) {
		point := pointAnswer{Start: start}
		for _, b := range beginnings {
			if b.Start.Equal(start) {
				point.Began += b.Began
				point.Completed += b.Completed
			}
		}
		point.OfBegan = share(point.Completed, point.Began)
		points = append(points, point)
	}
	return points
}

func (f *follower) compareCSV(t *testing.T, beginnings []truthBeginning) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(f.answer(t, "/api/v1/funnel.csv?"+recently().Encode()))).ReadAll()
	require.NoError(t, err)
	want := [][]string{strings.Split("start,external_tracker,began,open,completed,drop_off,abandoned", ",")}
	for _, stage := range stages {
		want[0] = append(want[0], "reached_"+stage)
	}
	for _, b := range beginnings {
		row := []string{b.Start.Format(time.RFC3339), b.Tracker}
		for _, n := range []int64{b.Began, 0, b.Completed, b.DropOff, b.Abandoned} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		for _, stage := range stages {
			row = append(row, strconv.FormatInt(b.Reached[stage], 10))
		}
		want = append(want, row)
	}
	assert.Equal(t, want, rows)
}
