// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

var (
	errTooLarge   = errors.New("body too large")
	errIncomplete = errors.New("incomplete body")
)

// maxPooledBody bounds what the pool holds on to; events are far smaller.
const maxPooledBody = 64 << 10

// maxLimit is as good as no limit, and leaves room for what is added to one.
const maxLimit = math.MaxInt64 - 2*maxDiscarded

// bodies reads the bodies of requests into buffers that are used again. It is safe for concurrent use.
type bodies struct {
	limit int64
	pool  sync.Pool
}

// bodyBuffer is a buffer and a reader for it, which would be allocated for each request otherwise.
type bodyBuffer struct {
	bytes.Buffer
	limited io.LimitedReader
}

// read returns the whole body of a request, errTooLarge or errIncomplete. It belongs to the caller until it is released.
// The buffer grows as the body comes: a stranger who only says how much is to come gets no memory for it.
func (b *bodies) read(req *http.Request) (*bodyBuffer, error) {
	if req.ContentLength > b.limit {
		return nil, errTooLarge
	}
	buf, ok := b.pool.Get().(*bodyBuffer)
	if !ok {
		buf = new(bodyBuffer)
	}
	if err := buf.fill(req.Body, b.limit); err != nil {
		b.release(buf)
		return nil, err
	}
	return buf, nil
}

func (b *bodyBuffer) fill(from io.Reader, limit int64) error {
	b.limited = io.LimitedReader{R: from, N: limit + 1}
	switch n, err := b.ReadFrom(&b.limited); {
	case n > limit:
		return errTooLarge
	case err != nil:
		return errIncomplete
	}
	return nil
}

// release takes a body back. Nobody may use its bytes from here on.
func (b *bodies) release(buf *bodyBuffer) {
	if buf.Cap() > maxPooledBody {
		return
	}
	buf.Reset()
	buf.limited.R = nil
	b.pool.Put(buf)
}

// How much of a body that nobody wants is read, and for how long at most.
const (
	maxDiscarded = 256 << 10
	discardTime  = time.Second
)

// discard reads what is left of the body of a request that is refused, so that a proxy that is still sending it sees
// the answer: one that writes to a closed connection reports a failure of its own instead (nginx: 502). It reports
// false where it has not read the end of the body: the connection cannot be used again.
func discard(w http.ResponseWriter, req *http.Request) bool {
	if req.ContentLength == 0 {
		return true
	}
	if req.ContentLength > maxDiscarded || strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
		return false
	}
	if http.NewResponseController(w).SetReadDeadline(time.Now().Add(discardTime)) != nil {
		return false // it could take for ever
	}
	_, err := io.CopyN(io.Discard, req.Body, maxDiscarded+1)
	return errors.Is(err, io.EOF)
}
