// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"bytes"
	_ "embed" // for the template
	"html/template"
	"net/http"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

//go:embed assets/page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": formatCount, "share": formatShare, "seconds": formatSeconds, "label": stageLabel,
}).Parse(pageHTML))

// document is what the template makes a page of: of what is known, or of a problem.
type document struct {
	Style, Script, Icon string // paths
	Problem             *problem
	View                *view // nil where there is a problem
}

func newDocument() *document {
	return &document{Style: assetStyle.path, Script: assetScript.path, Icon: assetIcon.path}
}

func (d *document) render() ([]byte, error) {
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, d)
	return b.Bytes(), err
}

// page answers a question as of a time in HTML.
func (h *Handler) page(q *question, now time.Time) ([]byte, error) {
	query, err := q.query(now)
	if err != nil {
		return nil, err
	}
	a, err := h.source.Answer(query, now)
	if err != nil {
		return nil, err
	}
	choices := a.Trackers
	if q.trackers != nil {
		if choices, err = h.allTrackers(query, now); err != nil {
			return nil, err
		}
	}
	d := newDocument()
	d.View = newView(q, query, a, choices, now)
	return d.render()
}

// allTrackers returns those that can be asked for instead of the ones that are.
func (h *Handler) allTrackers(query *cohorts.Query, now time.Time) ([]cohorts.Tracker, error) {
	every := *query
	every.Trackers = nil
	a, err := h.source.Answer(&every, now)
	if err != nil {
		return nil, err
	}
	return a.Trackers, nil
}

// refuseOnPage says what is wrong on a page.
func refuseOnPage(w http.ResponseWriter, p *problem) {
	d := newDocument()
	d.Problem = p
	body, err := d.render()
	if err != nil {
		refuse(w, p)
		return
	}
	writeProblem(w, p, typeHTML, body)
}
