// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

func TestThePageSaysWhatTheExampleIs(t *testing.T) {
	page := get(t, newHandler(t, example()), "/?from=2h&time_zone=Europe/Berlin")
	for _, want := range []string{
		"Of <strong>4</strong> verifications that began in the last 2 hours, <strong>2</strong> are completed.",
		"More stopped after <strong>Liveness begun</strong> than anywhere else: 1, 25% of all.",
		`<data id="began" value="4">4</data>`,
		`<data id="completed-share" value="0.5">50%</data>`,
		`<data id="open" value="2">2</data>`,
		`<time datetime="2026-06-10T12:00:00.123Z">14:00:00</time> Europe/Berlin`,
		"1 stopped here: 1 open, 0 drop-off, 0 silent",
		"<th scope=\"row\">3 or more</th><td class=\"n\">1</td><td class=\"n\">1</td><td class=\"n\">100%</td>",
		`value="2026-06-10T12:00:00&#43;02:00"`, // from, in the form
	} {
		assert.Contains(t, page, want)
	}
	assert.NotContains(t, page, "All is known only from")
}

func TestThePageSaysFromWhenOnAllIsKnown(t *testing.T) {
	page := get(t, newHandler(t, example()), "/?from=40d")
	assert.Contains(t, page, `All is known only from <time datetime="2026-05-09T12:00:00Z">9 May 2026 12:00</time> on.`)
}

func TestThePageSaysWhatToDoWhereNothingHasCome(t *testing.T) {
	page := get(t, newHandler(t, statstest.New(50, noon)), "/")
	assert.Contains(t, page, "Nobody began in the last 24 hours.")
	assert.Contains(t, page, "verifyyougen send --stage verification_initialized")
	assert.NotContains(t, page, "<table")
}

func TestLinksKeepTheOtherChoices(t *testing.T) {
	page := textOf(get(t, newHandler(t, example()), "/?from=3h&to=30m&step=1h&external_tracker=campaign&time_zone=Asia%2FTokyo"))
	for _, want := range []string{
		`href="?from=7d&external_tracker=campaign&time_zone=Asia%2FTokyo"`,                                  // another range
		`href="?from=3h&to=30m&step=1h&time_zone=Asia%2FTokyo"`,                                             // all trackers
		`href="?from=3h&to=30m&external_tracker=campaign&external_tracker=&step=1h&time_zone=Asia%2FTokyo"`, // one more
		`href="api/v1/funnel.csv?from=3h&to=30m&external_tracker=campaign&step=1h&time_zone=Asia%2FTokyo"`,
	} {
		assert.Contains(t, page, want)
	}
}

func TestThePageOfVeryManyTrackersIsBounded(t *testing.T) {
	s := statstest.New(10_000, noon)
	for i := range 10_000 {
		s.Add(noon, ago(time.Hour), fmt.Sprint("tracker-", i), cohorts.Open, 1, "verification_initialized")
	}
	h := newHandler(t, s)
	page := get(t, h, "/")
	assert.Less(t, len(page), 100_000)
	assert.Equal(t, 2, strings.Count(page, "9,900 more, which the Stats API lists"))
	assert.Equal(t, 10_000, strings.Count(get(t, h, pathFunnel), `"external_tracker":"tracker-`))
	assert.Equal(t, 10_001, strings.Count(get(t, h, pathCSV), "\r\n"))
}

func TestTheChartHasGapsWhereNobodyBegan(t *testing.T) {
	points := []cohorts.Point{{Began: 4, Completed: 1}, {}, {Began: 2, Completed: 2}, {Began: 1}}
	assert.Equal(t, "M125.00 75.00h0M625.00 0.00h0L875.00 100.00", linePath(points))
	assert.Equal(t, "M18.75 100v-100.00h212.50v100.00zM518.75 100v-50.00h212.50v50.00zM768.75 100v-25.00h212.50v25.00z",
		barsPath(points, 4, func(p *cohorts.Point) int64 { return p.Began }))
}
