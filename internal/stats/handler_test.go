// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoutes(t *testing.T) {
	h := newHandler(t, example())
	for path, contentType := range map[string]string{
		pathPage:               "text/html; charset=utf-8",
		pathFunnel:             "application/json",
		pathCSV:                "text/csv; charset=utf-8; header=present",
		pathOpenAPI:            "application/json",
		pathHealth:             "application/json",
		"/" + assetStyle.path:  "text/css; charset=utf-8",
		"/" + assetScript.path: "text/javascript; charset=utf-8",
		"/" + assetIcon.path:   "image/svg+xml",
	} {
		t.Run(path, func(t *testing.T) {
			answered := ask(h, http.MethodGet, path)
			assert.Equal(t, http.StatusOK, answered.Code)
			assert.Equal(t, contentType, answered.Header().Get("Content-Type"))
			assert.Equal(t, "nosniff", answered.Header().Get("X-Content-Type-Options"))
			assert.NotEmpty(t, answered.Body.Bytes())
			caching := "no-store"
			if strings.HasPrefix(path, "/assets/") {
				caching = "max-age=31536000, immutable"
			}
			assert.Equal(t, caching, answered.Header().Get("Cache-Control"))

			head := ask(h, http.MethodHead, path)
			assert.Equal(t, answered.Header(), head.Header())

			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "PROPFIND"} {
				w := ask(h, method, path)
				assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
				assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
				assertProblem(t, w)
			}
		})
	}
}

func assertProblem(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	var p problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	assert.Equal(t, w.Code, p.Status)
	assert.NotEmpty(t, p.Detail)
}

func TestOtherPathsAreNotFound(t *testing.T) {
	h := newHandler(t, example())
	for _, path := range []string{"//", "/index.html", "/api", "/api/v1", "/api/v1/", "/api/v1/funnel/", "//api/v1/funnel", "/api/v1/../v1/funnel", "/API/v1/funnel", "/api/v1/funnel.json", "/healthz/", "/assets/", "/assets/page.css", "/favicon.ico"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w := ask(h, method, path)
			assert.Equal(t, http.StatusNotFound, w.Code, path)
			assertProblem(t, w)
		}
	}
}

func TestPolicyOfThePage(t *testing.T) {
	w := ask(newHandler(t, example()), http.MethodGet, "/")
	assert.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		w.Header().Get("Content-Security-Policy"))
	assert.NotContains(t, w.Body.String(), " style=")
	assert.NotContains(t, w.Body.String(), "<style")
	assert.NotRegexp(t, ` on[a-z]+=`, w.Body.String())
	assert.NotContains(t, w.Body.String(), "http://")
	assert.NotContains(t, w.Body.String(), "https://")
}

func TestWhatTheServerRefusesIsAProblemToo(t *testing.T) {
	w := httptest.NewRecorder()
	ServeError(w, nil, "not authenticated", http.StatusUnauthorized)
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assertProblem(t, w)
}

func TestWithRouteTellsThePattern(t *testing.T) {
	h := newHandler(t, example())
	for path, want := range map[string]string{pathFunnel: pathFunnel, "/nothing": ""} {
		req := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		h.WithRoute(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(nil, req)
		assert.Equal(t, want, req.Pattern)
	}
}
