// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

// summarize writes the truth for a person to read.
func summarize(to io.Writer, t truth.Truth) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Seed %d, speed %v, %d verifications\n", t.Seed, t.Speed, t.Verifications)
	summarizeFunnel(w, t)
	summarizeEnds(w, t)
	summarizeCampaigns(w, t)
	summarizeDeliveries(w, t.Deliveries)
	return w.Flush()
}

func summarizeFunnel(w io.Writer, t truth.Truth) {
	events := sumByStage(t.Events)
	reached := sumByStage(t.Reached)
	heading(w, "Funnel", "verifications", "of all", "events")
	for _, stage := range slices.SortedFunc(maps.Keys(reached), scenario.CompareStages) {
		line(w, stage, reached[stage], percent(reached[stage], t.Verifications), events[stage])
	}
}

func summarizeEnds(w io.Writer, t truth.Truth) {
	type end struct {
		outcome   truth.Outcome
		lastStage string
	}
	ends := map[end]int64{}
	for _, row := range t.Ended {
		ends[end{row.Outcome, row.LastStage}] += row.Count
	}
	heading(w, "Ended", "verifications", "of all", "last stage")
	for _, e := range slices.SortedFunc(maps.Keys(ends), func(a, b end) int {
		return cmp.Or(cmp.Compare(ends[b], ends[a]), cmp.Compare(a.lastStage, b.lastStage))
	}) {
		line(w, string(e.outcome), ends[e], percent(ends[e], t.Verifications), e.lastStage)
	}
}

func summarizeCampaigns(w io.Writer, t truth.Truth) {
	all, completed := map[string]int64{}, map[string]int64{}
	for _, row := range t.Ended {
		all[row.Tracker] += row.Count
		if row.Outcome == truth.Completed {
			completed[row.Tracker] += row.Count
		}
	}
	heading(w, "Campaign", "verifications", "completed", "conversion")
	for _, tracker := range slices.Sorted(maps.Keys(all)) {
		line(w, cmp.Or(tracker, "(none)"), all[tracker], completed[tracker], percent(completed[tracker], all[tracker]))
	}
}

func summarizeDeliveries(w io.Writer, d truth.Deliveries) {
	heading(w, "Deliveries", "requests")
	line(w, "attempts", d.Attempts)
	line(w, "retries", d.Retries)
	line(w, "duplicates", d.Duplicates)
	for _, status := range slices.Sorted(maps.Keys(d.Answers)) {
		line(w, "answer "+status, d.Answers[status])
	}
	heading(w, "Delivered", "events")
	line(w, "acknowledged", d.Acknowledged)
	line(w, "out of order", d.OutOfOrder)
	line(w, "given up", d.GivenUp)
	line(w, "  unclear", d.Unclear)
}

func sumByStage(rows []truth.StageCount) map[string]int64 {
	sums := map[string]int64{}
	for _, row := range rows {
		sums[row.Stage] += row.Count
	}
	return sums
}

func heading(w io.Writer, columns ...string) {
	fmt.Fprintf(w, "\n%s\n", strings.Join(columns, "\t"))
}

func line(w io.Writer, name string, values ...any) {
	fmt.Fprint(w, "  "+name)
	for _, value := range values {
		fmt.Fprintf(w, "\t%v", value)
	}
	fmt.Fprintln(w)
}

func percent(part, all int64) string {
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(max(all, 1)))
}
