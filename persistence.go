// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/deliveries"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/instance"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state"
)

// persistence is what storage has of the receiver. After Start it belongs to whoever flushes.
type persistence struct {
	store      *state.Store // nil: no storage
	deliveries deliveries.Range
	instanceID string
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

// restore goes on where the receiver ended that used the same storage. What is stored and cannot be used is reported,
// and the receiver starts with an empty state: it has to take events.
func (r *verifyyouReceiver) restore(ctx context.Context, host component.Host) error {
	id, err := instance.ID(r.settings.ID.String(), r.cfg.ServerConfig.NetAddr.Endpoint)
	if err != nil {
		return err
	}
	reset := func() {
		r.state.instanceID = id
		r.reset()
	}
	reset()
	store, err := state.Open(ctx, state.Settings{
		Host: host, Logger: r.settings.Logger, Kind: component.KindReceiver, ID: r.settings.ID, Extension: r.cfg.Storage,
	})
	if err != nil || store == nil {
		return err
	}
	r.state.store = store
	return store.Load(ctx, func(ctx context.Context) error { return r.load(ctx, store) }, func(err error) {
		componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
		reset()
	})
}

// reset makes the records, the memory and the counters, all empty.
func (r *verifyyouReceiver) reset() {
	resource := instance.Resource(metadata.NewResourceBuilder(r.cfg.MetricsBuilderConfig.ResourceAttributes), r.state.instanceID)
	r.records = newRecords(resource)
	r.counters = r.newCounters(resource)
	r.state.deliveries = deliveries.Range{}
	if d := r.cfg.Deduplication; d.Window > 0 {
		r.deliveries = deliveries.NewMemory(d.Window, d.MaxEntries)
	}
}

func (r *verifyyouReceiver) load(ctx context.Context, store *state.Store) error {
	value, err := store.Get(ctx, stateKey)
	if value == nil || err != nil {
		return err
	}
	var saved savedState
	if err := json.Unmarshal(value, &saved); err != nil {
		return fmt.Errorf("%q: %w", stateKey, err)
	}
	r.state.instanceID = saved.InstanceID
	r.reset()
	if r.counters != nil && saved.Counters != nil {
		err := r.counters.Restore(saved.Counters)
		switch {
		case errors.Is(err, counters.ErrOtherSettings):
			r.settings.Logger.Info("The counters begin anew", zap.Error(err))
		case err != nil:
			return err
		}
	}
	if r.deliveries == nil {
		return nil
	}
	r.state.deliveries = saved.Deliveries
	return r.deliveries.Restore(saved.Deliveries, func(segment uint64) ([]byte, error) {
		return store.Get(ctx, segmentKey(segment))
	}, r.now())
}

// save stores the state as it is during an export of the counters, which is nil where there are none. The counters are
// looked at first: an event is remembered before it is counted, so that every one in the stored counters is in the
// stored memory too. After a crash none is counted twice.
func (r *verifyyouReceiver) save(ctx context.Context, export *counters.Export) error {
	if r.state.store == nil {
		return nil
	}
	saved := savedState{InstanceID: r.state.instanceID}
	if export != nil {
		s := export.State()
		saved.Counters = &s
	}
	written := map[string][]byte{}
	var deleted []string
	if r.deliveries != nil {
		changes := r.deliveries.Changes(r.state.deliveries)
		saved.Deliveries = changes.Range
		for segment, data := range changes.Written {
			written[segmentKey(segment)] = data
		}
		for _, segment := range changes.Deleted {
			deleted = append(deleted, segmentKey(segment))
		}
	}
	value, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	written[stateKey] = value
	if err := r.state.store.Write(ctx, written, deleted); err != nil {
		return err
	}
	r.state.deliveries = saved.Deliveries
	return nil
}

func (r *verifyyouReceiver) closeStorage(ctx context.Context) error {
	if r.state.store == nil {
		return nil
	}
	return r.state.store.Close(ctx)
}
