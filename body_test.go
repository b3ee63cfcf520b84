// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dial opens a connection to a receiver, on which nothing takes longer than a test may.
func (r *running) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.address)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { conn.Close() })
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

// TestRefusedBodyIsDiscarded sends whole requests before it reads an answer, as a proxy does. The answer comes each
// time, and the connection goes on.
func TestRefusedBodyIsDiscarded(t *testing.T) {
	const maxBody = 65536
	for name, tt := range map[string]struct {
		size   int
		head   string
		status int
	}{
		"unsigned":                   {30_000, "POST " + testPath, 401},
		"unsigned and large":         {maxDiscarded, "POST " + testPath, 401},
		"another path":               {30_000, "POST /elsewhere", 404},
		"another method":             {30_000, "PUT " + testPath, 405},
		"another method for health":  {30_000, "POST /healthz", 405},
		"compressed":                 {30_000, "POST " + testPath + " HTTP/1.1\r\nContent-Encoding: gzip", 415},
		"too large":                  {maxBody + 1, "POST " + testPath + " HTTP/1.1\r\nX-VerifyYou-Signature: sha256=" + strings.Repeat("0", 64), 413},
		"too large, as said in time": {maxDiscarded, "POST " + testPath + " HTTP/1.1\r\nX-VerifyYou-Signature: sha256=" + strings.Repeat("0", 64), 413},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", chunked ", chunked), func(t *testing.T) {
				r := startSinks(t, testConfig())
				conn := r.dial()
				answers := bufio.NewReader(conn)
				for range 20 {
					_, err := io.WriteString(conn, requestText(tt.head, tt.size, chunked))
					require.NoError(t, err)
					resp, err := http.ReadResponse(answers, nil)
					require.NoError(t, err)
					_, err = io.Copy(io.Discard, resp.Body)
					require.NoError(t, err)
					require.Equal(t, tt.status, resp.StatusCode)
					require.False(t, resp.Close)
				}
				assert.Zero(t, r.logs.LogRecordCount())
			})
		}
	}
}

func requestText(head string, size int, chunked bool) string {
	if !strings.Contains(head, " HTTP/") {
		head += " HTTP/1.1"
	}
	body := strings.Repeat("x", size)
	if chunked {
		return fmt.Sprintf("%s\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, size, body)
	}
	return fmt.Sprintf("%s\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", head, size, body)
}

// TestBodyThatIsNotDiscarded shows which answers end the connection: the body is longer than what is read for nothing,
// or its end does not come.
func TestBodyThatIsNotDiscarded(t *testing.T) {
	head := "POST " + testPath + " HTTP/1.1\r\nHost: x\r\n"
	signature := "X-VerifyYou-Signature: " + sign(testSecret, []byte(sampleBody)) + "\r\n"
	for name, tt := range map[string]struct {
		text   string
		status int
	}{
		"longer, as it says":    {head + fmt.Sprintf("Content-Length: %d\r\n\r\n", maxDiscarded+1), 401},
		"longer":                {head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", maxDiscarded+1, strings.Repeat("x", maxDiscarded+1)), 401},
		"signed and longer":     {head + signature + fmt.Sprintf("Content-Length: %d\r\n\r\n", maxDiscarded+1), 413},
		"after a 100 Continue":  {head + "Content-Length: 1000\r\nExpect: 100-Continue\r\n\r\n", 401},
		"too large, to go on":   {head + signature + "Content-Length: 66000\r\nExpect: 100-continue\r\n\r\n", 413},
		"one that never comes":  {head + "Content-Length: 1000\r\n\r\n", 401},
		"a chunk without its 0": {head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", 401},
	} {
		t.Run(name, func(t *testing.T) {
			r := startSinks(t, testConfig(func(c *Config) { c.ServerConfig.ReadTimeout = 0 })) // which would end it too
			conn := r.dial()
			_, err := io.WriteString(conn, tt.text)
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			assert.Equal(t, tt.status, resp.StatusCode, "not 100")
			assert.True(t, resp.Close)
		})
	}
}

// TestBodyGrowsAsItComes shows that a stranger gets no memory for what is only announced.
func TestBodyGrowsAsItComes(t *testing.T) {
	b := bodies{limit: 65536}
	var used *bodyBuffer
	for used == nil { // the race detector makes pools lose some
		come := io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))
		_, err := b.read(&http.Request{ContentLength: 65536, Body: io.NopCloser(come)})
		require.ErrorIs(t, err, errIncomplete)
		used, _ = b.pool.Get().(*bodyBuffer)
	}
	assert.LessOrEqual(t, used.Cap(), 2*bytes.MinRead)
}

// TestNoLimit has the largest limit that can be configured.
func TestNoLimit(t *testing.T) {
	r := startSinks(t, testConfig(func(cfg *Config) { cfg.ServerConfig.MaxRequestBodySize = math.MaxInt64 }))
	assert.Equal(t, http.StatusOK, r.post(eventBody("verification_started", 1)).status)
}
