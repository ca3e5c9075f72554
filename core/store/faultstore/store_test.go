package faultstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/store/storetest"
)

type note struct {
	store.Meta `bson:",inline"`
	N          int64 `bson:"n"`
}

var notes = store.Declare[note](store.Spec{Name: "notes"})

func open(t *testing.T) *faultstore.Store {
	inner, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	s := faultstore.New(inner)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	require.NoError(t, s.Declare(t.Context(), notes.Spec))
	return s
}

// Without a plan the wrapper is the store itself.
func TestWithoutFaults(t *testing.T) {
	storetest.RunExcept(t, func(t *testing.T) store.Store { return faultstore.New(storetest.NewModel()) }, nil)
}

func put(s store.Store, id string) (store.Batch, error) {
	b := store.Batch{ID: "batch-" + id, Ops: []store.Op{notes.Insert(&note{Meta: store.Meta{ID: "ws/" + id}})}}
	_, err := s.Commit(context.Background(), b)
	return b, err
}

func exists(t *testing.T, s store.Store, id string) bool {
	d, err := notes.Get(context.Background(), s, "ws/"+id)
	require.NoError(t, err)
	return d != nil
}

func TestScript(t *testing.T) {
	s := open(t)
	s.Use(faultstore.Script(faultstore.Fault{Kind: faultstore.Error}, faultstore.Fault{}, faultstore.Fault{Kind: faultstore.LostReply}))
	_, err := put(s, "error")
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.False(t, exists(t, s, "error"))
	_, err = put(s, "fine")
	require.NoError(t, err)
	b, err := put(s, "lost")
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.True(t, exists(t, s, "lost"))
	_, err = s.Commit(t.Context(), b)
	require.NoError(t, err, "repeating the batch after the lost reply succeeds")
}

func TestCrashTakesEverythingDownUntilReopen(t *testing.T) {
	for kind, kept := range map[faultstore.Kind]bool{faultstore.CrashBefore: false, faultstore.CrashAfter: true} {
		s := open(t)
		now, err := s.Now(t.Context())
		require.NoError(t, err)
		stream, err := s.Watch(t.Context(), now)
		require.NoError(t, err)
		snap, err := s.Snapshot(t.Context())
		require.NoError(t, err)
		waiting := make(chan error)
		go func() {
			_, err := stream.Next(context.Background())
			waiting <- err
		}()
		time.Sleep(10 * time.Millisecond)
		s.Use(faultstore.Script(faultstore.Fault{Kind: kind}))
		_, err = put(s, "a")
		require.ErrorIs(t, err, store.ErrUnavailable)
		<-s.Crashed()
		if err := <-waiting; !errors.Is(err, store.ErrUnavailable) {
			require.NoError(t, err, "the change may have come through before the crash")
			_, err = stream.Next(t.Context())
			require.ErrorIs(t, err, store.ErrUnavailable)
		}
		_, err = put(s, "b")
		require.ErrorIs(t, err, store.ErrUnavailable)
		_, err = notes.Get(t.Context(), s, "ws/a")
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.ErrorIs(t, s.Ping(t.Context()), store.ErrUnavailable)
		require.NoError(t, stream.Close())
		require.NoError(t, snap.Close())
		s.Reopen()
		require.Equal(t, kept, exists(t, s, "a"))
		require.False(t, exists(t, s, "b"))
	}
}

// Random faults over conditional increments: whoever repeats the same batch until
// it is acknowledged has it counted exactly once.
func TestEveryAcknowledgedBatchCountsOnce(t *testing.T) {
	s := open(t)
	s.Use(faultstore.Random(7, faultstore.Rates{Error: 0.05, LostReply: 0.1, CrashBefore: 0.05, CrashAfter: 0.05, ReadError: 0.02, Delay: time.Millisecond}))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-s.Crashed():
				s.Reopen()
			case <-ctx.Done():
				return
			}
		}
	})
	const writers, each = 8, 25
	var work sync.WaitGroup
	for g := range writers {
		work.Go(func() {
			for i := range each {
				increment(s, fmt.Sprintf("%d-%d", g, i))
			}
		})
	}
	work.Wait()
	cancel()
	wg.Wait()
	s.Use(faultstore.Script())
	s.Reopen()
	d, err := notes.Get(t.Context(), s, "ws/sum")
	require.NoError(t, err)
	require.EqualValues(t, writers*each, d.N)
	require.EqualValues(t, writers*each, d.V)
}

// increment adds one to the sum by read, replace and retry.
func increment(s store.Store, id string) {
	for try := 0; ; try++ {
		d, err := notes.Get(context.Background(), s, "ws/sum")
		if err != nil {
			continue
		}
		if d == nil {
			d = &note{Meta: store.Meta{ID: "ws/sum"}}
		}
		d.N++
		b := store.Batch{ID: fmt.Sprintf("%s try %d", id, try), Ops: []store.Op{notes.Put(d)}}
		for {
			_, err = s.Commit(context.Background(), b)
			if err == nil {
				return
			}
			if errors.Is(err, store.ErrConflict) {
				break // somebody was faster: read again
			}
		}
	}
}

// A crash drops what was not acknowledged, and nothing else.
func TestCrashDropsUnsyncedWrites(t *testing.T) {
	s := open(t)
	s.Use(faultstore.Random(1, faultstore.Rates{Delay: 5 * time.Millisecond}))
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", g, i)
				_, err := put(s, id)
				mu.Lock()
				acknowledged[id] = err == nil
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	s.Crash()
	wg.Wait()
	s.Reopen()
	require.Greater(t, len(acknowledged), 20)
	for id, ok := range acknowledged {
		require.Equal(t, ok, exists(t, s, id), id)
	}
}
