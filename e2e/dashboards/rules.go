// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
)

// Rule is a recording rule, with Record, or an alert, with Alert.
type Rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// LoadRules reads the rules of all groups of a Prometheus rule file, in their order.
func LoadRules(file string) ([]Rule, error) {
	var content struct {
		Groups []struct {
			Rules []Rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := loadYAML(file, &content); err != nil {
		return nil, err
	}
	var rules []Rule
	for _, group := range content.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, nil
}

func loadYAML(file string, content any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, content); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
