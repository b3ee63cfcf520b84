// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// formatCount writes a number with its thousands apart.
func formatCount(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// formatShare writes a share in percent. What is not all is never written as 100 %, what is not nothing never as 0 %.
func formatShare(share *float64) string {
	if share == nil {
		return "–"
	}
	switch percent := *share * 100; {
	case percent <= 0 || percent >= 100:
		return strconv.FormatFloat(percent, 'f', 0, 64) + "%"
	case percent < 9.95 || percent > 99:
		return strconv.FormatFloat(min(max(percent, 0.1), 99.9), 'f', 1, 64) + "%"
	default:
		return strconv.FormatFloat(percent, 'f', 0, 64) + "%"
	}
}

// formatSeconds writes a time as people say it, in two units at most.
func formatSeconds(seconds *float64) string {
	if seconds == nil {
		return "–"
	}
	switch s := *seconds; {
	case s < 0.9995:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	}
	for _, u := range []struct {
		below, unit, rest  float64
		unitName, restName string
	}{
		{time.Minute.Seconds(), 0, 1, "", "s"},
		{time.Hour.Seconds(), time.Minute.Seconds(), 1, "min", "s"},
		{day.Seconds(), time.Hour.Seconds(), time.Minute.Seconds(), "h", "min"},
		{math.Inf(1), day.Seconds(), time.Hour.Seconds(), "d", "h"},
	} {
		rounded := math.Round(*seconds/u.rest) * u.rest
		if rounded >= u.below {
			continue
		}
		if u.unit == 0 {
			return fmt.Sprintf("%.0f s", rounded)
		}
		whole := math.Floor(rounded / u.unit)
		text := fmt.Sprintf("%.0f %s", whole, u.unitName)
		if rest := (rounded - whole*u.unit) / u.rest; rest > 0 {
			text += fmt.Sprintf(" %.0f %s", rest, u.restName)
		}
		return text
	}
	return ""
}

// visible makes text from outside what a reader can see: what would be invisible, or would change how other text is
// shown, is written as its code.
func visible(s string) string {
	if strings.IndexFunc(s, invisible) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if invisible(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func invisible(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r)
}

// lengthOf writes a range of time that is asked for as a duration back from now.
func lengthOf(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "hour"
	case d%day == 0 && d > day:
		return fmt.Sprintf("%d days", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	default:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
}
