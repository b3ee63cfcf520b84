// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

const secret = "bench-secret"

// body is VerifyYou's sample event, as one of so many verifications.
func body(number int) []byte {
	return fmt.Appendf(nil, `{"stage": "verification_completed", "step": 6, "occurred_at": "2026-06-09T17:04:01.123456+00:00", `+
		`"verification_id": "ver_%09d", "external_id": "user_%09d", "external_tracker": "signup-campaign", "trust_score": 0.92}`, number, number)
}

func sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// request is all the bytes of a request for a signed event.
func request(host string, number int) []byte {
	b := body(number)
	return fmt.Appendf(nil, "POST /webhooks/verifyyou HTTP/1.1\r\nHost: %s\r\nUser-Agent: VerifyYou-Webhooks\r\n"+
		"Accept-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"X-VerifyYou-Event: verification_completed\r\nX-VerifyYou-Signature: %s\r\n\r\n%s", host, len(b), sign(b), b)
}

// post sends requests over so many connections that are kept. Any answer but 200 is an error.
func post(address string, all [][]byte, connections int) error {
	var next atomic.Int64
	var wait sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		wait.Go(func() {
			errs <- postSome(address, func() []byte {
				if i := next.Add(1) - 1; i < int64(len(all)) {
					return all[i]
				}
				return nil
			})
		})
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// postSome sends what next returns, until that is nil, over one connection.
func postSome(address string, next func() []byte) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var answer bytes.Buffer
	for data := next(); data != nil; data = next() {
		if _, err := conn.Write(data); err != nil {
			return err
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		answer.Reset()
		if _, err := io.Copy(&answer, response.Body); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK || response.Close {
			return fmt.Errorf("answered %s: %s (connection closed: %t)", response.Status, &answer, response.Close)
		}
	}
	return nil
}
