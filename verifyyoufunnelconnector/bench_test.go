// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/record"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/version"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// benchConnector returns a connector to metrics that nobody looks at, with own telemetry that is recorded. It flushes
// when told to.
func benchConnector(b *testing.B, maxVerifications, maxTrackers int) *output {
	b.Helper()
	telemetry := componenttest.NewTelemetry()
	set := connectortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	cfg := createDefaultConfig().(*Config)
	cfg.MaxVerifications = maxVerifications
	cfg.MaxExternalTrackers = maxTrackers
	cfg.MetricsFlushInterval = time.Hour
	made, err := NewFactory().CreateLogsToMetrics(b.Context(), set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, made.Start(b.Context(), componenttest.NewNopHost()))
	b.Cleanup(func() {
		require.NoError(b, made.Shutdown(context.Background()))
		require.NoError(b, telemetry.Shutdown(context.Background()))
	})
	return made.(*output)
}

// benchStages are those of a person who tries liveness again.
var benchStages = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
	"liveness_failed", "liveness_started", "liveness_cancelled", "liveness_started", "liveness_passed",
}

const (
	together  = 1000 // verifications go on at once
	campaigns = 10
)

// events makes records as the receiver does, one after the other.
type events struct {
	b       *testing.B
	builder *record.Builder
	next    int
}

func newEvents(b *testing.B) *events {
	b.Helper()
	resource := pcommon.NewResource()
	resource.Attributes().PutStr("service.name", "verifyyou")
	resource.Attributes().PutStr("service.instance.id", "1f3f5a02-5f0a-5a4b-9b57-0c9d5f6d7a11")
	return &events{b: b, builder: record.NewBuilder(resource, version.Scope("receiver"), verificationkey.Default())}
}

// one returns the next event, of a thousand verifications in turn, ten events of each.
func (e *events) one() plog.Logs {
	round, verification, number := e.next/(together*len(benchStages)), e.next%together, e.next/together%len(benchStages)
	e.next++
	at := scheduleStart.Add(time.Duration(e.next) * time.Microsecond)
	body := fmt.Appendf(nil, `{"stage": %q, "step": 6, "occurred_at": %q, "verification_id": "ver_%08x", "external_id": "user_%06d", "external_tracker": "campaign-%d", "trust_score": 0.92}`,
		benchStages[number], at.Format(time.RFC3339Nano), round*together+verification, verification, verification%campaigns)
	decoded, err := new(event.Decoder).Decode(body)
	require.NoError(e.b, err)
	return e.builder.Event(&decoded, body, at)
}

// batch returns the next events as the batch processor puts them together.
func (e *events) batch(size int) plog.Logs {
	batch := plog.NewLogs()
	for range size {
		e.one().ResourceLogs().MoveAndAppendTo(batch.ResourceLogs())
	}
	return batch
}

// BenchmarkConsumeLogs is a batch of new events, while 100,000 verifications are followed; for every ten events, one of
// them ends.
func BenchmarkConsumeLogs(b *testing.B) {
	const followed, prepared = 100_000, 1 << 16
	for _, size := range []int{1, 512} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			c, source := benchConnector(b, followed, campaigns), newEvents(b)
			for range followed {
				require.NoError(b, c.ConsumeLogs(b.Context(), source.batch(len(benchStages))))
			}
			var batches []plog.Logs
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if len(batches) == 0 {
					b.StopTimer()
					for range prepared / size {
						batches = append(batches, source.batch(size))
					}
					b.StartTimer()
				}
				if err := c.ConsumeLogs(b.Context(), batches[0]); err != nil {
					b.Fatal(err)
				}
				batches = batches[1:]
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkFlush is a flush without storage.
func BenchmarkFlush(b *testing.B) {
	b.Run("verifications=1000000", func(b *testing.B) {
		const followed = 1_000_000
		c, source := benchConnector(b, followed, campaigns), newEvents(b)
		for range followed {
			require.NoError(b, c.ConsumeLogs(b.Context(), source.batch(len(benchStages))))
		}
		benchFlush(b, c)
	})
	b.Run("series=2000", func(b *testing.B) {
		const trackers = 63
		c := benchConnector(b, together, trackers)
		for tracker := range trackers {
			logs := newEvents(b).one()
			attrs := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
			attrs.PutStr(semconv.AttrExternalTracker, strconv.Itoa(tracker))
			attrs.PutStr(semconv.AttrVerificationID, strconv.Itoa(tracker))
			require.NoError(b, c.ConsumeLogs(b.Context(), logs))
		}
		benchFlush(b, c)
	})
}

func benchFlush(b *testing.B, c *output) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.flush(b.Context(), false); err != nil {
			b.Fatal(err)
		}
	}
	export := c.metrics.Export(c.now(), false)
	defer export.End()
	b.ReportMetric(float64(export.Metrics.DataPointCount()), "points")
}
