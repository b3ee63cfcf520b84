// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package flush

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/status"
)

const (
	interval = time.Minute
	stage    = "liveness_passed"
)

// flushed is what a Flusher flushes: the counters of an event, a storage and a pipeline that can be hindered.
type flushed struct {
	*Flusher
	counted *counters.Events // nil: nothing is counted
	logged  *observer.ObservedLogs
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	saved   counters.State // by the last save
	sending int            // how many are in the pipeline
	did     seen

	onSave, onConsume func(context.Context) error
}

// seen is what a Flusher did.
type seen struct {
	sent   []int64  // deltas, or values, of the stage that the pipeline has accepted
	most   int      // sends at once
	order  []string // of saves and sends
	status []componentstatus.Status
}

// done returns what the Flusher has done so far.
func (f *flushed) done() seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.did
}

// hinder makes saves and sends call something first, nil for nothing.
func (f *flushed) hinder(onSave, onConsume func(context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onSave, f.onConsume = onSave, onConsume
}

func (f *flushed) hindrances() (onSave, onConsume func(context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.onSave, f.onConsume
}

func (*flushed) GetExtensions() map[component.ID]component.Component { return nil }

func (f *flushed) Report(e *componentstatus.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did.status = append(f.did.status, e.Status())
}

func newFlushed(delta bool) *flushed {
	core, logged := observer.New(zap.InfoLevel)
	f := &flushed{logged: logged}
	f.counted = counters.NewEvents(counters.SetSettings{
		Logger: zap.NewNop(), Resource: pcommon.NewResource(), Scope: pcommon.NewInstrumentationScope(), Delta: delta, MaxTrackers: 1,
	}, counters.Definition{Name: "events", Stage: "verifyyou.stage"}, time.Now())
	reporter := new(status.Reporter)
	reporter.AddHost(f)
	f.Flusher = New(Settings{
		Interval: interval, Delta: delta, Export: f.export, Save: f.save, Consume: f.consume,
		Logger: zap.New(core), Status: reporter,
	})
	return f
}

func (f *flushed) export(last bool) *counters.Export {
	if f.counted == nil {
		return nil
	}
	return f.counted.Export(time.Now(), last)
}

func (f *flushed) save(ctx context.Context, export *counters.Export) error {
	if onSave, _ := f.hindrances(); onSave != nil {
		if err := onSave(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did.order = append(f.did.order, "save")
	if export != nil {
		f.saved = export.State()
	}
	return nil
}

func (f *flushed) consume(ctx context.Context, md pmetric.Metrics) error {
	f.mu.Lock()
	f.did.order = append(f.did.order, "send")
	f.sending++
	f.did.most = max(f.did.most, f.sending)
	f.mu.Unlock()
	err := errors.New("panics")
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sending--
		if err == nil {
			f.did.sent = append(f.did.sent, valuesOf(md)...)
		}
	}()
	_, onConsume := f.hindrances()
	if onConsume == nil {
		err = nil
	} else {
		err = onConsume(ctx)
	}
	return err
}

func valuesOf(md pmetric.Metrics) (values []int64) {
	for _, dp := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
		if value, _ := dp.Attributes().Get("verifyyou.stage"); value.AsString() == stage {
			values = append(values, dp.IntValue())
		}
	}
	return values
}

func (f *flushed) count(n int) {
	for range n {
		f.counted.Add(&event.Event{Stage: stage}, time.Now())
	}
}

// unexported is what the saved state has of the stage, and how much of it would be sent after a restart.
func (f *flushed) unexported() (value, unexported int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.saved.Metrics["events"].Series {
		if s.Stage == stage {
			return s.Value, s.Value - s.Exported
		}
	}
	return 0, 0
}

func (f *flushed) run() {
	var ctx context.Context
	ctx, f.stop = context.WithCancel(context.Background())
	f.running.Go(func() { f.Run(ctx) })
	synctest.Wait()
}

// end is the end of a component.
func (f *flushed) end(ctx context.Context) error {
	f.stop()
	return f.Last(ctx)
}

func (f *flushed) messages() (all []string) {
	for _, entry := range f.logged.TakeAll() {
		all = append(all, entry.Message)
	}
	return all
}

var errAway = errors.New("away")

func refuse(context.Context) error { return errAway }

func breaks(context.Context) error { panic("broken") }

// honest ends with its context.
func honest(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// deaf takes its time, whatever becomes of its context.
func deaf(d time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return err
	}
}

func TestFlush(t *testing.T) {
	for _, delta := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFlushed(delta)
			f.count(2)
			f.run()
			f.count(3)
			time.Sleep(interval)
			synctest.Wait()
			f.count(4)
			require.NoError(t, f.end(t.Context()))
			f.running.Wait()
			if delta {
				assert.Equal(t, []int64{2, 3, 4}, f.done().sent)
				assert.Equal(t, []string{"save", "send", "save", "save", "send", "save", "save", "send", "save"}, f.done().order)
			} else {
				assert.Equal(t, []int64{0, 5, 9}, f.done().sent)
				assert.Equal(t, []string{"save", "send", "save", "send", "save", "send", "save"}, f.done().order, "the last outcome is saved too")
			}
			value, unexported := f.unexported()
			assert.EqualValues(t, 9, value)
			assert.Zero(t, unexported)
			require.NoError(t, f.Flush(t.Context(), false))
			require.NoError(t, f.Last(t.Context()))
			assert.Len(t, f.done().sent, 3, "nothing after the last")
			assert.Empty(t, f.messages())
			assert.Empty(t, f.done().status)
		})
	}
}

// TestNothingToSend does not bother the pipeline with metrics that have no data points.
func TestNothingToSend(t *testing.T) {
	f := newFlushed(true)
	require.NoError(t, f.Flush(t.Context(), false))
	assert.NotContains(t, f.done().order, "send")
}

func TestNothingIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlushed(true)
		f.counted = nil
		f.run()
		require.NoError(t, f.end(t.Context()))
		assert.Equal(t, []string{"save", "save"}, f.done().order)
	})
}

// TestRefused keeps what was refused, and says so once a flush.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		hinder   func(*flushed)
		messages []string
		status   []componentstatus.Status
		order    []string // of the two flushes that are hindered
	}{
		"pipeline refuses": {
			func(f *flushed) { f.hinder(nil, refuse) },
			[]string{"Metrics were not accepted; they are kept for the next flush"},
			nil,
			[]string{"save", "send", "save", "send"},
		},
		"pipeline panics": {
			func(f *flushed) { f.hinder(nil, breaks) },
			[]string{"Recovered from a panic", "Metrics were not accepted; they are kept for the next flush"},
			nil,
			[]string{"save", "send", "save", "send"},
		},
		"storage fails": {
			func(f *flushed) { f.hinder(refuse, nil) },
			[]string{"State could not be saved; metrics are kept until it is"},
			[]componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK},
			nil,
		},
		"storage panics": {
			func(f *flushed) { f.hinder(breaks, nil) },
			[]string{"Recovered from a panic", "State could not be saved; metrics are kept until it is"},
			[]componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlushed(true)
				test.hinder(f)
				f.count(2)
				f.run()
				assert.Equal(t, test.messages, f.messages())
				f.count(1)
				time.Sleep(interval)
				synctest.Wait()
				assert.Equal(t, test.messages, f.messages())
				assert.Empty(t, f.done().sent)
				assert.Equal(t, test.order, f.done().order)
				f.hinder(nil, nil)
				time.Sleep(interval)
				synctest.Wait()
				assert.Equal(t, []int64{3}, f.done().sent)
				assert.Equal(t, test.status, f.done().status)
				assert.Empty(t, f.messages())
				require.NoError(t, f.end(t.Context()))
			})
		})
	}
}

// TestSecondSaveFails blames the storage and not the pipeline, which has accepted the metrics.
func TestSecondSaveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlushed(true)
		f.hinder(func(context.Context) error {
			if order := f.done().order; len(order) > 0 && order[len(order)-1] == "send" {
				return errAway
			}
			return nil
		}, nil)
		f.count(2)
		f.run()
		assert.Equal(t, []string{"State could not be saved after an export; a crash before the next flush repeats its deltas"}, f.messages())
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, f.done().status)
		f.hinder(nil, nil)
		f.count(1)
		require.NoError(t, f.end(t.Context()))
		assert.Equal(t, []int64{2, 1}, f.done().sent, "nothing twice")
		_, unexported := f.unexported()
		assert.Zero(t, unexported)
	})
}

// TestCorruptStateIsCleared by the first good write.
func TestCorruptStateIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlushed(false)
		f.settings.Status.Fault(status.State, errors.New("corrupt"))
		f.run()
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, f.done().status)
		require.NoError(t, f.end(t.Context()))
	})
}

// TestPipelineIsLate shows that one which does not heed its deadline stops exports and not the saving of state, and that
// its late answer counts.
func TestPipelineIsLate(t *testing.T) {
	for name, test := range map[string]struct {
		answer error
		want   []int64
	}{
		"accepted": {nil, []int64{2, 3}},
		"refused":  {errAway, []int64{5}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlushed(true)
				f.count(2)
				f.hinder(nil, deaf(3*interval+interval/2, test.answer))
				f.run()
				time.Sleep(interval) // its deadline, and at once the second flush
				synctest.Wait()
				f.count(3)
				time.Sleep(2 * interval)
				synctest.Wait()
				assert.Equal(t, []string{"save", "send", "save", "save", "save"}, f.done().order)
				value, unexported := f.unexported()
				assert.EqualValues(t, 5, value, "what comes meanwhile is saved too")
				assert.EqualValues(t, 5, unexported, "what was sent is not known to be exported")
				assert.Equal(t, []string{
					"Metrics were not accepted in time; no others are sent before they are accepted or refused",
					"The state is saved, but no metrics are sent before the last ones are accepted or refused",
					"The state is saved, but no metrics are sent before the last ones are accepted or refused",
					"The state is saved, but no metrics are sent before the last ones are accepted or refused",
				}, f.messages())
				f.hinder(nil, nil)
				time.Sleep(interval)
				synctest.Wait()
				assert.Equal(t, test.want, f.done().sent)
				assert.Equal(t, 1, f.done().most)
				assert.Empty(t, f.done().status)
				require.NoError(t, f.end(t.Context()))
				_, unexported = f.unexported()
				assert.Zero(t, unexported)
			})
		})
	}
}

// TestDeadlines of a send and of a save: an interval, but not less than 5 s.
func TestDeadlines(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{time.Second: 5 * time.Second, interval: interval} {
		synctest.Test(t, func(t *testing.T) {
			f := newFlushed(false)
			f.settings.Interval = every
			f.hinder(nil, honest)
			began := time.Now()
			require.Error(t, f.Flush(t.Context(), false))
			assert.Equal(t, want, time.Since(began))
			synctest.Wait()
			f.hinder(honest, nil)
			require.ErrorIs(t, f.Flush(t.Context(), false), context.DeadlineExceeded)
			assert.Equal(t, 2*want, time.Since(began))
			assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, f.done().status, "a storage that hangs")
		})
	}
}

// TestLast flushes within 5 s, whatever the flush under way waits for.
func TestLast(t *testing.T) {
	for name, test := range map[string]struct {
		hinder   func(*flushed)
		unhinder bool // before the end
		want     []int64
		unsaved  int64
		takes    time.Duration
		timesOut bool
		message  string
	}{
		"nothing hinders": {hinder: func(*flushed) {}, want: []int64{2, 1}},
		"pipeline ends with its context": {
			hinder: func(f *flushed) { f.hinder(nil, honest) }, unhinder: true, want: []int64{3},
		},
		"pipeline accepts late": {
			hinder: func(f *flushed) { f.hinder(nil, deaf(3*time.Second, nil)) }, unhinder: true, want: []int64{2, 1}, takes: 3 * time.Second,
		},
		"pipeline refuses late": {
			hinder: func(f *flushed) { f.hinder(nil, deaf(3*time.Second, errAway)) }, unhinder: true, want: []int64{3}, takes: 3 * time.Second,
		},
		"pipeline never returns": {
			hinder: func(f *flushed) { f.hinder(nil, deaf(time.Hour, errAway)) }, takes: LastTime, timesOut: true, unsaved: 3,
		},
		"storage ends with its context": {
			hinder: func(f *flushed) { f.hinder(honest, nil) }, unhinder: true, want: []int64{3},
		},
		"pipeline refuses": {
			hinder: func(f *flushed) { f.hinder(nil, refuse) }, unsaved: 3, message: "The final flush failed; metrics that are not in storage are lost",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlushed(true)
				f.count(2)
				test.hinder(f)
				f.run()
				f.messages()
				f.count(1)
				if test.unhinder {
					f.hinder(nil, nil)
				}
				began := time.Now()
				err := f.end(t.Context())
				assert.Equal(t, test.takes, time.Since(began))
				f.running.Wait()
				assert.Equal(t, test.takes, time.Since(began), "Run has ended too")
				if test.timesOut {
					require.ErrorContains(t, err, "the final flush timed out; unexported metrics are lost")
				} else {
					require.NoError(t, err)
				}
				assert.Equal(t, test.want, f.done().sent)
				value, unexported := f.unexported()
				assert.EqualValues(t, 3, value, "all is saved")
				assert.Equal(t, test.unsaved, unexported)
				assert.Empty(t, f.done().status, "an end is no fault")
				if test.message == "" {
					assert.Empty(t, f.messages())
				} else {
					assert.Equal(t, []string{test.message}, f.messages())
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

func TestPanicIsAnError(t *testing.T) {
	f := newFlushed(false)
	f.hinder(nil, breaks)
	require.ErrorIs(t, f.Flush(t.Context(), false), guard.ErrPanic)
	f.hinder(breaks, nil)
	require.ErrorIs(t, f.Flush(t.Context(), false), guard.ErrPanic)
	for _, entry := range f.logged.All() {
		assert.Contains(t, entry.ContextMap()["stack"], "breaks")
	}
	assert.Equal(t, 2, f.logged.Len())
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wake := make(chan struct{}, 1)
		began := time.Now()
		var calls []time.Duration
		var running sync.WaitGroup
		running.Go(func() {
			Every(ctx, interval, wake, func() { calls = append(calls, time.Since(began)) })
		})
		time.Sleep(interval + time.Second)
		wake <- struct{}{}
		time.Sleep(interval)
		cancel()
		running.Wait()
		assert.Equal(t, []time.Duration{0, interval, interval + time.Second, 2 * interval}, calls)
		Every(ctx, interval, wake, func() { t.Error("after the end") })
	})
}
