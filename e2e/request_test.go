// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	path            = "/webhooks/verifyyou"
	signatureHeader = "X-VerifyYou-Signature"
)

// client keeps a connection for each of many concurrent senders.
var client = http.Client{Timeout: deadline, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// newRequest returns a request as VerifyYou sends it, but with any signature.
func (c *collector) newRequest(body, signature string) *http.Request {
	request, err := http.NewRequest(http.MethodPost, c.url+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is wrong
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(signatureHeader, signature)
	return request
}

// send returns the answer to a request as its status and body in one line.
func send(request *http.Request) (string, error) {
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, body), err
}

func mustSend(t *testing.T, request *http.Request) string {
	t.Helper()
	answer, err := send(request)
	require.NoError(t, err)
	return answer
}

// get returns the body of a page, or nothing while there is none.
func get(url string) string {
	response, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(body)
}
