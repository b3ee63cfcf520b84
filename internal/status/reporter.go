// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package status knows the current faults of a component, and tells the host of each of its signals when they change.
package status

import (
	"errors"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// Source is what can have a fault, one at a time.
type Source string

const (
	// Storage is at fault while state cannot be written.
	Storage Source = "storage"
	// State is at fault from finding corrupt state at Start until good state has been written in its place.
	State Source = "state"
	// Secrets is at fault while the file of secrets cannot be read.
	Secrets Source = "secrets"
)

// Reporter reports the faults of a component to its hosts: a recoverable error that has all of them while there are
// any, and OK when the last one is cleared. The zero value has no hosts and no faults. It is safe for concurrent use;
// hosts are called with its lock held, so that each of them is told in the order of the changes, and must not call back.
type Reporter struct {
	mu       sync.Mutex
	hosts    []component.Host
	faults   []fault // in the order in which they came
	fatal    error   // ends all reporting
	reported string  // the faults that the hosts know
}

type fault struct {
	source Source
	err    error
}

// AddHost adds the host that a Start was given. The Collector has an instance of a component for each signal, which it
// starts one by one with a host each. A host that comes while there are faults is told them; one that comes while there
// are none is not told anything: the Collector itself reports that Start has ended well.
func (r *Reporter) AddHost(host component.Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts = append(r.hosts, host)
	switch {
	case r.fatal != nil:
		componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(r.fatal))
	case len(r.faults) > 0:
		componentstatus.ReportStatus(host, r.event())
	}
}

// Fault says what is wrong with a source, in place of what was wrong with it before. What is wrong for the same reason
// as before is not reported again.
func (r *Reporter) Fault(source Source, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.faults, func(f fault) bool { return f.source == source }); i >= 0 {
		r.faults[i].err = err
	} else {
		r.faults = append(r.faults, fault{source, err})
	}
	r.report()
}

// Clear says that nothing is wrong with the sources any more, whether anything was or not.
func (r *Reporter) Clear(sources ...Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = slices.DeleteFunc(r.faults, func(f fault) bool { return slices.Contains(sources, f.source) })
	r.report()
}

// Fatal says that the component cannot go on: the Collector ends. Nothing is reported after it.
func (r *Reporter) Fatal(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fatal != nil {
		return
	}
	r.fatal = err
	r.tell(componentstatus.NewFatalErrorEvent(err))
}

// report tells the hosts of the faults unless they know them.
func (r *Reporter) report() {
	current := ""
	if err := r.err(); err != nil {
		current = err.Error()
	}
	if r.fatal != nil || current == r.reported {
		return
	}
	r.reported = current
	r.tell(r.event())
}

func (r *Reporter) tell(event *componentstatus.Event) {
	for _, host := range r.hosts {
		componentstatus.ReportStatus(host, event)
	}
}

func (r *Reporter) event() *componentstatus.Event {
	if err := r.err(); err != nil {
		return componentstatus.NewRecoverableErrorEvent(err)
	}
	return componentstatus.NewEvent(componentstatus.StatusOK)
}

// err returns all faults, nil if there are none.
func (r *Reporter) err() error {
	errs := make([]error, len(r.faults))
	for i, f := range r.faults {
		errs[i] = f.err
	}
	return errors.Join(errs...)
}
