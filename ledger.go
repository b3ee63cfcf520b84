// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/deliveries"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/instance"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/version"
)

// ledger is what is counted and what is remembered, and how both survive a restart. begin, settle, settleLate and giveUp are safe
// for concurrent use; load and save are for one goroutine at a time, load before all else.
type ledger struct {
	cfg       *Config
	counts    bool // there is a metrics pipeline
	telemetry *telemetry
	logger    *zap.Logger
	now       func() time.Time

	instanceID string
	resource   pcommon.Resource
	memory     *deliveries.Memory // nil: nothing is remembered
	counters   *counters.Events   // nil: nothing is counted

	store  *state.Store     // nil: no storage
	stored deliveries.Range // what of the memory is in it
}

// reset makes the memory and the counters, both empty, for an instance.
func (l *ledger) reset(instanceID string) {
	l.instanceID = instanceID
	l.resource = instance.Resource(metadata.NewResourceBuilder(l.cfg.MetricsBuilderConfig.ResourceAttributes), instanceID)
	l.counters = l.newCounters()
	l.memory, l.stored = nil, deliveries.Range{}
	if d := l.cfg.Deduplication; d.Window > 0 {
		l.memory = deliveries.NewMemory(d.Window, d.MaxEntries)
	}
}

// newCounters returns the counters of a metrics pipeline, nil where there is none or where it does not want them.
func (l *ledger) newCounters() *counters.Events {
	events := l.cfg.MetricsBuilderConfig.Metrics.VerifyyouEvents
	if !l.counts || !events.Enabled {
		return nil
	}
	return counters.NewEvents(counters.SetSettings{
		Logger:      l.logger,
		Resource:    l.resource,
		Scope:       version.Scope(metadata.ScopeName),
		Delta:       l.cfg.IsDelta(),
		MaxTrackers: l.cfg.MaxExternalTrackers,
		Trackers:    l.cfg.ExternalTrackers,
	}, counters.Definition{
		Name:        metadata.MetricsInfo.VerifyyouEvents.Name,
		Description: "Number of distinct verification events that came.",
		Unit:        "{event}",
		Stage:       counters.Enabled(events.EnabledAttributes, semconv.AttrStage),
		Outcome:     counters.Enabled(events.EnabledAttributes, semconv.AttrOutcome),
		Tracker:     counters.Enabled(events.EnabledAttributes, semconv.AttrExternalTracker),
		Step:        counters.Enabled(events.EnabledAttributes, semconv.AttrStep),
	}, l.now())
}

// begin makes f the delivery of a webhook's event, unless that is done or in flight, see deliveries.Memory.Begin.
func (l *ledger) begin(f *deliveries.Flight, w *webhook) (*deliveries.Flight, deliveries.State) {
	if l.memory == nil {
		return f, deliveries.New
	}
	return l.memory.Begin(f, w.event.ID, w.received)
}

// settle ends a delivery with what the pipeline answered. An event that was taken is remembered, and then counted, in
// this order: see save.
func (l *ledger) settle(ctx context.Context, f *deliveries.Flight, w *webhook, err error) {
	if l.memory != nil {
		l.memory.End(f, err, l.now())
	}
	if err == nil && w.notEvent == nil {
		l.count(ctx, w)
	}
}

// settleLate is for an event that the pipeline has taken after its delivery was given up. It is remembered and counted
// as any other, unless a retry of it is done or in flight. Without a memory nobody would know its retry, so that it is
// not counted.
func (l *ledger) settleLate(ctx context.Context, w *webhook) {
	if l.memory != nil && l.memory.Remember(w.event.ID, l.now()) && w.notEvent == nil {
		l.count(ctx, w)
	}
}

// giveUp ends a delivery that the pipeline has not answered: its retry is a first delivery.
func (l *ledger) giveUp(f *deliveries.Flight, cause error) {
	if l.memory != nil {
		l.memory.End(f, cause, l.now())
	}
}

func (l *ledger) count(ctx context.Context, w *webhook) {
	l.telemetry.countInvalidFields(ctx, w.event.InvalidFields)
	if !w.event.OccurredAt.IsZero() {
		l.telemetry.recordDelay(ctx, w.received.Sub(w.event.OccurredAt))
	}
	if l.counters != nil {
		l.telemetry.countOverflow(ctx, l.counters.Add(&w.event, w.received))
	}
}

// forgotten returns how many events were forgotten before their window was over.
func (l *ledger) forgotten() int64 {
	if l.memory == nil {
		return 0
	}
	return l.memory.Forgotten()
}

// savedState is what is stored under stateKey, beside the segments of the remembered deliveries.
type savedState struct {
	InstanceID string           `json:"service.instance.id"`
	Counters   *counters.State  `json:"counters,omitempty"`
	Deliveries deliveries.Range `json:"deliveries"`
}

const stateKey = "state"

func segmentKey(segment uint64) string {
	return "deliveries/" + strconv.FormatUint(segment, 10)
}

// load goes on where the receiver ended that used the same store, if there was one. With an error, what it has loaded
// is to be reset.
func (l *ledger) load(ctx context.Context) error {
	value, err := l.store.Get(ctx, stateKey)
	if value == nil || err != nil {
		return err
	}
	var saved savedState
	if err := json.Unmarshal(value, &saved); err != nil {
		return fmt.Errorf("%q: %w", stateKey, err)
	}
	if saved.InstanceID == "" {
		return fmt.Errorf("%q: %w", stateKey, state.ErrCorrupt)
	}
	l.reset(saved.InstanceID)
	if err := errors.Join(l.loadCounters(saved.Counters), l.loadMemory(ctx, saved.Deliveries)); err != nil {
		l.discard(saved.Deliveries)
		return err
	}
	return nil
}

func (l *ledger) loadMemory(ctx context.Context, saved deliveries.Range) error {
	if l.memory == nil { // deduplication was switched off
		l.discard(saved)
		return nil
	}
	l.stored = saved
	return l.memory.Restore(saved, func(segment uint64) ([]byte, error) {
		return l.store.Get(ctx, segmentKey(segment))
	}, l.now())
}

// discard has the next save delete what is stored of deliveries that are not remembered.
func (l *ledger) discard(saved deliveries.Range) {
	for segment := range saved.Segments() {
		l.store.Discard(segmentKey(segment))
	}
}

func (l *ledger) loadCounters(saved *counters.State) error {
	if l.counters == nil || saved == nil {
		return nil
	}
	err := l.counters.Restore(saved)
	if errors.Is(err, counters.ErrOtherSettings) {
		l.logger.Info("The counters begin anew", zap.Error(err))
		return nil
	}
	return err
}

// export begins an export of the counters, nil if nothing is counted.
func (l *ledger) export(last bool) *counters.Export {
	if l.counters == nil {
		return nil
	}
	return l.counters.Export(l.now(), last)
}

// save stores the state as it is during an export of the counters, which is nil where there are none. The counters are
// looked at first: an event is remembered before it is counted, so that every one in the stored counters is in the
// stored memory too. After a crash none is counted twice.
func (l *ledger) save(ctx context.Context, export *counters.Export) error {
	if l.store == nil {
		return nil
	}
	saved := savedState{InstanceID: l.instanceID}
	if export != nil {
		s := export.State()
		saved.Counters = &s
	}
	written, deleted := l.changes(&saved)
	value, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	written[stateKey] = value
	if err := l.store.Write(ctx, written, deleted); err != nil {
		return err
	}
	l.stored = saved.Deliveries
	return nil
}

// changes returns what has changed in the memory since it was stored, and puts its range into the state.
func (l *ledger) changes(saved *savedState) (written map[string][]byte, deleted []string) {
	written = map[string][]byte{}
	if l.memory == nil {
		return written, nil
	}
	changes := l.memory.Changes(l.stored)
	saved.Deliveries = changes.Range
	for segment, data := range changes.Written {
		written[segmentKey(segment)] = data
	}
	for _, segment := range changes.Deleted {
		deleted = append(deleted, segmentKey(segment))
	}
	return written, deleted
}

func (l *ledger) close(ctx context.Context) error {
	if l.store == nil {
		return nil
	}
	return l.store.Close(ctx)
}
