// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadatatest"
)

// by is a number for each value of an attribute.
func by(name string, values map[string]int64) []metricdata.DataPoint[int64] {
	var dps []metricdata.DataPoint[int64]
	for value, n := range values {
		dps = append(dps, metricdata.DataPoint[int64]{
			Attributes: attribute.NewSet(attribute.String("connector", ownID.String()), attribute.String(name, value)), Value: n,
		})
	}
	return dps
}

// plain is a number of the connector, with no further attribute.
func plain(n int64) []metricdata.DataPoint[int64] {
	return []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.String("connector", ownID.String())), Value: n}}
}

// TestTwoConnectorsInOneCollector have series of their own in its telemetry.
func TestTwoConnectorsInOneCollector(t *testing.T) {
	shared := componenttest.NewTelemetry()
	var want []metricdata.DataPoint[int64]
	for name, verifications := range map[string]int{"one": 5, "two": 6} {
		set := connectortest.NewNopSettings(metadata.Type)
		set.ID = component.MustNewIDWithName("verifyyou_funnel", name)
		set.TelemetrySettings = shared.NewTelemetrySettings()
		c, err := NewFactory().CreateLogsToMetrics(t.Context(), set, createDefaultConfig(), consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, c.Start(t.Context(), &statusHost{}))
		t.Cleanup(func() { require.NoError(t, c.Shutdown(context.Background())) })
		for n := range verifications {
			require.NoError(t, c.ConsumeLogs(t.Context(), logsOf(eventAt(0, strconv.Itoa(n), "verification_started"))))
		}
		want = append(want, metricdata.DataPoint[int64]{
			Attributes: attribute.NewSet(attribute.String("connector", set.ID.String())), Value: int64(verifications),
		})
	}
	metadatatest.AssertEqualConnectorVerifyyouFunnelVerifications(t, shared, want, metricdatatest.IgnoreTimestamp())
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

// TestReinitialized counts keys that were initialized again, and warns of them once a flush.
func TestReinitialized(t *testing.T) {
	a := connect(t)
	const initialized = "verification_initialized"
	a.take(0, eventAt(0, "check_1", initialized), eventAt(0, "check_1", initialized), eventAt(0, "check_2", initialized), eventAt(0, "check_3", initialized))
	a.flushAt(1)
	metadatatest.AssertEqualConnectorVerifyyouFunnelReinitialized(t, a.telemetry, plain(0), metricdatatest.IgnoreTimestamp())
	assert.Empty(t, a.logged.FilterMessageSnippet("initialized again").All())

	a.take(2, eventAt(1, "check_1", initialized), eventAt(2, "check_1", initialized), eventAt(1, "check_2", initialized))
	assert.Empty(t, a.logged.FilterMessageSnippet("initialized again").All(), "not for each")
	a.flushAt(3)
	a.flushAt(4)
	metadatatest.AssertEqualConnectorVerifyyouFunnelReinitialized(t, a.telemetry, plain(2), metricdatatest.IgnoreTimestamp())
	warnings := a.logged.FilterMessageSnippet("initialized again").All()
	require.Len(t, warnings, 1, "one for both")
	assert.Equal(t, zap.WarnLevel, warnings[0].Level)
	assert.EqualValues(t, 2, warnings[0].ContextMap()["keys"])
	for _, remedy := range []string{"fields: [session_id]", "verification_key: [verifyyou.session_id]", "key: [verifyyou.session_id]"} {
		assert.Contains(t, warnings[0].Message, remedy)
	}
}
