// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector"
)

const (
	followed = 1_000_000
	// flushInterval is enough for ten events of each, so that the second flush, the first is at the start, writes them all.
	flushInterval = time.Minute
)

// stages are those of a person who tries liveness again, and what may come after them.
var stages = []string{
	"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
	"liveness_failed", "liveness_started", "liveness_cancelled", "liveness_started", "liveness_passed",
	"verification_completed",
}

// tenth is the number of the event after ten.
const tenth = 10

// BenchmarkState follows a million verifications of ten events each, with file_storage. It reports
//
//	write-s      how long file_storage takes to write all of them for the first time
//	rewrite-s    and when they have all changed, in the file that has grown
//	idle-ms      the longest time in which an event was taken in 2 s without a flush
//	longest-ms   and until the flush that writes them for the first time was over
//	relongest-ms and when they have all changed, in the file that has grown
//	start-s      how long a start with them takes
//	MB           the file
func BenchmarkState(b *testing.B) {
	for range b.N {
		dir := b.TempDir()
		host := newStateHost(b, dir)
		c := newFunnel(b, host)
		begun := time.Now()
		take(b, c, 0, tenth)
		require.Less(b, time.Since(begun), flushInterval-5*time.Second, "too slow: the flush has come in between")
		b.ReportMetric(longest(b, c, 0, time.After(2*time.Second)), "idle-ms")
		b.ReportMetric(longest(b, c, followed/2, host.written), "longest-ms")
		b.ReportMetric(host.took.Seconds(), "write-s")
		take(b, c, tenth+1, tenth+2)
		<-host.written // the file has grown once more, as it has had two states for a while
		take(b, c, tenth+2, tenth+3)
		b.ReportMetric(longest(b, c, followed, host.written), "relongest-ms")
		b.ReportMetric(host.took.Seconds(), "rewrite-s")
		b.ReportMetric(megabytes(b, dir), "MB")
		require.NoError(b, c.Shutdown(context.Background()))
		require.NoError(b, host.Shutdown(b.Context()))

		host = newStateHost(b, dir)
		begun = time.Now()
		c = newFunnel(b, host)
		b.ReportMetric(time.Since(begun).Seconds(), "start-s")
		require.NoError(b, c.Shutdown(context.Background()))
		require.NoError(b, host.Shutdown(b.Context()))
	}
}

func newFunnel(b *testing.B, host component.Host) connector.Logs {
	b.Helper()
	factory := verifyyoufunnelconnector.NewFactory()
	cfg := factory.CreateDefaultConfig().(*verifyyoufunnelconnector.Config)
	cfg.MaxVerifications = 2 * followed
	cfg.MetricsFlushInterval = flushInterval
	cfg.Storage = &storageID
	set := connectortest.NewNopSettings(factory.Type())
	set.ID = component.NewID(factory.Type()) // finds its state again
	set.Logger = zaptest.NewLogger(b, zaptest.Level(zap.WarnLevel))
	c, err := factory.CreateLogsToMetrics(b.Context(), set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, c.Start(b.Context(), host))
	return c
}

// take gives every verification the events of these numbers.
func take(b *testing.B, c connector.Logs, from, to int) {
	b.Helper()
	for n := from; n < to; n++ {
		for v := range followed {
			if err := c.ConsumeLogs(b.Context(), eventRecord(v, n)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// longest gives verifications their event after ten, from one on, some thousands a second until something is done. It
// returns the longest time in which one was taken, in milliseconds.
func longest[T any](b *testing.B, c connector.Logs, from int, done <-chan T) float64 {
	b.Helper()
	var longest time.Duration
	for v := from; ; v++ {
		select {
		case <-done:
			return float64(longest.Microseconds()) / 1000
		case <-time.After(100 * time.Microsecond):
		}
		logs := eventRecord(v, tenth)
		begun := time.Now()
		if err := c.ConsumeLogs(b.Context(), logs); err != nil {
			b.Fatal(err)
		}
		longest = max(longest, time.Since(begun))
	}
}

// eventRecord returns an event with what a funnel reads of it.
func eventRecord(verification, number int) plog.Logs {
	logs := plog.NewLogs()
	lr := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(occurred.Add(time.Duration(number)*20*time.Second + time.Duration(verification)*time.Microsecond)))
	attrs := lr.Attributes()
	attrs.EnsureCapacity(6)
	attrs.PutStr("log.record.uid", fmt.Sprintf("%024x%08x", uint64(verification)*0x9e3779b97f4a7c15, number))
	attrs.PutStr("verifyyou.stage", stages[number%len(stages)])
	attrs.PutStr("verifyyou.verification_id", fmt.Sprintf("ver_%08x", verification))
	attrs.PutStr("verifyyou.external_id", fmt.Sprintf("user_%06d", verification))
	attrs.PutStr("verifyyou.external_tracker", "signup-campaign")
	attrs.PutDouble("verifyyou.trust_score", 0.9)
	return logs
}

var (
	occurred  = time.Date(2026, 6, 9, 17, 0, 0, 0, time.UTC)
	storageID = component.MustNewID("file_storage")
)

// stateHost has file_storage, and looks at its writes.
type stateHost struct {
	extension.Extension
	storage.Client

	written chan struct{} // is told of a large one
	took    time.Duration // the last large one
}

func newStateHost(b *testing.B, dir string) *stateHost {
	b.Helper()
	factory := filestorage.NewFactory()
	cfg := factory.CreateDefaultConfig().(*filestorage.Config)
	cfg.Directory = dir
	ext, err := factory.Create(b.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(b, err)
	require.NoError(b, ext.Start(b.Context(), componenttest.NewNopHost()))
	return &stateHost{Extension: ext, written: make(chan struct{}, 2)}
}

// GetExtensions is of component.Host.
func (h *stateHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{storageID: h}
}

// GetClient is of storage.Extension.
func (h *stateHost) GetClient(ctx context.Context, kind component.Kind, id component.ID, name string) (client storage.Client, err error) {
	h.Client, err = h.Extension.(storage.Extension).GetClient(ctx, kind, id, name)
	return h, err
}

// Batch is of storage.Client.
func (h *stateHost) Batch(ctx context.Context, operations ...*storage.Operation) error {
	begun := time.Now()
	err := h.Client.Batch(ctx, operations...)
	if len(operations) > 100 {
		h.took = time.Since(begun)
		h.written <- struct{}{}
	}
	return err
}

func megabytes(b *testing.B, dir string) float64 {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(b, err)
	var bytes int64
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(b, err)
		bytes += info.Size()
	}
	return float64(bytes) / 1e6
}
