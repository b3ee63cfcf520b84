// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package statsapi reads the Stats API of a Collector with the verifyyou_funnel
// connector.
package statsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/printable"
)

const (
	// timeout is how long an answer may take: the API needs a second at most.
	timeout = 10 * time.Second
	// maxAnswer is how much of an answer is read. One of 10,000 points and
	// thousands of trackers is below 4 MiB.
	maxAnswer = 32 << 20
	// maxProblem is how much of the detail of a refusal is read.
	maxProblem = 64 << 10
)

// RefusedError is an answer of status 4xx: the same question will get it again.
type RefusedError struct{ reason string }

func (e *RefusedError) Error() string { return e.reason }

// Client asks one Collector. It is safe for concurrent use.
type Client struct {
	http http.Client
	base *url.URL
}

// NewClient returns a client of the Stats API below base, which must be an http
// or https URL.
func NewClient(base *url.URL, transport http.RoundTripper) *Client {
	return &Client{
		http: http.Client{
			Transport: transport,
			Timeout:   timeout,
			// The API redirects nobody: what does is something else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		base: base,
	}
}

// Funnel returns the answer to a query, as it came; it is valid JSON. Errors are
// one line of printable text that says what to do.
func (c *Client) Funnel(ctx context.Context, query url.Values) ([]byte, error) {
	address := c.base.JoinPath("api", "v1", "funnel")
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, application/problem+json")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, c.refusal(response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.unreachable(err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer of %s is longer than %d MiB, which no answer of the Stats API is: is --url right?", c, maxAnswer>>20)
	case !json.Valid(body):
		return nil, c.foreign("what is not JSON")
	}
	return body, nil
}

// String returns the URL without a password in it.
func (c *Client) String() string { return printable.Text(c.base.Redacted()) }

// unreachable says in a sentence why there is no answer.
func (c *Client) unreachable(err error) error {
	var failed interface{ Timeout() bool }
	var inURL *url.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connection refused by %s: is the Collector running, and is stats: set in its verifyyou_funnel connector?", c)
	case errors.As(err, &failed) && failed.Timeout():
		return fmt.Errorf("no answer from %s within %v: is the Collector overloaded, or something else listening there?", c, timeout)
	case errors.As(err, &inURL):
		err = inURL.Err // the query in it is of no interest
	}
	return fmt.Errorf("cannot reach %s: %s", c, printable.Text(err.Error()))
}

// refusal says what an answer other than 200 says.
func (c *Client) refusal(response *http.Response) error {
	status := printable.Text(response.Status)
	err := c.foreign(status)
	if detail := problem(response); detail != "" {
		err = fmt.Errorf("the Stats API answered %s: %s", status, detail)
	}
	if response.StatusCode >= 400 && response.StatusCode <= 499 && response.StatusCode != http.StatusTooManyRequests {
		return &RefusedError{err.Error()}
	}
	return err
}

func (c *Client) foreign(answer string) error {
	return fmt.Errorf("%s answered %s instead of a funnel: is --url the endpoint of stats: in the verifyyou_funnel connector?", c, answer)
}

// problem returns what an answer in the form of RFC 9457 says, empty for
// another answer.
func problem(response *http.Response) string {
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/problem+json" {
		return ""
	}
	var said struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxProblem)).Decode(&said); err != nil {
		return ""
	}
	if said.Detail == "" {
		return printable.Text(said.Title)
	}
	return printable.Text(said.Detail)
}
