// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package statsapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// client returns one of a server that answers with answer.
func client(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return NewClient(parse(t, server.URL), nil)
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func TestQuestion(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, ` {"began": 1}`+"\n")
	}))
	defer server.Close()
	for base, path := range map[string]string{
		"":        "/api/v1/funnel",
		"/":       "/api/v1/funnel",
		"/stats/": "/stats/api/v1/funnel",
	} {
		answer, err := NewClient(parse(t, server.URL+base), nil).Funnel(t.Context(), url.Values{
			"external_tracker": {"a&b", ""}, "from": {"2026-06-09T00:00:00+02:00"},
		})
		require.NoError(t, err)
		assert.Equal(t, ` {"began": 1}`+"\n", string(answer), "as it came")
		assert.Equal(t, http.MethodGet, got.Method)
		assert.Equal(t, path, got.URL.Path)
		assert.Equal(t, url.Values{"external_tracker": {"a&b", ""}, "from": {"2026-06-09T00:00:00+02:00"}}, got.URL.Query())
	}
}

func TestNoFunnel(t *testing.T) {
	problem := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	plain := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const whereItIs = " instead of a funnel: is --url the endpoint of stats: in the verifyyou_funnel connector?"
	for name, test := range map[string]struct {
		answer  http.HandlerFunc
		want    string // with URL for the server's
		refused bool
	}{
		"bad parameter": {
			problem(400, `{"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "from: \"x\" is no time: give RFC 3339 or 24h"}`),
			`the Stats API answered 400 Bad Request: from: "x" is no time: give RFC 3339 or 24h`, true,
		},
		"hostile detail": {
			problem(400, `{"detail": "a\u001b[31m\n\u202eb"}`),
			`the Stats API answered 400 Bad Request: a\x1b[31m\n\u202eb`, true,
		},
		"no detail":          {problem(400, `{"title": "Bad Request"}`), "the Stats API answered 400 Bad Request: Bad Request", true},
		"problem is no JSON": {problem(400, `<html>`), "URL answered 400 Bad Request" + whereItIs, true},
		"endless problem":    {problem(400, `{"detail": "`+strings.Repeat("x", 2*maxProblem)+`"}`), "URL answered 400 Bad Request" + whereItIs, true},
		"for a moment":       {problem(503, `{"detail": "shutting down"}`), "the Stats API answered 503 Service Unavailable: shutting down", false},
		"too many":           {problem(429, `{"detail": "later"}`), "the Stats API answered 429 Too Many Requests: later", false},
		"not there":          {plain(404, "404 page not found"), "URL answered 404 Not Found" + whereItIs, true},
		"failure":            {plain(500, "{}"), "URL answered 500 Internal Server Error" + whereItIs, false},
		"elsewhere":          {plain(301, "{}"), "URL answered 301 Moved Permanently" + whereItIs, false},
		"other success":      {plain(202, "{}"), "URL answered 202 Accepted" + whereItIs, false},
		"no JSON":            {plain(200, "<html>"), "URL answered what is not JSON" + whereItIs, false},
		"nothing":            {plain(200, ""), "URL answered what is not JSON" + whereItIs, false},
		"cut off": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(w, "{}")
			},
			"cannot reach URL: unexpected EOF", false,
		},
		"hung up": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"cannot reach URL: EOF", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, test.answer)
			_, err := c.Funnel(t.Context(), nil)
			require.EqualError(t, err, strings.ReplaceAll(test.want, "URL", c.String()))
			assert.Equal(t, test.refused, errors.As(err, new(*RefusedError)))
		})
	}
}

// What never ends is not read to the end.
func TestEndlessAnswer(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, err := c.Funnel(t.Context(), nil)
	assert.EqualError(t, err, "the answer of "+c.String()+" is longer than 32 MiB, which no answer of the Stats API is: is --url right?")
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, err := NewClient(parse(t, server.URL), nil).Funnel(t.Context(), nil)
	assert.EqualError(t, err, "connection refused by "+server.URL+
		": is the Collector running, and is stats: set in its verifyyou_funnel connector?")
}

// A password in the URL is sent, and never printed.
func TestPassword(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		assert.Equal(t, "me:hush", user+":"+password)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	base := parse(t, server.URL)
	base.User = url.UserPassword("me", "hush")
	_, err := NewClient(base, nil).Funnel(t.Context(), nil)
	require.ErrorContains(t, err, "http://me:xxxxx@")
	assert.NotContains(t, err.Error(), "hush")

	server.Close()
	_, err = NewClient(base, nil).Funnel(t.Context(), nil)
	require.ErrorContains(t, err, "http://me:xxxxx@")
	assert.NotContains(t, err.Error(), "hush")
}

// An answer that does not come, or does not end, is waited for 10 s.
func TestTimeout(t *testing.T) {
	for name, said := range map[string]string{
		"no answer":          "",
		"headers, no body":   "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
		"a part of the body": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go func() {
						_, _ = far.Read(make([]byte, 1<<16))
						_, _ = io.WriteString(far, said)
						_, _ = io.Copy(io.Discard, far)
					}()
					return near, nil
				}}
				defer transport.CloseIdleConnections()
				began := time.Now()
				_, err := NewClient(parse(t, "http://memory"), transport).Funnel(t.Context(), nil)
				require.EqualError(t, err, "no answer from http://memory within 10s: is the Collector overloaded, or something else listening there?")
				assert.Equal(t, 10*time.Second, time.Since(began))
			})
		})
	}
}

func TestParse(t *testing.T) {
	f, err := Parse([]byte(`{"from": "2026-06-09T00:00:00Z", "new_field": {}, "began": 3,
		"stages": [{"stage": "liveness_failed", "reached": 2, "passed": null, "stopped": null}],
		"external_trackers": ["a", null]}`))
	require.NoError(t, err)
	assert.EqualValues(t, 3, f.Began)
	assert.Nil(t, f.Stages[0].Passed)
	assert.Equal(t, "a", *f.ExternalTrackers[0])
	assert.Nil(t, f.ExternalTrackers[1])

	for name, text := range map[string]string{
		"something else": `{"status": "ok"}`,
		"no stages":      `{"from": "2026-06-09T00:00:00Z", "stages": []}`,
		"no time":        `{"stages": [{"stage": "a"}]}`,
		"another type":   `{"stages": "none", "from": "2026-06-09T00:00:00Z"}`,
		"a list":         `[]`,
		"null":           `null`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(text))
			require.ErrorContains(t, err, "the answer is not a funnel of the Stats API (is --url right?): ")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}
