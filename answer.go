// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
)

// What can become of a request, beside the errors of the pipeline and those of signature.go and body.go.
var (
	errNotFound            = errors.New("path not found")
	errMethodNotAllowed    = errors.New("method not allowed")
	errUnsupportedEncoding = errors.New("content encoding not supported")
	errMalformed           = errors.New("no event in the body, and no logs pipeline to keep it")
	errTimeout             = errors.New("the pipeline took too long")
	errClientLeft          = errors.New("the client left")
	errStopping            = errors.New("the receiver is stopping")
)

// defaultRetryAfter is for a pipeline that does not say how long it wants to be left alone.
const defaultRetryAfter = 10 * time.Second

// answer is how a request is answered: its status and body, and what own telemetry calls it.
type answer struct {
	result metadata.AttributeResult
	status int
	body   []byte

	// unread is for an answer given before the body is read: what is left of it is read first, see discard.
	unread bool
	// early is for an answer given while the handler does not return: it must be whole without that, and nothing can
	// follow on its HTTP/1 connection.
	early      bool
	allow      string
	retryAfter time.Duration
}

// successes are the answers to requests that ended well, by outcome.
var successes = func() map[metadata.AttributeResult]answer {
	m := map[metadata.AttributeResult]answer{}
	for _, outcome := range []metadata.AttributeResult{metadata.AttributeResultAccepted, metadata.AttributeResultDuplicate, metadata.AttributeResultUnrecognized} {
		m[outcome] = answer{result: outcome, status: http.StatusOK, body: []byte(`{"status":"` + outcome.String() + `"}`)}
	}
	return m
}()

var healthy = answer{status: http.StatusOK, body: []byte(`{"status":"ok"}`)}

// noAnswer is for a body that did not come whole: the connection is closed.
var noAnswer = answer{result: metadata.AttributeResultIncomplete}

// refusals are the answers to the errors of a request.
var refusals = []struct {
	err    error
	answer answer
}{
	{errNotFound, answer{result: metadata.AttributeResultNotFound, status: http.StatusNotFound, body: errorBody("not found"), unread: true}},
	{errMethodNotAllowed, answer{result: metadata.AttributeResultMethodNotAllowed, status: http.StatusMethodNotAllowed, body: errorBody("method not allowed"), unread: true, allow: http.MethodPost}},
	{errUnsupportedEncoding, answer{result: metadata.AttributeResultUnsupportedEncoding, status: http.StatusUnsupportedMediaType, body: errorBody("content encoding not supported: send the body as it was signed"), unread: true}},
	{errNotSigned, answer{result: metadata.AttributeResultUnauthorized, status: http.StatusUnauthorized, body: errorBody("no valid X-VerifyYou-Signature"), unread: true}},
	{errWrongSignature, answer{result: metadata.AttributeResultUnauthorized, status: http.StatusUnauthorized, body: errorBody("no valid X-VerifyYou-Signature")}},
	{errTooLarge, answer{result: metadata.AttributeResultTooLarge, status: http.StatusRequestEntityTooLarge, body: errorBody("body too large"), unread: true}},
	{errIncomplete, noAnswer},
	{errMalformed, answer{result: metadata.AttributeResultMalformed, status: http.StatusBadRequest, body: errorBody("no event in the body")}},
	{guard.ErrPanic, failed},
}

// The answers for a pipeline that does not take the record: not ever, and not now.
var (
	failed  = answer{result: metadata.AttributeResultFailed, status: http.StatusInternalServerError, body: errorBody("the pipeline failed")}
	refused = answer{result: metadata.AttributeResultRefused, status: http.StatusServiceUnavailable, body: errorBody("the pipeline refuses for now: try again later")}
)

// answerTo is the one place where it is decided how to answer a request that ended with an outcome, or with an error.
func answerTo(outcome metadata.AttributeResult, err error) answer {
	if err == nil {
		return successes[outcome]
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return r.answer
		}
	}
	if consumererror.IsPermanent(err) {
		return failed
	}
	a := refused
	a.retryAfter = retryAfter(err)
	return a
}

// serverError answers what confighttp refuses on its own, a failed authentication for example.
func serverError(w http.ResponseWriter, req *http.Request, _ string, status int) {
	(&answer{status: status, body: errorBody(strings.ToLower(http.StatusText(status))), unread: true}).write(w, req)
}

// reply is the one answer to a request. It is safe for concurrent use.
type reply struct {
	w         http.ResponseWriter
	req       *http.Request
	telemetry *telemetry

	mu   sync.Mutex
	sent bool
}

// send answers a request that has not been answered yet. When it returns, nothing writes an answer any more. Where the
// answer is to close the connection it does not return: see http.ErrAbortHandler.
func (r *reply) send(a *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent {
		return
	}
	r.sent = true
	r.telemetry.countRequest(r.req.Context(), a.result)
	if a.status == 0 {
		panic(http.ErrAbortHandler) // net/http closes the connection, without an answer and without a log line
	}
	a.write(r.w, r.req)
}

// sendEarly answers a request with an error while its handler does not return.
func (r *reply) sendEarly(err error) {
	a := answerTo(0, err)
	a.early = true
	r.send(&a)
}

func errorBody(message string) []byte {
	return []byte(`{"error":"` + message + `"}`)
}

// retryAfter returns the delay that an error asks for as OTLP does, in the RetryInfo of its gRPC status.
func retryAfter(err error) time.Duration {
	if st, ok := status.FromError(err); ok {
		for _, detail := range st.Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok && info.GetRetryDelay().AsDuration() > 0 {
				return info.GetRetryDelay().AsDuration()
			}
		}
	}
	return defaultRetryAfter
}

// contentType is shared by all answers, which saves making it.
var contentType = []string{"application/json"}

func (a *answer) write(w http.ResponseWriter, req *http.Request) {
	closes := a.early || a.unread && !discard(w, req)
	h := w.Header()
	h["Content-Type"] = contentType
	if a.allow != "" {
		h.Set("Allow", a.allow)
	}
	if closes && req.ProtoMajor == 1 { // on HTTP/2 it would end the connection of all other requests
		h.Set("Connection", "close")
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retryAfter.Seconds()))))
	}
	if a.early {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	// The client may be gone; the answer is counted all the same.
	_, _ = w.Write(a.body)
	if a.early {
		_ = http.NewResponseController(w).Flush()
	}
}
