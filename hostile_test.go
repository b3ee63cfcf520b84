// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHonestClientsAreServed posts events while others do what they can against it.
func TestHonestClientsAreServed(t *testing.T) {
	signed := "POST " + testPath + " HTTP/1.1\r\nHost: x\r\nX-VerifyYou-Signature: " + sign(testSecret, []byte(sampleBody)) + "\r\n"
	for name, tt := range map[string]struct {
		clients int
		does    func(net.Conn, <-chan struct{}) error
	}{
		"idle connections":    {2000, func(net.Conn, <-chan struct{}) error { return nil }},
		"slow headers":        {200, drip("POST " + testPath + " HTTP/1.1\r\nX-Slow: " + strings.Repeat("x", 10_000))},
		"slow bodies":         {200, drip(signed + "Content-Length: 60000\r\n\r\n" + strings.Repeat("x", 10_000))},
		"no body":             {200, say(signed + "Content-Length: 60000\r\n\r\n")},
		"pipelined garbage":   {50, say(strings.Repeat("\x00\xff garbage \r\n\r\n", 2000))},
		"pipelined requests":  {50, say(strings.Repeat("POST "+testPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200))},
		"large headers":       {50, say("POST " + testPath + " HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 2<<20) + "\r\n\r\n")},
		"many headers":        {20, say("POST " + testPath + " HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: x\r\n", 50_000) + "\r\n")},
		"bodies without end":  {20, flood(signed + "Transfer-Encoding: chunked\r\n\r\n")},
		"unsigned, no end":    {20, flood("POST " + testPath + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")},
		"wrong, many of them": {20, again(signed + "Content-Length: 5\r\n\r\nwrong")},
	} {
		t.Run(name, func(t *testing.T) {
			r := startSinks(t, testConfig(func(c *Config) {
				c.ServerConfig.ReadHeaderTimeout = 5 * time.Second
				c.ServerConfig.ReadTimeout = 5 * time.Second
			}))
			done := make(chan struct{})
			var hostile sync.WaitGroup
			for range tt.clients {
				conn, err := net.Dial("tcp", r.address)
				require.NoError(t, err)
				hostile.Go(func() {
					defer conn.Close()
					if err := tt.does(conn, done); err != nil {
						assert.True(t, cutOff(err), err)
					}
					<-done
				})
			}
			for n := range 100 {
				assert.Equal(t, accepted, r.post(eventBody("liveness_passed", n)).body)
			}
			close(done)
			hostile.Wait()
			assert.Equal(t, 100, r.logs.LogRecordCount())
		})
	}
}

// cutOff reports whether an error is what a client sees whose connection the server has ended.
func cutOff(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// say sends all at once.
func say(text string) func(net.Conn, <-chan struct{}) error {
	return func(conn net.Conn, _ <-chan struct{}) error {
		_, err := io.WriteString(conn, text)
		return err
	}
}

// drip sends a text little by little.
func drip(text string) func(net.Conn, <-chan struct{}) error {
	return func(conn net.Conn, done <-chan struct{}) error {
		for i := 0; i+100 <= len(text); i += 100 {
			if _, err := io.WriteString(conn, text[i:i+100]); err != nil {
				return err
			}
			select {
			case <-done:
				return nil
			case <-time.After(10 * time.Millisecond):
			}
		}
		return nil
	}
}

// flood sends chunks after the head of a request until it is stopped.
func flood(head string) func(net.Conn, <-chan struct{}) error {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat("x", 32<<10))
	return repeat(head, chunk)
}

// again sends the same request again and again.
func again(request string) func(net.Conn, <-chan struct{}) error {
	return repeat("", request)
}

func repeat(head, text string) func(net.Conn, <-chan struct{}) error {
	return func(conn net.Conn, done <-chan struct{}) error {
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		if _, err := io.WriteString(conn, head); err != nil {
			return err
		}
		for range 1000 {
			select {
			case <-done:
				return nil
			default:
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return err
			}
		}
		return nil
	}
}
