// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// problem is why a request is not answered, for whoever asked (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string {
	return p.Detail
}

func newProblem(status int, detail string) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

func badRequest(detail string) *problem {
	return newProblem(http.StatusBadRequest, detail)
}

func badParameter(name, format string, args ...any) *problem {
	return badRequest(name + ": " + fmt.Sprintf(format, args...))
}

// errBusy means that others have asked for so much that there is no answer in time.
var errBusy = newProblem(http.StatusServiceUnavailable, "too many questions are being answered; ask again in a few seconds, or for a shorter range")

// problemOf returns what to say of an error.
func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, cohorts.ErrTooManyPoints):
		return badParameter(paramStep, "the range has more than %s points of it; use a longer one, 1d for example, or a shorter range", formatCount(cohorts.MaxPoints))
	default:
		return newProblem(http.StatusInternalServerError, "the answer could not be made; the Collector's log says why")
	}
}

// body returns it as application/problem+json.
func (p *problem) body() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // two strings and a number
	}
	return append(b, '\n')
}
