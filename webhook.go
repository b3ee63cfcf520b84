// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
)

// webhook is what an authentic request has brought.
type webhook struct {
	body     []byte // valid until the request is answered
	received time.Time
	event    event.Event
	notEvent error // why there is no event in the body, nil where there is
}

// result is that of a request whose webhook the pipeline takes.
func (w *webhook) result() metadata.AttributeResult {
	if w.notEvent != nil {
		return metadata.AttributeResultUnrecognized
	}
	return metadata.AttributeResultAccepted
}
