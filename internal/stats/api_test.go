// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

// wantExample is the answer about the last two hours of the example, written by hand but for line breaks.
const wantExample = `{
	"from":"2026-06-10T10:00:00Z","to":"2026-06-10T12:15:00Z","retained_from":"2026-05-09T12:00:00Z","generated_at":"2026-06-10T12:00:00.123Z",
	"external_trackers":null,
	"began":4,"open":2,
	"completed":{"verifications":2,"of_began":0.5,"on_first_attempt":1,"after_drop_off":1},
	"stages":[
		{"stage":"verification_initialized","reached":3,"passed":4,"of_began":1,"of_previous":null,"stopped":{"open":0,"drop_off":0,"abandoned":0},"time":{"count":0,"p50":null,"p90":null,"p99":null}},
		{"stage":"verification_started","reached":2,"passed":4,"of_began":1,"of_previous":1,"stopped":{"open":1,"drop_off":0,"abandoned":0},"time":{"count":2,"p50":10.24,"p90":10.24,"p99":10.24}},
		{"stage":"account_created","reached":0,"passed":3,"of_began":0.75,"of_previous":0.75,"stopped":{"open":0,"drop_off":0,"abandoned":0},"time":{"count":0,"p50":null,"p90":null,"p99":null}},
		{"stage":"consent_granted","reached":0,"passed":3,"of_began":0.75,"of_previous":1,"stopped":{"open":0,"drop_off":0,"abandoned":0},"time":{"count":0,"p50":null,"p90":null,"p99":null}},
		{"stage":"liveness_started","reached":3,"passed":3,"of_began":0.75,"of_previous":1,"stopped":{"open":0,"drop_off":1,"abandoned":0},"time":{"count":2,"p50":10.24,"p90":10.24,"p99":10.24}},
		{"stage":"liveness_passed","reached":0,"passed":2,"of_began":0.5,"of_previous":0.6666666666666666,"stopped":{"open":0,"drop_off":0,"abandoned":0},"time":{"count":0,"p50":null,"p90":null,"p99":null}},
		{"stage":"liveness_failed","reached":2,"passed":null,"of_began":0.5,"of_previous":null,"stopped":null,"time":{"count":2,"p50":10.24,"p90":10.24,"p99":10.24}},
		{"stage":"liveness_cancelled","reached":0,"passed":null,"of_began":0,"of_previous":null,"stopped":null,"time":{"count":0,"p50":null,"p90":null,"p99":null}},
		{"stage":"face_collision","reached":0,"passed":null,"of_began":0,"of_previous":null,"stopped":null,"time":{"count":0,"p50":null,"p90":null,"p99":null}},
		{"stage":"verification_completed","reached":2,"passed":2,"of_began":0.5,"of_previous":1,"stopped":{"open":0,"drop_off":0,"abandoned":0},"time":{"count":2,"p50":10.24,"p90":10.24,"p99":10.24}}],
	"ended":[
		{"outcome":"completed","last_stage":"verification_completed","verifications":1,"of_began":0.25},
		{"outcome":"drop_off","last_stage":"liveness_failed","verifications":1,"of_began":0.25}],
	"attempts":[
		{"attempts":0,"or_more":false,"verifications":1,"completed":0},
		{"attempts":1,"or_more":false,"verifications":2,"completed":1},
		{"attempts":2,"or_more":false,"verifications":0,"completed":0},
		{"attempts":3,"or_more":true,"verifications":1,"completed":1}],
	"time_to_complete":{"count":2,"p50":40.96,"p90":40.96,"p99":40.96},
	"transitions":[
		{"from":null,"to":"verification_initialized","verifications":3},
		{"from":"liveness_started","to":"liveness_failed","verifications":2},
		{"from":"liveness_started","to":"verification_completed","verifications":2},
		{"from":"verification_initialized","to":"verification_started","verifications":2},
		{"from":null,"to":"liveness_started","verifications":1},
		{"from":"liveness_failed","to":null,"verifications":1},
		{"from":"liveness_failed","to":"liveness_started","verifications":1},
		{"from":"liveness_started","to":"liveness_started","verifications":1},
		{"from":"verification_completed","to":null,"verifications":1},
		{"from":"verification_initialized","to":"liveness_started","verifications":1},
		{"from":"verification_started","to":"liveness_started","verifications":1}],
	"by_external_tracker":[
		{"external_tracker":null,"began":2,"open":2,"completed":1,"drop_off":0,"abandoned":0,"of_began":0.5},
		{"external_tracker":"campaign","began":2,"open":0,"completed":1,"drop_off":1,"abandoned":0,"of_began":0.5}],
	"series":{"step":"1h","time_zone":"UTC","points":[
		{"start":"2026-06-10T10:00:00Z","began":0,"completed":0,"of_began":null},
		{"start":"2026-06-10T11:00:00Z","began":4,"completed":2,"of_began":0.5},
		{"start":"2026-06-10T12:00:00Z","began":0,"completed":0,"of_began":null}]}
}`

// quantiles lets a test compare all but what is known within 5 % only.
func withoutTimes(t *testing.T, s string) string {
	t.Helper()
	var a funnelJSON
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&a))
	clean := func(q *quantilesJSON) {
		for _, p := range []*float64{q.P50, q.P90, q.P99} {
			if p != nil {
				*p = 0
			}
		}
	}
	clean(&a.TimeToComplete)
	for i := range a.Stages {
		clean(&a.Stages[i].Time)
	}
	b, err := json.MarshalIndent(&a, "", " ")
	require.NoError(t, err)
	return string(b)
}

func TestFunnelIsThatOfTheContract(t *testing.T) {
	got := get(t, newHandler(t, example()), "/api/v1/funnel?from=2h&step=1h")
	assert.Equal(t, withoutTimes(t, wantExample), withoutTimes(t, got))

	// In the order of the contract too, and with numbers that are not rounded.
	var want bytes.Buffer
	require.NoError(t, json.Compact(&want, []byte(wantExample)))
	assert.Equal(t, numberless(want.String()), numberless(strings.TrimSuffix(got, "\n")))

	var a funnelJSON
	require.NoError(t, json.Unmarshal([]byte(got), &a))
	assert.InEpsilon(t, 40, *a.TimeToComplete.P50, 0.05)
	assert.InEpsilon(t, 90, *a.TimeToComplete.P99, 0.6) // at a rank between 40 and 90
	assert.InDelta(t, 2.0/3, *a.Stages[5].OfPrevious, 0)
}

// numberless leaves the form of an answer.
func numberless(s string) string {
	var b strings.Builder
	inText := false
	for _, r := range s {
		if r == '"' {
			inText = !inText
		}
		if inText || !strings.ContainsRune("0123456789.", r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestFunnelOfNobodyHasNoShares(t *testing.T) {
	var a map[string]any
	require.NoError(t, json.Unmarshal([]byte(get(t, newHandler(t, statstest.New(50, noon)), "/api/v1/funnel?from=1h&to=30m")), &a))
	assert.Equal(t, map[string]any{"verifications": 0.0, "of_began": nil, "on_first_attempt": 0.0, "after_drop_off": 0.0}, a["completed"])
	assert.Len(t, a["stages"], 10)
	assert.Len(t, a["attempts"], 4)
	for _, list := range []string{"ended", "transitions", "by_external_tracker"} {
		assert.Equal(t, []any{}, a[list], list)
	}
	for _, s := range a["stages"].([]any) {
		assert.Nil(t, s.(map[string]any)["of_began"])
		assert.Nil(t, s.(map[string]any)["of_previous"])
	}
}

func TestQuestions(t *testing.T) {
	h := newHandler(t, example())
	for query, want := range map[string]struct {
		from, to, step, zone string
		trackers             []any
		began                float64
		points               int
	}{
		"":                {"2026-06-09T12:00:00Z", "2026-06-10T12:15:00Z", "15m", "UTC", nil, 5, 97},
		"from=24h":        {"2026-06-09T12:00:00Z", "2026-06-10T12:15:00Z", "15m", "UTC", nil, 5, 97},
		"from=25h":        {"2026-06-09T11:00:00Z", "2026-06-10T12:15:00Z", "1h", "UTC", nil, 5, 26},
		"from=8d":         {"2026-06-02T12:00:00Z", "2026-06-10T12:15:00Z", "1h", "UTC", nil, 5, 193},
		"from=193h":       {"2026-06-02T11:00:00Z", "2026-06-10T12:15:00Z", "1d", "UTC", nil, 5, 9},
		"from=90m&to=50m": {"2026-06-10T10:30:00Z", "2026-06-10T11:15:00Z", "15m", "UTC", nil, 3, 3},
		"from=2026-06-10t11:50:01z&to=2026-06-10T13:50:02%2B02:00":       {"2026-06-10T11:45:00Z", "2026-06-10T12:00:00Z", "15m", "UTC", nil, 1, 1},
		"external_tracker=campaign":                                      {"2026-06-09T12:00:00Z", "2026-06-10T12:15:00Z", "15m", "UTC", []any{"campaign"}, 2, 97},
		"external_tracker=":                                              {"2026-06-09T12:00:00Z", "2026-06-10T12:15:00Z", "15m", "UTC", []any{nil}, 3, 97},
		"external_tracker":                                               {"2026-06-09T12:00:00Z", "2026-06-10T12:15:00Z", "15m", "UTC", []any{nil}, 3, 97},
		"external_tracker=x&external_tracker=&external_tracker=campaign": {"2026-06-09T12:00:00Z", "2026-06-10T12:15:00Z", "15m", "UTC", []any{"x", nil, "campaign"}, 5, 97},
		"from=7d&step=1d&time_zone=Europe/Berlin":                        {"2026-06-03T12:00:00Z", "2026-06-10T12:15:00Z", "1d", "Europe/Berlin", nil, 5, 8},
		"time_zone=America%2FArgentina%2FBuenos_Aires&from=1h&step=1h":   {"2026-06-10T11:00:00Z", "2026-06-10T12:15:00Z", "1h", "America/Argentina/Buenos_Aires", nil, 4, 2},
		"time_zone=Etc/GMT%2B1&from=1h&step=1d":                          {"2026-06-10T11:00:00Z", "2026-06-10T12:15:00Z", "1d", "Etc/GMT+1", nil, 4, 1},
		"from=2026-02-26T00:00:00Z&to=2026-06-10T04:00:00Z&step=15m":     {"2026-02-26T00:00:00Z", "2026-06-10T04:00:00Z", "15m", "UTC", nil, 0, 10_000},
		"&from=1h&&": {"2026-06-10T11:00:00Z", "2026-06-10T12:15:00Z", "15m", "UTC", nil, 4, 5},
	} {
		t.Run(query, func(t *testing.T) {
			var a map[string]any
			require.NoError(t, json.Unmarshal([]byte(get(t, h, "/api/v1/funnel?"+query)), &a))
			series := a["series"].(map[string]any)
			assert.Equal(t, want.from, a["from"])
			assert.Equal(t, want.to, a["to"])
			assert.Equal(t, want.step, series["step"])
			assert.Equal(t, want.zone, series["time_zone"])
			if want.trackers == nil {
				assert.Nil(t, a["external_trackers"])
			} else {
				assert.Equal(t, want.trackers, a["external_trackers"])
			}
			assert.InDelta(t, want.began, a["began"], 0)
			assert.Len(t, series["points"], want.points)
			assert.Equal(t, http.StatusOK, ask(h, http.MethodGet, "/?"+query).Code)
			assert.Equal(t, http.StatusOK, ask(h, http.MethodGet, "/api/v1/funnel.csv?"+query).Code)
		})
	}
}

func TestBadParametersAreNamed(t *testing.T) {
	h := newHandler(t, example())
	const (
		momentHint = "an RFC 3339 time such as 2026-06-09T00:00:00Z, or a duration back from now such as 90m, 24h or 7d"
		toHint     = "an RFC 3339 time such as 2026-06-10T00:00:00Z, or a duration back from now such as 90m, 24h or 7d"
		zoneHint   = "a name of the IANA time zone database such as Europe/Berlin, America/New_York or UTC"
	)
	for query, want := range map[string]string{
		"from=":                           "from: is empty; leave it out, or use " + momentHint,
		"from":                            "from: is empty; leave it out, or use " + momentHint,
		"to=":                             "to: is empty; leave it out, or use " + toHint,
		"step=":                           "step: is empty; leave it out, or use 15m, 1h or 1d",
		"time_zone=":                      "time_zone: is empty; leave it out, or use " + zoneHint,
		"from=1h&from=1h":                 "from: is there more than once; give it once",
		"from=&from=1h":                   "from: is empty; leave it out, or use " + momentHint + "; from: is there more than once; give it once",
		"from=yesterday":                  `from: "yesterday" is no time; use ` + momentHint,
		"from=2026-06-09":                 `from: "2026-06-09" is no time; use ` + momentHint,
		"from=2026-06-09T0:00:00Z":        `from: "2026-06-09T0:00:00Z" is no time; use ` + momentHint,
		"from=2026-06-09T00:00:00":        `from: "2026-06-09T00:00:00" is no time; use ` + momentHint,
		"from=2026-02-30T00:00:00Z":       `from: "2026-02-30T00:00:00Z" is no time; use ` + momentHint,
		"from=2026-06-09T00:00:00+02:00":  `from: "2026-06-09T00:00:00 02:00" is no time: it has a space in it, which a + in a URL is; write a + as %2B; use ` + momentHint,
		"from=2026-06-09T00:00:00,5Z":     `from: "2026-06-09T00:00:00,5Z" is no time; use ` + momentHint,
		"from=2026-06-09T00:00:00-24:00":  `from: "2026-06-09T00:00:00-24:00" is no time; use ` + momentHint,
		"from=2026-06-09T00:00:00%2B0200": `from: "2026-06-09T00:00:00+0200" is no time; use ` + momentHint,
		"from=1780000000":                 `from: "1780000000" is no time; use ` + momentHint,
		"from=-1h":                        `from: "-1h" is no time; use ` + momentHint,
		"from=%2B1h":                      `from: "+1h" is no time; use ` + momentHint,
		"from=1.5h":                       `from: "1.5h" is no time; use ` + momentHint,
		"from=1h30m":                      `from: "1h30m" is no time; use ` + momentHint,
		"from=60s":                        `from: "60s" is no time; use ` + momentHint,
		"from=1H":                         `from: "1H" is no time; use ` + momentHint,
		"from=1w":                         `from: "1w" is no time; use ` + momentHint,
		"from=0h":                         `from: "0h" is no time back from now: it must be above 0; use ` + momentHint,
		"to=0m":                           `to: "0m" is no time back from now: it must be above 0; use ` + toHint,
		"from=99999999999999999999d":      `from: "99999999999999999999d" is too far back; use ` + momentHint,
		"from=999999999d":                 `from: "999999999d" is too far back; use ` + momentHint,
		"from=%ff":                        `from: "\xff" is not valid UTF-8; encode the characters as UTF-8 before they are percent-encoded`,
		"external_tracker=%ff":            `external_tracker: "\xff" is not valid UTF-8; encode the characters as UTF-8 before they are percent-encoded`,
		"external_tracker=50%":            `external_tracker: "50%" is not encoded as a URL must be; write a % as %25`,
		"from=1h&to=1h":                   "from: 2026-06-10T11:00:00Z is not before to, which is 2026-06-10T11:00:00Z; ask for a range of time, from=7d for example",
		"to=48h":                          "from: 2026-06-09T12:00:00Z is not before to, which is 2026-06-08T12:00:00Z; ask for a range of time, from=7d for example",
		"from=2026-06-10T10:10:00Z&to=2026-06-10T10:05:00Z": "from: 2026-06-10T10:10:00Z is not before to, which is 2026-06-10T10:05:00Z; ask for a range of time, from=7d for example",
		"step=15":                   `step: "15" is no step; use 15m, 1h or 1d`,
		"step=5m":                   `step: "5m" is no step; use 15m, 1h or 1d`,
		"step=1D":                   `step: "1D" is no step; use 15m, 1h or 1d`,
		"step=60m":                  `step: "60m" is no step; use 15m, 1h or 1d`,
		"from=105d&step=15m":        "step: the range has more than 10,000 points of it; use a longer one, 1d for example, or a shorter range",
		"from=0000-01-01T00:00:00Z": "step: the range has more than 10,000 points of it; use a longer one, 1d for example, or a shorter range",
		"time_zone=Local":           `time_zone: "Local" is no time zone: it would be another on every machine; use ` + zoneHint,
		"time_zone=localtime":       `time_zone: "localtime" is no time zone: it would be another on every machine; use ` + zoneHint,
		"time_zone=Mars/Olympus":    `time_zone: "Mars/Olympus" is no time zone; use ` + zoneHint,
		"time_zone=/etc/localtime":  `time_zone: "/etc/localtime" is no time zone; use ` + zoneHint,
		"time_zone=../zoneinfo/UTC": `time_zone: "../zoneinfo/UTC" is no time zone; use ` + zoneHint,
		"time_zone=Europe/../UTC":   `time_zone: "Europe/../UTC" is no time zone; use ` + zoneHint,
		"time_zone=posix/UTC":       `time_zone: "posix/UTC" is no time zone; use ` + zoneHint,
		"time_zone=right/UTC":       `time_zone: "right/UTC" is no time zone; use ` + zoneHint,
		"time_zone=Europe":          `time_zone: "Europe" is no time zone; use ` + zoneHint,
		"time_zone=tzdata.zi":       `time_zone: "tzdata.zi" is no time zone; use ` + zoneHint,
		"time_zone=%2B02:00":        `time_zone: "+02:00" is no time zone; use ` + zoneHint,
		"time_zone=UTC%00":          `time_zone: "UTC\x00" is no time zone; use ` + zoneHint,
		"step=x&time_zone=y":        `step: "x" is no step; use 15m, 1h or 1d; time_zone: "y" is no time zone; use ` + zoneHint,
	} {
		t.Run(query, func(t *testing.T) {
			for _, path := range []string{pathFunnel, pathCSV} {
				w := ask(h, http.MethodGet, path+"?"+query)
				assert.Equal(t, http.StatusBadRequest, w.Code)
				assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
				var p problem
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
				assert.Equal(t, problem{Title: "Bad Request", Status: 400, Detail: want}, p)
			}
			w := ask(h, http.MethodGet, "/?"+query)
			assert.Equal(t, http.StatusBadRequest, w.Code)
			assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
			assert.Contains(t, textOf(w.Body.String()), want)
		})
	}
}

func TestUnknownParametersAreRefusedByTheAPIAlone(t *testing.T) {
	h := newHandler(t, example())
	for query, named := range map[string]string{
		"utm_source=mail": `"utm_source"`,
		"From=1h":         `"From"`,
		"tracker=x":       `"tracker"`,
		"=x":              `""`,
		"%zz=1":           `"%zz"`,
		"from;to=1h":      `"from;to"`,
		"%3Cb%3E":         `"%3Cb%3E"`,
	} {
		w := ask(h, http.MethodGet, pathFunnel+"?"+query)
		assert.Equal(t, http.StatusBadRequest, w.Code)
		var p problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		assert.Equal(t, named+": is no parameter; use from, to, external_tracker, step, time_zone", p.Detail)
		assert.Equal(t, http.StatusOK, ask(h, http.MethodGet, "/?from=1h&"+query).Code, query)
	}
	long := ask(h, http.MethodGet, pathFunnel+"?"+strings.Repeat("x", 5000))
	assert.Less(t, long.Body.Len(), 400)
}

func TestCSVHasARowForEachPointAndTracker(t *testing.T) {
	w := ask(newHandler(t, example()), http.MethodGet, pathCSV+"?from=4h&step=1h")
	assert.Equal(t, "text/csv; charset=utf-8; header=present", w.Header().Get("Content-Type"))
	assert.Equal(t, strings.Join([]string{
		"start,external_tracker,began,open,completed,drop_off,abandoned,reached_verification_initialized,reached_verification_started,reached_account_created,reached_consent_granted,reached_liveness_started,reached_liveness_passed,reached_liveness_failed,reached_liveness_cancelled,reached_face_collision,reached_verification_completed",
		"2026-06-10T09:00:00Z,,1,0,0,0,1,1,0,0,0,0,0,0,0,0,0",
		"2026-06-10T11:00:00Z,,2,2,1,0,0,1,1,0,0,1,0,1,0,0,1",
		"2026-06-10T11:00:00Z,campaign,2,0,1,1,0,2,1,0,0,2,0,1,0,0,1",
		"",
	}, "\r\n"), w.Body.String())
}

func TestTrackersAreTextEverywhere(t *testing.T) {
	s := statstest.New(50, noon)
	for _, tracker := range statstest.Hostile() {
		s.Add(noon, ago(time.Hour), tracker, cohorts.Open, 10, "verification_initialized")
	}
	h := newHandler(t, s)

	var a funnelJSON
	require.NoError(t, json.Unmarshal([]byte(get(t, h, pathFunnel)), &a))
	var inJSON, inCSV []string
	for _, tracker := range a.Trackers {
		inJSON = append(inJSON, *tracker.ExternalTracker)
	}
	assert.ElementsMatch(t, statstest.Hostile(), inJSON)

	table := get(t, h, pathCSV)
	assert.NotContains(t, strings.ReplaceAll(table, "\r\n", ""), "\n")
	assert.Contains(t, table, "\"line\r\nbreak, \"\"quoted\"\"\",")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		inCSV = append(inCSV, strings.ReplaceAll(row[1], "line\nbreak", "line\r\nbreak")) // as package csv reads it
	}
	assert.ElementsMatch(t, statstest.Hostile(), inCSV)

	page := get(t, h, "/")
	for _, harm := range []string{"<script>alert", "<img", "\u202e", "\u2066", "\x1b", "\x00", "javascript:"} {
		if harm == "javascript:" {
			assert.NotContains(t, page, `="javascript:`)
			continue
		}
		assert.NotContains(t, page, harm)
	}
	assert.Contains(t, page, `right\u202eto left`)

	for _, tracker := range statstest.Hostile() {
		require.NoError(t, json.Unmarshal([]byte(get(t, h, pathFunnel+"?external_tracker="+url.QueryEscape(tracker))), &a))
		assert.Equal(t, int64(1), a.Began, tracker)
		assert.Equal(t, tracker, *a.ExternalTrackers[0])
		assert.Equal(t, http.StatusOK, ask(h, http.MethodGet, "/?external_tracker="+url.QueryEscape(tracker)).Code)
	}
}
