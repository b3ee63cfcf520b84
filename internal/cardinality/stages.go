// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cardinality

import (
	"slices"
	"sync"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

const (
	maxStageBytes = 64

	// MaxUnknownStages is how many undocumented stages get series of their own.
	MaxUnknownStages = 32
)

// Stages limits the stages that get series of their own to the documented ones and the first MaxUnknownStages others.
// Each has a number: the documented ones come first, in VerifyYou's order. It is safe for concurrent use.
type Stages struct {
	mu      sync.RWMutex
	numbers map[string]int
	names   []string
}

// NewStages returns a limit with the documented stages.
func NewStages() *Stages {
	s := &Stages{numbers: map[string]int{}}
	for _, name := range event.Stages() {
		s.add(name)
	}
	return s
}

func (s *Stages) add(name string) {
	s.numbers[name] = len(s.names)
	s.names = append(s.names, name)
}

// OtherNumber is the number of all stages that are not admitted.
const OtherNumber = 63

// Admit returns the number of a stage, OtherNumber if it is over the limit. An unknown stage that is new is admitted if a
// place is free, and keeps it for good.
func (s *Stages) Admit(name string) int {
	if number, decided := s.find(name); decided {
		return number
	}
	return s.admit(name)
}

// find returns false if the stage is new and could be admitted.
func (s *Stages) find(name string) (number int, decided bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if number, ok := s.numbers[name]; ok {
		return number, true
	}
	return OtherNumber, s.rejects(name)
}

// rejects reports whether a stage that has no place cannot get one.
func (s *Stages) rejects(name string) bool {
	return name == Other || len(name) > maxStageBytes || len(s.names) >= len(event.Stages())+MaxUnknownStages
}

func (s *Stages) admit(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.numbers[name]; !ok {
		if s.rejects(name) { // another goroutine may have got the last place
			return OtherNumber
		}
		s.add(name)
	}
	return s.numbers[name]
}

// Name returns the name of the stage with a number that Admit returned, Other for OtherNumber.
func (s *Stages) Name(number int) string {
	if number == OtherNumber {
		return Other
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names[number]
}

// AdmitName does what Admit does, and returns the name to count the stage under: its own or Other.
func (s *Stages) AdmitName(name string) string {
	if s.Admit(name) == OtherNumber {
		return Other
	}
	return name
}

// Names returns the admitted stages, in the order of their numbers.
func (s *Stages) Names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.names)
}
