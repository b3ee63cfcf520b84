// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/scenario"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/truth"
)

// summarize writes the truth for a person to read: the answer first, details
// below it.
func summarize(to io.Writer, t truth.Truth) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Seed %d, speed %v\n", t.Seed, t.Speed)
	summarizePeople(w, t)
	summarizeFunnel(w, t)
	summarizeEnds(w, t)
	summarizeAttempts(w, t)
	summarizeCampaigns(w, t)
	summarizeDeliveries(w, t.Deliveries)
	return w.Flush()
}

func summarizePeople(w io.Writer, t truth.Truth) {
	outcomes := map[truth.Outcome]int64{}
	for _, row := range t.Ended {
		outcomes[row.Outcome] += row.Count
	}
	var onFirstAttempt, afterDropOff int64
	for _, row := range t.Beginnings {
		onFirstAttempt += row.OnFirstAttempt
		afterDropOff += row.AfterDropOff
	}
	part := func(name string, n int64) { line(w, name, n, percent(n, t.Verifications)) }
	heading(w, "Verifications", "count", "of all")
	part("began", t.Verifications)
	part("completed", outcomes[truth.Completed])
	part("  on the first attempt", onFirstAttempt)
	part("  after a drop-off", afterDropOff)
	part("dropped off", outcomes[truth.DropOff])
	part("abandoned", outcomes[truth.Abandoned])
}

func summarizeFunnel(w io.Writer, t truth.Truth) {
	events, reached, passed := sumByStage(t.Events), sumByStage(t.Reached), sumByStage(t.Passed)
	heading(w, "Funnel", "passed", "of all", "reached", "events")
	for _, stage := range scenario.HappyPath() {
		line(w, stage, passed[stage], percent(passed[stage], t.Verifications), reached[stage], events[stage])
		delete(reached, stage)
	}
	if len(reached) == 0 {
		return
	}
	heading(w, "Other stages", "reached", "of all", "events")
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
		return cmp.Or(cmp.Compare(ends[b], ends[a]), cmp.Compare(a.outcome, b.outcome), cmp.Compare(a.lastStage, b.lastStage))
	}) {
		line(w, string(e.outcome), ends[e], percent(ends[e], t.Verifications), e.lastStage)
	}
}

func summarizeAttempts(w io.Writer, t truth.Truth) {
	all, completed := map[int]int64{}, map[int]int64{}
	for _, row := range t.Attempts {
		all[row.Attempts] += row.Count
		if row.Outcome == truth.Completed {
			completed[row.Attempts] += row.Count
		}
	}
	heading(w, "Liveness attempts", "verifications", "completed", "conversion")
	for _, n := range slices.Sorted(maps.Keys(all)) {
		line(w, strconv.Itoa(n), all[n], completed[n], percent(completed[n], all[n]))
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
	line(w, "all", d.Attempts)
	line(w, "retries", d.Retries)
	line(w, "duplicates", d.Duplicates)
	for _, status := range slices.Sorted(maps.Keys(d.Answers)) {
		line(w, "answer "+status, d.Answers[status])
	}
	heading(w, "Events", "count")
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
