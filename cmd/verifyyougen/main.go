// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Command verifyyougen signs and posts events like those of VerifyYou, one or
// those of many people, to try out a receiver without a VerifyYou account, and
// prints the funnel that the Collector makes of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program with its surroundings passed in, so that tests can
// call it. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return execute(ctx, newRootCommand(new(simulateCommand), new(funnelCommand)), args, stdin, stdout, stderr) //nolint:contextcheck // cobra hands ctx on
}

func execute(ctx context.Context, root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)

	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "verifyyougen: %v\n", err)
	if errors.As(err, new(failure)) {
		return exitFailed
	}
	return exitUsage
}

// failure marks an error of a run whose flags were valid. Every other error,
// cobra's own included, is wrong usage.
type failure struct{ error }

func newRootCommand(simulate *simulateCommand, funnel *funnelCommand) *cobra.Command {
	root := &cobra.Command{
		Use:   "verifyyougen",
		Short: "Sign and post events like those of VerifyYou, and print their funnel",
		Long: `verifyyougen signs and posts events like those of VerifyYou, to try out an
OpenTelemetry Collector with the verifyyou receiver, and prints the funnel that
its verifyyou_funnel connector makes of them.`,
		Example: `  export VERIFYYOU_SIGNING_SECRET=whsec_test
  verifyyougen send --stage liveness_failed
  verifyyougen simulate --speed 10
  verifyyougen funnel --watch`,
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true, // they would make an error longer than a line
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(newSendCommand(), simulate.command(), funnel.command())
	return root
}
