// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// host remembers what it is told: the status, and the error if there is one.
type host struct {
	mu   sync.Mutex
	told []string
}

func (*host) GetExtensions() map[component.ID]component.Component { return nil }

func (h *host) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := e.Status().String()
	if e.Err() != nil {
		text += ": " + e.Err().Error()
	}
	h.told = append(h.told, text)
}

const (
	full      = "StatusRecoverableError: full"
	fullEmpty = "StatusRecoverableError: full\nempty"
	empty     = "StatusRecoverableError: empty"
	ok        = "StatusOK"
)

func TestFaults(t *testing.T) {
	errFull, errEmpty := errors.New("full"), errors.New("empty")
	for name, test := range map[string]struct {
		do   func(*Reporter)
		want []string
	}{
		"nothing":               {func(*Reporter) {}, nil},
		"clear without a fault": {func(r *Reporter) { r.Clear(Storage, State, Secrets) }, nil},
		"one": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Clear(Storage)
			r.Clear(Storage)
		}, []string{full, ok}},
		"unchanged": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Fault(Storage, errors.New("full"))
			r.Clear(State, Secrets)
		}, []string{full}},
		"changed": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Fault(Storage, errEmpty)
		}, []string{full, empty}},
		"one of two, the first": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Fault(Secrets, errEmpty)
			r.Clear(Storage)
			r.Clear(Secrets)
		}, []string{full, fullEmpty, empty, ok}},
		"one of two, the last": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Fault(Secrets, errEmpty)
			r.Clear(Secrets)
		}, []string{full, fullEmpty, full}},
		"two at once": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Fault(State, errEmpty)
			r.Clear(Storage, State)
		}, []string{full, fullEmpty, ok}},
		"again": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Clear(Storage)
			r.Fault(Storage, errFull)
		}, []string{full, ok, full}},
		"fatal": {func(r *Reporter) {
			r.Fault(Storage, errFull)
			r.Fatal(errors.New("listener"))
			r.Clear(Storage)
			r.Fault(Secrets, errEmpty)
			r.Fatal(errors.New("again"))
		}, []string{full, "StatusFatalError: listener"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := new(Reporter)
			hosts := []*host{{}, {}, {}}
			for _, h := range hosts {
				r.AddHost(h)
			}
			test.do(r)
			for _, h := range hosts {
				assert.Equal(t, test.want, h.told)
			}
		})
	}
}

// TestLateHost is told what is wrong, not what was.
func TestLateHost(t *testing.T) {
	r := new(Reporter)
	r.Fault(State, errors.New("empty"))
	first, second, third, fourth := new(host), new(host), new(host), new(host)
	r.AddHost(first)
	r.Fault(Storage, errors.New("full"))
	r.Clear(State)
	r.AddHost(second)
	r.Clear(Storage)
	r.AddHost(third)
	r.Fatal(errors.New("listener"))
	r.AddHost(fourth)
	const fatal = "StatusFatalError: listener"
	assert.Equal(t, []string{empty, "StatusRecoverableError: empty\nfull", full, ok, fatal}, first.told)
	assert.Equal(t, []string{full, ok, fatal}, second.told)
	assert.Equal(t, []string{fatal}, third.told)
	assert.Equal(t, []string{fatal}, fourth.told)
}

// TestManyAtOnce ends with the truth, whoever is last.
func TestManyAtOnce(t *testing.T) {
	r, h := new(Reporter), new(host)
	r.AddHost(h)
	var all sync.WaitGroup
	for _, source := range []Source{Storage, State, Secrets} {
		all.Go(func() {
			for range 100 {
				r.Fault(source, errors.New(string(source)))
				r.Clear(source)
			}
		})
	}
	all.Wait()
	assert.Equal(t, ok, h.told[len(h.told)-1])
}
