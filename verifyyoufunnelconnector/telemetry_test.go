// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"errors"
	"testing"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadatatest"
)

// by is a number for each value of an attribute.
func by(name string, values map[string]int64) []metricdata.DataPoint[int64] {
	var dps []metricdata.DataPoint[int64]
	for value, n := range values {
		dps = append(dps, metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attribute.String(name, value)), Value: n})
	}
	return dps
}

func plain(n int64) []metricdata.DataPoint[int64] {
	return []metricdata.DataPoint[int64]{{Value: n}}
}

func TestOwnTelemetry(t *testing.T) {
	a := connect(t, func(c *Config) { c.MaxVerifications = 2 })
	ignore := metricdatatest.IgnoreTimestamp()
	same := func(results, dropped map[string]int64, endedEarly, verifications int64) {
		t.Helper()
		metadatatest.AssertEqualConnectorVerifyyouFunnelEvents(t, a.telemetry, by("result", results), ignore)
		metadatatest.AssertEqualConnectorVerifyyouFunnelDropped(t, a.telemetry, by("signal", dropped), ignore)
		metadatatest.AssertEqualConnectorVerifyyouFunnelEndedEarly(t, a.telemetry, plain(endedEarly), ignore)
		metadatatest.AssertEqualConnectorVerifyyouFunnelVerifications(t, a.telemetry, plain(verifications), ignore)
	}
	same(map[string]int64{"new": 0, "duplicate": 0, "straggler": 0, "other_record": 0}, map[string]int64{"logs": 0, "traces": 0}, 0, 0)

	// Each record is handed to three instances, and counted once.
	event := eventAt(1, "ver_1", "verification_started")
	a.take(0, event, event, event, eventAt(2, "ver_2", "verification_started"), recordAt(0, attrs{}))
	same(map[string]int64{"new": 2, "duplicate": 2, "straggler": 0, "other_record": 1}, map[string]int64{"logs": 0, "traces": 0}, 0, 2)

	a.flushAt(hour)
	a.take(hour, eventAt(0, "ver_1", "verification_initialized"), eventAt(0, "ver_3", "verification_started"))
	same(map[string]int64{"new": 3, "duplicate": 2, "straggler": 1, "other_record": 1}, map[string]int64{"logs": 0, "traces": 0}, 0, 2)

	a.take(hour, eventAt(0, "ver_4", "verification_started"), eventAt(0, "ver_5", "verification_started"))
	same(map[string]int64{"new": 5, "duplicate": 2, "straggler": 1, "other_record": 1}, map[string]int64{"logs": 0, "traces": 0}, 1, 2)

	a.refuse(pipeline.SignalTraces)
	a.refusal = consumererror.NewPermanent(errors.New("no"))
	a.flushAt(26 * hour)
	same(map[string]int64{"new": 5, "duplicate": 2, "straggler": 1, "other_record": 1}, map[string]int64{"logs": 0, "traces": 3}, 1, 0)
}
