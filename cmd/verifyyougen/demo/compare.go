// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

func readTruth(file string) (*truth.Truth, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t := new(truth.Truth)
	return t, json.Unmarshal(content, t)
}

// row is a number as the Collector has it, and as it really is.
type row struct {
	what      string
	got, want int64
}

// compare prints what the Collector has beside the truth. It returns an error if they differ.
func compare(to io.Writer, want *truth.Truth, got *statsapi.Funnel) error {
	rows := rowsOf(want, got)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tCollector\treally sent")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\n", r.what, r.got, r.want)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if slices.ContainsFunc(rows, func(r row) bool { return r.got != r.want }) {
		return errors.New("the Collector does not have what was sent")
	}
	fmt.Fprintln(to, "\nThe Collector has exactly what was sent.")
	return nil
}

func rowsOf(want *truth.Truth, got *statsapi.Funnel) []row {
	var all truth.Beginning
	passed := map[string]int64{}
	for i := range want.Beginnings {
		b := &want.Beginnings[i]
		all.Began += b.Began
		all.Completed += b.Completed
		all.OnFirstAttempt += b.OnFirstAttempt
		all.AfterDropOff += b.AfterDropOff
		all.DropOff += b.DropOff
		all.Abandoned += b.Abandoned
		for stage, n := range b.Passed {
			passed[stage] += n
		}
	}
	rows := []row{{"began", got.Began, all.Began}}
	for i := range got.Stages {
		if s := &got.Stages[i]; s.Passed != nil {
			rows = append(rows, row{"passed " + s.Name, *s.Passed, passed[s.Name]})
		}
	}
	ended := map[string]int64{}
	for _, e := range got.Ended {
		ended[e.Outcome] += e.Verifications
	}
	return append(rows,
		row{"completed", got.Completed.Verifications, all.Completed},
		row{"  on the first attempt", got.Completed.OnFirstAttempt, all.OnFirstAttempt},
		row{"  after a drop-off", got.Completed.AfterDropOff, all.AfterDropOff},
		row{"dropped off", ended["drop_off"], all.DropOff},
		row{"abandoned", ended["abandoned"], all.Abandoned},
	)
}
