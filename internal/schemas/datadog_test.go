// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package schemas

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readDashboard(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../dashboards/datadog/verifyyou-funnel.json")
	require.NoError(t, err)
	return string(text)
}

// decode returns a dashboard and what in it is not in Datadog's schema. Datadog's client keeps such things aside
// instead of refusing them.
func decode(text string) (datadogV1.Dashboard, []string) {
	var dashboard datadogV1.Dashboard
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		return dashboard, []string{err.Error()}
	}
	found := foreign("dashboard", reflect.ValueOf(&dashboard))
	return dashboard, found
}

// foreign lists the values under v that the client could not give a place in its types.
func foreign(path string, v reflect.Value) []string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return foreign(path, v.Elem())
	case reflect.Slice:
		var found []string
		for i := range v.Len() {
			found = append(found, foreign(fmt.Sprintf("%s[%d]", path, i), v.Index(i))...)
		}
		return found
	case reflect.Struct:
		return foreignFields(path, v)
	}
	if enum, ok := v.Interface().(interface{ IsValid() bool }); ok && !enum.IsValid() {
		return []string{fmt.Sprintf("%s: no such value: %v", path, v)}
	}
	return nil
}

func foreignFields(path string, v reflect.Value) []string {
	var found []string
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		switch {
		case !field.IsExported():
		case field.Name == "UnparsedObject":
			if !value.IsNil() {
				found = append(found, path+": not in the schema, or a property is missing")
			}
		case field.Name == "AdditionalProperties":
			for _, name := range value.MapKeys() {
				found = append(found, fmt.Sprintf("%s: no such property: %v", path, name))
			}
		default:
			found = append(found, foreign(path+"."+field.Name, value)...)
		}
	}
	return found
}

func TestDashboardIsInDatadogsSchema(t *testing.T) {
	_, found := decode(readDashboard(t))
	assert.Empty(t, found)
}

func TestWhatIsNotInDatadogsSchemaIsFound(t *testing.T) {
	text := readDashboard(t)
	for name, change := range map[string][2]string{
		"property of the dashboard":       {`"layout_type": "ordered"`, `"layout_type": "ordered", "theme": "dark"`},
		"property of a widget":            {`"precision": 0`, `"precison": 0`},
		"property of a query":             {`"aggregator": "sum"`, `"agregator": "sum"`},
		"property of a formula":           {`{"formula": "begun"}`, `{"formula": "begun", "unit": "%"}`},
		"property of a template variable": {`"prefix": "env"`, `"prefix": "env", "tag": "env"`},
		"layout of the dashboard":         {`"reflow_type": "fixed"`, `"reflow_type": "fluid"`},
		"type of a widget":                {`"type": "distribution"`, `"type": "contribution"`},
		"type of a request":               {`"request_type": "histogram"`, `"request_type": "heatmap"`},
		"property of a line":              {`"line_type": "dotted"`, `"line_type": "dots"`},
		"display type":                    {`"display_type": "bars"`, `"display_type": "bar"`},
		"aggregator":                      {`"aggregator": "percentile"`, `"aggregator": "p50"`},
		"unit":                            {`"type": "canonical_unit"`, `"type": "canonical"`},
		"source of a list":                {`"data_source": "logs_stream"`, `"data_source": "logs"`},
		"width of a column":               {`"field": "content", "width": "full"`, `"field": "content", "width": "wide"`},
		"missing name of a query":         {`"name": "begun",`, ``},
		"missing title":                   {`"title": "VerifyYou funnel",`, ``},
		"string instead of a number":      {`"precision": 0`, `"precision": "0"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, change[0])
			_, found := decode(strings.Replace(text, change[0], change[1], 1))
			assert.NotEmpty(t, found)
		})
	}
}

// request is what widgets of metrics have in common.
type request struct {
	widget  string
	scalar  bool
	queries []*datadogV1.FormulaAndFunctionMetricQueryDefinition
	formula []datadogV1.WidgetFormula
}

func newRequest(
	widget string, format *datadogV1.FormulaAndFunctionResponseFormat,
	queries []datadogV1.FormulaAndFunctionQueryDefinition, formulas []datadogV1.WidgetFormula,
) request {
	r := request{widget: widget, scalar: *format == datadogV1.FORMULAANDFUNCTIONRESPONSEFORMAT_SCALAR, formula: formulas}
	for _, query := range queries {
		r.queries = append(r.queries, query.FormulaAndFunctionMetricQueryDefinition)
	}
	return r
}

// requests returns the requests of the dashboard's widgets, those in groups included.
func requests(widgets []datadogV1.Widget) []request {
	var all []request
	for _, widget := range widgets {
		switch w := widget.Definition.GetActualInstance().(type) {
		case *datadogV1.GroupWidgetDefinition:
			all = append(all, requests(w.Widgets)...)
		case *datadogV1.QueryValueWidgetDefinition:
			for _, r := range w.Requests {
				all = append(all, newRequest(w.GetTitle(), r.ResponseFormat, r.Queries, r.Formulas))
			}
		case *datadogV1.TableWidgetDefinition:
			for _, r := range w.Requests {
				all = append(all, newRequest(w.GetTitle(), r.ResponseFormat, r.Queries, r.Formulas))
			}
		case *datadogV1.TimeseriesWidgetDefinition:
			for _, r := range w.Requests {
				all = append(all, newRequest(w.GetTitle(), r.ResponseFormat, r.Queries, r.Formulas))
			}
		}
	}
	return all
}

// TestQueriesAreReducedByTheirKind checks what Datadog takes without an error and answers with a wrong number: a count
// that is averaged over time, or a percentile that is not taken of the whole time.
func TestQueriesAreReducedByTheirKind(t *testing.T) {
	dashboard, _ := decode(readDashboard(t))
	all := requests(dashboard.Widgets)
	require.NotEmpty(t, all)
	for _, r := range all {
		for _, query := range r.queries {
			want := datadogV1.FORMULAANDFUNCTIONMETRICAGGREGATION_LAST
			switch {
			case !r.scalar:
				want = ""
			case strings.HasSuffix(query.Query, ".as_count()"):
				want = datadogV1.FORMULAANDFUNCTIONMETRICAGGREGATION_SUM
			case regexp.MustCompile(`^p\d+:`).MatchString(query.Query):
				want = datadogV1.FORMULAANDFUNCTIONMETRICAGGREGATION_PERCENTILE
			}
			assert.Equal(t, want, query.GetAggregator(), "%s: %s", r.widget, query.Query)
		}
	}
}

// TestFormulasUseTheirQueries finds a formula of a query that is not there, and a query that no formula uses.
func TestFormulasUseTheirQueries(t *testing.T) {
	dashboard, _ := decode(readDashboard(t))
	for _, r := range requests(dashboard.Widgets) {
		var used, defined []string
		for _, formula := range r.formula {
			for _, word := range regexp.MustCompile(`"[^"]*"|[a-z]\w*\(?`).FindAllString(formula.Formula, -1) {
				if !strings.ContainsAny(word, `"(`) { // neither a string nor a function
					used = append(used, word)
				}
			}
		}
		for _, query := range r.queries {
			defined = append(defined, query.Name)
		}
		assert.Subset(t, used, defined, r.widget)
		assert.Subset(t, defined, used, r.widget)
	}
}

func TestTemplateVariablesAreUsed(t *testing.T) {
	text := readDashboard(t)
	dashboard, _ := decode(text)
	defined := map[string]bool{}
	for _, variable := range dashboard.TemplateVariables {
		defined[variable.Name] = true
		assert.Contains(t, text, "$"+variable.Name)
	}
	for _, use := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(text, -1) {
		assert.True(t, defined[use[1]], use[0])
	}
}

// TestLayout finds widgets that lie on each other or outside the grid, which is 12 columns wide.
func TestLayout(t *testing.T) {
	dashboard, _ := decode(readDashboard(t))
	checkLayout(t, "dashboard", dashboard.Widgets)
}

func checkLayout(t *testing.T, in string, widgets []datadogV1.Widget) {
	t.Helper()
	taken := map[[2]int64]bool{}
	for i, widget := range widgets {
		for x := widget.Layout.X; x < widget.Layout.X+widget.Layout.Width; x++ {
			for y := widget.Layout.Y; y < widget.Layout.Y+widget.Layout.Height; y++ {
				assert.Less(t, x, int64(12), "%s, widget %d", in, i)
				assert.False(t, taken[[2]int64{x, y}], "%s, widget %d at %d, %d", in, i, x, y)
				taken[[2]int64{x, y}] = true
			}
		}
		if group := widget.Definition.GroupWidgetDefinition; group != nil {
			checkLayout(t, group.GetTitle(), group.Widgets)
		}
	}
}
