// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package flush saves the state of a component and exports its counters, at every interval and a last time.
//
// A flush saves, exports, commits or rolls back, and with delta temporality saves again:
//
//   - It saves first, so that after a crash no restored value is below one that was exported: a backend would take that
//     for a reset, and count the whole value again. What cannot be saved is therefore not exported.
//   - It commits what the pipeline has accepted. What was refused stays, and goes with a later flush.
//   - It saves the commit of deltas, or a restart after a crash would send them again. A cumulative value that is sent
//     again is the same value, and can wait for the next flush.
//   - The last flush saves its outcome in any case: after a restart it must be known whether a new series was seen.
//
// A pipeline that does not answer holds up none of this. Each send is in a goroutine of its own, with a deadline of one
// interval, or 5 s where that is longer. One that has not returned by then, whatever became of its context, keeps its
// export open: flushes go on to save the state, in which what was sent counts as not exported, but send nothing until it
// has returned, and then its answer counts as any other. Taking it for refused would be simpler, but if the pipeline has
// accepted it after all, deltas would be counted twice.
package flush

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/counters"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/guard"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/status"
)

const (
	// LastTime is how long the last flush takes at most: the Collector gives Shutdown no deadline.
	LastTime = 5 * time.Second
	// leastTime is how long a send may take where the interval is shorter.
	leastTime = 5 * time.Second
)

var (
	errNoAnswer = errors.New("the metrics pipeline has not answered")
	errTimedOut = errors.New("the final flush timed out; unexported metrics are lost, but for those that are in storage")
)

// Settings say what a Flusher flushes. None of the functions is called while another is, but that Consume may be under
// way during Save.
type Settings struct {
	Interval time.Duration
	Delta    bool // temporality of what Export returns

	// Export begins an export, the last one or not. It returns nil where nothing is counted; then only the state is
	// saved. It must not block.
	Export func(last bool) *counters.Export
	// Save saves the state as it is during the export, nil if there is none. It returns soon after ctx ends. A
	// component without storage has nothing to do and returns nil.
	Save func(ctx context.Context, export *counters.Export) error
	// Consume sends metrics to the pipeline.
	Consume func(context.Context, pmetric.Metrics) error

	Logger *zap.Logger
	// Status is told of status.Storage while the state cannot be saved. A good save clears that and status.State.
	Status *status.Reporter
}

// Flusher flushes. Its methods are safe for concurrent use.
type Flusher struct {
	settings Settings

	flushing sync.Mutex // held during a flush; for what follows
	sent     *sent      // nil: all that was sent has been answered
	over     bool       // whether there was a last flush
}

// sent is an export that the pipeline did not answer in time.
type sent struct {
	export *counters.Export
	answer chan error // has one element once it has been answered
}

// failure is an error with what it means, which is a message for the log.
type failure struct {
	meaning string
	err     error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// New returns a Flusher.
func New(settings Settings) *Flusher {
	return &Flusher{settings: settings}
}

// Run flushes now and at every interval until ctx ends, and logs what goes wrong. It returns soon after that, whatever
// the pipeline and the storage do.
func (f *Flusher) Run(ctx context.Context) {
	Every(ctx, f.settings.Interval, nil, func() {
		failed := new(failure)
		if err := f.Flush(ctx, false); errors.As(err, &failed) && ctx.Err() == nil {
			f.settings.Logger.Warn(failed.meaning, zap.Error(err))
		}
	})
}

// Last flushes a last time. The context of Run must have been ended before, which ends a flush under way; Last waits for
// that one and for nothing else, and no flush begins after it, so that the storage may be closed then. It takes 5 s at
// most.
//
// A pipeline or a storage that refuses is logged and no error: it is no reason not to end in order. One that does not
// answer in time is an error.
func (f *Flusher) Last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, LastTime)
	defer cancel()
	err := f.Flush(ctx, true)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errTimedOut, err)
	default:
		f.settings.Logger.Error("The final flush failed; metrics that are not in storage are lost", zap.Error(err))
		return nil
	}
}

// Flush does one flush, the last one or not, and returns what went wrong. Run and Last call it; tests of components do
// too. After the last one it does nothing.
func (f *Flusher) Flush(ctx context.Context, last bool) error {
	f.flushing.Lock()
	defer f.flushing.Unlock()
	if f.over {
		return nil
	}
	f.over = last
	if err := f.settle(ctx, last); err != nil {
		return err
	}
	export := f.settings.Export(last)
	if export == nil {
		return f.save(ctx, nil, last)
	}
	ended, err := f.export(ctx, export, last)
	if ended {
		export.End()
	}
	return err
}

// export reports whether the export has ended; if not, the pipeline has not answered yet.
func (f *Flusher) export(ctx context.Context, export *counters.Export, last bool) (ended bool, err error) {
	if err := f.save(ctx, export, last); err != nil {
		return true, err
	}
	sent := f.send(ctx, export)
	if errors.Is(sent, errNoAnswer) {
		return false, &failure{"Metrics were not accepted in time; no others are sent before they are accepted or refused", sent}
	}
	return true, errors.Join(f.answer(export, sent), f.saveAnswer(ctx, export, sent == nil, last))
}

// answer settles an export with the pipeline's answer.
func (*Flusher) answer(export *counters.Export, err error) error {
	if err != nil {
		export.Rollback()
		return &failure{"Metrics were not accepted; they are kept for the next flush", fmt.Errorf("metrics: %w", err)}
	}
	export.Commit()
	return nil
}

// saveAnswer saves what became of an export, where a restart has to know, see counters.Export.
func (f *Flusher) saveAnswer(ctx context.Context, export *counters.Export, accepted, last bool) error {
	if !last && (!accepted || !f.settings.Delta) {
		return nil
	}
	if err := f.save(ctx, export, last); err != nil {
		return &failure{"State could not be saved after an export; a crash before the next flush repeats its deltas", err}
	}
	return nil
}

// settle is about what was sent by a flush before this one and not answered in its time. If it still is not, the state is
// saved, but there can be no other export; the last flush waits for the answer. If it is, this flush is as any other.
func (f *Flusher) settle(ctx context.Context, last bool) error {
	if f.sent == nil {
		return nil
	}
	select {
	case err := <-f.sent.answer:
		f.finish(err)
		return nil
	default:
	}
	if err := f.save(ctx, f.sent.export, last); err != nil {
		return err
	}
	if last {
		select {
		case err := <-f.sent.answer:
			f.finish(err)
			return nil
		case <-ctx.Done():
		}
	}
	return &failure{"The state is saved, but no metrics are sent before the last ones are accepted or refused", errNoAnswer}
}

// finish ends an export that was answered late. The commit is saved by the flush that calls it.
func (f *Flusher) finish(err error) {
	_ = f.answer(f.sent.export, err) // a refusal has been logged as no answer in time
	f.sent.export.End()
	f.sent = nil
}

// send returns the pipeline's answer, or errNoAnswer.
func (f *Flusher) send(ctx context.Context, export *counters.Export) error {
	if export.Metrics.DataPointCount() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Deadline(f.settings.Interval))
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- f.consume(ctx, export.Metrics) }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		f.sent = &sent{export, answer}
		return errNoAnswer
	}
}

func (f *Flusher) consume(ctx context.Context, md pmetric.Metrics) (err error) {
	defer guard.Recover(f.settings.Logger, &err)
	return f.settings.Consume(ctx, md)
}

// save reports the status of the storage, but in the last flush: the component is stopping, which is no time to be OK.
func (f *Flusher) save(ctx context.Context, export *counters.Export, last bool) error {
	ctx, cancel := context.WithTimeout(ctx, Deadline(f.settings.Interval))
	defer cancel()
	err := f.guardedSave(ctx, export)
	switch {
	case last || errors.Is(ctx.Err(), context.Canceled): // or about to stop
	case err != nil:
		f.settings.Status.Fault(status.Storage, err)
	default:
		f.settings.Status.Clear(status.Storage, status.State)
	}
	if err != nil {
		return &failure{"State could not be saved; metrics are kept until it is", err}
	}
	return nil
}

func (f *Flusher) guardedSave(ctx context.Context, export *counters.Export) (err error) {
	defer guard.Recover(f.settings.Logger, &err)
	return f.settings.Save(ctx, export)
}

// Deadline returns how long a send may take where flushes are an interval apart.
func Deadline(interval time.Duration) time.Duration {
	return max(interval, leastTime)
}

// Every calls a function now, at every interval, and whenever there is an element in wake, which may be nil, until ctx
// ends.
func Every(ctx context.Context, interval time.Duration, wake <-chan struct{}, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-wake:
		}
	}
}
