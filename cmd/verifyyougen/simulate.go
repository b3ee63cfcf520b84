// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/population"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
)

const simulateLong = `simulate posts the signed events of many people who go through VerifyYou at
once: they take their time, drop out, close the tab, try again, return. A
scenario says who does what, and how often; --print-scenario prints the built-in
one, to copy and change.

Events are delivered as VerifyYou delivers them: retried until the answer is
2xx, some late and out of order, some twice.

At the end a summary is printed, and --truth writes what a Collector has to show:
events, and distinct verifications by the stages that they reached and passed, by
how they ended, by liveness attempts; how long they took; and what became of
those who began in each quarter of an hour. Only events that were answered 2xx
count. It is valid once a funnel has ended every verification, provided that the
funnel waits longer than any delay in the scenario and any time in which events
were refused. Events that were given up after an answer was lost ("unclear") may
be counted by the Collector all the same.

Each verification has a verification_id of its own. With --session-ids one
verification_id is the same for all, and a session_id tells them apart, as in
VerifyYou's newer documents; the Collector then needs fields: [session_id] in the
receiver and key: [verifyyou.session_id] in the funnel.

--rate and --duration are of the real clock; --speed 60 lets people do in a
second what they would do in a minute. Their occurred_at is the real time at
which they then do it, so that every duration that is seen is compressed too, as
it is in the truth. An event is posted at its occurred_at, or later: when it is
late, and when the endpoint cannot keep up.

The same --seed makes the same population: ids, paths, delays and which events
are late or twice. For a second run against the same Collector take another
seed, or no one new is seen.

With --presign nothing is posted: the requests are written to a file, for a load
tool to post without having to sign. occurred_at then begins now. The truth is
what holds if all of them are posted.

Ctrl-C stops it gracefully, with the summary and truth of what was sent until
then; a second one stops it at once.

The signing secret comes from the environment variable VERIFYYOU_SIGNING_SECRET,
unless --secret-file or --secret is given.

The exit code is 0 if all events were answered 2xx, 1 if some were given up or
the simulation was interrupted, 2 for wrong usage.`

const simulateExample = `  # 100 people at ten times real speed, to a Collector on this machine
  export VERIFYYOU_SIGNING_SECRET=whsec_test
  verifyyougen simulate --speed 10

  # a scenario of your own, and what the Collector has to show in the end
  verifyyougen simulate --print-scenario > scenario.yaml
  verifyyougen simulate --scenario scenario.yaml --rate 50 --duration 5m --seed 1 --truth truth.json

  # sign first, and let vegeta post 2000 requests a second, each once
  verifyyougen simulate --verifications 100000 --presign targets.jsonl --truth truth.json
  vegeta attack -format=json -targets targets.jsonl -lazy -rate 2000 | vegeta report`

// Larger values would overflow the arithmetic with times.
const (
	maxRate    = 1_000_000
	maxRunTime = 10_000 * time.Hour
)

// simulateCommand is the flags of simulate.
type simulateCommand struct {
	target        targetFlags
	secret        secretFlags
	scenarioFile  string
	printScenario bool
	seed          uint64
	sessionIDs    bool
	verifications int
	rate          float64
	duration      time.Duration
	speed         float64
	connections   int
	giveUpAfter   time.Duration
	truthFile     string
	presignFile   string

	dial dialer // nil for the network
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (s *simulateCommand) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "simulate",
		Short:   "Post the events of many verifications",
		Long:    simulateLong,
		Example: simulateExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false // they are listed by what they are about
	s.target.register(cmd)
	s.secret.register(cmd)
	flags.StringVar(&s.scenarioFile, "scenario", "", "YAML `FILE` that says how people behave (default the built-in scenario)")
	flags.BoolVar(&s.printScenario, "print-scenario", false, "print the built-in scenario and exit")
	flags.Uint64Var(&s.seed, "seed", 0, "the same `N` makes the same population (default random)")
	flags.BoolVar(&s.sessionIDs, "session-ids", false, "one verification_id for everybody, and a session_id for each verification")
	flags.IntVar(&s.verifications, "verifications", 100, "`N` verifications begin")
	flags.DurationVar(&s.duration, "duration", 0, "verifications begin for this long, instead of --verifications")
	flags.Float64Var(&s.rate, "rate", 10, "`N` verifications begin in a second")
	flags.Float64Var(&s.speed, "speed", 1, "people are `N` times faster than in reality")
	flags.IntVar(&s.connections, "connections", 64, "at most `N` requests at once")
	flags.DurationVar(&s.giveUpAfter, "give-up-after", 5*time.Minute, "how long an event is retried that is not answered 2xx")
	flags.StringVar(&s.truthFile, "truth", "", "JSON `FILE` to write the expected counts to")
	flags.StringVar(&s.presignFile, "presign", "", "`FILE` to write signed requests to instead of posting, in vegeta's JSON format")
	cmd.MarkFlagsMutuallyExclusive("verifications", "duration")
	for _, posting := range []string{"timeout", "connections", "give-up-after"} {
		cmd.MarkFlagsMutuallyExclusive("presign", posting)
	}
	return cmd
}

func (s *simulateCommand) run(cmd *cobra.Command) error {
	if s.printScenario {
		if _, err := cmd.OutOrStdout().Write(scenario.DefaultYAML); err != nil {
			return failure{err}
		}
		return nil
	}
	if err := s.validate(cmd); err != nil {
		return err
	}
	plan, err := s.plan(cmd)
	if err != nil {
		return err
	}
	secret, err := s.secret.resolve(cmd)
	if err != nil {
		return err
	}
	files, err := s.createFiles()
	if err != nil {
		return err
	}
	if err := errors.Join(s.simulate(cmd, plan, secret, files), files.close()); err != nil {
		return failure{err}
	}
	return nil
}

// validate checks the values that cobra does not.
func (s *simulateCommand) validate(cmd *cobra.Command) error {
	switch {
	case s.verifications < 1:
		return fmt.Errorf("--verifications %d must be at least 1", s.verifications)
	case cmd.Flags().Changed("duration") && s.duration <= 0:
		return fmt.Errorf("--duration %s must be more than 0", s.duration)
	case !(s.rate > 0 && s.rate <= maxRate): // this way round NaN is one too
		return fmt.Errorf("--rate %v must be more than 0 and at most %d", s.rate, maxRate)
	case !(s.speed >= 1) || math.IsInf(s.speed, 0):
		return fmt.Errorf("--speed %v must be at least 1", s.speed)
	case s.connections < 1:
		return fmt.Errorf("--connections %d must be at least 1", s.connections)
	case s.giveUpAfter < 0:
		return fmt.Errorf("--give-up-after %s must not be negative", s.giveUpAfter)
	case float64(s.population()) > maxRunTime.Seconds()*s.rate:
		return fmt.Errorf("%d verifications at --rate %v would take more than %s", s.population(), s.rate, maxRunTime)
	default:
		return s.target.validate()
	}
}

// population is how many verifications there are.
func (s *simulateCommand) population() int {
	if s.duration > 0 {
		return max(1, int(math.Round(s.duration.Seconds()*s.rate)))
	}
	return s.verifications
}

func (s *simulateCommand) plan(cmd *cobra.Command) (*population.Plan, error) {
	wanted := scenario.Default()
	if s.scenarioFile != "" {
		text, err := os.ReadFile(s.scenarioFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the scenario: %w", err)
		}
		if wanted, err = scenario.Parse(text); err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.scenarioFile, err)
		}
	}
	if s.presignFile != "" && wanted.Deliveries.Stragglers > 0 {
		return nil, errors.New("scenario with deliveries.stragglers: must be 0 with --presign, as a load tool would not wait before it posts them")
	}
	seed := s.seed
	if !cmd.Flags().Changed("seed") {
		seed = uint64(rand.Uint32()) //nolint:gosec // not secret; short enough to type again
	}
	return &population.Plan{
		Scenario:      wanted,
		Seed:          seed,
		Start:         time.Now().UTC(),
		Verifications: s.population(),
		Rate:          s.rate,
		Speed:         s.speed,
		Repeats:       s.presignFile != "",
		SessionIDs:    s.sessionIDs,
	}, nil
}

// outputs are the files that are written at the end. They are created before
// anything is sent, so that a wrong name is reported first.
type outputs struct {
	truth, presign io.WriteCloser
}

func (s *simulateCommand) createFiles() (outputs, error) {
	truthFile, err := create(s.truthFile)
	if err != nil {
		return outputs{}, fmt.Errorf("cannot write the truth: %w", err)
	}
	presignFile, err := create(s.presignFile)
	if err != nil {
		truthFile.Close()
		return outputs{}, fmt.Errorf("cannot write the requests: %w", err)
	}
	return outputs{truthFile, presignFile}, nil
}

func (o outputs) close() error {
	return errors.Join(o.truth.Close(), o.presign.Close())
}

// create creates a file. What is written to one without a name is discarded.
func create(name string) (io.WriteCloser, error) {
	if name == "" {
		return discard{io.Discard}, nil
	}
	return os.Create(name)
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }
