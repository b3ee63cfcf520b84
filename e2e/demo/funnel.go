// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// stages are in the order of the happy path, with the drop-offs behind.
var stages = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
	"liveness_passed", "verification_completed", "liveness_failed", "liveness_cancelled", "face_collision",
}

var outcomes = []string{"completed", "drop_off", "abandoned"}

// funnel is how many people reached each stage, and how many ended in each way.
type funnel struct {
	reached, ended map[string]int64
}

func (f *funnel) equal(o *funnel) bool {
	return maps.Equal(f.reached, o.reached) && maps.Equal(f.ended, o.ended)
}

// readTruth reads what verifyyougen has really sent.
func readTruth(file string) (*funnel, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var truth struct {
		Reached []struct {
			Stage string
			Count int64
		}
		Ended []struct {
			Outcome string
			Count   int64
		}
	}
	if err := json.Unmarshal(text, &truth); err != nil {
		return nil, err
	}
	f := &funnel{reached: map[string]int64{}, ended: map[string]int64{}}
	for _, r := range truth.Reached {
		f.reached[r.Stage] += r.Count
	}
	for _, e := range truth.Ended {
		f.ended[e.Outcome] += e.Count
	}
	return f, nil
}

// The counters began with this demo, so that their values are what happened in it.
const (
	reachedQuery = `sum by (verifyyou_stage) (verifyyou_verification_reached_total) > 0`
	endedQuery   = `sum by (verifyyou_verification_outcome) (verifyyou_verification_ended_total) > 0`
)

// awaitFunnel asks Prometheus until it has what was sent, and returns what it has in the end.
func awaitFunnel(ctx context.Context, address string, want *funnel, patience time.Duration) (*funnel, error) {
	client, err := api.NewClient(api.Config{Address: "http://" + address})
	if err != nil {
		return nil, err
	}
	prometheus := promv1.NewAPI(client)
	for end := time.Now().Add(patience); ; {
		got := &funnel{}
		if got.reached, err = ask(ctx, prometheus, reachedQuery, "verifyyou_stage"); err != nil {
			return nil, err
		}
		if got.ended, err = ask(ctx, prometheus, endedQuery, "verifyyou_verification_outcome"); err != nil {
			return nil, err
		}
		if got.equal(want) || time.Now().After(end) {
			return got, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func ask(ctx context.Context, prometheus promv1.API, query, label string) (map[string]int64, error) {
	answer, _, err := prometheus.Query(ctx, query, time.Now())
	if err != nil {
		return nil, err
	}
	vector, ok := answer.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("%s is a %s", query, answer.Type())
	}
	values := make(map[string]int64, len(vector))
	for _, sample := range vector {
		values[string(sample.Metric[model.LabelName(label)])] = int64(sample.Value)
	}
	return values, nil
}

var errDiffers = errors.New("the numbers in Prometheus are not those of what was sent")

// compare prints a funnel beside the truth. It is an error if they differ.
func compare(to io.Writer, want, got *funnel) error {
	begun := got.reached[stages[0]]
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nPeople who reached\tPrometheus\treally sent\tof all\t")
	for _, stage := range stages {
		printRow(w, stage, got.reached[stage], want.reached[stage], begun)
	}
	fmt.Fprintln(w, "\nPeople who ended\tPrometheus\treally sent\tof all\t")
	for _, outcome := range outcomes {
		printRow(w, outcome, got.ended[outcome], want.ended[outcome], begun)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !got.equal(want) {
		return errDiffers
	}
	fmt.Fprintln(to, "\nPrometheus has exactly what was sent.")
	return nil
}

// barWidth is how wide the bar of all is, in characters.
const barWidth = 40

func printRow(w io.Writer, name string, got, want, all int64) {
	share := 0.0
	if all > 0 {
		share = float64(got) / float64(all)
	}
	bar := strings.Repeat("█", int(share*barWidth+0.5))
	fmt.Fprintf(w, "  %s\t%d\t%d\t%.1f%%\t%s\n", name, got, want, share*100, bar)
}
