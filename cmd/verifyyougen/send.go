// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

const sendLong = `send posts one signed event, like "Send test event" in VerifyYou's dashboard,
and prints the answer.

The event is made from flags, or taken byte for byte from --body. The stages
known today (any other is sent just as well):

  verification_initialized  liveness_started     face_collision
  verification_started      liveness_passed      verification_completed
  account_created           liveness_failed
  consent_granted           liveness_cancelled

The signing secret comes from the environment variable VERIFYYOU_SIGNING_SECRET,
unless --secret-file or --secret is given.

The exit code is 0 for a 2xx answer, 1 for any other or none, 2 for wrong usage.`

const sendExample = `  # a test event to a Collector on this machine
  export VERIFYYOU_SIGNING_SECRET=whsec_test
  verifyyougen send

  # a user who failed the liveness step, with the secret from a file
  verifyyougen send --secret-file secret.txt --stage liveness_failed --external-tracker signup-campaign

  # a body of your own
  verifyyougen send --body event.json
  echo '{"stage": "new_stage"}' | verifyyougen send --body -

  # sign only, and let curl post
  curl -H "$(verifyyougen send --body event.json --print-signature)" --data-binary @event.json http://localhost:8787/webhooks/verifyyou`

// sendCommand is the flags of send.
type sendCommand struct {
	target         targetFlags
	bodyFile       string
	printSignature bool
	event          eventFlags
	secret         secretFlags
}

func newSendCommand() *cobra.Command {
	var s sendCommand
	cmd := &cobra.Command{
		Use:     "send",
		Short:   "Post one signed event",
		Long:    sendLong,
		Example: sendExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false // they are listed by what they are about
	s.target.register(cmd)
	s.secret.register(cmd)
	s.event.register(cmd)
	flags.StringVar(&s.bodyFile, "body", "", "`FILE` to send as it is, - for stdin; instead of the fields above")
	s.event.excludedBy("body", cmd)
	flags.BoolVar(&s.printSignature, "print-signature", false, "do not post: print the signature header of --body")
	return cmd
}

func (s *sendCommand) run(cmd *cobra.Command) error {
	if err := s.validate(cmd); err != nil {
		return err
	}
	secret, err := s.secret.resolve(cmd)
	if err != nil {
		return err
	}
	body, err := s.body(cmd)
	if err != nil {
		return err
	}
	signature := sign(secret, body)
	if s.printSignature {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", signatureHeader, signature); err != nil {
			return failure{err}
		}
		return nil
	}
	if err := s.target.post(cmd.Context(), body, signature, cmd.OutOrStdout()); err != nil {
		return failure{err}
	}
	return nil
}

// validate checks the values that cobra does not.
func (s *sendCommand) validate(cmd *cobra.Command) error {
	if s.printSignature && !cmd.Flags().Changed("body") {
		return errors.New("--print-signature needs --body: no one else would have the body that it signs")
	}
	return s.target.validate()
}

func (s *sendCommand) body(cmd *cobra.Command) ([]byte, error) {
	if !cmd.Flags().Changed("body") {
		return s.event.event(cmd).body()
	}
	body, err := readFile(s.bodyFile, cmd.InOrStdin())
	if err != nil {
		return nil, fmt.Errorf("cannot read the body: %w", err)
	}
	return body, nil
}

func readFile(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}
