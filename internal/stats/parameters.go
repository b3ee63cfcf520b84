// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

var (
	errNoTime    = errors.New("is no time")
	errSpace     = errors.New("is no time: it has a space in it, which a + in a URL is; write a + as %2B")
	errNoBack    = errors.New("is no time back from now: it must be above 0")
	errTooFar    = errors.New("is too far back")
	errNoStep    = errors.New("is no step")
	errNoZone    = errors.New("is no time zone")
	errLocalZone = errors.New("is no time zone: it would be another on every machine")
)

// durationPattern is a whole number and a unit.
var durationPattern = regexp.MustCompile(`^\d+[mhd]$`)

// timePattern is what RFC 3339, section 5.6, wants and time.Parse does not.
var timePattern = regexp.MustCompile(`^[0-9-]{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

var units = map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': day}

// farthestBack keeps times where all of them can be written as RFC 3339.
const farthestBack = 100 * 365 * day

func parseMoment(s string) (moment, error) {
	if durationPattern.MatchString(s) {
		return parseBack(s)
	}
	if strings.Contains(s, " ") {
		return moment{}, errSpace
	}
	upper := strings.ToUpper(s) // letter case does not count
	at, err := time.Parse(time.RFC3339, upper)
	if err != nil || !timePattern.MatchString(upper) {
		return moment{}, errNoTime
	}
	return moment{at: at, text: s}, nil
}

func parseBack(s string) (moment, error) {
	unit := units[s[len(s)-1]]
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	switch {
	case err != nil || n > int64(farthestBack/unit):
		return moment{}, errTooFar
	case n == 0:
		return moment{}, errNoBack
	}
	return moment{relative: true, back: time.Duration(n) * unit, text: s}, nil
}

func parseStep(s string) (cohorts.Step, error) {
	step := cohorts.Step(s)
	if !slices.Contains([]cohorts.Step{cohorts.StepQuarter, cohorts.StepHour, cohorts.StepDay}, step) {
		return "", errNoStep
	}
	return step, nil
}

// zonePattern keeps out all that could be a path outside the database, or a file in it that is no zone.
var zonePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$`)

// loadZone returns a zone of the IANA database. Besides the zones, a folder of it has what is a machine's own, and the
// same zones again with leap seconds.
func loadZone(name string) (*time.Location, error) {
	folder, _, _ := strings.Cut(name, "/")
	switch {
	case name == "Local", name == "localtime":
		return nil, errLocalZone
	case !zonePattern.MatchString(name), slices.Contains([]string{"posix", "right", "posixrules"}, folder):
		return nil, errNoZone
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, errNoZone
	}
	return location, nil
}
