// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	folder   = "../../dashboards/"
	receiver = "../../metadata.yaml"
	funnel   = "../../verifyyoufunnelconnector/metadata.yaml"
)

// summaryAttributes are those of the connector's summary records that the receiver's records do not have.
var summaryAttributes = []string{
	"verifyyou.verification.outcome", "verifyyou.verification.last_stage", "verifyyou.verification.duration",
	"verifyyou.verification.path", "verifyyou.verification.events", "verifyyou.verification.resumed",
	"verifyyou.verification.start_time", "verifyyou.verification.attempts", "verifyyou.verification.drop_offs",
}

// values are what the variables of the dashboards and of Grafana can be.
var values = map[string]string{
	"__range": "6h", "__rate_interval": "1m", "__auto": "1m",
	"tracker": "a|b", "window": "1h", "verification": "ver_abc123",
}

func catalog(t *testing.T) Catalog {
	t.Helper()
	c, err := LoadCatalog(receiver, funnel)
	require.NoError(t, err)
	return c
}

// file is a dashboard as it is stored.
type file struct {
	*Dashboard
	name string
	text []byte
}

func load(t *testing.T) []file {
	t.Helper()
	names, err := filepath.Glob(folder + "grafana/*.json")
	require.NoError(t, err)
	require.Len(t, names, 3)
	var files []file
	for _, name := range names {
		d, err := Load(name)
		require.NoError(t, err)
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		files = append(files, file{d, filepath.Base(name), text})
	}
	return files
}

// queried returns the panels that are neither headings nor texts.
func (d *Dashboard) queried() []Panel {
	return slices.DeleteFunc(slices.Clone(d.Panels), func(p Panel) bool { return p.Type == "row" || p.Type == "text" })
}

func TestDashboards(t *testing.T) {
	uids := map[string]bool{}
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			var keys map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(d.text, &keys))
			assert.NotContains(t, keys, "__inputs", "a data source is chosen by a variable")
			assert.NotContains(t, keys, "timezone", "each user has one")
			assert.Nil(t, d.ID, "Grafana gives an id")
			assert.NotEmpty(t, d.UID)
			assert.False(t, uids[d.UID], "the uid of another dashboard")
			uids[d.UID] = true
			assert.NotEmpty(t, d.Title)
			assert.NotEmpty(t, d.Description)
			assert.Equal(t, 42, d.SchemaVersion)
			assert.Contains(t, d.Tags, "verifyyou")
		})
	}
}

func TestPanels(t *testing.T) {
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			ids, titles := map[int]bool{}, map[string]bool{}
			for _, p := range d.Panels {
				assert.NotEmpty(t, p.Title)
				assert.False(t, titles[p.Title], "%q is there twice", p.Title)
				titles[p.Title] = true
				assert.False(t, ids[p.ID], "the id of %q is another's", p.Title)
				ids[p.ID] = true
			}
			for _, p := range d.queried() {
				assert.NotEmpty(t, p.Description, p.Title)
				assert.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
				assert.NotEmpty(t, p.Targets, p.Title)
				refIDs := map[string]bool{}
				for _, target := range p.Targets {
					assert.False(t, refIDs[target.RefID], "%s has %s twice", p.Title, target.RefID)
					refIDs[target.RefID] = true
				}
			}
		})
	}
}

// TestLayout shows that no panel lies over another, or beside the grid of 24 columns.
func TestLayout(t *testing.T) {
	type cell struct{ x, y int }
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			taken := map[cell]string{}
			for _, p := range d.Panels {
				assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
				for x := range p.GridPos.W {
					for y := range p.GridPos.H {
						at := cell{p.GridPos.X + x, p.GridPos.Y + y}
						assert.Empty(t, taken[at], "%q lies over it", p.Title)
						taken[at] = p.Title
					}
				}
			}
		})
	}
}

// TestDatasources shows that all queries go to the data source that the user chooses.
func TestDatasources(t *testing.T) {
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			assert.Contains(t, d.Templating.List, Variable{Name: "datasource", Type: "datasource"})
			chosen := regexp.MustCompile(`"uid": "\$\{datasource}"`)
			referred := regexp.MustCompile(`"datasource": \{`)
			assert.Len(t, chosen.FindAll(d.text, -1), len(referred.FindAll(d.text, -1)))
			assert.Len(t, regexp.MustCompile(`"uid":`).FindAll(d.text, -1), len(chosen.FindAll(d.text, -1))+1, "other than the dashboard's own")
		})
	}
}

func TestVariables(t *testing.T) {
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			used := Variables(string(d.text))
			for _, v := range d.Templating.List {
				assert.Contains(t, used, v.Name, "nothing uses it")
				if v.Name == "tracker" && v.Type == "query" {
					assert.Equal(t, ".*", v.AllValue, "a series without a tracker has no such label")
				}
			}
			for _, p := range d.queried() {
				for _, target := range p.Targets {
					// $1 is what label_replace has matched.
					assert.NotContains(t, strings.ReplaceAll(Substitute(target.Expr, values), `"$1"`, ""), "$")
				}
			}
		})
	}
}

// TestOverrides shows that what is set for a field by name is set for one that is there.
func TestOverrides(t *testing.T) {
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			for _, p := range d.queried() {
				for _, override := range p.FieldConfig.Overrides {
					assert.Equal(t, "byName", override.Matcher.ID)
					assert.True(t, p.mayHave(override.Matcher.Options), "%s: %s", p.Title, override.Matcher.Options)
				}
			}
		})
	}
}

// mayHave tells whether a panel can have a field of the name. The values of labels are anybody's.
func (p *Panel) mayHave(name string) bool {
	for _, target := range p.Targets {
		if target.LegendFormat == name || strings.Contains(target.LegendFormat, "{{") {
			return true
		}
	}
	for _, transformation := range p.Transformations {
		for _, renamed := range transformation.Options.RenameByName {
			if renamed == name {
				return true
			}
		}
	}
	return false
}

// optIn matches queries for labels that are not there unless the connector's configuration says so.
var optIn = regexp.MustCompile(
	`(verification_(active|attempts_\w+)|stage_duration_seconds_\w+)\{[^}]*external_tracker|verification_dropped_off`)

func TestPrometheusQueries(t *testing.T) {
	c := catalog(t)
	checked := 0
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			for _, p := range d.queried() {
				for _, target := range p.Targets {
					if target.Datasource.Type != "prometheus" {
						continue
					}
					checked++
					require.NoError(t, c.Check(Substitute(target.Expr, values)), p.Title)
					assert.NotRegexp(t, `\b(job|instance)\b`, target.Expr, "%s: they differ by how a series came", p.Title)
					if strings.HasPrefix(target.Expr, "round(") {
						assert.Contains(t, p.Description, "off by about one sample interval", p.Title)
					}
					if optIn.MatchString(target.Expr) {
						assert.Contains(t, p.Description, "opt-in", "%s: it is empty without", p.Title)
					}
				}
			}
		})
	}
	assert.Positive(t, checked)
}

// TestConversionIsOfThoseWhoEnded shows that shares of verifications are of those that ended, which are the only ones that
// can be compared, and at most 100 %.
func TestConversionIsOfThoseWhoEnded(t *testing.T) {
	shares := 0
	for _, d := range load(t) {
		for _, p := range d.queried() {
			for _, target := range p.Targets {
				if !regexp.MustCompile(`(reached|passed)_total.* / `).MatchString(target.Expr) {
					continue
				}
				shares++
				assert.NotContains(t, target.Expr, "reached_total", p.Title)
				assert.Regexp(t, `^clamp_max\(.*, 1\)$`, target.Expr, p.Title)
			}
		}
	}
	assert.Positive(t, shares)
}

// TestTrackerFilter shows that a tracker is chosen for all that is counted by it, but for how long nothing came, which
// is about the receiver.
func TestTrackerFilter(t *testing.T) {
	const label = "verifyyou_external_tracker"
	c := catalog(t)
	for _, d := range load(t) {
		for _, p := range d.queried() {
			for _, target := range p.Targets {
				if target.Datasource.Type != "prometheus" || p.Title == "Since the last event" {
					continue
				}
				for _, selector := range selectors(t, Substitute(target.Expr, values)) {
					byTracker := slices.ContainsFunc(c.names(selector), func(name string) bool { return slices.Contains(c[name], label) })
					filtered := slices.ContainsFunc(selector.LabelMatchers, func(m *labels.Matcher) bool {
						return m.Name == label && m.Type == labels.MatchRegexp && m.Value == values["tracker"]
					})
					assert.Equal(t, byTracker, filtered, "%s, %s: %s", d.name, p.Title, selector)
				}
			}
		}
	}
}

func selectors(t *testing.T, expr string) []*parser.VectorSelector {
	t.Helper()
	parsed, err := parse(expr)
	require.NoError(t, err)
	var all []*parser.VectorSelector
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			all = append(all, selector)
		}
		return nil
	})
	return all
}

// TestTextAsksForWhatIsThere shows that the queries in texts ask for attributes that records and spans have.
func TestTextAsksForWhatIsThere(t *testing.T) {
	known := map[string]bool{}
	for _, attribute := range append(recordAttributes(t), summaryAttributes...) {
		known[attribute], known[strings.ReplaceAll(attribute, ".", "_")] = true, true
	}
	texts := 0
	for _, d := range load(t) {
		for _, p := range d.Panels {
			if p.Type != "text" {
				continue
			}
			texts++
			for _, name := range regexp.MustCompile(`\bverifyyou[._]\w[\w.]*`).FindAllString(p.Options.Content, -1) {
				assert.True(t, known[name] || name == "verifyyou_funnel", "%s: %s", p.Title, name)
			}
		}
	}
	assert.Positive(t, texts)
}

// TestLokiQueries shows that the queries ask for attributes that log records have.
func TestLokiQueries(t *testing.T) {
	known := map[string]bool{}
	for _, attribute := range append(recordAttributes(t), summaryAttributes...) {
		known[strings.ReplaceAll(attribute, ".", "_")] = true
	}
	checked := 0
	for _, d := range load(t) {
		t.Run(d.name, func(t *testing.T) {
			for _, p := range d.queried() {
				if p.Targets[0].Datasource.Type != "loki" {
					continue
				}
				for _, name := range p.attributes() {
					checked++
					assert.True(t, known[name], "%s: %s", p.Title, name)
				}
			}
		})
	}
	assert.Positive(t, checked)
}

// attributes returns the attributes that a panel asks for or shows, as Loki names them.
func (p *Panel) attributes() []string {
	var texts []string
	for _, target := range p.Targets {
		texts = append(texts, target.Expr, target.LegendFormat)
	}
	for _, transformation := range p.Transformations {
		texts = slices.AppendSeq(texts, maps.Keys(transformation.Options.RenameByName))
	}
	return regexp.MustCompile(`\bverifyyou_\w+`).FindAllString(strings.Join(texts, " "), -1)
}

// recordAttributes returns those of the records that the receiver's tests expect.
func recordAttributes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/cases/*/logs.yaml")
	require.NoError(t, err)
	var attributes []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`key: (verifyyou\.\w+)`).FindAllSubmatch(text, -1) {
			attributes = append(attributes, string(match[1]))
		}
	}
	require.NotEmpty(t, attributes)
	return attributes
}

func TestRules(t *testing.T) {
	c := catalog(t)
	rules, err := LoadRules(folder + "prometheus/rules.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, rules)
	for _, rule := range rules {
		require.NoError(t, c.Check(rule.Expr), rule.Record+rule.Alert)
		if rule.Alert != "" {
			assert.NotEmpty(t, rule.Labels["severity"], rule.Alert)
			assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
			assert.NotEmpty(t, rule.Annotations["description"], rule.Alert)
			continue
		}
		require.NoError(t, c.Record(rule.Record, rule.Expr))
	}
}

// TestCheck shows that mistakes are found that Prometheus would answer with an empty result.
func TestCheck(t *testing.T) {
	c := catalog(t)
	for expr, fault := range map[string]string{
		`sum(rate(verifyyou_events_total[5m])`:                                "unclosed left parenthesis",
		`verifyyou_event_total`:                                               "no such series",
		`{__name__=~"otelcol_receiver_requests(_total)?"}`:                    "no such series",
		`verifyyou_events_total{verifyyou_stag="x"}`:                          "no label verifyyou_stag",
		`sum by (verifyyou_reason) (verifyyou_events_total)`:                  "the label verifyyou_reason",
		`verifyyou_stage_duration_seconds_sum{le="1"}`:                        "no label le",
		`verifyyou_events_total / on (outcome) verifyyou_events_total`:        "the label outcome",
		`label_replace(verifyyou_events_total, "a", "$1", "stag", ".*")`:      "the label stag",
		`sum by (b) (label_replace(verifyyou_events_total, "a", "", "", ""))`: "the label b",
	} {
		require.ErrorContains(t, c.Check(expr), fault, expr)
	}
	for _, expr := range []string{
		`{__name__=~"otelcol_receiver_verifyyou_requests(_total)?", result="accepted"}`,
		`sum by (a) (label_replace(verifyyou_events_total, "a", "$1", "verifyyou_stage", "(.+)"))`,
		`verifyyou_verification_active{verifyyou_external_tracker="a"}`, // another name in metadata.yaml
	} {
		require.NoError(t, c.Check(expr))
	}
}

func TestSubstitute(t *testing.T) {
	assert.Equal(t, []string{"tracker", "__range"}, Variables(`x{a=~"${tracker:regex}"}[$__range]`))
	assert.Equal(t, `x{a=~"b"}[1h] $other`, Substitute(`x{a=~"${tracker:regex}"}[$__range] $other`, map[string]string{"tracker": "b", "__range": "1h"}))
}
