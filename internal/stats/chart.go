// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"strconv"
	"strings"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

// The chart of conversion over time, in units of its drawing.
const (
	chartWidth  = 1000
	chartHeight = 100
	// maxPointsShown is how many points can be pointed at and are in the table below the chart.
	maxPointsShown = 400
)

// chart is conversion over time: a line for the share of those who completed, above bars for those who began.
type chart struct {
	Line             string // path of the share
	Began, Completed string // paths of bars
	Most             int64  // who began in one point: the height of the chart of bars
	Starts           []string
	Points           []chartPoint // none if there are too many
}

// chartPoint is a point, and the strip of the chart that belongs to it.
type chartPoint struct {
	pointJSON
	Start, At, Width string
}

func newChart(q *cohorts.Query, points []cohorts.Point) *chart {
	c := &chart{}
	for i := range points {
		c.Most = max(c.Most, points[i].Began)
	}
	c.Line = linePath(points)
	c.Began = barsPath(points, c.Most, func(p *cohorts.Point) int64 { return p.Began })
	c.Completed = barsPath(points, c.Most, func(p *cohorts.Point) int64 { return p.Completed })
	for _, i := range []int{0, (len(points) - 1) / 2, len(points) - 1} {
		c.Starts = append(c.Starts, pointName(q, points[i].Start))
	}
	if len(points) <= maxPointsShown {
		c.Points = chartPoints(q, points)
	}
	return c
}

func chartPoints(q *cohorts.Query, points []cohorts.Point) []chartPoint {
	width := float64(chartWidth) / float64(len(points))
	all := make([]chartPoint, len(points))
	for i := range points {
		p := &points[i]
		all[i] = chartPoint{
			pointJSON{p.Start, p.Began, p.Completed, share(p.Completed, p.Began)},
			pointName(q, p.Start), coordinate(float64(i) * width), coordinate(width),
		}
	}
	return all
}

func pointName(q *cohorts.Query, start time.Time) string {
	if q.Step == cohorts.StepDay {
		return start.In(q.Location).Format("2 Jan")
	}
	return start.In(q.Location).Format("2 Jan 15:04")
}

func coordinate(f float64) string {
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// linePath draws the share of those who completed. It has a gap where nobody began; a point between two gaps is a dot.
func linePath(points []cohorts.Point) string {
	var b strings.Builder
	command := "M"
	for i := range points {
		p := &points[i]
		if p.Began == 0 {
			command = "M"
			continue
		}
		x := (float64(i) + 0.5) * chartWidth / float64(len(points))
		y := chartHeight * (1 - float64(p.Completed)/float64(p.Began))
		b.WriteString(command + coordinate(x) + " " + coordinate(y))
		if command == "M" {
			b.WriteString("h0")
		}
		command = "L"
	}
	return b.String()
}

// barsPath draws a bar for each point in which there is somebody.
func barsPath(points []cohorts.Point, most int64, of func(*cohorts.Point) int64) string {
	const gap = 0.15 // of the width of a point
	width := float64(chartWidth) / float64(len(points))
	var b strings.Builder
	for i := range points {
		n := of(&points[i])
		if n == 0 {
			continue
		}
		height := chartHeight * float64(n) / float64(most)
		b.WriteString("M" + coordinate((float64(i)+gap/2)*width) + " " + strconv.Itoa(chartHeight) +
			"v" + coordinate(-height) + "h" + coordinate((1-gap)*width) + "v" + coordinate(height) + "z")
	}
	return b.String()
}
