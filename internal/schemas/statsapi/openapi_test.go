// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package statsapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

func statsHandler() *stats.Handler {
	now := time.Now()
	s := statstest.New(50, now)
	s.Simulate(2000, now.Add(-8*24*time.Hour), now, now, "campaign", "_OTHER")
	s.Add(now, now.Add(-time.Hour), "", 0, 1, "verification_initialized", "a_new_stage")
	return stats.NewHandler(s, time.Now, zap.NewNop())
}

func askStats(h http.Handler, target string) (*http.Request, *httptest.ResponseRecorder) {
	req := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return req, w
}

// descriptionOf returns what checks the answers of the Stats API against its own description.
func descriptionOf(t *testing.T, h http.Handler) validator.Validator {
	t.Helper()
	_, w := askStats(h, "/api/v1/openapi.json")
	document, err := libopenapi.NewDocument(w.Body.Bytes())
	require.NoError(t, err)
	require.Equal(t, "3.1.0", document.GetVersion())
	v, errs := validator.NewValidator(document)
	require.Empty(t, errs)
	return v
}

func TestTheStatsAPIIsDescribedAsOpenAPI(t *testing.T) {
	valid, faults := descriptionOf(t, statsHandler()).ValidateDocument()
	assert.True(t, valid, "%v", faults)
}

func TestStatsAnswersAreAsDescribed(t *testing.T) {
	h := statsHandler()
	v := descriptionOf(t, h)
	for target, status := range map[string]int{
		"/api/v1/funnel": http.StatusOK,
		"/api/v1/funnel?from=8d&step=1d&time_zone=Asia/Tokyo":              http.StatusOK,
		"/api/v1/funnel?from=2026-06-09T00:00:00Z&to=2026-06-09T01:00:00Z": http.StatusOK, // nobody
		"/api/v1/funnel?external_tracker=campaign":                         http.StatusOK,
		"/api/v1/funnel?external_tracker=&external_tracker=x":              http.StatusOK,
		"/api/v1/funnel.csv?from=8d":                                       http.StatusOK,
		"/api/v1/openapi.json":                                             http.StatusOK,
		"/healthz":                                                         http.StatusOK,
		"/api/v1/funnel?from=yesterday":                                    http.StatusBadRequest,
		"/api/v1/funnel?unknown=1":                                         http.StatusBadRequest,
		"/api/v1/funnel.csv?step=15m&from=31d&to=32d":                      http.StatusBadRequest,
	} {
		t.Run(target, func(t *testing.T) {
			req, w := askStats(h, target)
			assert.Equal(t, status, w.Code)
			valid, faults := v.ValidateHttpResponse(req, w.Result())
			assert.True(t, valid, "%v", faults)
			if status == http.StatusOK {
				valid, faults = v.ValidateHttpRequest(req)
				assert.True(t, valid, "%v", faults)
			}
		})
	}
}

// TestADescriptionThatDiffersIsFound shows that the validator looks at the answers.
func TestADescriptionThatDiffersIsFound(t *testing.T) {
	h := statsHandler()
	v := descriptionOf(t, h)
	for _, body := range []string{`{}`, `{"from":1}`, `[]`} {
		req, w := httptest.NewRequest(http.MethodGet, "/api/v1/funnel", http.NoBody), httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		_, err := w.WriteString(body)
		require.NoError(t, err)
		valid, _ := v.ValidateHttpResponse(req, w.Result())
		assert.False(t, valid, body)
	}
}
