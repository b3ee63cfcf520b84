// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(text)
}

// statsAPI answers every question with text, and keeps the last one.
func statsAPI(t *testing.T, status int, text string) (address string, asked *url.URL) {
	t.Helper()
	asked = new(url.URL)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r.URL
		if status != http.StatusOK {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestFunnel(t *testing.T) {
	address, asked := statsAPI(t, http.StatusOK, readTestdata(t, "funnel.json"))
	got := runWith(t, "", "funnel", "--url", address)
	assert.Equal(t, exitOK, got.code)
	expect(t, "funnel.txt", got.stdout)
	assert.Equal(t, "/api/v1/funnel", asked.Path)
	assert.Empty(t, asked.RawQuery, "the API has its own defaults")
}

func TestFunnelParameters(t *testing.T) {
	answer := readTestdata(t, "funnel.json")
	address, asked := statsAPI(t, http.StatusOK, strings.Replace(answer, `"external_trackers": null`, `"external_trackers": ["a,b", null]`, 1))
	got := runWith(t, "", "funnel", "--url", address, "--from", "7d", "--to", "", "--external-tracker", "a,b", "--external-tracker", "")
	assert.Equal(t, exitOK, got.code)
	assert.Equal(t, url.Values{"from": {"7d"}, "to": {""}, "external_tracker": {"a,b", ""}}, asked.Query())
	assert.Contains(t, got.stdout, "External tracker: a,b\nExternal tracker: (none)\n")
}

func TestFunnelOfNobody(t *testing.T) {
	address, _ := statsAPI(t, http.StatusOK, `{"from": "2026-06-09T00:00:00Z", "to": "2026-06-10T00:00:00Z",
		"retained_from": "2026-06-09T08:15:07Z", "generated_at": "2026-06-09T23:00:00Z", "began": 0,
		"stages": [{"stage": "verification_initialized", "passed": 0, "of_began": null}]}`)
	assert.Equal(t, result{exitOK, "Verifications that began from 2026-06-09 00:00 to 2026-06-10 00:00 UTC\n" +
		"As of 2026-06-09 23:00:00 UTC\n" +
		"Incomplete: statistics go back to 2026-06-09 08:15:07 UTC only\n" +
		"\nNobody began in this time.\n", ""}, runWith(t, "", "funnel", "--url", address))
}

func TestFunnelJSON(t *testing.T) {
	answer := readTestdata(t, "funnel.json")
	address, _ := statsAPI(t, http.StatusOK, answer)
	assert.Equal(t, result{exitOK, answer, ""}, runWith(t, "", "funnel", "--json", "--url", address))
}

func TestFunnelRefused(t *testing.T) {
	address, _ := statsAPI(t, http.StatusBadRequest, `{"detail": "from: \"x\" is no time"}`)
	for _, more := range [][]string{{}, {"--json"}} {
		got := runWith(t, "", append([]string{"funnel", "--url", address, "--from", "x"}, more...)...)
		assert.Equal(t, result{exitFailed, "", "verifyyougen: the Stats API answered 400 Bad Request: from: \"x\" is no time\n"}, got)
	}
}

func TestFunnelUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	got := runWith(t, "", "funnel", "--url", server.URL)
	assert.Equal(t, result{exitFailed, "", "verifyyougen: connection refused by " + server.URL +
		": is the Collector running, and is stats: set in its verifyyou_funnel connector?\n"}, got)
}

func TestFunnelOfSomethingElse(t *testing.T) {
	address, _ := statsAPI(t, http.StatusOK, `{"status": "ok"}`)
	got := runWith(t, "", "funnel", "--url", address)
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "the answer is not a funnel of the Stats API")
}

// terminal is what a terminal of a size is told.
type terminal struct {
	bytes.Buffer
	width, height int
}

func (s *terminal) screen(io.Writer) *screen {
	return &screen{out: s, terminal: true, color: true, size: func() (width, height int) { return s.width, s.height }}
}

// frames returns the pictures that a terminal was shown, without colors.
func (s *terminal) frames(t *testing.T) (frames []string) {
	t.Helper()
	text := s.String()
	require.True(t, strings.HasPrefix(text, clearScreen+wrapOff+cursorHome), "the screen is cleared once")
	for part := range strings.SplitSeq(strings.TrimPrefix(text, clearScreen), wrapOff+cursorHome) {
		if part == "" {
			continue
		}
		frame, complete := strings.CutSuffix(part, clearToEnd+wrapOn)
		require.True(t, complete)
		for line := range strings.Lines(frame) {
			require.True(t, strings.HasPrefix(line, clearLine), "no rest of the picture before stays")
		}
		frame = strings.NewReplacer(clearLine, "", "\x1b[1m", "", "\x1b[36m", "", "\x1b[0m", "").Replace(frame)
		assert.NotContains(t, frame, "\x1b")
		frames = append(frames, frame)
	}
	return frames
}

// watched runs funnel --watch in time that passes at once, against a Stats API
// within the process, until the answers end. Each answer is a body, a whole
// response, or an error for a connection that is not made.
func watched(t *testing.T, screen func(io.Writer) *screen, answers ...any) (got result, asked []time.Duration) {
	t.Helper()
	startSignals()
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		began := time.Now()
		dial := func(context.Context, string, string) (net.Conn, error) {
			asked = append(asked, time.Since(began))
			if len(asked) > len(answers) {
				interrupt()
				return nil, context.Canceled
			}
			body, ok := answers[len(asked)-1].(string)
			if !ok {
				return nil, answers[len(asked)-1].(error)
			}
			return answering(body), nil
		}
		var stdout, stderr bytes.Buffer
		root := newRootCommand(new(simulateCommand), &funnelCommand{dial: dial, screen: screen})
		got.code = execute(ctx, root, []string{"funnel", "--watch", "--url", "http://memory"}, nil, &stdout, &stderr)
		got.stdout, got.stderr = stdout.String(), stderr.String()
	})
	return got, asked
}

// answering returns a connection to a server that answers one request.
func answering(answer string) net.Conn {
	if !strings.HasPrefix(answer, "HTTP/") {
		answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer
	}
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		_, _ = far.Read(make([]byte, 1<<16))
		_, _ = io.WriteString(far, answer)
	}()
	return near
}

// What is wrong with the question will be wrong in two seconds too.
func TestWatchRefused(t *testing.T) {
	got, asked := watched(t, nil, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/problem+json\r\n\r\n{\"detail\": \"no\"}", "{}")
	assert.Equal(t, exitFailed, got.code)
	assert.Equal(t, "verifyyougen: the Stats API answered 400 Bad Request: no\n", got.stderr)
	assert.Contains(t, got.stdout, "503 Service Unavailable")
	assert.Len(t, asked, 2)
}

func TestWatch(t *testing.T) {
	answer := readTestdata(t, "funnel.json")
	later := strings.Replace(answer, "08:00:00.123Z", "08:00:02.123Z", 1)
	s := &terminal{width: 80, height: 100}
	got, asked := watched(t, s.screen, answer, later)
	assert.Equal(t, result{exitOK, "", ""}, got)
	assert.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, asked)
	picture := readTestdata(t, "funnel.txt")
	assert.Equal(t, []string{picture, strings.Replace(picture, "08:00:00", "08:00:02", 1)}, s.frames(t))
	assert.Contains(t, s.String(), "\x1b[36m████")
}

// While the Collector is away, the last picture stays, below why.
func TestWatchWhileTheCollectorIsAway(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	const why = "connection refused by http://memory: is the Collector running, and is stats: set in its verifyyou_funnel connector?; " +
		"trying again every 2s\n"
	answer, picture := readTestdata(t, "funnel.json"), readTestdata(t, "funnel.txt")
	s := &terminal{width: 80, height: 100}
	got, _ := watched(t, s.screen, refused, answer, refused, errors.New("a\x1b[31mb"), "<html>", answer)
	assert.Equal(t, result{exitOK, "", ""}, got)
	assert.Equal(t, []string{
		"00:00:00 UTC: " + why,
		picture,
		"00:00:04 UTC: " + why + "\n" + picture,
		"00:00:06 UTC: cannot reach http://memory: a\\x1b[31mb; trying again every 2s\n\n" + picture,
		"00:00:08 UTC: http://memory answered what is not JSON instead of a funnel: is --url the endpoint of stats: in the verifyyou_funnel connector?; " +
			"trying again every 2s\n\n" + picture,
		picture,
	}, s.frames(t))
}

// Where the output is no terminal, pictures follow each other.
func TestWatchIntoAFile(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	answer, picture := readTestdata(t, "funnel.json"), readTestdata(t, "funnel.txt")
	got, _ := watched(t, nil, answer, refused, answer)
	assert.Equal(t, result{exitOK, picture + "\n00:00:02 UTC: connection refused by http://memory: is the Collector running, " +
		"and is stats: set in its verifyyou_funnel connector?; trying again every 2s\n\n" + picture, ""}, got)
}

func TestWatchCtrlC(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	answer := readTestdata(t, "funnel.json")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer)
		assert.NoError(t, self.Signal(os.Interrupt))
	}))
	defer server.Close()
	got := runWith(t, "", "funnel", "--watch", "--url", server.URL)
	assert.Equal(t, exitOK, got.code)
}

// A terminal that is lower than the picture shows its beginning.
func TestWatchOnALowTerminal(t *testing.T) {
	s := &terminal{width: 80, height: 10}
	watched(t, s.screen, readTestdata(t, "funnel.json"))
	picture := strings.SplitAfter(readTestdata(t, "funnel.txt"), "\n")
	picture = picture[:len(picture)-1]
	frames := s.frames(t)
	require.Len(t, frames, 1)
	lines := strings.SplitAfter(frames[0], "\n")
	assert.Equal(t, picture[:8], lines[:8])
	assert.Regexp(t, `^… \d+ more lines\n$`, lines[8])
	assert.Len(t, lines, 10, "nine lines and the row of the cursor")
}

func TestFit(t *testing.T) {
	lines := []string{"a", "b", "c"}
	assert.Equal(t, lines, fit(lines, 3))
	assert.Equal(t, []string{"a", "… 2 more lines"}, fit(lines, 2))
	assert.Equal(t, lines, fit(lines, -1), "the height is not known")
	assert.Equal(t, []string{"a", "b", "c"}, lines)
}

// A terminal is not told what a tracker has to tell it, in JSON either.
func TestFunnelJSONOnATerminal(t *testing.T) {
	address, _ := statsAPI(t, http.StatusOK, "{\"a\": \"\u009b31m\"}\n")
	s := &terminal{}
	root := newRootCommand(new(simulateCommand), &funnelCommand{screen: s.screen})
	assert.Equal(t, exitOK, execute(t.Context(), root, []string{"funnel", "--json", "--url", address}, nil, nil, io.Discard))
	assert.Equal(t, `{"a": "\u009b31m"}`+"\n", s.String())
}

// A bar takes the width that a terminal has.
func TestFunnelOnATerminal(t *testing.T) {
	address, _ := statsAPI(t, http.StatusOK, readTestdata(t, "funnel.json"))
	for width, want := range map[int]int{20: 10, 80: 23, 100: 43, 1000: 50} {
		s := &terminal{width: width}
		root := newRootCommand(new(simulateCommand), &funnelCommand{screen: s.screen})
		require.Equal(t, exitOK, execute(t.Context(), root, []string{"funnel", "--url", address}, nil, nil, io.Discard))
		_, bar, _ := strings.Cut(s.String(), "\x1b[36m")
		bar, _, _ = strings.Cut(bar, "\x1b[0m")
		assert.Equal(t, strings.Repeat("█", want), bar)
		assert.NotContains(t, s.String(), "\x1b[2J")
	}
}

// What is written to a file or a pipe is plain.
func TestNewScreen(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	defer writer.Close()
	for _, out := range []io.Writer{writer, &bytes.Buffer{}} {
		s := newScreen(out)
		assert.False(t, s.terminal)
		assert.False(t, s.color)
		width, height := s.size()
		assert.Equal(t, [2]int{80, 0}, [2]int{width, height})
	}
}
