// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
)

func TestTheStepSuitsTheRange(t *testing.T) {
	for length, want := range map[time.Duration]cohorts.Step{
		time.Minute:               cohorts.StepQuarter,
		24 * time.Hour:            cohorts.StepQuarter,
		24*time.Hour + 1:          cohorts.StepHour,
		8 * 24 * time.Hour:        cohorts.StepHour,
		8*24*time.Hour + 1:        cohorts.StepDay,
		10 * 365 * 24 * time.Hour: cohorts.StepDay,
	} {
		assert.Equal(t, want, stepFor(length), length)
	}
}

// FuzzParse shows that the address of a view leads to the same view, whatever was asked for.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "from=7d&to=1h&step=1d&time_zone=Europe/Berlin", "from=2026-06-09t00:00:00.5z&to=2026-06-10T00:00:00%2B02:00",
		"external_tracker=&external_tracker=a%20b%26c&external_tracker=%00%0d%0a", "external_tracker", "from=%zz", "&&=&x=y", "from=1h;to=2h",
		"time_zone=Local", "time_zone=../../etc/passwd", "step=15m&step=15m", "from=99999999999999999999d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rawQuery string) {
		q, err := parse(rawQuery, false)
		if err != nil {
			var p *problem
			require.ErrorAs(t, err, &p)
			assert.NotEmpty(t, p.Detail)
			return
		}
		lenient, err := parse(rawQuery, true)
		require.NoError(t, err)
		assert.Equal(t, q.key(), lenient.key())
		again, err := parse(q.address()[1:], false)
		require.NoError(t, err)
		assert.Equal(t, q.key(), again.key())
	})
}
