// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strings"

	"github.com/rivo/uniseg"
)

// alignRight joins the columns of rows of equal length, each cell at the right
// of its column, with two spaces before it.
func alignRight(rows [][]string) []string {
	lines := make([]string, len(rows))
	for column := range rows[0] {
		width := 0
		for _, row := range rows {
			width = max(width, uniseg.StringWidth(row[column]))
		}
		for i, row := range rows {
			lines[i] += "  " + spaces(width-uniseg.StringWidth(row[column])) + row[column]
		}
	}
	return lines
}

// alignLeft pads cells to the widest.
func alignLeft(cells []string) []string {
	width := 0
	for _, cell := range cells {
		width = max(width, uniseg.StringWidth(cell))
	}
	padded := make([]string, len(cells))
	for i, cell := range cells {
		padded[i] = cell + spaces(width-uniseg.StringWidth(cell))
	}
	return padded
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// eighths are bars of 1 to 7 eighths of a column.
var eighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// bar returns a bar of a share of width, in eighths of a column. A share above 0
// has at least one.
func bar(share float64, width int) string {
	parts := int(math.Round(max(0, min(share, 1)) * float64(8*width)))
	if share > 0 {
		parts = max(1, parts)
	}
	return strings.Repeat("█", parts/8) + eighths[parts%8]
}

func (s Style) bold(text string) string { return s.with("\x1b[1m", text) }

func (s Style) bar(text string) string { return s.with("\x1b[36m", text) }

func (s Style) with(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return code + text + "\x1b[0m"
}
