// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"strconv"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// stageLabels are the documented stages in words.
var stageLabels = map[string]string{
	"verification_initialized": "Session created",
	"verification_started":     "Opened the flow",
	"account_created":          "Account created",
	"consent_granted":          "Consent given",
	"liveness_started":         "Liveness begun",
	"liveness_passed":          "Liveness passed",
	"liveness_failed":          "Liveness failed",
	"liveness_cancelled":       "Liveness cancelled",
	"face_collision":           "Matched an existing human",
	"verification_completed":   "Completed",
}

// stageLabel is what a reader is shown of a stage, whose name may come from outside.
func stageLabel(stage string) string {
	if label, documented := stageLabels[stage]; documented {
		return label
	}
	return visible(stage)
}

// step is a step of the happy path.
type step struct {
	Stage, Label        string
	Passed              int64
	OfBegan, OfPrevious *float64
	StoppedBy           stoppedJSON
	Stopped             int64 // all of them: they passed this step and not the next
	Lost                int64 // those of them that have ended
	OfBeganLost         *float64
	// What the bar is made of: those who passed the next step too, then those who did not.
	On, Open, DropOff, Abandoned segment
}

// segment is a part of a bar, in percent of it.
type segment struct {
	At, Width string
}

func percent(part, whole int64) string {
	if whole == 0 {
		return "0%"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 3, 64) + "%"
}

// steps returns the happy path, and of its steps the one where most have stopped for good, if any have.
func steps(a *funnelJSON) (all []step, worst *step) {
	for _, s := range a.Stages {
		if s.Passed == nil {
			continue
		}
		lost := s.Stopped.DropOff + s.Stopped.Abandoned
		on := *s.Passed - lost - s.Stopped.Open
		all = append(all, step{
			Stage: s.Stage, Label: stageLabel(s.Stage),
			Passed: *s.Passed, OfBegan: s.OfBegan, OfPrevious: s.OfPrevious,
			StoppedBy: *s.Stopped, Stopped: lost + s.Stopped.Open, Lost: lost, OfBeganLost: share(lost, a.Began),
			On:        segment{percent(0, a.Began), percent(on, a.Began)},
			Open:      segment{percent(on, a.Began), percent(s.Stopped.Open, a.Began)},
			DropOff:   segment{percent(on+s.Stopped.Open, a.Began), percent(s.Stopped.DropOff, a.Began)},
			Abandoned: segment{percent(on+s.Stopped.Open+s.Stopped.DropOff, a.Began), percent(s.Stopped.Abandoned, a.Began)},
		})
	}
	for i := range all {
		if s := &all[i]; s.Lost > 0 && (worst == nil || s.Lost > worst.Lost) {
			worst = s
		}
	}
	return all, worst
}

// stop is how many ended without a completion at a stage.
type stop struct {
	endedJSON
	How string
}

func stops(a *funnelJSON) []stop {
	var all []stop
	for _, e := range a.Ended {
		switch e.Outcome {
		case string(event.DropOff):
			all = append(all, stop{e, "drop-off"})
		case string(event.Completed):
		default:
			all = append(all, stop{e, "fell silent"})
		}
	}
	return all
}

type attemptsRow struct {
	attemptsJSON
	Label       string
	OfCompleted *float64 // how many of them completed
}

func attemptsRows(a *funnelJSON) []attemptsRow {
	return list(a.Attempts, func(t *attemptsJSON) attemptsRow {
		label := strconv.Itoa(t.Attempts)
		switch {
		case t.OrMore:
			label += " or more"
		case t.Attempts == 0:
			label = "none"
		}
		return attemptsRow{*t, label, share(t.Completed, t.Verifications)}
	})
}

// trackerRow is a tracker, with a link to it alone.
type trackerRow struct {
	trackerJSON
	link
	Width string // of a bar, by completed share
}

func trackerRows(q *question, a *cohorts.Answer) []trackerRow {
	rows := make([]trackerRow, 0, min(len(a.Trackers), maxTrackersShown))
	for i := range a.Trackers[:cap(rows)] {
		t := translateTracker(&a.Trackers[i])
		name := ""
		if t.ExternalTracker != nil {
			name = *t.ExternalTracker
		}
		alone := *q
		alone.trackers = []string{name}
		rows = append(rows, trackerRow{t, link{Name: trackerName(name), Address: alone.address()}, percent(t.Completed, t.Began)})
	}
	return rows
}

// timeRow is how long people took to get to a stage.
type timeRow struct {
	quantilesJSON
	Stage string
}

func timeRows(a *funnelJSON) []timeRow {
	var rows []timeRow
	for _, s := range a.Stages {
		if s.Time.Count > 0 {
			rows = append(rows, timeRow{s.Time, s.Stage})
		}
	}
	return rows
}
