// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/population"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

// target is a request as vegeta's JSON format has it.
type target struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"` // in base64
}

// presign writes the deliveries of a plan as targets, one a line, in the order
// in which they are due, until ctx ends. The recorder takes each for
// acknowledged.
func presign(ctx context.Context, plan *population.Plan, endpoint, secret string, recorder *truth.Recorder, to io.Writer) error {
	buffered := bufio.NewWriter(to)
	lines := json.NewEncoder(buffered)
	for delivery := range plan.Deliveries() {
		if ctx.Err() != nil {
			break
		}
		v, i := delivery.Verification, delivery.Event
		body := bodyOf(v, v.Events[i])
		request, err := newRequest(ctx, endpoint, body, sign(secret, body))
		if err != nil {
			return err
		}
		if err := lines.Encode(target{request.Method, endpoint, request.Header, body}); err != nil {
			return err
		}
		if delivery.Repeat {
			recorder.Signed(truth.Duplicate)
			continue
		}
		recorder.Signed(truth.First)
		recorder.Acknowledge(v, i)
	}
	return buffered.Flush()
}
