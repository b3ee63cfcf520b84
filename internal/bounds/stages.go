// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package bounds

import (
	"sync"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

const (
	maxStageBytes = 64

	// MaxUnknownStages is how many undocumented stages get series of their own.
	MaxUnknownStages = 32
)

// Stages decides which stages get series of their own: the documented ones and the first so many others. Each of them
// has a number, the documented ones first in VerifyYou's order. It is safe for concurrent use.
type Stages struct {
	mu      sync.RWMutex
	numbers map[string]int
	names   []string
}

// NewStages returns Stages with the documented ones.
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

// OtherNumber is the number of all stages that have none of their own.
const OtherNumber = 63

// Number returns the number of a stage, less than OtherNumber where it has one of its own.
func (s *Stages) Number(name string) int {
	if number, ok := s.find(name); ok {
		return number
	}
	return s.admit(name)
}

// find reports false if it has to be decided yet whether a stage gets a number.
func (s *Stages) find(name string) (int, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if number, ok := s.numbers[name]; ok {
		return number, true
	}
	return OtherNumber, s.isFull(name)
}

func (s *Stages) isFull(name string) bool {
	return name == Other || len(name) > maxStageBytes || len(s.names) >= len(event.Stages())+MaxUnknownStages
}

func (s *Stages) admit(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.numbers[name]; !ok {
		if s.isFull(name) { // by now
			return OtherNumber
		}
		s.add(name)
	}
	return s.numbers[name]
}

// Name returns the name of the stage with a number, Other where it is OtherNumber.
func (s *Stages) Name(number int) string {
	if number == OtherNumber {
		return Other
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names[number]
}

// Bound returns the name to count a stage under: its own or Other.
func (s *Stages) Bound(name string) string {
	if s.Number(name) == OtherNumber {
		return Other
	}
	return name
}

// Names returns the stages by number.
func (s *Stages) Names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]string(nil), s.names...)
}
