// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	someStages = append([]string{"liveness_started", "id_scanned", "_OTHER", "b_unknown"}, table...)
	someZones  = []string{"UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"}
)

// drawSettings draws limits that are met soon.
func drawSettings(t *rapid.T) Settings {
	return Settings{
		Retention:   rapid.SampledFrom([]time.Duration{time.Hour, 90 * time.Minute, 6 * time.Hour, 744 * time.Hour}).Draw(t, "retention"),
		MaxCohorts:  rapid.SampledFrom([]int{3, 6, 1000}).Draw(t, "max cohorts"),
		MaxTrackers: rapid.IntRange(0, 3).Draw(t, "max trackers"),
	}
}

func drawQuery(t *rapid.T, now time.Time) *Query {
	zone, err := time.LoadLocation(rapid.SampledFrom(someZones).Draw(t, "zone"))
	require.NoError(t, err)
	q := &Query{
		From:     now.Add(-time.Duration(rapid.IntRange(1, 10*60*60).Draw(t, "from")) * time.Second),
		Step:     rapid.SampledFrom([]Step{StepQuarter, StepHour, StepDay}).Draw(t, "step"),
		Location: zone,
	}
	q.To = q.From.Add(time.Duration(rapid.IntRange(1, 12*60*60).Draw(t, "length")) * time.Second)
	if rapid.Bool().Draw(t, "filtered") {
		q.Trackers = rapid.SliceOfN(rapid.SampledFrom([]string{"", "ads", "news", "_OTHER", "nobody"}), 0, 3).Draw(t, "trackers")
	}
	return q
}

func drawEvent(t *rapid.T, r *run) {
	stage := rapid.SampledFrom(someStages).Draw(t, "stage")
	if stage == "b_unknown" { // there is room for 32
		stage = fmt.Sprint("u", rapid.IntRange(0, 40).Draw(t, "number"))
	}
	at := r.now.Add(-time.Duration(rapid.OneOf(
		rapid.IntRange(-1000, 4*60*60*1000),
		rapid.SampledFrom([]int{-61 * 60 * 1000, -60 * 60 * 1000, 0, 60 * 60 * 1000, 75 * 60 * 1000}),
		rapid.IntRange(-2*60*60*1000, 8*60*60*1000),
	).Draw(t, "ms ago")) * time.Millisecond)
	name := fmt.Sprint("person ", rapid.IntRange(0, 12).Draw(t, "person"))
	r.observe(name, stage, rapid.SampledFrom([]string{"", "", "ads", "ads", "news", "mail", "_OTHER"}).Draw(t, "tracker"), at)
}

// TestSameAsModel does what can happen to verifications in any order, and asks in between.
func TestSameAsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t, drawSettings(t), time.Now())
		t.Repeat(map[string]func(*rapid.T){
			"event":  func(t *rapid.T) { drawEvent(t, r) },
			"event2": func(t *rapid.T) { drawEvent(t, r) },
			"event3": func(t *rapid.T) { drawEvent(t, r) },
			"end": func(t *rapid.T) {
				r.end(fmt.Sprint("person ", rapid.IntRange(0, 12).Draw(t, "person")))
			},
			"forget": func(t *rapid.T) {
				delete(r.people, fmt.Sprint("person ", rapid.IntRange(0, 12).Draw(t, "person")))
			},
			"wait": func(t *rapid.T) {
				minutes := rapid.SampledFrom([]int{-40, 1, 5, 15, 60, 8 * 24 * 60}).Draw(t, "minutes")
				r.now = r.now.Add(time.Duration(minutes) * time.Minute)
			},
			"save":       func(*rapid.T) { r.save() },
			"failToSave": func(*rapid.T) { r.failToSave() },
			"restart": func(t *rapid.T) {
				settings := r.settings
				if rapid.IntRange(0, 3).Draw(t, "changed") == 0 {
					settings = drawSettings(t)
				}
				r.restart(settings)
			},
			"ask": func(t *rapid.T) { r.check(drawQuery(t, r.now)) },
			"askAll": func(*rapid.T) {
				r.check(&Query{From: r.now.Add(-24 * time.Hour), To: r.now.Add(24 * time.Hour), Step: StepDay, Location: time.UTC})
			},
		})
	})
}
