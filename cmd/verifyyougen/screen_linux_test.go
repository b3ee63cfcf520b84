// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNewScreenOfATerminal(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer pty.Close()
	for name, test := range map[string]struct {
		term, noColor   string
		terminal, color bool
	}{
		"terminal":           {"xterm-256color", "", true, true},
		"without color":      {"xterm-256color", "1", true, false},
		"no escape codes":    {"dumb", "", false, false},
		"TERM not set":       {"", "", true, true},
		"NO_COLOR set to 0":  {"xterm", "0", true, false},
		"neither of the two": {"dumb", "1", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", test.term)
			t.Setenv("NO_COLOR", test.noColor)
			s := newScreen(pty)
			assert.Equal(t, test.terminal, s.terminal)
			assert.Equal(t, test.color, s.color)
			width, height := s.size()
			assert.Equal(t, [2]int{80, 0}, [2]int{width, height}, "of a terminal that does not know its size")
		})
	}
}
