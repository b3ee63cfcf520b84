// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package scenario says how a population of verifications behaves, and reads
// that from YAML.
package scenario

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/otel-verifyyou/verifyyoureceiver/cmd/verifyyougen/internal/printable"
)

// First is the stage at which every verification begins, Last the one that says
// that the flow has finished.
const (
	First = "verification_initialized"
	Last  = "verification_completed"
)

// DefaultYAML is the scenario that is used without one of the user's own. Its
// comments explain every key.
//
//go:embed default.yaml
var DefaultYAML []byte

// Scenario is how a population of verifications behaves. Chances are from 0 to 1.
type Scenario struct {
	Campaigns  []Campaign       `yaml:"campaigns"`
	ExternalID float64          `yaml:"external_id"` // chance that a person has one
	Returning  float64          `yaml:"returning"`   // chance that a verification is a further one of a person who had one before
	TrustScore TrustScore       `yaml:"trust_score"`
	Stages     map[string]Stage `yaml:"stages"`
	Deliveries Deliveries       `yaml:"deliveries"`
}

// Campaign is a share of the population.
type Campaign struct {
	Tracker  string   `yaml:"tracker"` // empty for none
	Weight   float64  `yaml:"weight"`
	Friction *float64 `yaml:"friction"` // multiplies the chance to leave at each stage; nil is 1
}

// TrustScore says which events carry a trust score, and between which values.
type TrustScore struct {
	Known float64 `yaml:"known"` // chance that an event carries one
	From  float64 `yaml:"from"`
	To    float64 `yaml:"to"`
}

// Stage is what happens at a stage.
type Stage struct {
	Step  *int               `yaml:"step"`  // nil for none
	After Delay              `yaml:"after"` // from the stage before
	Next  map[string]float64 `yaml:"next"`  // chance of each stage to be the next; with the rest, there is none
}

// Delay is a log-normal distribution. The zero value is no delay at all.
type Delay struct {
	Median time.Duration `yaml:"median"`
	P90    time.Duration `yaml:"p90"`
}

// Deliveries says which events are delivered late or twice, and by how much later.
type Deliveries struct {
	Late  float64 `yaml:"late"`
	Twice float64 `yaml:"twice"`
	Delay Delay   `yaml:"delay"`
	// Stragglers is the chance that an event is delivered only StragglerWait
	// after the others of its verification.
	Stragglers    float64       `yaml:"stragglers"`
	StragglerWait time.Duration `yaml:"straggler_wait"`
}

// Default returns the scenario of DefaultYAML.
func Default() *Scenario {
	s, err := Parse(DefaultYAML)
	if err != nil {
		panic(err) // a test parses it
	}
	return s
}

// Parse reads a scenario. Its error is one line that names every invalid key,
// what is wrong with it and what would be right.
func Parse(text []byte) (*Scenario, error) {
	var s Scenario
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(&s)
	var mistyped *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty, must have stages")
	case err != nil && !errors.As(err, &mistyped):
		return nil, fmt.Errorf("it is not valid YAML: %s", printable.Text(err.Error()))
	}
	if len(s.Campaigns) == 0 {
		s.Campaigns = []Campaign{{Weight: 1}}
	}
	found := s.faults(text)
	switch {
	case len(found) > 0:
		return nil, errors.New(found.String())
	case err != nil:
		return nil, errors.New(printable.Text(err.Error()))
	}
	return &s, nil
}
