// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import "time"

const (
	quarter15 = quarterSeconds * time.Second
	day       = 24 * time.Hour
	// farthest is more than any clock is away from UTC.
	farthest = 26 * time.Hour
)

// points returns where the points of a series start that cover the quarters of an hour in [from, to).
func (q *Query) points(from, to int64) ([]time.Time, error) {
	first, next, err := q.calendar()
	if err != nil {
		return nil, err
	}
	end := quarterStart(to)
	var starts []time.Time
	for start := first(quarterStart(from)); start.Before(end); start = next(start) {
		if len(starts) == MaxPoints {
			return nil, ErrTooManyPoints
		}
		starts = append(starts, start.UTC())
	}
	return starts, nil
}

// calendar returns what finds the start of the point that a time is in, and that of the point behind the one that
// starts at a time.
func (q *Query) calendar() (first, next func(time.Time) time.Time, err error) {
	switch q.Step {
	case StepQuarter:
		return time.Time.UTC, func(start time.Time) time.Time { return start.Add(quarter15) }, nil
	case StepHour:
		return func(t time.Time) time.Time { return startOfHour(t.In(q.Location)) }, nextHour, nil
	case StepDay:
		return func(t time.Time) time.Time { return startOfDay(t.In(q.Location)) }, nextDay, nil
	default:
		return nil, nil, errStep
	}
}

// startOfHour returns where the hour of a clock began: at the full hour, or when the clock was set since then. So an hour
// that comes twice begins twice.
func startOfHour(t time.Time) time.Time {
	start := t.Add(-sinceFullHour(t))
	set, _ := t.ZoneBounds()
	if !start.Before(set) {
		return start
	}
	before := set.Add(-1)
	if offset(before) == offset(t) { // only how the zone is called or computed has changed, as it does in 2038
		return startOfHour(before)
	}
	return set
}

func sinceFullHour(t time.Time) time.Duration {
	return time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

func offset(t time.Time) int {
	_, seconds := t.Zone()
	return seconds
}

// nextHour goes on by quarters of an hour: an hour in which the clock is set may be shorter than others.
func nextHour(start time.Time) time.Time {
	for t := start; ; {
		t = t.Add(quarter15)
		if next := startOfHour(t); next.After(start) {
			return next
		}
	}
}

// startOfDay returns the last time that is not after t at which a day began. A date that is shown again after the next one
// has begun, since the clock is set back, does not begin again.
func startOfDay(t time.Time) time.Time {
	start := firstOf(dateOf(t), t.Location())
	for next := nextDay(start); !next.After(t); next = nextDay(next) {
		start = next
	}
	return start
}

func nextDay(start time.Time) time.Time {
	return firstOf(dateOf(start).Add(day), start.Location())
}

// dateOf returns midnight in UTC of the date that a clock shows.
func dateOf(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// firstOf returns the first instant of a date, as dateOf returns it, or of the next one if it is skipped.
func firstOf(date time.Time, in *time.Location) time.Time {
	for t := date.Add(-farthest).In(in); ; {
		first := date.Add(-time.Duration(offset(t)) * time.Second).In(in)
		if first.Before(t) {
			first = t // the clock was set past midnight
		}
		_, end := t.ZoneBounds()
		if end.IsZero() || first.Before(end) {
			return first
		}
		t = end
	}
}
