// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// maxTrackersShown keeps the page one that a browser can show. The Stats API has all of them.
const maxTrackersShown = 100

// view is what the page shows.
type view struct {
	controls
	API     *funnelJSON // the answer, with its shares
	AsOf    clock
	Missing *clock // from when on all is known, where that is later than the range begins

	Steps    []step
	Worst    *step // where most have stopped for good
	Stops    []stop
	Attempts []attemptsRow
	Chart    *chart
	Trackers []trackerRow
	Times    []timeRow

	HiddenTrackers int64 // that are not among the rows
}

// controls are the choices that the page offers, as links and in forms.
type controls struct {
	Address  string // of this view: its parameters, with a ? before them
	Range    string // in words, that follow "began"
	Ranges   []link
	Only     []string // the trackers that are asked for
	All      link     // without a choice of trackers
	Choices  []trackerLink
	Further  int64 // trackers that are not among the choices
	Zone     string
	From, To string  // of the range, for its form
	KeptZone []field // what the form of the time zone keeps
	Kept     []field // what the form of the range keeps
}

// link leads to another view.
type link struct {
	Name, Address string
	Chosen        bool
}

type trackerLink struct {
	link
	Began int64
}

type field struct {
	Name, Value string
}

// clock is an instant as the reader's clock shows it, and for programs.
type clock struct {
	Text, Machine string
}

func newView(q *question, query *cohorts.Query, a *cohorts.Answer, trackers []cohorts.Tracker, now time.Time) *view {
	v := &view{
		controls: newControls(q, query, trackers),
		API:      translate(query, a, now),
		AsOf:     clock{now.In(q.location).Format("15:04:05"), now.UTC().Format(toMillisecond)},
		Chart:    newChart(query, a.Points),
		Trackers: trackerRows(q, a),
	}
	if a.RetainedFrom.After(a.From) {
		v.Missing = &clock{dateAndTime(a.RetainedFrom, q.location), a.RetainedFrom.Format(time.RFC3339)}
	}
	v.HiddenTrackers = int64(len(a.Trackers) - len(v.Trackers))
	v.Steps, v.Worst = steps(v.API)
	v.Stops = stops(v.API)
	v.Attempts = attemptsRows(v.API)
	v.Times = timeRows(v.API)
	return v
}

func dateAndTime(t time.Time, in *time.Location) string {
	return t.In(in).Format("2 Jan 2006 15:04")
}

func newControls(q *question, query *cohorts.Query, trackers []cohorts.Tracker) controls {
	c := controls{
		Address: q.address(), Range: q.rangeInWords(query), Ranges: q.ranges(), Zone: q.location.String(),
		From: query.From.In(q.location).Format(time.RFC3339), To: query.To.In(q.location).Format(time.RFC3339),
		KeptZone: q.fields(paramTimeZone), Kept: q.fields(paramFrom, paramTo, paramStep),
	}
	for _, name := range q.trackers {
		c.Only = append(c.Only, trackerName(name))
	}
	every := *q
	every.trackers = nil
	c.All = link{"All", every.address(), q.trackers == nil}
	c.Choices = q.trackerLinks(trackers)
	c.Further = int64(len(trackers) - len(c.Choices))
	return c
}

// fields returns the parameters of a view, but for some.
func (q *question) fields(without ...string) []field {
	var all []field
	add := func(name, value string) {
		if value != "" && !slices.Contains(without, name) {
			all = append(all, field{name, value})
		}
	}
	add(paramFrom, q.from.text)
	add(paramTo, q.to.text)
	for _, name := range q.trackers {
		all = append(all, field{paramTracker, name})
	}
	add(paramStep, string(q.step))
	if q.location != time.UTC {
		add(paramTimeZone, q.location.String())
	}
	return all
}

// address returns the parameters of a view as a relative URL.
func (q *question) address() string {
	var b strings.Builder
	separator := "?"
	for _, f := range q.fields() {
		b.WriteString(separator + f.Name + "=" + url.QueryEscape(f.Value))
		separator = "&"
	}
	if b.Len() == 0 {
		return "?"
	}
	return b.String()
}

func (q *question) rangeInWords(query *cohorts.Query) string {
	if q.from.relative && q.to.relative && q.to.back == 0 {
		return "in the last " + lengthOf(q.from.back)
	}
	return "from " + dateAndTime(query.From, q.location) + " to " + dateAndTime(query.To, q.location)
}

// ranges are those to choose from, up to now.
func (q *question) ranges() []link {
	var links []link
	for _, r := range []struct {
		name, text string
		back       time.Duration
	}{{"Last hour", "1h", time.Hour}, {"24 hours", "24h", day}, {"7 days", "7d", 7 * day}, {"31 days", "31d", 31 * day}} {
		other := *q
		other.from, other.to, other.step = moment{relative: true, back: r.back, text: r.text}, moment{relative: true}, ""
		chosen := q.from.relative && q.from.back == r.back && q.to.relative && q.to.back == 0
		links = append(links, link{r.name, other.address(), chosen})
	}
	return links
}

// trackerLinks add a tracker to those that are asked for, or take it away.
func (q *question) trackerLinks(trackers []cohorts.Tracker) []trackerLink {
	links := make([]trackerLink, 0, min(len(trackers), maxTrackersShown))
	for i := range trackers[:cap(links)] {
		name := ""
		if t := trackers[i].Tracker; t != nil {
			name = *t
		}
		other, chosen := *q, slices.Contains(q.trackers, name)
		other.trackers = slices.DeleteFunc(slices.Clone(q.trackers), func(s string) bool { return s == name })
		if !chosen {
			other.trackers = append(other.trackers, name)
		} else if len(other.trackers) == 0 {
			other.trackers = nil
		}
		links = append(links, trackerLink{link{trackerName(name), other.address(), chosen}, trackers[i].Began})
	}
	return links
}

// trackerName is what a reader is shown of a tracker.
func trackerName(name string) string {
	switch name {
	case "":
		return "without a tracker"
	case cardinality.Other:
		return "_OTHER (further trackers)"
	default:
		return visible(name)
	}
}
