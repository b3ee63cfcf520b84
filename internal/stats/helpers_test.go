// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"html"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

// testClock is one as real ones are, with a monotonic reading, that tests set.
type testClock struct {
	real  time.Time
	ahead atomic.Int64
}

func newClock(at time.Time) *testClock {
	now := time.Now()
	c := &testClock{real: now}
	c.ahead.Store(int64(at.Sub(now)))
	return c
}

func (c *testClock) now() time.Time {
	return c.real.Add(time.Duration(c.ahead.Load()))
}

func (c *testClock) advance(d time.Duration) {
	c.ahead.Add(int64(d))
}

// noon is the time of most tests.
var noon = time.Date(2026, 6, 10, 12, 0, 0, 123456789, time.UTC)

// ago is a time before noon, which has no fraction.
func ago(d time.Duration) time.Time {
	return noon.Truncate(time.Second).Add(-d)
}

// example are verifications whose numbers can be counted by hand:
//
//	a  11:00  campaign  initialized, started, liveness_started, completed, 30 s apart; ended completed
//	b  11:05  campaign  initialized, liveness_started, liveness_failed; ended drop_off
//	c  11:50            initialized, started; open
//	d  09:00            initialized, a stage that nobody knows; abandoned
//	e  11:10            liveness_started, liveness_started, liveness_failed, liveness_started, completed; not ended yet
func example() *statstest.Statistics {
	s := statstest.New(50, noon)
	s.Add(noon, ago(time.Hour), "campaign", cohorts.Completed, 30, "verification_initialized", "verification_started", "liveness_started", "verification_completed")
	s.Add(noon, ago(55*time.Minute), "campaign", cohorts.DropOff, 10, "verification_initialized", "liveness_started", "liveness_failed")
	s.Add(noon, ago(10*time.Minute), "", cohorts.Open, 10, "verification_initialized", "verification_started")
	s.Add(noon, ago(3*time.Hour), "", cohorts.Abandoned, 10, "verification_initialized", "passport_scanned")
	s.Add(noon, ago(50*time.Minute), "", cohorts.Open, 10, "liveness_started", "liveness_started", "liveness_failed", "liveness_started", "verification_completed")
	return s
}

func newHandler(t *testing.T, source Source) *Handler {
	t.Helper()
	return NewHandler(source, newClock(noon).now, zap.NewNop())
}

// ask asks a handler once.
func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, http.NoBody))
	return w
}

// get asks for what must be there.
func get(t *testing.T, h http.Handler, target string) string {
	t.Helper()
	w := ask(h, http.MethodGet, target)
	require.Equal(t, http.StatusOK, w.Code, "%s: %s", target, w.Body)
	return w.Body.String()
}

// textOf returns the text of a page as it was before it was escaped.
func textOf(page string) string {
	return html.UnescapeString(page)
}
