// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

// Dashboard is what tests need of a Grafana dashboard, in the JSON model that Grafana calls classic.
type Dashboard struct {
	ID            *int     `json:"id"`
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	SchemaVersion int      `json:"schemaVersion"`
	Tags          []string `json:"tags"`
	Panels        []Panel  `json:"panels"`
	Templating    struct {
		List []Variable `json:"list"`
	} `json:"templating"`
}

// Panel is a panel or, with the type row, the heading of those that follow it.
type Panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
		Overrides []struct {
			Matcher struct {
				ID      string `json:"id"`
				Options string `json:"options"`
			} `json:"matcher"`
		} `json:"overrides"`
	} `json:"fieldConfig"`
	Options struct {
		Content string `json:"content"` // of a text
	} `json:"options"`
	Targets         []Target `json:"targets"`
	Transformations []struct {
		ID      string `json:"id"`
		Options struct {
			RenameByName map[string]string `json:"renameByName"`
		} `json:"options"`
	} `json:"transformations"`
}

// Target is one query of a panel.
type Target struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
	Format       string `json:"format"`  // heatmap: cumulative buckets, of which each is shown less the one before
	Instant      bool   `json:"instant"` // one value at the end of the range
	Datasource   struct {
		Type string `json:"type"`
	} `json:"datasource"`
}

// Variable is a template variable.
type Variable struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	AllValue string `json:"allValue"`
}

// Load reads a dashboard from a file.
func Load(file string) (*Dashboard, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := &Dashboard{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

var variable = regexp.MustCompile(`\$(?:(\w+)|\{(\w+)(?::\w+)?})`)

// Variables returns the names of the variables in a text, $name and ${name:format} alike.
func Variables(text string) []string {
	var names []string
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1]+match[2])
	}
	return names
}

// Substitute returns a text with the values of its variables. A variable without a value is left as it is, which no
// query language takes.
func Substitute(text string, values map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(reference string) string {
		if value, ok := values[Variables(reference)[0]]; ok {
			return value
		}
		return reference
	})
}
