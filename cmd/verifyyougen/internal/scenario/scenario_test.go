// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefault(t *testing.T) {
	s := Default()
	assert.Len(t, s.Campaigns, 4)
	assert.Equal(t, "signup-campaign", s.Campaigns[0].Tracker)
	assert.Empty(t, s.Campaigns[3].Tracker)
	assert.Equal(t, 3, *s.Stages["consent_granted"].Step)
	assert.Nil(t, s.Stages["account_created"].Step)
	assert.Equal(t, Delay{9 * time.Second, 20 * time.Second}, s.Stages["liveness_passed"].After)
	assert.ElementsMatch(t, order, stageNames(s), "the default has the stages that VerifyYou has")
}

func stageNames(s *Scenario) (names []string) {
	for name := range s.Stages {
		names = append(names, name)
	}
	return names
}

func TestLeastScenario(t *testing.T) {
	s, err := Parse([]byte("stages: {verification_initialized: {}}"))
	require.NoError(t, err)
	assert.Equal(t, []Campaign{{Weight: 1}}, s.Campaigns)
}

func TestFaults(t *testing.T) {
	const stages = "stages: {verification_initialized: {}}\n"
	for name, test := range map[string]struct{ text, want string }{
		"empty":               {"# nothing\n", "it is empty, must have stages"},
		"no YAML":             {"stages: {", "it is not valid YAML"},
		"unknown key":         {stages + "campaign: []", "campaign is unknown, must be one of campaigns, external_id, returning, trust_score, stages, deliveries"},
		"unknown nested key":  {stages + "campaigns: [{wieght: 1}]", "campaigns[0].wieght is unknown, must be one of tracker, weight, friction"},
		"no number":           {stages + "external_id: most", `external_id is "most", must be a number`},
		"no duration":         {stages + "deliveries: {delay: {median: 5}}", `deliveries.delay.median is "5", must be a duration such as 5s`},
		"no first stage":      {"stages: {verification_started: {}}", "stages.verification_initialized is missing"},
		"negative chance":     {"stages: {verification_initialized: {next: {verification_initialized: -0.1}}}", "stages.verification_initialized.next.verification_initialized is -0.1, must be from 0 to 1"},
		"chance over 1":       {stages + "external_id: 1.1", "external_id is 1.1, must be from 0 to 1"},
		"chance of NaN":       {stages + "deliveries: {late: .nan}", "deliveries.late is NaN"},
		"twice negative":      {stages + "deliveries: {twice: -1}", "deliveries.twice is -1"},
		"sum over 1":          {"stages: {verification_initialized: {next: {a: 0.7, b: 0.4}}, a: {}, b: {}}", "stages.verification_initialized.next adds up to 1.1, must be at most 1"},
		"stage not there":     {"stages: {verification_initialized: {next: {a: 0.7}}}", "stages.verification_initialized.next.a is not a stage, must be a key of stages"},
		"no weight":           {stages + "campaigns: [{weight: 1}, {tracker: a}]", "campaigns[1].weight is 0, must be more than 0 and at most 1000000"},
		"negative weight":     {stages + "campaigns: [{weight: -1}]", "campaigns[0].weight is -1"},
		"negative friction":   {stages + "campaigns: [{weight: 1, friction: -1}]", "campaigns[0].friction is -1"},
		"endless weight":      {stages + "campaigns: [{weight: .inf}]", "campaigns[0].weight is +Inf"},
		"endless friction":    {stages + "campaigns: [{weight: 1, friction: .inf}]", "campaigns[0].friction is +Inf"},
		"negative median":     {stages + "deliveries: {delay: {median: -1s}}", "deliveries.delay.median is -1s"},
		"p90 below median":    {"stages: {verification_initialized: {after: {median: 2s, p90: 1s}}}", "stages.verification_initialized.after.p90 is 1s"},
		"p90 without median":  {stages + "deliveries: {delay: {p90: 1s}}", "deliveries.delay.median is missing"},
		"delay too long":      {stages + "deliveries: {delay: {median: 1s, p90: 1000h}}", "deliveries.delay.p90 is 1000h"},
		"trust score from to": {stages + "trust_score: {known: 1, from: 1, to: 0.5}", "trust_score.to is 0.5"},
		"trust score NaN":     {stages + "trust_score: {known: 1, to: .nan}", "trust_score.to is NaN"},
		"trust score Inf":     {stages + "trust_score: {known: 1, to: .inf}", "trust_score.to is +Inf"},
		"two faults":          {stages + "external_id: 2\ndeliveries: {late: 3}", "external_id is 2, must be from 0 to 1; deliveries.late is 3"},
		"key twice":           {stages + "external_id: 1\nexternal_id: 0", "external_id is there twice, must be there once"},
		"no mapping":          {"stages: [verification_initialized]", "stages must be a mapping of keys and values"},
		"no list":             {stages + "campaigns: {weight: 1}", "campaigns must be a list"},
		"no scalar":           {stages + "external_id: [1]", "external_id must be a number"},
		"no whole number":     {"stages: {verification_initialized: {step: 1.5}}", `stages.verification_initialized.step is "1.5", must be a whole number`},
		"no document":         {"stages", `is "stages", must be a mapping of keys and values`},
		"anchor in itself":    {"stages: {verification_initialized: &a {<<: *a}}", "it is not valid YAML: yaml: anchor 'a' value contains itself"},
		"returning over 1":    {stages + "returning: 1.5", "returning is 1.5, must be from 0 to 1"},
		"stragglers negative": {stages + "deliveries: {stragglers: -1}", "deliveries.stragglers is -1, must be from 0 to 1"},
		"straggler at once":   {stages + "deliveries: {stragglers: 0.1}", "deliveries.straggler_wait is missing, must be longer than the funnel waits"},
		"negative wait":       {stages + "deliveries: {straggler_wait: -1s}", "deliveries.straggler_wait is -1s, must be from 0s to 1000h0m0s"},
		"endless wait":        {stages + "deliveries: {straggler_wait: 1001h}", "deliveries.straggler_wait is 1001h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "\n")
			assert.NotContains(t, err.Error(), "scenario.")
		})
	}
}

// What is wrong in shape and what is wrong in value is reported together, each
// key once.
func TestFaultsTogether(t *testing.T) {
	_, err := Parse([]byte("stages: {verification_initialized: {step: first, next: {a: 2}}}\n" +
		"campaigns: [{weight: heavy}]\ndeliveries: {delay: {median: 5, p90: 10s}}\ncampaign: []\nreturning: -1\n"))
	assert.EqualError(t, err, `stages.verification_initialized.step is "first", must be a whole number; `+
		`campaigns[0].weight is "heavy", must be a number; `+
		`deliveries.delay.median is "5", must be a duration such as 5s; `+
		`campaign is unknown, must be one of campaigns, external_id, returning, trust_score, stages, deliveries; `+
		`returning is -1, must be from 0 to 1; `+
		`stages.verification_initialized.next.a is 2, must be from 0 to 1; `+
		`stages.verification_initialized.next adds up to 2, must be at most 1`)
}

// Anchors, aliases and merge keys are YAML like any other, null is as missing.
func TestAliases(t *testing.T) {
	s, err := Parse([]byte("campaigns: [&a {tracker: a, weight: 2}, {<<: *a, tracker: b}]\n" +
		"stages: {verification_initialized: &s {step: 1}, other: *s, last: }\nexternal_id: ~\n"))
	require.NoError(t, err)
	assert.Equal(t, []Campaign{{Tracker: "a", Weight: 2}, {Tracker: "b", Weight: 2}}, s.Campaigns)
	assert.Equal(t, 1, *s.Stages["other"].Step)
	assert.Zero(t, s.ExternalID)
}

func TestHappyPath(t *testing.T) {
	assert.Equal(t, []string{
		First, "verification_started", "account_created", "consent_granted", "liveness_started", "liveness_passed", Last,
	}, HappyPath())
}

// A scenario that is taken has no value that a population cannot be made of; an
// error is one line, whatever the keys are.
func FuzzParse(f *testing.F) {
	f.Add(DefaultYAML)
	for _, text := range []string{
		"stages: {verification_initialized: {}}", "stages: {\"a\\nb\\e\": {next: {c: 2}}}", "? [a]\n: b", "&a [*a]", "stages: &a {<<: *a}",
		"campaigns: [{weight: .nan, friction: .inf}]", "--- 1\n--- 2", "deliveries: {stragglers: 1}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			for _, r := range err.Error() {
				require.True(t, strconv.IsPrint(r), "%q in %q", r, err)
			}
			return
		}
		require.Contains(t, s.Stages, First)
		for _, campaign := range s.Campaigns {
			for _, next := range s.Chances(campaign) {
				for _, chance := range next {
					require.True(t, chance.Of >= 0 && chance.Of <= 1+tolerance, "%v", chance)
				}
			}
		}
	})
}

// Chances as people write them add up to a little more than 1 in binary.
func TestSumOfOne(t *testing.T) {
	_, err := Parse([]byte("stages: {verification_initialized: {next: {a: 0.7, b: 0.2, c: 0.1}}, a: {}, b: {}, c: {}}"))
	assert.NoError(t, err)
}

func TestFriction(t *testing.T) {
	s := &Scenario{Stages: map[string]Stage{
		First: {Next: map[string]float64{"a": 0.6, "b": 0.2}},
		"a":   {Next: map[string]float64{"b": 1}},
		"b":   {},
	}}
	friction := func(f float64) Campaign { return Campaign{Friction: &f} }
	for name, test := range map[string]struct {
		campaign Campaign
		a, b     float64
	}{
		"none given":     {Campaign{}, 0.6, 0.2},
		"twice":          {friction(2), 0.45, 0.15},
		"nobody leaves":  {friction(0), 0.75, 0.25},
		"everyone does":  {friction(5), 0, 0},
		"more than that": {friction(50), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.Chances(test.campaign)
			require.Len(t, got[First], 2)
			assert.Equal(t, "a", got[First][0].Stage)
			assert.InDelta(t, test.a, got[First][0].Of, 1e-9)
			assert.Equal(t, "b", got[First][1].Stage)
			assert.InDelta(t, test.b, got[First][1].Of, 1e-9)
			assert.Equal(t, []Chance{{"b", 1}}, got["a"], "where nobody leaves, nobody does")
			assert.Empty(t, got["b"])
		})
	}
}

func TestDelay(t *testing.T) {
	d := Delay{10 * time.Second, 40 * time.Second}
	random := rand.New(rand.NewPCG(1, 2))
	delays := make([]time.Duration, 100_000)
	for i := range delays {
		delays[i] = d.Of(random.NormFloat64())
	}
	slices.Sort(delays)
	assert.InDelta(t, 10, delays[50_000].Seconds(), 0.2)
	assert.InDelta(t, 40, delays[90_000].Seconds(), 0.8)
	assert.InDelta(t, 10*25.7, delays[99_999].Seconds(), 1, "10 * 4^2.34")

	assert.Equal(t, time.Second, Delay{time.Second, time.Second}.Of(2), "everyone takes the same time")
	assert.Zero(t, Delay{}.Of(2))
}

func TestCompareStages(t *testing.T) {
	got := []string{"b", "verification_completed", "a", "liveness_passed", First}
	slices.SortFunc(got, CompareStages)
	assert.Equal(t, []string{First, "liveness_passed", "verification_completed", "a", "b"}, got)
}
