// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoufunnelconnector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/funnel"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/instance"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/state"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/status"
	"github.com/otel-verifyyou/verifyyoureceiver/verifyyoufunnelconnector/internal/metadata"
)

// persistence is what storage has of the connector. After Start it belongs to whoever flushes.
type persistence struct {
	store      *state.Store // nil: no storage
	instanceID string
}

// savedState is what is stored under stateKey, beside the chunks of the verifications.
type savedState struct {
	InstanceID string         `json:"service.instance.id"`
	Key        []string       `json:"key"`
	Counters   counters.State `json:"counters"`
	Funnel     funnel.Header  `json:"funnel"`
}

const stateKey = "state"

func chunkKey(part funnel.Part, chunk int) string {
	if part == funnel.Statistics {
		return "statistics/" + strconv.Itoa(chunk)
	}
	return "verifications/" + strconv.Itoa(chunk)
}

// discard has the next save delete the chunks that a header names.
func discard(store *state.Store, h *funnel.Header) {
	for chunk := range h.Chunks {
		store.Discard(chunkKey(funnel.Verifications, chunk))
	}
	if h.Statistics != nil {
		for chunk := range h.Statistics.Chunks {
			store.Discard(chunkKey(funnel.Statistics, chunk))
		}
	}
}

// restore goes on where the connector ended that used the same storage. Corrupt state is reported, and the connector
// starts with an empty one.
func (c *funnelConnector) restore(ctx context.Context, host component.Host) error {
	id := instance.InCollector(c.settings.Resource, c.settings.ID)
	c.reset(id)
	store, err := state.Open(ctx, state.Settings{
		Host: host, Logger: c.settings.Logger, Kind: component.KindConnector, ID: c.settings.ID, Extension: c.cfg.Storage,
	})
	if err != nil || store == nil {
		return err
	}
	c.state.store = store
	return store.Load(ctx, func(ctx context.Context) error { return c.load(ctx, store) }, func(err error) {
		c.status.Fault(status.State, err)
		c.reset(id)
	})
}

// reset makes the funnel and the metrics, both empty.
func (c *funnelConnector) reset(instanceID string) {
	c.state.instanceID = instanceID
	c.resource = instance.Resource(metadata.NewResourceBuilder(c.cfg.MetricsBuilderConfig.ResourceAttributes), instanceID)
	c.metrics = c.newMetrics(c.resource)
	c.funnel = funnel.NewFunnel(funnel.Settings{
		AbandonAfter: c.cfg.AbandonAfter, Settle: c.cfg.Settle, Window: c.cfg.Window, MaxVerifications: c.cfg.MaxVerifications,
		ActiveByTracker: c.metrics.activeByTracker,
		Statistics:      c.cfg.statistics(),
	}, c, c.now())
}

func (c *funnelConnector) load(ctx context.Context, store *state.Store) error {
	value, err := store.Get(ctx, stateKey)
	if value == nil || err != nil {
		return err
	}
	var saved savedState
	if err = json.Unmarshal(value, &saved); err != nil {
		return fmt.Errorf("%q: %w", stateKey, err)
	}
	if saved.InstanceID == "" {
		return fmt.Errorf("%q: %w", stateKey, state.ErrCorrupt)
	}
	c.reset(saved.InstanceID)
	if err := c.loadParts(ctx, store, &saved); err != nil {
		discard(store, &saved.Funnel)
		return err
	}
	return nil
}

func (c *funnelConnector) loadParts(ctx context.Context, store *state.Store, saved *savedState) error {
	err := c.metrics.Restore(&saved.Counters)
	switch {
	case errors.Is(err, counters.ErrOtherSettings):
		c.settings.Logger.Info("Some metrics begin anew", zap.Error(err))
	case err != nil:
		return err
	}
	if !slices.Equal(saved.Key, c.cfg.Key) {
		c.settings.Logger.Info("The key has changed: the verifications that were followed are forgotten, and statistics begin anew")
		discard(store, &saved.Funnel)
		return nil
	}
	if c.cfg.statistics() == nil && saved.Funnel.Statistics != nil {
		discard(store, &funnel.Header{Statistics: saved.Funnel.Statistics})
	}
	return c.funnel.Restore(&saved.Funnel, func(part funnel.Part, chunk int) ([]byte, error) {
		return store.Get(ctx, chunkKey(part, chunk))
	}, c.now())
}

// save stores the state as it is during an export. The counters are looked at first: what comes meanwhile is then in the
// verifications and not in the counters, so that after a crash nothing is counted twice.
func (c *funnelConnector) save(ctx context.Context, export *counters.Export) error {
	if c.state.store == nil {
		return nil
	}
	saved := savedState{InstanceID: c.state.instanceID, Key: c.cfg.Key, Counters: export.State()}
	written := map[string][]byte{}
	add := func(part funnel.Part, chunk int, data []byte) { written[chunkKey(part, chunk)] = data }
	return c.funnel.Save(add, func(h funnel.Header) (err error) {
		saved.Funnel = h
		if written[stateKey], err = json.Marshal(saved); err != nil {
			return err
		}
		return c.state.store.Write(ctx, written, nil)
	})
}

func (c *funnelConnector) closeStorage(ctx context.Context) error {
	if c.state.store == nil {
		return nil
	}
	return c.state.store.Close(ctx)
}
