// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// maxAnswer is how much of an answer's body is read: it is for a person to
// read, and the endpoint may be anything.
const maxAnswer = 64 << 10

// targetFlags say where events go.
type targetFlags struct {
	endpoint string
	timeout  time.Duration
}

func (t *targetFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&t.endpoint, "endpoint", "http://localhost:8787/webhooks/verifyyou", "`URL` to post to")
	// Longer than the receiver's own write timeout of 30s, whose answer says more.
	flags.DurationVar(&t.timeout, "timeout", 35*time.Second, "how long to wait for the answer")
}

// validate checks the values that cobra does not.
func (t *targetFlags) validate() error {
	if t.timeout <= 0 {
		return fmt.Errorf("--timeout %s must be more than 0", t.timeout)
	}
	endpoint, err := url.Parse(t.endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		return fmt.Errorf("--endpoint %q must be a URL that begins with http:// or https://", t.endpoint)
	}
	return nil
}

// client returns an HTTP client; a nil transport is the default one.
func (t *targetFlags) client(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		Timeout:   t.timeout,
		// A redirect is an answer like any other: a webhook's sender need not
		// follow it, and a POST would come out of it as a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends the signed body and writes the answer to out. An answer that is
// not 2xx is an error, as it is to VerifyYou.
func (t *targetFlags) post(ctx context.Context, body []byte, signature string, out io.Writer) error {
	request, err := newRequest(ctx, t.endpoint, body, signature)
	if err != nil {
		return err
	}
	response, err := t.client(nil).Do(request)
	if err != nil {
		return explain(request.URL, err)
	}
	defer response.Body.Close()

	if err := report(out, response); err != nil {
		return err
	}
	if !acknowledges(response.StatusCode) {
		return fmt.Errorf("the endpoint answered %s", response.Status)
	}
	return nil
}

// acknowledges says whether an answer of a status is the last word on an event.
func acknowledges(status int) bool {
	return status >= 200 && status <= 299
}

func newRequest(ctx context.Context, endpoint string, body []byte, signature string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(signatureHeader, signature)
	if stage := stageOf(body); stage != "" {
		request.Header.Set("X-VerifyYou-Event", stage)
	}
	return request, nil
}

// explain says in a sentence why there is no answer.
func explain(endpoint *url.URL, err error) error {
	var failed *url.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connection refused by %s: is the Collector running?", endpoint.Redacted())
	case errors.As(err, &failed) && failed.Timeout():
		return fmt.Errorf("no answer from %s in time (see --timeout)", endpoint.Redacted())
	default:
		return fmt.Errorf("cannot reach the endpoint: %w", err)
	}
}

// report writes an answer: its status, the headers that say what to do next,
// and its body.
func report(out io.Writer, response *http.Response) error {
	text := bytes.NewBufferString(response.Status + "\n")
	for _, name := range []string{"Location", "Retry-After"} {
		if value := response.Header.Get(name); value != "" {
			fmt.Fprintf(text, "%s: %s\n", name, value)
		}
	}
	body, readErr := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if len(body) > 0 {
		fmt.Fprintf(text, "%s\n", bytes.TrimRight(body, "\n"))
	}
	if _, err := text.WriteTo(out); err != nil {
		return err
	}
	if readErr != nil {
		return fmt.Errorf("cannot read the whole answer: %w", readErr)
	}
	return nil
}
