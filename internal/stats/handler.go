// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"iter"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// Source has the statistics. It is safe for concurrent use; *cohorts.Set is one.
type Source interface {
	// Answer answers a query as of a time. The error may be cohorts.ErrTooManyPoints.
	Answer(q *cohorts.Query, now time.Time) (*cohorts.Answer, error)
	// Rows answers a query by point and tracker, with the errors of Answer. Rows are counted when they are asked for.
	Rows(q *cohorts.Query, now time.Time) (iter.Seq[cohorts.Row], error)
}

// Paths of the server, beside the page at / and its assets.
const (
	pathPage    = "/"
	pathFunnel  = "/api/v1/funnel"
	pathCSV     = "/api/v1/funnel.csv"
	pathOpenAPI = "/api/v1/openapi.json"
	pathHealth  = "/healthz"
)

const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeHTML    = "text/html; charset=utf-8"
	typeCSV     = "text/csv; charset=utf-8; header=present"
)

// retryAfter is after how many seconds to ask again where too many ask.
const retryAfter = "2"

// Handler answers the requests to the Stats API and for the page. It logs nothing of a request. It is safe for concurrent
// use.
type Handler struct {
	source  Source
	answers *answers
	routes  map[string]http.HandlerFunc // by path
}

// NewHandler returns a handler that answers from a source, as of the time of a clock. The logger is told of panics only.
func NewHandler(source Source, now func() time.Time, logger *zap.Logger) *Handler {
	h := &Handler{source: source, answers: newAnswers(now, logger)}
	h.routes = map[string]http.HandlerFunc{
		pathPage:    h.answer(format{pathPage, typeHTML, h.page, refuseOnPage, true}),
		pathFunnel:  h.answer(format{pathFunnel, typeJSON, h.funnel, refuse, false}),
		pathCSV:     h.answer(format{pathCSV, typeCSV, h.csv, refuse, false}),
		pathOpenAPI: constant(typeJSON, openAPI),
		pathHealth:  constant(typeJSON, []byte(`{"status":"ok"}`+"\n")),
	}
	for _, a := range assets {
		h.routes["/"+a.path] = a.serve
	}
	return h
}

// Close waits for the answer that is being made; the source is not asked any more when it returns. It is called once, when
// the server is shut down.
func (h *Handler) Close() {
	h.answers.close()
}

// ServeHTTP answers one request. Paths are exact.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	route, found := h.routes[req.URL.Path]
	switch {
	case !found:
		refuse(w, newProblem(http.StatusNotFound, "there is nothing at this path; the page is at /, the API at "+pathFunnel+", its description at "+pathOpenAPI))
	case req.Method != http.MethodGet && req.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, newProblem(http.StatusMethodNotAllowed, "nothing can be changed here; use GET or HEAD"))
	default:
		route(w, req)
	}
}

// WithRoute tells own telemetry the http.route of requests to a path of the handler. It comes before all else that the
// server does with a request: authentication, for one, hands a copy of it on, on which a route would be lost.
func (h *Handler) WithRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, found := h.routes[req.URL.Path]; found {
			req.Pattern = req.URL.Path
		}
		next.ServeHTTP(w, req)
	})
}

// ServeError answers what the server itself refuses, as confighttp.WithErrorHandler wants it.
func ServeError(w http.ResponseWriter, _ *http.Request, message string, status int) {
	refuse(w, newProblem(status, message))
}

// format is a way to answer questions.
type format struct {
	name          string
	contentType   string
	make          func(q *question, now time.Time) ([]byte, error)
	refuse        func(w http.ResponseWriter, p *problem)
	ignoreUnknown bool // parameters
}

// answer returns what answers questions in a format. An answer is whole before the first byte of it is written: a slow
// reader holds nothing but the answer and its own connection.
func (h *Handler) answer(f format) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		q, err := parse(req.URL.RawQuery, f.ignoreUnknown)
		if err != nil {
			f.refuse(w, problemOf(err))
			return
		}
		a, err := h.answers.get(req.Context(), f.name+" "+q.key(), func(now time.Time) ([]byte, error) { return f.make(q, now) })
		defer h.answers.release(a)
		if err != nil {
			f.refuse(w, problemOf(err))
			return
		}
		write(w, http.StatusOK, f.contentType, a.body)
	}
}

func constant(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, contentType, body)
	}
}

func refuse(w http.ResponseWriter, p *problem) {
	writeProblem(w, p, typeProblem, p.body())
}

func writeProblem(w http.ResponseWriter, p *problem, contentType string, body []byte) {
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	write(w, p.Status, contentType, body)
}

// contentSecurityPolicy lets the page have nothing from anywhere else, and nothing inline.
const contentSecurityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// write answers with what must not be cached, as the next answer is another.
func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	writeAs(w, status, contentType, body)
}

func writeAs(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has left needs no answer; to HEAD, the server sends the header alone
}
