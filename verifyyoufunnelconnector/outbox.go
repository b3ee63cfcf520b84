// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/consumer/consumererror"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
)

// maxRefused is how many ends are kept that have been refused, to be sent again.
const maxRefused = 10_000

// outbox has the ends that have not been sent yet. It is safe for concurrent use.
type outbox struct {
	dropped func(ctx context.Context, n int)

	mu      sync.Mutex
	pending []*funnel.Ended
	full    chan struct{} // has one element when as many are pending as can be kept
}

func newOutbox(dropped func(ctx context.Context, n int)) outbox {
	return outbox{dropped: dropped, full: make(chan struct{}, 1)}
}

func (o *outbox) put(e *funnel.Ended) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pending = append(o.pending, e)
	if len(o.pending) == maxRefused {
		select {
		case o.full <- struct{}{}:
		default:
		}
	}
}

func (o *outbox) take() []*funnel.Ended {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.pending
	o.pending = nil
	return all
}

// send hands all that is pending to a consumer. What it refuses for now is kept, the newest first of all.
func (o *outbox) send(ctx context.Context, consume func([]*funnel.Ended) error) error {
	all := o.take()
	if len(all) == 0 {
		return nil
	}
	err := consume(all)
	switch {
	case err == nil:
		return nil
	case consumererror.IsPermanent(err):
		o.dropped(ctx, len(all))
	default:
		o.putBack(ctx, all)
	}
	return err
}

func (o *outbox) putBack(ctx context.Context, refused []*funnel.Ended) {
	if excess := len(refused) - maxRefused; excess > 0 {
		o.dropped(ctx, excess)
		refused = refused[excess:]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pending = append(refused, o.pending...)
}
