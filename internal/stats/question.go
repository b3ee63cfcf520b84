// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	_ "time/tzdata" // zones are there wherever the Collector runs

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// The parameters of a request.
const (
	paramFrom     = "from"
	paramTo       = "to"
	paramTracker  = "external_tracker"
	paramStep     = "step"
	paramTimeZone = "time_zone"
)

var parameters = []string{paramFrom, paramTo, paramTracker, paramStep, paramTimeZone}

const (
	day          = 24 * time.Hour
	defaultRange = day
	// The longest ranges that have points of a quarter of an hour and of an hour, unless a step is asked for.
	quartersUpTo = day
	hoursUpTo    = 8 * day
)

// question is what a request asks for. It is not about a time yet, so that what is asked at different times can be the
// same question.
type question struct {
	from, to moment
	trackers []string     // nil: all; empty stands for none
	step     cohorts.Step // empty: one that suits the range
	location *time.Location
}

// moment is an instant, or a duration back from now.
type moment struct {
	relative bool
	back     time.Duration
	at       time.Time
	text     string // as it was asked for; empty: it was not
}

func (m *moment) when(now time.Time) time.Time {
	if m.relative {
		return now.Add(-m.back)
	}
	return m.at
}

// key returns the same for equal questions and for no others.
func (q *question) key() string {
	return fmt.Sprintf("%s %s %s %s %q", q.from.key(), q.to.key(), q.step, q.location, q.trackersKey())
}

func (m *moment) key() string {
	if m.relative {
		return m.back.String()
	}
	return m.at.UTC().Format(time.RFC3339Nano)
}

func (q *question) trackersKey() []string {
	if q.trackers == nil {
		return nil
	}
	return append([]string{"only"}, q.trackers...)
}

// query returns what the question asks for at a time.
func (q *question) query(now time.Time) (*cohorts.Query, error) {
	from, to := q.from.when(now), q.to.when(now)
	if !from.Before(to) {
		return nil, badParameter(paramFrom, "%s is not before %s, which is %s; ask for a range of time, from=7d for example",
			from.UTC().Format(time.RFC3339), paramTo, to.UTC().Format(time.RFC3339))
	}
	step := q.step
	if step == "" {
		step = stepFor(to.Sub(from))
	}
	return &cohorts.Query{From: from, To: to, Trackers: q.trackers, Step: step, Location: q.location}, nil
}

func stepFor(length time.Duration) cohorts.Step {
	switch {
	case length <= quartersUpTo:
		return cohorts.StepQuarter
	case length <= hoursUpTo:
		return cohorts.StepHour
	default:
		return cohorts.StepDay
	}
}

// parse reads the query of a URL. The error is a *problem that has all faults. Unknown parameters are one, unless they
// are to be ignored.
func parse(rawQuery string, ignoreUnknown bool) (*question, error) {
	p := parser{
		question: question{from: moment{relative: true, back: defaultRange}, to: moment{relative: true}, location: time.UTC},
		seen:     map[string]bool{},
	}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair != "" {
			p.take(pair, ignoreUnknown)
		}
	}
	if len(p.faults) > 0 {
		return nil, badRequest(strings.Join(p.faults, "; "))
	}
	return &p.question, nil
}

// parser reads one parameter after the other.
type parser struct {
	question question
	seen     map[string]bool
	faults   []string
}

func (p *parser) refuse(parameter, format string, args ...any) {
	p.faults = append(p.faults, parameter+": "+fmt.Sprintf(format, args...))
}

func (p *parser) take(pair string, ignoreUnknown bool) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil || !slices.Contains(parameters, name) {
		if !ignoreUnknown {
			p.refuse(quote(rawName), "is no parameter; use %s", strings.Join(parameters, ", "))
		}
		return
	}
	value, err := url.QueryUnescape(rawValue)
	switch {
	case err != nil:
		p.refuse(name, "%s is not encoded as a URL must be; write a %% as %%25", quote(rawValue))
	case !utf8.ValidString(value):
		p.refuse(name, "%s is not valid UTF-8; encode the characters as UTF-8 before they are percent-encoded", quote(value))
	case name == paramTracker:
		p.question.trackers = append(p.question.trackers, value)
	case p.seen[name]:
		p.refuse(name, "is there more than once; give it once")
	case value == "":
		p.refuse(name, "is empty; leave it out, or use %s", examples[name])
	default:
		p.set(name, value)
	}
	p.seen[name] = true
}

// examples say what a parameter can be.
var examples = map[string]string{
	paramFrom:     "an RFC 3339 time such as 2026-06-09T00:00:00Z, or a duration back from now such as 90m, 24h or 7d",
	paramTo:       "an RFC 3339 time such as 2026-06-10T00:00:00Z, or a duration back from now such as 90m, 24h or 7d",
	paramStep:     "15m, 1h or 1d",
	paramTimeZone: "a name of the IANA time zone database such as Europe/Berlin, America/New_York or UTC",
}

func (p *parser) set(name, value string) {
	var err error
	switch name {
	case paramFrom:
		p.question.from, err = parseMoment(value)
	case paramTo:
		p.question.to, err = parseMoment(value)
	case paramStep:
		p.question.step, err = parseStep(value)
	case paramTimeZone:
		p.question.location, err = loadZone(value)
	}
	if err != nil {
		p.refuse(name, "%s %v; use %s", quote(value), err, examples[name])
	}
}

// quote makes text from outside fit to be read in one line, and short.
func quote(s string) string {
	const longest = 100
	if len(s) > longest {
		return strconv.QuoteToASCII(s[:longest]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
