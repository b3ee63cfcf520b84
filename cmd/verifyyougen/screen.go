// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/render"
	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/statsapi"
)

// What a terminal is told. Lines are not wrapped while a picture is drawn, so
// that each takes one row.
const (
	clearScreen = "\x1b[2J"
	cursorHome  = "\x1b[H"
	clearToEnd  = "\x1b[J"
	clearLine   = "\x1b[K"
	wrapOff     = "\x1b[?7l"
	wrapOn      = "\x1b[?7h"
)

// screen is where lines are shown: a terminal, or something that takes text.
type screen struct {
	out      io.Writer
	terminal bool // understands escape codes
	color    bool
	size     func() (width, height int) // of a terminal

	drawn bool
}

const plainWidth = 80

// newScreen returns the screen that out is.
func newScreen(out io.Writer) *screen {
	s := &screen{out: out, size: func() (width, height int) { return plainWidth, 0 }}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return s
	}
	s.terminal = true
	s.color = os.Getenv("NO_COLOR") == ""
	s.size = func() (width, height int) {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil || width == 0 {
			return plainWidth, 0
		}
		return width, height
	}
	return s
}

func (s *screen) lines(f *statsapi.Funnel) []string {
	width, _ := s.size()
	return render.Funnel(f, render.Style{Width: width, Color: s.color})
}

// print writes lines below what is there.
func (s *screen) print(lines []string) error {
	_, err := io.WriteString(s.out, strings.Join(lines, "\n")+"\n")
	return err
}

// draw writes lines over what it wrote before. Where that cannot be, it writes
// them below, after a blank line.
func (s *screen) draw(lines []string) error {
	again := s.drawn
	s.drawn = true
	if !s.terminal {
		if again {
			lines = append([]string{""}, lines...)
		}
		return s.print(lines)
	}
	_, height := s.size()
	var b strings.Builder
	if !again {
		b.WriteString(clearScreen)
	}
	b.WriteString(wrapOff + cursorHome)
	for _, line := range fit(lines, height-1) { // the last row is for the cursor
		b.WriteString(clearLine + line + "\n") // in this order: at the right edge it would clear the last column
	}
	b.WriteString(clearToEnd + wrapOn)
	_, err := io.WriteString(s.out, b.String())
	return err
}

// fit cuts lines to a number of rows, where that is known, and says how many are
// missing.
func fit(lines []string, rows int) []string {
	if rows < 2 || len(lines) <= rows {
		return lines
	}
	kept := lines[: rows-1 : rows-1]
	return append(kept, fmt.Sprintf("… %d more lines", len(lines)-len(kept)))
}
