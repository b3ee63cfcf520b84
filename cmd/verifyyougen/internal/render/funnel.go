// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package render draws a funnel as lines of text.
package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/printable"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
)

// Style is how lines look.
type Style struct {
	Width int  // columns that a bar may fill up to
	Color bool // with escape codes for color and weight
}

const (
	minBar = 10
	maxBar = 50
)

// Funnel returns the lines of a funnel. Names from outside come last on their
// line, so that neither their width nor their writing direction moves a number.
func Funnel(f *statsapi.Funnel, style Style) []string {
	d := drawing{style: style, began: f.Began}
	d.head(f)
	if f.Began == 0 {
		d.add("", "Nobody began in this time.")
		return d.lines
	}
	d.summary(f)
	d.steps(f.Stages)
	d.otherStages(f.Stages)
	d.ended(f.Ended)
	d.attempts(f.Attempts)
	d.trackers(f.Trackers)
	return d.lines
}

// drawing is lines so far.
type drawing struct {
	style Style
	began int64
	lines []string
}

func (d *drawing) add(lines ...string) { d.lines = append(d.lines, lines...) }

func (d *drawing) head(f *statsapi.Funnel) {
	d.add(d.style.bold(fmt.Sprintf("Verifications that began from %s to %s UTC", minute(f.From), minute(f.To))))
	d.add("As of " + second(f.GeneratedAt) + " UTC")
	if f.RetainedFrom.After(f.From) {
		d.add("Incomplete: statistics go back to " + second(f.RetainedFrom) + " UTC only")
	}
	for _, tracker := range f.ExternalTrackers {
		d.add("External tracker: " + trackerName(tracker))
	}
}

func (d *drawing) summary(f *statsapi.Funnel) {
	completed := f.Completed
	d.add("",
		fmt.Sprintf("%d began, %d completed (%s), %d open", f.Began, completed.Verifications, percent(completed.OfBegan), f.Open),
		fmt.Sprintf("%d on the first attempt, %d after a drop-off", completed.OnFirstAttempt, completed.AfterDropOff),
		"Median time to complete: "+seconds(f.TimeToComplete.P50))
}

// steps draws the happy path: a bar a step, and who stopped at it below.
func (d *drawing) steps(stages []statsapi.Stage) {
	rows := [][]string{{"passed", "of began", "of previous"}}
	names := []string{"Step"}
	var steps []statsapi.Stage
	for _, s := range stages {
		if s.Passed != nil {
			steps = append(steps, s)
			names = append(names, printable.Text(s.Name))
			rows = append(rows, []string{strconv.FormatInt(*s.Passed, 10), percent(s.OfBegan), percent(s.OfPrevious)})
		}
	}
	numbers := alignRight(rows)
	names = alignLeft(names)
	d.add("", d.style.bold(names[0]+numbers[0]))
	for i, s := range steps {
		line := names[i+1] + numbers[i+1]
		room := d.style.Width - uniseg.StringWidth(line) - 2
		drawn := bar(float64(*s.Passed)/float64(d.began), max(minBar, min(room, maxBar)))
		d.add(strings.TrimRight(line+"  "+d.style.bar(drawn), " "))
		if stopped := stoppedAt(s.Stopped); stopped != "" {
			d.add("  " + stopped)
		}
	}
}

func stoppedAt(s *statsapi.Stopped) string {
	if s == nil || *s == (statsapi.Stopped{}) {
		return ""
	}
	var parts []string
	for _, part := range []struct {
		n    int64
		what string
	}{{s.Abandoned, "abandoned"}, {s.DropOff, "dropped off"}, {s.Open, "open"}} {
		if part.n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return fmt.Sprintf("%d stopped: %s", s.Open+s.DropOff+s.Abandoned, strings.Join(parts, ", "))
}

func (d *drawing) otherStages(stages []statsapi.Stage) {
	var rows [][]string
	for _, s := range stages {
		if s.Passed == nil && s.Reached != 0 {
			rows = append(rows, []string{strconv.FormatInt(s.Reached, 10), percent(s.OfBegan), printable.Text(s.Name)})
		}
	}
	d.table("Other stages", []string{"reached", "of began", "stage"}, rows)
}

func (d *drawing) ended(ended []statsapi.End) {
	var rows [][]string
	for _, e := range ended {
		rows = append(rows, []string{
			strconv.FormatInt(e.Verifications, 10), percent(e.OfBegan), printable.Text(e.Outcome), printable.Text(e.LastStage),
		})
	}
	d.table("How they ended", []string{"ended", "of began", "outcome", "last stage"}, rows)
}

func (d *drawing) attempts(attempts []statsapi.Attempts) {
	var rows [][]string
	for _, a := range attempts {
		name := strconv.Itoa(a.Attempts)
		if a.OrMore {
			name += " or more"
		}
		rows = append(rows, []string{
			strconv.FormatInt(a.Verifications, 10), strconv.FormatInt(a.Completed, 10), share(a.Completed, a.Verifications), name,
		})
	}
	d.table("Attempts at liveness", []string{"verifications", "completed", "of these", "attempts"}, rows)
}

func (d *drawing) trackers(trackers []statsapi.Tracker) {
	var rows [][]string
	for _, t := range trackers {
		row := []string{strconv.FormatInt(t.Began, 10), strconv.FormatInt(t.Completed, 10), percent(t.OfBegan)}
		for _, n := range []int64{t.DropOff, t.Abandoned, t.Open} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		rows = append(rows, append(row, trackerName(t.Name)))
	}
	d.table("External trackers", []string{"began", "completed", "of began", "drop-off", "abandoned", "open", "tracker"}, rows)
}

// table draws rows of numbers that end with a text, nothing where there are none.
func (d *drawing) table(title string, header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	last := len(header) - 1
	numbers, texts := [][]string{header[:last]}, []string{header[last]}
	for _, row := range rows {
		numbers, texts = append(numbers, row[:last]), append(texts, row[last])
	}
	d.add("", d.style.bold(title))
	for i, line := range alignRight(numbers) {
		d.add(line + "  " + texts[i])
	}
}

// none stands for no tracker.
const none = "(none)"

func trackerName(tracker *string) string {
	switch {
	case tracker == nil:
		return none
	case *tracker == none: // not to be taken for no tracker
		return strconv.Quote(none)
	default:
		return printable.Text(*tracker)
	}
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// seconds returns a duration in seconds for a person to read.
func seconds(s *float64) string {
	const longest = 1e9 // 31 years, which a time.Duration holds
	switch {
	case s == nil:
		return "-"
	case *s < 0 || *s > longest:
		return fmt.Sprintf("%.3g s", *s)
	}
	d, precision := time.Duration(*s*float64(time.Second)), 10*time.Millisecond
	if d >= time.Minute {
		precision = time.Second
	}
	return d.Round(precision).String()
}

func share(part, all int64) string {
	if all == 0 {
		return percent(nil)
	}
	of := float64(part) / float64(all)
	return percent(&of)
}

func percent(share *float64) string {
	if share == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100**share)
}
