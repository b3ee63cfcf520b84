// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// The answer of the Stats API. Fields are in the order in which they are written.
type (
	funnelJSON struct {
		From             time.Time        `json:"from"`
		To               time.Time        `json:"to"`
		RetainedFrom     time.Time        `json:"retained_from"`
		GeneratedAt      string           `json:"generated_at"`
		ExternalTrackers []*string        `json:"external_trackers"`
		Began            int64            `json:"began"`
		Open             int64            `json:"open"`
		Completed        completedJSON    `json:"completed"`
		Stages           []stageJSON      `json:"stages"`
		Ended            []endedJSON      `json:"ended"`
		Attempts         []attemptsJSON   `json:"attempts"`
		TimeToComplete   quantilesJSON    `json:"time_to_complete"`
		Transitions      []transitionJSON `json:"transitions"`
		Trackers         []trackerJSON    `json:"by_external_tracker"`
		Series           seriesJSON       `json:"series"`
	}
	completedJSON struct {
		Verifications  int64    `json:"verifications"`
		OfBegan        *float64 `json:"of_began"`
		OnFirstAttempt int64    `json:"on_first_attempt"`
		AfterDropOff   int64    `json:"after_drop_off"`
	}
	stageJSON struct {
		Stage      string        `json:"stage"`
		Reached    int64         `json:"reached"`
		Passed     *int64        `json:"passed"`
		OfBegan    *float64      `json:"of_began"`
		OfPrevious *float64      `json:"of_previous"`
		Stopped    *stoppedJSON  `json:"stopped"`
		Time       quantilesJSON `json:"time"`
	}
	stoppedJSON struct {
		Open      int64 `json:"open"`
		DropOff   int64 `json:"drop_off"`
		Abandoned int64 `json:"abandoned"`
	}
	quantilesJSON struct {
		Count int64    `json:"count"`
		P50   *float64 `json:"p50"`
		P90   *float64 `json:"p90"`
		P99   *float64 `json:"p99"`
	}
	endedJSON struct {
		Outcome       string   `json:"outcome"`
		LastStage     string   `json:"last_stage"`
		Verifications int64    `json:"verifications"`
		OfBegan       *float64 `json:"of_began"`
	}
	attemptsJSON struct {
		Attempts      int   `json:"attempts"`
		OrMore        bool  `json:"or_more"`
		Verifications int64 `json:"verifications"`
		Completed     int64 `json:"completed"`
	}
	transitionJSON struct {
		From          *string `json:"from"`
		To            *string `json:"to"`
		Verifications int64   `json:"verifications"`
	}
	trackerJSON struct {
		ExternalTracker *string  `json:"external_tracker"`
		Began           int64    `json:"began"`
		Open            int64    `json:"open"`
		Completed       int64    `json:"completed"`
		DropOff         int64    `json:"drop_off"`
		Abandoned       int64    `json:"abandoned"`
		OfBegan         *float64 `json:"of_began"`
	}
	seriesJSON struct {
		Step     cohorts.Step `json:"step"`
		TimeZone string       `json:"time_zone"`
		Points   []pointJSON  `json:"points"`
	}
	pointJSON struct {
		Start     time.Time `json:"start"`
		Began     int64     `json:"began"`
		Completed int64     `json:"completed"`
		OfBegan   *float64  `json:"of_began"`
	}
)

// toMillisecond is RFC 3339 to the millisecond.
const toMillisecond = "2006-01-02T15:04:05.000Z07:00"

// funnel answers a question as of a time in JSON.
func (h *Handler) funnel(q *question, now time.Time) ([]byte, error) {
	query, err := q.query(now)
	if err != nil {
		return nil, err
	}
	a, err := h.source.Answer(query, now)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(translate(query, a, now))
	return append(b, '\n'), err
}

func translate(q *cohorts.Query, a *cohorts.Answer, now time.Time) *funnelJSON {
	return &funnelJSON{
		From: a.From, To: a.To, RetainedFrom: a.RetainedFrom,
		GeneratedAt:      now.UTC().Format(toMillisecond),
		ExternalTrackers: named(q.Trackers),
		Began:            a.Began,
		Open:             a.Open,
		Completed: completedJSON{
			Verifications: a.Completed.Verifications, OfBegan: share(a.Completed.Verifications, a.Began),
			OnFirstAttempt: a.Completed.OnFirstAttempt, AfterDropOff: a.Completed.AfterDropOff,
		},
		Stages: translateStages(a),
		Ended: list(a.Ended, func(e *cohorts.Ended) endedJSON {
			return endedJSON{e.Outcome, e.LastStage, e.Verifications, share(e.Verifications, a.Began)}
		}),
		Attempts:       list(a.Attempts[:], func(t *cohorts.Attempts) attemptsJSON { return attemptsJSON(*t) }),
		TimeToComplete: quantilesJSON(a.TimeToComplete),
		Transitions:    list(a.Transitions, func(t *cohorts.Transition) transitionJSON { return transitionJSON(*t) }),
		Trackers:       list(a.Trackers, translateTracker),
		Series: seriesJSON{q.Step, q.Location.String(), list(a.Points, func(p *cohorts.Point) pointJSON {
			return pointJSON{p.Start, p.Began, p.Completed, share(p.Completed, p.Began)}
		})},
	}
}

func translateStages(a *cohorts.Answer) []stageJSON {
	var previous *int64 // of the happy path
	return list(a.Stages, func(s *cohorts.Stage) stageJSON {
		j := stageJSON{
			Stage: s.Stage, Reached: s.Reached, Passed: s.Passed, OfBegan: share(s.Reached, a.Began), Time: quantilesJSON(s.Time),
		}
		if s.Passed == nil {
			return j
		}
		j.OfBegan = share(*s.Passed, a.Began)
		if previous != nil {
			j.OfPrevious = share(*s.Passed, *previous)
		}
		stopped := stoppedJSON(*s.Stopped)
		j.Stopped, previous = &stopped, s.Passed
		return j
	})
}

func translateTracker(t *cohorts.Tracker) trackerJSON {
	return trackerJSON{t.Tracker, t.Began, t.Open, t.Completed, t.DropOff, t.Abandoned, share(t.Completed, t.Began)}
}

// list returns a list that is not nil, which would be null.
func list[From, To any](from []From, translate func(*From) To) []To {
	to := make([]To, len(from))
	for i := range from {
		to[i] = translate(&from[i])
	}
	return to
}

// named returns the trackers that are asked for, nil for those without one; nil where all are.
func named(trackers []string) []*string {
	if trackers == nil {
		return nil
	}
	return list(trackers, func(name *string) *string {
		if *name == "" {
			return nil
		}
		return name
	})
}

// share returns a part of a whole, nil where there is no whole.
func share(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	s := float64(part) / float64(whole)
	return &s
}
