package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// meddling stands between a batch and its commit.
type meddling func(ctx context.Context, b store.Batch, commit func() error) error

// meddler is a store that lets a test meddle with commits.
type meddler struct {
	store.Store
	f atomic.Pointer[meddling]
}

// set changes what happens to commits; nil lets them be.
func (m *meddler) set(f meddling) {
	if f == nil {
		m.f.Store(nil)
		return
	}
	m.f.Store(&f)
}

func (m *meddler) Commit(ctx context.Context, b store.Batch) (token store.Token, err error) {
	f := m.f.Load()
	if f == nil {
		return m.Store.Commit(ctx, b)
	}
	err = (*f)(ctx, b, func() (err error) {
		token, err = m.Store.Commit(ctx, b)
		return err
	})
	return token, err
}

// holds reports whether the batch inserts the event of a message.
func holds(b store.Batch, messageID string) bool {
	return slices.ContainsFunc(b.Ops, func(o store.Op) bool {
		return o.Spec == event.Events.Spec && o.ID == event.Key(ws, messageID)
	})
}

// meddled makes a house whose commits go through f.
func meddled(t *testing.T, f meddling, change ...func(*ingest.Options)) (*house, *meddler) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	m := &meddler{Store: db}
	h := over(t, m, change...)
	h.one(t, track("first", "first", "Viewed")) // the registry knows the fields from here on
	m.set(f)
	return h, m
}

// many returns n events of n people.
func many(n int) []event.Input {
	out := make([]event.Input, n)
	for i := range out {
		out[i] = track(fmt.Sprintf("m%d", i), fmt.Sprintf("user%d", i), "Viewed")
	}
	return out
}

func TestALostReplyIsAskedForAgain(t *testing.T) {
	var commits atomic.Int32
	h, _ := meddled(t, func(_ context.Context, _ store.Batch, commit func() error) error {
		if err := commit(); err != nil || commits.Add(1) > 1 {
			return err
		}
		return store.ErrUnavailable
	})
	require.Equal(t, event.Accepted, h.one(t, track("m1", "ana", "Viewed")).Status)
	require.EqualValues(t, 2, commits.Load())
	h.consistent(t)
}

func TestWhatIsNotWrittenIsNotAcknowledged(t *testing.T) {
	h, m := meddled(t, func(context.Context, store.Batch, func() error) error { return store.ErrUnavailable })
	r, err := h.Ingest(t.Context(), ws, src, many(3))
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	require.Positive(t, core.AsError(err).RetryAfter)
	require.Equal(t, []event.Status{"", "", ""}, statuses(r))
	m.set(nil)
	r, err = h.Ingest(t.Context(), ws, src, many(3))
	require.NoError(t, err)
	require.Equal(t, []event.Status{event.Accepted, event.Accepted, event.Accepted}, statuses(r))
	h.consistent(t)
}

func TestACulpritIsFoundAndPutAside(t *testing.T) {
	for name, fault := range map[string]func() error{
		"error": func() error { return errors.New("this document is cursed") },
		"panic": func() error { panic("this document is cursed") },
	} {
		t.Run(name, func(t *testing.T) {
			var splits atomic.Int32
			h, m := meddled(t, func(_ context.Context, b store.Batch, commit func() error) error {
				if holds(b, "m37") {
					return fault()
				}
				return commit()
			}, func(o *ingest.Options) { o.Lanes = 1; o.Hooks.Split = func() { splits.Add(1) } })
			r, err := h.Ingest(t.Context(), ws, src, many(100))
			require.NoError(t, err)
			for i := range r {
				if i != 37 {
					require.Equal(t, event.Accepted, r[i].Status)
				}
			}
			require.Equal(t, event.Quarantined, r[37].Status)
			require.Equal(t, "UNPROCESSABLE", r[37].Err.Reason)
			require.NotContains(t, r[37].Err.Message, "cursed")
			require.Positive(t, splits.Load())
			m.set(nil)
			page, err := h.events.Quarantined(t.Context(), ws, event.QuarantineFilter{}, core.Window{Limit: 10})
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			again, err := h.Replay(t.Context(), ws, []string{page.Items[0].QuarantineID()})
			require.NoError(t, err)
			require.Equal(t, event.Accepted, again[0].Status)
			h.consistent(t)
		})
	}
}

func TestOneThatAlwaysLosesItsRaceHoldsUpNobody(t *testing.T) {
	var conflicts atomic.Int32
	h, _ := meddled(t, func(_ context.Context, b store.Batch, commit func() error) error {
		if holds(b, "m5") {
			return &store.ConflictError{Collection: "profiles", ID: ws + "/prof_x"}
		}
		return commit()
	}, func(o *ingest.Options) { o.Lanes = 1; o.Hooks.Conflict = func() { conflicts.Add(1) } })
	r, err := h.Ingest(t.Context(), ws, src, many(16))
	require.Equal(t, "CONTENDED", core.AsError(err).Reason)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	for i := range r {
		if i != 5 {
			require.Equal(t, event.Accepted, r[i].Status)
		}
	}
	require.Empty(t, r[5].Status)
	require.Positive(t, conflicts.Load())
}

func TestAFullDiskRefusesWritesAndLosesNothing(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), MaxPages: 300})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	h := over(t, db)
	acked := 0
	for round := 0; ; round++ {
		require.Less(t, round, 1000, "the disk never fills")
		inputs := make([]event.Input, 50)
		for i := range inputs {
			inputs[i] = track(fmt.Sprintf("m%d-%d", round, i), fmt.Sprintf("user%d", i), "Viewed")
		}
		r, err := h.Ingest(t.Context(), ws, src, inputs)
		for _, s := range statuses(r) {
			if s == event.Accepted {
				acked++
			}
		}
		if err != nil {
			require.Equal(t, core.Unavailable, core.CodeOf(err))
			break
		}
	}
	require.EqualValues(t, acked, h.count(t), "reads go on, and what was acknowledged is there")
	h.consistent(t)
}

func TestTooManyWaitingAreRefused(t *testing.T) {
	gate := make(chan struct{})
	var refused atomic.Int32
	h, _ := meddled(t, func(_ context.Context, _ store.Batch, commit func() error) error {
		<-gate
		return commit()
	}, func(o *ingest.Options) {
		o.MaxPending = 100
		o.Hooks.Overloaded = func(n int) { refused.Add(int32(n)) }
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := h.Ingest(t.Context(), ws, src, many(90))
		require.NoError(t, err)
	})
	require.Eventually(t, func() bool { return h.Pending() == 90 }, 5*time.Second, time.Millisecond)
	_, err := h.Ingest(t.Context(), ws, src, []event.Input{track("x1", "x", "X"), track("x2", "x", "X"), track("x3", "x", "X"),
		track("x4", "x", "X"), track("x5", "x", "X"), track("x6", "x", "X"), track("x7", "x", "X"), track("x8", "x", "X"),
		track("x9", "x", "X"), track("x10", "x", "X"), track("x11", "x", "X")})
	e := core.AsError(err)
	require.Equal(t, core.RateLimited, e.Code)
	require.Equal(t, "OVERLOADED", e.Reason)
	require.Positive(t, e.RetryAfter)
	require.EqualValues(t, 11, refused.Load())
	close(gate)
	wg.Wait()
	require.Zero(t, h.Pending())
	require.Equal(t, event.Accepted, h.one(t, track("x1", "x", "X")).Status)
}

func TestACallerWhoLeavesLosesNothing(t *testing.T) {
	gate := make(chan struct{})
	h, _ := meddled(t, func(_ context.Context, _ store.Batch, commit func() error) error {
		<-gate
		return commit()
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Ingest(ctx, ws, src, []event.Input{track("m1", "ana", "Viewed")})
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	close(gate)
	require.Eventually(t, func() bool { return h.Pending() == 0 }, 5*time.Second, time.Millisecond)
	require.Equal(t, event.Duplicate, h.one(t, track("m1", "ana", "Viewed")).Status)
}

func TestCloseFinishesWhatIsHeld(t *testing.T) {
	gate := make(chan struct{})
	h, _ := meddled(t, func(_ context.Context, _ store.Batch, commit func() error) error {
		<-gate
		return commit()
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := h.Ingest(context.Background(), ws, src, many(200))
		require.NoError(t, err)
		require.Equal(t, event.Accepted, r[199].Status)
	})
	require.Eventually(t, func() bool { return h.Pending() == 200 }, 5*time.Second, time.Millisecond)
	wg.Go(func() { require.NoError(t, h.Close(context.Background())) })
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := h.Ingest(ctx, ws, src, many(1))
		return core.CodeOf(err) == core.Unavailable && core.AsError(err).Reason == "CLOSING"
	}, 5*time.Second, time.Millisecond)
	close(gate)
	wg.Wait()
}

func TestCloseGivesUpWhenTold(t *testing.T) {
	h, _ := meddled(t, func(ctx context.Context, _ store.Batch, _ func() error) error {
		<-ctx.Done()
		return ctx.Err()
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := h.Ingest(context.Background(), ws, src, many(200))
		require.Equal(t, core.Unavailable, core.CodeOf(err))
	})
	require.Eventually(t, func() bool { return h.Pending() == 200 }, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.Close(ctx), context.DeadlineExceeded)
	wg.Wait()
	require.Zero(t, h.Pending())
}
