// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/population"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

// simulate posts, or signs, what is planned and reports what came of it.
func (s *simulateCommand) simulate(cmd *cobra.Command, plan *population.Plan, secret string, files outputs) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // so that a second signal ends the program

	recorder := truth.NewRecorder()
	var failed error
	if s.presignFile != "" {
		failed = presign(ctx, plan, s.target.endpoint, secret, recorder, files.presign)
	} else {
		s.post(ctx, plan, secret, recorder, cmd.ErrOrStderr())
	}
	result := recorder.Truth()
	result.Seed, result.Speed = plan.Seed, plan.Speed
	if failed == nil && ctx.Err() != nil {
		failed = errors.New("interrupted: only what was sent until then is counted")
	}
	if failed == nil && result.Deliveries.GivenUp > 0 {
		failed = fmt.Errorf("%d events were given up (see --give-up-after)", result.Deliveries.GivenUp)
	}
	return errors.Join(failed, writeTruth(files.truth, result), summarize(cmd.OutOrStdout(), result))
}

func (s *simulateCommand) post(ctx context.Context, plan *population.Plan, secret string, recorder *truth.Recorder, progress io.Writer) {
	stop := showProgress(progress, plan.Verifications, recorder.Progress)
	defer stop()
	transport := newTransport(s.connections, s.dial)
	defer transport.CloseIdleConnections()
	d := deliverer{
		client:      s.target.client(transport),
		endpoint:    s.target.endpoint,
		secret:      secret,
		giveUpAfter: s.giveUpAfter,
		recorder:    recorder,
		pending:     make(semaphore, maxPending),
		posting:     make(semaphore, s.connections),
	}
	d.run(ctx, plan)
}

func writeTruth(to io.Writer, t truth.Truth) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(t)
}
