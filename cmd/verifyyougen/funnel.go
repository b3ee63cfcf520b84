// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/printable"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
)

const funnelLong = `funnel prints the funnel of a Collector whose verifyyou_funnel connector has
stats: set, from its Stats API: of the verifications that began in a time, how
many got how far, where the others stopped, and how they ended.

A step's "passed" counts those who reached it or a later one, so that it never
rises along the path; who stopped at a step got no further. The share is of those
who began, and of the step before.

--from and --to are times in RFC 3339, or durations back from now: 90m, 24h, 7d.

Where the output is no terminal, it is plain text. NO_COLOR turns colors off.

The exit code is 0 if the funnel was printed, or --watch was ended by Ctrl-C, 1
if the Collector cannot be reached or refuses, 2 for wrong usage.`

const funnelExample = `  # the last 24 hours
  verifyyougen funnel

  # the last week of two campaigns
  verifyyougen funnel --from 7d --external-tracker signup-campaign --external-tracker newsletter

  # those without a tracker
  verifyyougen funnel --external-tracker ""

  # watch it fill
  verifyyougen funnel --from 1h --watch

  # the conversion of each campaign
  verifyyougen funnel --json | jq '.by_external_tracker[] | {external_tracker, of_began}'`

// watchInterval is how long a picture stays before it is drawn anew.
const watchInterval = 2 * time.Second

// funnelCommand is the flags of funnel.
type funnelCommand struct {
	url      string
	from, to string
	trackers []string
	json     bool
	watch    bool

	dial   dialer                  // nil for the network
	screen func(io.Writer) *screen // nil for newScreen
}

func (f *funnelCommand) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "funnel",
		Short:   "Print the funnel of a Collector",
		Long:    funnelLong,
		Example: funnelExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false // they are listed by what they are about
	flags.StringVar(&f.url, "url", "http://localhost:8790", "`URL` of the Stats API")
	flags.StringVar(&f.from, "from", "", "`TIME` from which verifications began (default 24h)")
	flags.StringVar(&f.to, "to", "", "`TIME` before which verifications began (default now)")
	flags.StringArrayVar(&f.trackers, "external-tracker", nil, "only verifications of this `TRACKER`, of none if it is empty; may be repeated")
	flags.BoolVar(&f.json, "json", false, "print the answer of the API as it came")
	flags.BoolVar(&f.watch, "watch", false, "draw it anew every two seconds, until Ctrl-C")
	cmd.MarkFlagsMutuallyExclusive("json", "watch")
	return cmd
}

func (f *funnelCommand) run(cmd *cobra.Command) error {
	base, err := f.base()
	if err != nil {
		return err
	}
	transport := newTransport(1, f.dial)
	defer transport.CloseIdleConnections()
	makeScreen := f.screen
	if makeScreen == nil {
		makeScreen = newScreen
	}
	v := viewer{
		client: statsapi.NewClient(base, transport),
		query:  f.query(cmd),
		screen: makeScreen(cmd.OutOrStdout()),
	}
	show := v.show
	switch {
	case f.watch:
		show = v.watch
	case f.json:
		show = v.showJSON
	}
	if err := show(cmd.Context()); err != nil {
		return failure{err}
	}
	return nil
}

// base returns the URL that --url names.
func (f *funnelCommand) base() (*url.URL, error) {
	base, err := url.Parse(f.url)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.Fragment != "" {
		// Not the value itself: it may hold a password.
		return nil, errors.New("--url must be a URL that begins with http:// or https://, without ? and #, such as http://localhost:8790")
	}
	return base, nil
}

// query returns the parameters that were given. What is wrong with a value is
// for the API to say.
func (f *funnelCommand) query(cmd *cobra.Command) url.Values {
	query := url.Values{}
	if cmd.Flags().Changed("from") {
		query.Set("from", f.from)
	}
	if cmd.Flags().Changed("to") {
		query.Set("to", f.to)
	}
	for _, tracker := range f.trackers {
		query.Add("external_tracker", tracker)
	}
	return query
}

// viewer shows the answer to a query.
type viewer struct {
	client *statsapi.Client
	query  url.Values
	screen *screen
}

func (v *viewer) showJSON(ctx context.Context) error {
	answer, err := v.client.Funnel(ctx, v.query)
	if err != nil {
		return err
	}
	if v.screen.terminal {
		answer = printable.JSON(answer)
	}
	_, err = v.screen.out.Write(answer)
	return err
}

func (v *viewer) show(ctx context.Context) error {
	funnel, err := v.ask(ctx)
	if err != nil {
		return err
	}
	return v.screen.print(v.screen.lines(funnel))
}

func (v *viewer) ask(ctx context.Context) (*statsapi.Funnel, error) {
	answer, err := v.client.Funnel(ctx, v.query)
	if err != nil {
		return nil, err
	}
	return statsapi.Parse(answer)
}

// watch draws the funnel again and again until ctx ends or a signal comes. It
// returns an error only where asking again is of no use.
func (v *viewer) watch(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	var last []string // the lines of the last funnel
	for {
		funnel, err := v.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.As(err, new(*statsapi.RefusedError)) {
			return err
		}
		if err == nil {
			last = v.screen.lines(funnel)
			err = v.screen.draw(last)
		} else {
			err = v.screen.draw(v.trouble(err, last))
		}
		if err != nil {
			return err
		}
		if !sleep(ctx, watchInterval) {
			return nil
		}
	}
}

// trouble returns the lines that say why there is no funnel. On a terminal they
// are drawn over the last one, which is shown below them.
func (v *viewer) trouble(err error, last []string) []string {
	now := time.Now().UTC().Format("15:04:05")
	lines := []string{fmt.Sprintf("%s UTC: %v; trying again every %v", now, err, watchInterval)}
	if v.screen.terminal && last != nil {
		lines = append(append(lines, ""), last...)
	}
	return lines
}
