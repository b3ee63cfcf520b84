// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
)

// maxPooledBody bounds what the pool holds on to; events are far smaller.
const maxPooledBody = 64 << 10

// bodies reads the bodies of requests into buffers that are used again. It is safe for concurrent use.
type bodies struct {
	limit int64
	pool  sync.Pool
}

// read returns the whole body of a request, errTooLarge or errIncomplete. The buffer belongs to the caller until it is
// released.
func (b *bodies) read(req *http.Request) (*bytes.Buffer, error) {
	if req.ContentLength > b.limit {
		return nil, errTooLarge
	}
	buf, ok := b.pool.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	if req.ContentLength > 0 {
		buf.Grow(int(req.ContentLength) + bytes.MinRead) // room to see the end without growing
	}
	if _, err := buf.ReadFrom(req.Body); err != nil {
		b.release(buf)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, errTooLarge
		}
		return nil, errIncomplete
	}
	return buf, nil
}

// release takes a buffer back. Nobody may use its bytes from here on.
func (b *bodies) release(buf *bytes.Buffer) {
	if buf.Cap() > maxPooledBody {
		return
	}
	buf.Reset()
	b.pool.Put(buf)
}
