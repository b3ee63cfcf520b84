// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// csv answers a question as of a time by point and tracker (RFC 4180).
func (h *Handler) csv(q *question, now time.Time) ([]byte, error) {
	query, err := q.query(now)
	if err != nil {
		return nil, err
	}
	rows, err := h.source.Rows(query, now)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("start,external_tracker,began,open,completed,drop_off,abandoned")
	for _, stage := range event.Stages() {
		b.WriteString(",reached_" + stage)
	}
	b.WriteString("\r\n")
	for row := range rows {
		writeRow(&b, &row)
	}
	return b.Bytes(), nil
}

func writeRow(b *bytes.Buffer, row *cohorts.Row) {
	b.Write(row.Start.AppendFormat(b.AvailableBuffer(), time.RFC3339))
	b.WriteByte(',')
	if row.Tracker.Tracker != nil {
		writeField(b, *row.Tracker.Tracker)
	}
	for _, n := range []int64{row.Began, row.Open, row.Completed, row.DropOff, row.Abandoned} {
		writeCount(b, n)
	}
	for _, n := range row.Reached {
		writeCount(b, n)
	}
	b.WriteString("\r\n")
}

func writeCount(b *bytes.Buffer, n int64) {
	b.WriteByte(',')
	b.Write(strconv.AppendInt(b.AvailableBuffer(), n, 10))
}

// writeField writes text as it is, between quotes where it must be. (encoding/csv changes the line breaks in it.)
func writeField(b *bytes.Buffer, s string) {
	if !strings.ContainsAny(s, ",\"\r\n") {
		b.WriteString(s)
		return
	}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(s, `"`, `""`))
	b.WriteByte('"')
}
