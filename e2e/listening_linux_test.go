// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listening returns the TCP ports on which a process listens.
func listening(t *testing.T, pid int) (ports []int) {
	t.Helper()
	descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	sockets := map[string]bool{}
	for _, descriptor := range descriptors {
		if target, err := os.Readlink(descriptor); err == nil {
			sockets[target] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			// proc_pid_net(5): local address, remote address, state, …, inode; 0A is LISTEN.
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != "0A" || !sockets["socket:["+fields[9]+"]"] {
				continue
			}
			_, port, _ := strings.Cut(fields[1], ":")
			n, err := strconv.ParseInt(port, 16, 32)
			require.NoError(t, err)
			ports = append(ports, int(n))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// TestStatsPort needs the port that the statistics have by default, 8790.
func TestStatsPort(t *testing.T) {
	for name, test := range map[string]struct {
		settings string
		ports    []int
	}{
		"without stats": {"", nil},
		"stats alone":   {"    stats:", []int{8790}},
		"no endpoint":   {"    stats: {retention: 48h}", []int{8790}},
	} {
		t.Run(name, func(t *testing.T) {
			file, url := pipe(t, t.TempDir(), "", "connectors:\n  verifyyou_funnel:\n"+test.settings, intoTheFunnel)
			c := startWith(t, file, url)
			_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
			receiver, err := strconv.Atoi(port)
			require.NoError(t, err)
			want := append([]int{receiver}, test.ports...)
			slices.Sort(want)
			assert.Equal(t, want, listening(t, c.cmd.Process.Pid))
			if test.ports != nil {
				assert.NotEmpty(t, get("http://localhost:8790/healthz"))
			}
			c.stop()
		})
	}
}
