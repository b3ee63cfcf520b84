// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
)

// eventHeader repeats the stage for routing. It is not signed.
var eventHeader = http.CanonicalHeaderKey("X-VerifyYou-Event")

// handler answers the requests to one endpoint. It is safe for concurrent use.
type handler struct {
	path, healthPath string // healthPath is empty where it is turned off

	keys      *keyring
	bodies    bodies
	decoder   *event.Decoder
	deliverer *deliverer
	telemetry *telemetry
	logger    *zap.Logger
	now       func() time.Time
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if h.healthPath != "" && req.URL.Path == h.healthPath {
		h.serveHealth(w, req)
		return
	}
	r := &reply{w: w, req: req, telemetry: h.telemetry}
	a := answerTo(h.receive(r))
	r.send(&a)
}

// serveHealth answers without being counted: health is asked for all the time.
func (h *handler) serveHealth(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		healthy.write(w, req)
		return
	}
	a := answerTo(0, errMethodNotAllowed)
	a.allow = "GET, HEAD"
	a.write(w, req)
}

// withRoute tells own telemetry the http.route of requests to a path of the handler. It comes before all else that the
// server does with a request: authentication, for one, hands a copy of it on, on which a route would be lost.
func (h *handler) withRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if path := req.URL.Path; path == h.path || path == h.healthPath {
			req.Pattern = path
		}
		next.ServeHTTP(w, req)
	})
}

func (h *handler) receive(r *reply) (result metadata.AttributeResult, err error) {
	defer guard.Recover(h.logger, &err)
	return h.process(r)
}

// process is the way of a request: check, read, verify, decode, deliver. Nothing that is in the request is used before
// its signature is verified, but to verify it.
func (h *handler) process(r *reply) (metadata.AttributeResult, error) {
	started, req := time.Now(), r.req
	if err := h.check(req); err != nil {
		return 0, err
	}
	claimed, err := parseSignature(req.Header)
	if err != nil {
		return 0, err
	}
	body, err := h.bodies.read(req)
	if err != nil {
		return 0, err
	}
	defer h.bodies.release(body)
	received := h.now()
	key, err := h.keys.verify(body.Bytes(), &claimed)
	if err != nil {
		return 0, err
	}
	h.telemetry.countMatch(req.Context(), key)
	w := h.decode(req, body.Bytes(), received)
	return h.deliverer.deliver(&w, r, started)
}

// check looks at what can be judged from the head of a request.
func (h *handler) check(req *http.Request) error {
	if req.URL.Path != h.path {
		return errNotFound
	}
	if req.Method != http.MethodPost {
		return errMethodNotAllowed
	}
	for _, encoding := range req.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return errUnsupportedEncoding
		}
	}
	return nil
}

func (h *handler) decode(req *http.Request, body []byte, received time.Time) webhook {
	e, err := h.decoder.Decode(body)
	if name := req.Header[eventHeader]; err == nil && len(name) > 0 && name[0] != e.Stage {
		h.telemetry.countHeaderMismatch(req.Context())
	}
	return webhook{body: body, received: received, event: e, notEvent: err}
}
