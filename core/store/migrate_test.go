package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// leaseDoc is what a test reads and changes of the store's version document.
type leaseDoc struct {
	store.Meta `bson:",inline"`
	Version    int       `bson:"version"`
	Position   []byte    `bson:"position,omitempty"`
	Begun      bool      `bson:"begun,omitempty"`
	Holder     string    `bson:"holder,omitempty"`
	Fence      int64     `bson:"fence"`
	Until      time.Time `bson:"until"`
}

var leases = store.Declare[leaseDoc](store.Spec{Name: "meta", Global: true})

func lease(t *testing.T, s store.Store) *leaseDoc {
	t.Helper()
	d, err := leases.Get(t.Context(), s, "store")
	require.NoError(t, err)
	require.NotNil(t, d)
	return d
}

// numbered returns a store of version 0 that holds n documents, N = 0.
func numbered(t *testing.T, path string, n int) store.Store {
	t.Helper()
	s := openFile(t, path)
	require.NoError(t, store.Migrate(t.Context(), s, nil, nil))
	var ops []store.Op
	for i := range n {
		ops = append(ops, savedPairs.Insert(&savedDoc{Meta: store.Meta{ID: fmt.Sprintf("ws/%04d", i)}}))
	}
	mustCommit(t, s, ops...)
	return s
}

// raise is a migration that adds delta to every document, ten a step. A document
// that is visited twice shows it. before is called ahead of each step.
func raise(version int, n int, delta int64, before func(from int) error) store.Migration {
	return store.Migration{Version: version, Name: fmt.Sprint("add ", delta), Run: func(ctx context.Context, s store.Store, from []byte, step store.Step) error {
		i := 0
		if from != nil {
			i = int(binary.BigEndian.Uint32(from))
		}
		for i < n {
			if before != nil {
				if err := before(i); err != nil {
					return err
				}
			}
			var ops []store.Op
			for range 10 {
				ops = append(ops, savedPairs.Add(fmt.Sprintf("ws/%04d", i), map[string]int64{"n": delta}))
				i++
			}
			if err := step(ctx, binary.BigEndian.AppendUint32(nil, uint32(i)), int64(i), int64(n), ops...); err != nil {
				return err
			}
		}
		return nil
	}}
}

func requireAll(t *testing.T, s store.Store, want int64, n int) {
	t.Helper()
	docs, err := savedPairs.Find(t.Context(), s, store.Query{Workspace: "ws"}, 0)
	require.NoError(t, err)
	require.Len(t, docs, n)
	for _, d := range docs {
		require.Equal(t, want, d.N, d.ID)
	}
}

func TestMigrateInOrder(t *testing.T) {
	s := numbered(t, filepath.Join(t.TempDir(), "hw.db"), 50)
	// The second sets apart what the first left: out of order the result differs.
	double := store.Migration{Version: 2, Name: "double", Run: func(ctx context.Context, s store.Store, from []byte, step store.Step) error {
		docs, err := savedPairs.Find(ctx, s, store.Query{Workspace: "ws"}, 0)
		if err != nil || from != nil {
			return err
		}
		var ops []store.Op
		for _, d := range docs {
			d.N *= 2
			ops = append(ops, savedPairs.Replace(d))
		}
		return step(ctx, []byte("all"), 1, 1, ops...)
	}}
	var heard []string
	err := store.Migrate(t.Context(), s, []store.Migration{raise(1, 50, 5, nil), double}, func(m store.Migration, done, total int64) {
		heard = append(heard, fmt.Sprintf("%d %s %d/%d", m.Version, m.Name, done, total))
	})
	require.NoError(t, err)
	require.Equal(t, []string{"1 add 5 10/50", "1 add 5 20/50", "1 add 5 30/50", "1 add 5 40/50", "1 add 5 50/50", "2 double 1/1"}, heard)
	requireAll(t, s, 10, 50)
	d := lease(t, s)
	require.Equal(t, 2, d.Version)
	require.Empty(t, d.Holder)
	require.Empty(t, d.Position)
	require.False(t, d.Begun)

	requireReason(t, store.Migrate(t.Context(), s, []store.Migration{raise(1, 50, 5, nil)}, nil), core.Invalid, "STORE_TOO_NEW")
	requireAll(t, s, 10, 50)
}

func TestMigrateFreshStore(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "hw.db"))
	never := raise(1, 10, 1, func(int) error { return errors.New("a fresh store was migrated") })
	require.NoError(t, store.Migrate(t.Context(), s, []store.Migration{never}, nil))
	require.Equal(t, 1, lease(t, s).Version)
	require.NoError(t, store.Migrate(t.Context(), s, []store.Migration{never}, nil))
}

func TestMigrateResumes(t *testing.T) {
	s := numbered(t, filepath.Join(t.TempDir(), "hw.db"), 200)
	stop, failures := errors.New("power cut"), 0
	for {
		began := -1
		err := store.Migrate(t.Context(), s, []store.Migration{raise(1, 200, 1, func(from int) error {
			if began < 0 {
				began = from
			}
			if from == began+30 {
				return stop
			}
			return nil
		})}, nil)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, stop)
		require.Empty(t, lease(t, s).Holder, "the lease was not given up")
		requireReason(t, store.Backup(t.Context(), s, savedSpecs(), io.Discard, nil), core.Conflict, "STORE_MIGRATING")
		failures++
	}
	require.Equal(t, 6, failures)
	requireAll(t, s, 1, 200)
}

func TestMigrateAmongProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	numbered(t, path, 100)
	var inside, starts atomic.Int32
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		s := openFile(t, path)
		all.Go(func() {
			one := raise(1, 100, 1, func(from int) error {
				if from == 0 {
					starts.Add(1)
				}
				if inside.Add(1) > 1 {
					return errors.New("two at once")
				}
				time.Sleep(5 * time.Millisecond)
				inside.Add(-1)
				return nil
			})
			errs[i] = store.Migrate(t.Context(), s, []store.Migration{one, raise(2, 100, 10, nil)}, nil)
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, 1, starts.Load())
	requireAll(t, openFile(t, path), 11, 100)
}

func TestMigrateTakesOverFromTheDead(t *testing.T) {
	s := numbered(t, filepath.Join(t.TempDir(), "hw.db"), 20)
	d := lease(t, s)
	d.Holder, d.Fence, d.Until = "run_dead", 7, time.Now().Add(1500*time.Millisecond)
	mustCommit(t, s, leases.Replace(d))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // less than a lease
	defer cancel()
	require.NoError(t, store.Migrate(ctx, s, []store.Migration{raise(1, 20, 1, func(int) error {
		if time.Now().Before(d.Until) {
			return errors.New("took a lease that had not ended")
		}
		return nil
	})}, nil))
	require.EqualValues(t, 8, lease(t, s).Fence)
	requireAll(t, s, 1, 20)
}

func TestMigrateFencesTheSlow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	s := numbered(t, path, 40)
	paused, goOn, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var slowSteps atomic.Int32
	go func() {
		result <- store.Migrate(t.Context(), s, []store.Migration{raise(1, 40, 1, func(from int) error {
			if from == 20 {
				close(paused)
				<-goOn // longer than its lease, as far as the others can see
			}
			return nil
		})}, func(store.Migration, int64, int64) { slowSteps.Add(1) })
	}()
	<-paused
	other := openFile(t, path)
	d := lease(t, other)
	require.NotEmpty(t, d.Holder)
	d.Until = time.Now().Add(-time.Second)
	mustCommit(t, other, leases.Replace(d))
	require.NoError(t, store.Migrate(t.Context(), other, []store.Migration{raise(1, 40, 1, nil)}, nil))
	close(goOn)
	require.NoError(t, <-result, "the slow one finds the store at its version")
	require.EqualValues(t, 2, slowSteps.Load(), "a step after the lease was lost took effect")
	requireAll(t, other, 1, 40)
}

func TestMigrateStepConflict(t *testing.T) {
	s := numbered(t, filepath.Join(t.TempDir(), "hw.db"), 1)
	require.NoError(t, store.Migrate(t.Context(), s, []store.Migration{{Version: 1, Name: "reread", Run: func(ctx context.Context, s store.Store, from []byte, step store.Step) error {
		for first := true; ; first = false {
			d, err := savedPairs.Get(ctx, s, "ws/0000")
			if err != nil {
				return err
			}
			if first {
				mustCommit(t, s, savedPairs.Add(d.ID, map[string]int64{"n": 5}))
			}
			d.N++
			if err := step(ctx, []byte{1}, 1, 1, savedPairs.Replace(d)); !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
	}}}, nil))
	requireAll(t, s, 6, 1)
}

func TestMigrateListMistakes(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "hw.db"))
	for name, all := range map[string][]store.Migration{
		"gap": {{Version: 1}, {Version: 3}}, "twice": {{Version: 1}, {Version: 1}}, "start": {{Version: 2}},
	} {
		require.Panics(t, func() { _ = store.Migrate(t.Context(), s, all, nil) }, name)
	}
}

func TestMigrateWaitsNoLongerThanItsContext(t *testing.T) {
	s := numbered(t, filepath.Join(t.TempDir(), "hw.db"), 10)
	d := lease(t, s)
	d.Holder, d.Until = "run_other", time.Now().Add(time.Hour)
	mustCommit(t, s, leases.Replace(d))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, store.Migrate(ctx, s, []store.Migration{raise(1, 10, 1, nil)}, nil), context.DeadlineExceeded)
	requireAll(t, s, 0, 10)
}
