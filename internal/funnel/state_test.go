// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cardinality"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
)

// kept is what is stored of a Funnel.
type kept struct {
	header     Header
	chunks     map[int][]byte // of the verifications
	statistics map[int][]byte
}

func newKept() *kept {
	return &kept{chunks: map[int][]byte{}, statistics: map[int][]byte{}}
}

func (k *kept) read(part Part, chunk int) ([]byte, error) {
	if part == Statistics {
		return k.statistics[chunk], nil
	}
	return k.chunks[chunk], nil
}

// keep stores what has changed, and returns which chunks of verifications those are.
func (k *kept) keep(f *Funnel) (changed []int) {
	return k.keepWhile(f, func(int) {})
}

// keepWhile does something before each chunk of verifications is stored.
func (k *kept) keepWhile(f *Funnel, do func(chunk int)) (changed []int) {
	err := f.Save(func(part Part, chunk int, data []byte) {
		if part == Statistics {
			k.statistics[chunk] = data
			return
		}
		do(chunk)
		changed = append(changed, chunk)
		k.chunks[chunk] = data
	}, func(h Header) error {
		k.header = h
		return nil
	})
	if err != nil {
		panic(err)
	}
	return changed
}

func keepAll(f *Funnel) *kept {
	k := newKept()
	k.keep(f)
	return k
}

func restored(t *testing.T, k *kept, s Settings, now time.Time) (*Funnel, *heard) {
	t.Helper()
	h := newHeard()
	f := NewFunnel(s, h, start)
	require.NoError(t, f.Restore(&k.header, k.read, now))
	return f, h
}

func TestRestoreGoesOn(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(4, "ver_3", "face_collision"), start)
	f.observe(scored(at(1, "ver_1", "verification_started"), 0.7), start)
	e := at(2, "ver_1", "liveness_failed")
	e.ExternalID, e.ExternalTracker = "user_1", "ads"
	f.observe(e, start.Add(time.Minute))
	f.observe(at(3, "ver_2", "verification_completed"), start.Add(time.Minute))
	f.run(start.Add(30*time.Minute + time.Second)) // the third has ended, and the second

	stopped := start.Add(30*time.Minute + time.Second)
	again, h := restored(t, keepAll(f), settings(10), stopped.Add(time.Hour))
	assert.Equal(t, 3, again.Len())
	assert.Equal(t, map[ActiveKey]int64{{LastStage: "liveness_failed"}: 1}, again.Active())
	assert.Equal(t, Duplicate, again.observe(e, stopped.Add(time.Hour)))
	assert.Equal(t, Straggler, again.observe(at(0, "ver_3", "verification_started"), stopped.Add(time.Hour)))
	assert.Equal(t, New, again.observe(at(9, "ver_3", "liveness_started"), stopped.Add(time.Hour)))
	assert.Len(t, h.resumed, 1)

	again.run(stopped.Add(time.Hour + 59*time.Second - 1))
	assert.Empty(t, h.ended, "an hour without the Collector is no silence")
	again.run(stopped.Add(time.Hour + 59*time.Second))
	first := h.lastEnd(t)
	assert.Equal(t, "ver_1", first.Key)
	assert.Equal(t, "user_1", first.ExternalID)
	assert.Equal(t, "ads", first.Tracker)
	assert.Equal(t, DropOff, first.Outcome)
	assert.InDelta(t, 0.7, first.TrustScore.Value, 0)
	assert.Equal(t, 2, first.Events)

	again.run(stopped.Add(25*time.Hour - 30*time.Minute - 1*time.Second - 1))
	assert.Equal(t, 3, again.Len())
	again.run(stopped.Add(25*time.Hour - 29*time.Minute - 1*time.Second))
	assert.Zero(t, again.Len(), "the window is of the time in which the Collector runs, too")
	assert.Len(t, h.ended, 2)
}

// TestOnlyChangedChunks shows that what has not changed is not written again.
func TestOnlyChangedChunks(t *testing.T) {
	f, _ := funnelFor(10_000)
	for n := range 3_000 {
		f.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start)
	}
	k := keepAll(f)
	assert.Len(t, k.chunks, 3)
	assert.Empty(t, k.keep(f))

	f.observe(at(3_000, "ver_2999", "liveness_started"), start)
	f.observe(at(0, "ver_0", "verification_started"), start) // a duplicate
	full := errors.New("full")
	require.ErrorIs(t, f.Save(func(Part, int, []byte) {}, func(Header) error { return full }), full)
	assert.Panics(t, func() { _ = f.Save(func(Part, int, []byte) {}, func(Header) error { panic("damaged") }) })
	assert.Equal(t, []int{2}, k.keep(f), "it has not been written")
	assert.Empty(t, k.keep(f))

	again, _ := restored(t, k, settings(10_000), start)
	assert.Equal(t, 3_000, again.Len())
	for _, what := range []string{"all end", "all are forgotten"} {
		f.run(start.Add(map[string]time.Duration{"all end": time.Hour, "all are forgotten": 24 * time.Hour}[what]))
		assert.Equal(t, []int{0, 1, 2}, k.keep(f), what)
	}
}

// TestPlacesAreUsedAgain shows that a place which was free when the state was kept is free after, and no other.
func TestPlacesAreUsedAgain(t *testing.T) {
	f, _ := funnelFor(3)
	for n := range 5 { // the first two had to leave
		f.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start)
	}
	s := settings(2_000)
	again, _ := restored(t, keepAll(f), s, start)
	for n := range 2_000 {
		again.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start)
	}
	assert.Equal(t, 2_000, again.Len())
	assert.Len(t, again.table.chunks, 2)
	assert.Equal(t, map[ActiveKey]int64{{LastStage: "verification_started"}: 2_000}, again.Active())
}

// TestOtherTimes restores with times that have been changed meanwhile.
func TestOtherTimes(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_started"), start)
	f.observe(at(1, "ver_2", "verification_completed"), start.Add(10*time.Minute))
	f.observe(at(2, "ver_3", "verification_started"), start.Add(10*time.Minute))
	k := keepAll(f)

	s := settings(10)
	s.AbandonAfter, s.Settle = 5*time.Minute, time.Hour
	again, h := restored(t, k, s, start.Add(10*time.Minute))
	again.run(start.Add(10 * time.Minute))
	require.Len(t, h.ended, 1, "it is due at once")
	assert.Equal(t, "ver_1", h.lastEnd(t).Key)
	again.run(start.Add(15 * time.Minute))
	require.Len(t, h.ended, 2)
	assert.Equal(t, "ver_3", h.lastEnd(t).Key)
	again.run(start.Add(70 * time.Minute))
	require.Len(t, h.ended, 3)
	assert.Equal(t, "ver_2", h.lastEnd(t).Key)
}

// TestClockSetBack shows that a clock which was ahead when the state was kept does not hold up what comes after.
func TestClockSetBack(t *testing.T) {
	f, _ := funnelFor(10)
	ahead := start.AddDate(1, 0, 0)
	f.observe(at(0, "ver_1", "verification_started"), ahead)
	f.run(ahead.Add(10 * time.Minute))

	again, h := restored(t, keepAll(f), settings(10), start)
	again.observe(at(1, "ver_2", "verification_started"), start.Add(time.Minute))
	again.run(start.Add(20*time.Minute - 1))
	assert.Empty(t, h.ended)
	again.run(start.Add(20 * time.Minute))
	assert.Len(t, h.ended, 1)
	again.run(start.Add(31 * time.Minute))
	assert.Len(t, h.ended, 2)
}

// TestWindowsAfterRestart closes windows in the order in which verifications began, whatever order they wait in.
func TestWindowsAfterRestart(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(1, "ver_1", "verification_started"), start)
	f.observe(at(2, "ver_2", "verification_started"), start.Add(10*time.Minute))
	f.observe(at(3, "ver_1", "liveness_started"), start.Add(20*time.Minute)) // now due after the other
	now := start.Add(20 * time.Minute)
	again, _ := restored(t, keepAll(f), settings(10), now)
	again.run(start.Add(24*time.Hour - 1))
	assert.Equal(t, 2, again.Len())
	again.run(start.Add(24 * time.Hour))
	assert.Equal(t, 1, again.Len())
}

func TestFewerVerifications(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(0, "ended", "verification_started"), start)
	f.run(start.Add(time.Hour))
	for n := range 5 {
		f.observe(at(n+1, fmt.Sprint("ver_", n), "verification_started"), start.Add(time.Hour+time.Duration(n)*time.Second))
	}
	again, h := restored(t, keepAll(f), settings(2), start.Add(2*time.Hour))
	assert.Equal(t, 2, again.Len())
	assert.Equal(t, 3, h.early)
	var keys []string
	for _, e := range h.ended {
		keys = append(keys, e.Key)
	}
	assert.Equal(t, []string{"ver_0", "ver_1", "ver_2"}, keys, "the longest silent first")
}

// TestStageIsDocumented restores what was kept when a stage of today's table was not documented.
func TestStageIsDocumented(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_started"), start)
	f.observe(at(1, "ver_1", "selfie_taken"), start)
	f.observe(at(1, "ver_1", "another"), start) // has the same identity: a duplicate
	second := at(1, "ver_1", "another")
	second.ID = event.ID{1} // which comes before that of the other, as long as both are unknown
	f.observe(second, start)
	k := keepAll(f)
	for i, name := range k.header.Stages {
		if name == "selfie_taken" {
			k.header.Stages[i] = "face_collision" // as if that were what it is called now
		}
	}
	require.Contains(t, k.header.Stages, "face_collision")

	again, h := restored(t, k, settings(10), start)
	collision := at(5, "ver_1", "face_collision")
	again.observe(collision, start)
	assert.Empty(t, h.reached, "it was reached before")
	again.run(start.Add(time.Hour))
	e := h.lastEnd(t)
	assert.Equal(t, []string{"verification_started", "face_collision", "another", "face_collision"}, stagesOf(e.Trail))
	assert.Equal(t, DropOff, e.Outcome)
}

// TestStagesWithoutNumber restores that a verification has reached stages beyond those that get series.
func TestStagesWithoutNumber(t *testing.T) {
	f, h := funnelFor(10)
	for n := range 40 {
		f.observe(at(n, "ver_1", fmt.Sprint("unknown_", n)), start)
	}
	assert.Equal(t, 8, h.reached["_OTHER"])
	again, after := restored(t, keepAll(f), settings(10), start)
	for n := range 41 {
		again.observe(at(100+n, "ver_1", fmt.Sprint("unknown_", n)), start)
	}
	assert.Equal(t, map[string]int{"_OTHER": 1}, after.reached)
	again.run(start.Add(48 * time.Hour))
	assert.Empty(t, again.beyond, "forgotten with the verification")
}

// TestTooManyStagesWithoutNumber counts as many of one verification as it keeps events.
func TestTooManyStagesWithoutNumber(t *testing.T) {
	f, h := funnelFor(10)
	for n := range cardinality.MaxUnknownStages + maxEntries + 5 {
		f.observe(at(n, "ver_1", fmt.Sprint("unknown_", n)), start)
	}
	assert.Equal(t, maxEntries, h.reached["_OTHER"])
}

func TestRestoreFails(t *testing.T) {
	f, _ := funnelFor(2_000)
	for n := range 1_500 {
		f.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start)
	}
	whole := keepAll(f)
	away := errors.New("away")
	short := whole.chunks[1][:len(whole.chunks[1])-1]
	for name, tt := range map[string]struct {
		read func(part Part, chunk int) ([]byte, error)
		want error
	}{
		"unreadable":   {func(Part, int) ([]byte, error) { return nil, away }, away},
		"missing":      {func(_ Part, chunk int) ([]byte, error) { return map[int][]byte{0: whole.chunks[0]}[chunk], nil }, ErrChunk},
		"short":        {func(_ Part, chunk int) ([]byte, error) { return [][]byte{whole.chunks[0], short}[chunk], nil }, ErrChunk},
		"another's":    {func(Part, int) ([]byte, error) { return []byte("{}"), nil }, ErrChunk},
		"one repeated": {func(Part, int) ([]byte, error) { return slices.Concat(whole.chunks[1], whole.chunks[1]), nil }, ErrChunk},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHeard()
			again := NewFunnel(settings(10), h, start)
			require.ErrorIs(t, again.Restore(&whole.header, tt.read, start), tt.want)
			assert.Zero(t, again.Len())
			assert.Empty(t, again.Active())
			assert.Empty(t, h.ended)
			assert.Equal(t, New, again.observe(at(1, "ver_1", "verification_started"), start), "it works all the same")
		})
	}
}

// chunkOf is a chunk with one verification, in which something can be changed.
func chunkOf(place uint64, change func(*verification)) []byte {
	f, _ := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_started"), start)
	s := f.byFirst.head
	change(f.table.at(s))
	return f.encode(binary.AppendUvarint(nil, place), s)
}

func TestWrongChunks(t *testing.T) {
	nothing := func(*verification) {}
	for name, tt := range map[string]struct {
		data []byte
		ok   bool
	}{
		"as it is":            {chunkOf(1, nothing), true},
		"in place 0":          {chunkOf(0, nothing), false},
		"beyond the chunk":    {chunkOf(chunkSize, nothing), false},
		"without a key":       {chunkOf(1, func(v *verification) { v.text, v.keyLen = "", 0 }), false},
		"without events":      {chunkOf(1, func(v *verification) { v.trail = "" }), false},
		"a damaged trail":     {chunkOf(1, func(v *verification) { v.trail = v.trail[:5] }), false},
		"only a straggler":    {chunkOf(1, func(v *verification) { v.trail = newTrail(entries{{mark: straggler}}) }), false},
		"more than is kept":   {chunkOf(1, func(v *verification) { v.trail = newTrail(make(entries, maxEntries+1)) }), false},
		"no such state":       {chunkOf(1, func(v *verification) { v.state = states }), false},
		"two in one place":    {append(chunkOf(1, nothing), chunkOf(1, func(v *verification) { v.text = "ver_2" })...), false},
		"one in two places":   {append(chunkOf(1, nothing), chunkOf(2, nothing)...), false},
		"two":                 {append(chunkOf(1, nothing), chunkOf(2, func(v *verification) { v.text = "ver_2" })...), true},
		"more without number": {append(chunkOf(1, nothing)[:len(chunkOf(1, nothing))-1], 0xff, 0xff, 0xff, 0xff, 0x0f), false},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := funnelFor(10)
			header := Header{Chunks: 1, Stages: cardinality.NewStages().Names()}
			err := f.Restore(&header, func(Part, int) ([]byte, error) { return tt.data, nil }, start)
			if tt.ok {
				assert.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrChunk)
			assert.Zero(t, f.Len())
		})
	}
}

// FuzzChunk restores anything: it is a Funnel that works, or an error and an empty one.
func FuzzChunk(f *testing.F) {
	f.Add(chunkOf(1, func(*verification) {}))
	f.Add(append(chunkOf(3, func(v *verification) { v.state = ended }), chunkOf(9, func(v *verification) { v.text = "ver_9" })...))
	f.Add([]byte{})
	stages := append(NewFunnel(settings(1), nobody{}, start).stages.Names(), "unknown", strings.Repeat("x", 70))
	f.Fuzz(func(t *testing.T, data []byte) {
		again, _ := funnelFor(10)
		header := Header{Chunks: 1, Stages: stages}
		if err := again.Restore(&header, func(Part, int) ([]byte, error) { return data, nil }, start); err != nil {
			assert.Zero(t, again.Len())
			assert.Empty(t, again.Active())
		}
		assert.Len(t, again.byFirst.slots(t, &again.table), again.Len())
		again.observe(at(1, "ver_1", "verification_started"), start)
		again.run(start.Add(time.Hour))
	})
}

// TestRestoredAgain stops twice for an hour, and stores only what has changed between: the stops are no silence, and
// what was stored before the first one is still right.
func TestRestoredAgain(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(1, "ver_1", "verification_started"), start)
	k := keepAll(f)

	f, _ = restored(t, k, settings(10), start.Add(time.Hour))
	assert.Empty(t, k.keep(f), "all that was stored is as it was")
	f.run(start.Add(time.Hour + 20*time.Minute))
	k.keep(f)

	f, h := restored(t, k, settings(10), start.Add(3*time.Hour))
	f.run(start.Add(3*time.Hour + 10*time.Minute - 1))
	assert.Empty(t, h.ended)
	f.run(start.Add(3*time.Hour + 10*time.Minute))
	assert.Equal(t, "ver_1", h.lastEnd(t).Key, "20 minutes and 10 of silence")
}

// TestStageDuringSave has a new stage come after the first chunk was written and before the second. After a crash another
// new stage must not take its name.
func TestStageDuringSave(t *testing.T) {
	f, _ := funnelFor(10_000)
	for n := range chunkSize + 1 {
		f.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start)
	}
	last := fmt.Sprint("ver_", chunkSize)
	k := newKept()
	k.keepWhile(f, func(chunk int) {
		if chunk == 0 {
			f.Observe(at(-1, last, "selfie_taken"), start)
		}
	})

	f, _ = restored(t, k, settings(10_000), start)
	f.observe(at(0, "ver_0", "document_scanned"), start)
	f.observe(at(-2, "ver_0", "document_scanned"), start)
	k.keep(f)
	f, h := restored(t, k, settings(10_000), start)
	f.run(start.Add(time.Hour))
	for _, e := range h.ended {
		if e.Key == last {
			assert.Equal(t, []string{"verification_started"}, stagesOf(e.Trail), "what came during the Save is in the next one")
		}
	}
	assert.Len(t, h.ended, chunkSize+1)
}

// TestRenumberedTwice restores what was kept when a stage of today's table was not documented, and then what has been
// stored since.
func TestRenumberedTwice(t *testing.T) {
	f, _ := funnelFor(10)
	f.observe(at(0, "ver_1", "verification_started"), start)
	f.observe(at(1, "ver_1", "selfie_taken"), start)
	f.observe(at(2, "ver_1", "another"), start)
	k := keepAll(f)
	for i, name := range k.header.Stages {
		if name == "selfie_taken" {
			k.header.Stages[i] = "face_collision" // as if that were what it is called now
		}
	}
	for range 2 {
		f, _ = restored(t, k, settings(10), start)
		k.keep(f)
	}
	f, h := restored(t, k, settings(10), start)
	f.run(start.Add(time.Hour))
	assert.Equal(t, []string{"verification_started", "face_collision", "another"}, stagesOf(h.lastEnd(t).Trail))
}

// TestTableGrowsDuringSave has a chunk added after it was too late to write it.
func TestTableGrowsDuringSave(t *testing.T) {
	f, _ := funnelFor(10_000)
	for n := range chunkSize - 1 {
		f.observe(at(n, fmt.Sprint("ver_", n), "verification_started"), start)
	}
	k := newKept()
	k.keepWhile(f, func(int) { f.Observe(at(chunkSize, "ver_late", "verification_started"), start) })
	again, _ := restored(t, k, settings(10_000), start)
	assert.Equal(t, chunkSize-1, again.Len())
	assert.Equal(t, []int{1}, k.keep(f))
	again, _ = restored(t, k, settings(10_000), start)
	assert.Equal(t, chunkSize, again.Len())
}
