// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
)

// TestRefusedEnds sends traces and summaries again that were refused, and only those.
func TestRefusedEnds(t *testing.T) {
	a := connect(t)
	a.take(0, eventAt(0, "ver_1", "verification_started"))
	a.refuse(pipeline.SignalTraces)
	a.flushAt(hour)
	assert.Len(t, a.results().summaries, 1)
	assert.Empty(t, a.results().spans)
	a.take(hour, eventAt(0, "ver_2", "verification_started"))
	a.refuse(pipeline.SignalLogs)
	a.flushAt(2 * hour)
	assert.Len(t, a.results().summaries, 1)
	assert.Len(t, a.results().spans, 4)
	a.refuse()
	a.flushAt(3 * hour)
	a.flushAt(4 * hour)
	assert.Len(t, a.results().summaries, 2)
	assert.Len(t, a.results().spans, 4)
	assert.Equal(t, map[string]int64{"logs": 0, "traces": 0}, ownSum(t, a, "dropped"))
}

func TestEndsRefusedForGood(t *testing.T) {
	a := connect(t)
	a.take(0, eventAt(0, "ver_1", "verification_started"), eventAt(0, "ver_2", "verification_started"))
	a.refuse(pipeline.SignalTraces, pipeline.SignalLogs)
	a.refusal = consumererror.NewPermanent(errors.New("no such tenant"))
	a.flushAt(hour)
	assert.Equal(t, map[string]int64{"logs": 2, "traces": 2}, ownSum(t, a, "dropped"))
	a.refuse()
	a.flushAt(2 * hour)
	assert.Empty(t, a.results().summaries)
	assert.Empty(t, a.results().spans)
}

// numbered are ends that can be told apart.
func numbered(from, to int) []*funnel.Ended {
	var all []*funnel.Ended
	for n := from; n < to; n++ {
		all = append(all, &funnel.Ended{Number: n})
	}
	return all
}

// TestOutboxIsBounded keeps the newest of what is refused, and counts the others.
func TestOutboxIsBounded(t *testing.T) {
	dropped := 0
	o := newOutbox(func(_ context.Context, n int) { dropped += n })
	away := errors.New("away")
	refuse := func([]*funnel.Ended) error { return away }
	require.NoError(t, o.send(t.Context(), refuse), "nothing to send")
	for _, e := range numbered(0, maxRefused+5) {
		o.put(e)
	}
	require.ErrorIs(t, o.send(t.Context(), refuse), away)
	assert.Equal(t, 5, dropped)
	for _, e := range numbered(maxRefused+5, maxRefused+8) {
		o.put(e)
	}
	require.ErrorIs(t, o.send(t.Context(), func(all []*funnel.Ended) error {
		o.put(&funnel.Ended{Number: maxRefused + 8}) // comes meanwhile
		assert.Equal(t, numbered(5, maxRefused+8), all)
		return away
	}), away)
	assert.Equal(t, 8, dropped)
	require.NoError(t, o.send(t.Context(), func(all []*funnel.Ended) error {
		assert.Equal(t, numbered(8, maxRefused+9), all, "in order")
		return nil
	}))
	require.NoError(t, o.send(t.Context(), func([]*funnel.Ended) error { return away }), "all is sent")
	assert.Equal(t, 8, dropped)
}

// TestOutboxIsFull says so once, as soon as there are as many as can be kept, and not while they are being refused.
func TestOutboxIsFull(t *testing.T) {
	o := newOutbox(func(context.Context, int) {})
	for _, e := range numbered(0, maxRefused-1) {
		o.put(e)
	}
	assert.Empty(t, o.full)
	for _, e := range numbered(0, 2*maxRefused) {
		o.put(e)
	}
	assert.Len(t, o.full, 1)
	<-o.full
	require.Error(t, o.send(t.Context(), func([]*funnel.Ended) error { return errors.New("away") }))
	o.put(&funnel.Ended{})
	assert.Empty(t, o.full, "it would be tried again for each that comes")
}

// TestManyEndsAreSentEarly does not wait for the flush, which is an hour away.
func TestManyEndsAreSentEarly(t *testing.T) {
	s := new(sinks)
	all := s.instances(t, once())
	c := all[0].(*output)
	put := func(n int) {
		for _, e := range numbered(0, n) {
			e.Key, e.Trail = "ver_1", []funnel.Entry{{Stage: "verification_started"}}
			c.traces.put(e)
			c.summaries.put(e)
		}
	}
	arrived := func(n int) func() bool {
		return func() bool { return s.traces.SpanCount() == 2*n && s.logs.LogRecordCount() == n }
	}
	put(1)
	startAll(t, all)
	require.Eventually(t, arrived(1), testTimeout, testTick, "by the flush at the beginning")
	put(maxRefused)
	require.Eventually(t, arrived(1+maxRefused), testTimeout, testTick)
	shutdownAll(t, all)
}
