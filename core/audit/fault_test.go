package audit_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

func TestNothingIsShownWhenTheStoreRefuses(t *testing.T) {
	broken := faultstore.New(openStore(t, filepath.Join(t.TempDir(), "a.db")))
	p := newLog(t, broken)
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.x"})) // the secrets are made
	broken.Use(func(c faultstore.Call) faultstore.Fault {
		if c.Op == faultstore.Commit {
			return faultstore.Fault{Kind: faultstore.Error}
		}
		return faultstore.Fault{}
	})
	ctx, trail := p.Begin(as(t, "key_1"), "query.profile", "Profile")
	require.NoError(t, audit.Note(ctx, audit.Seen{Profiles: []string{"prof_1"}}))
	err := core.AsError(trail.Close(ctx, nil))
	require.Equal(t, [2]any{core.Unavailable, audit.ReasonUnavailable}, [2]any{err.Code, err.Reason})
	require.ErrorIs(t, err, store.ErrUnavailable)
}

// TestCrashesLoseNothingAndDoubleNothing writes while the store goes down and comes back
// at random, and asks afterwards for every entry whose writer was told that it is
// durable, and that no entry is there twice.
func TestCrashesLoseNothingAndDoubleNothing(t *testing.T) {
	broken := faultstore.New(openStore(t, filepath.Join(t.TempDir(), "a.db")))
	p := running(t, broken)
	q := running(t, broken) // two processes want to be the sequencer
	require.NoError(t, p.Write(as(t, "key_0"), audit.Entry{Action: "query.begin"}))
	written(t, p.Log, 2)
	broken.Use(faultstore.Random(7, faultstore.Rates{Error: 0.05, LostReply: 0.05, CrashBefore: 0.02, CrashAfter: 0.02}))
	done := make(chan struct{})
	var back sync.WaitGroup
	back.Go(func() {
		for {
			select {
			case <-broken.Crashed():
				time.Sleep(5 * time.Millisecond)
				broken.Reopen()
			case <-done:
				return
			}
		}
	})
	var mu sync.Mutex
	durable, maybe := map[string]bool{}, map[string]bool{}
	var wg sync.WaitGroup
	for w := range 8 {
		log := []*process{p, q}[w%2]
		wg.Go(func() {
			for i := range 40 {
				name := fmt.Sprintf("query.%d_%d", w, i)
				err := log.Write(as(t, "key_1"), audit.Entry{Action: name})
				mu.Lock()
				durable[name], maybe[name] = err == nil, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	broken.Use(func(faultstore.Call) faultstore.Fault { return faultstore.Fault{} })
	close(done)
	back.Wait()
	select {
	case <-broken.Crashed():
		broken.Reopen()
	default:
	}
	require.Eventually(t, func() bool { return p.Settle(t.Context(), ws) == nil }, 20*time.Second, 50*time.Millisecond)
	seen := map[string]int{}
	for _, r := range all(t, p.Log, audit.Filter{Actor: "key_1"}) {
		seen[r.Action]++
		require.True(t, maybe[r.Action])
	}
	for name, sure := range durable {
		require.LessOrEqual(t, seen[name], 1, name)
		if sure {
			require.Equal(t, 1, seen[name], name)
		}
	}
	_, err := verify(export(t, p, audit.ExportInput{Format: audit.JSONL}), auditverify.Options{Keys: []string{vkey(t, p)}})
	require.NoError(t, err)
}

// TestASequencerThatDiedIsReplaced ends the process that has the lease while entries
// wait.
func TestASequencerThatDiedIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := openStore(t, path)
	p, q := running(t, db), running(t, openStore(t, path))
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.first"}))
	written(t, p.Log, 2)
	p.stop()
	for i := range 50 {
		require.NoError(t, q.Write(as(t, "key_1"), audit.Entry{Action: fmt.Sprintf("query.%d", i)}))
	}
	written(t, q.Log, 52)
}

func TestAnEntryOfAChangeIsThereOrTheChangeIsNot(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	p := newLog(t, db)
	commit := func(value string) error {
		op, err := p.Op(as(t, "key_1"), audit.Entry{Action: "policy.set", Resource: value})
		require.NoError(t, err)
		_, err = db.Commit(t.Context(), store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: []store.Op{store.Claim(ws, "x", "one", value), op}})
		return err
	}
	require.NoError(t, commit("a"))
	require.True(t, errors.Is(commit("b"), store.ErrConflict))
	require.NoError(t, p.Settle(t.Context(), ws))
	got := all(t, p.Log, audit.Filter{Action: "policy.set"})
	require.Len(t, got, 1)
	require.Equal(t, "a", got[0].Resource)
}

// TestAnOperationThatDiedHasItsEntry leaves a stream of people without an end.
func TestAnOperationThatDiedHasItsEntry(t *testing.T) {
	clock := core.NewVirtualClock(time.Now().Add(-time.Hour))
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")), func(o *audit.Options) { o.Clock = clock })
	ctx, trail := p.Begin(as(t, "key_1"), "export.segment", "seg_1")
	for part := range 3 {
		for i := range 150 {
			require.NoError(t, audit.Note(ctx, audit.Seen{Profiles: []string{fmt.Sprintf("prof_%d_%d", part, i)}}))
		}
		require.NoError(t, trail.Flush(ctx))
	}
	clock.Advance(11 * time.Minute)
	sweeping, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(sweeping) })
	require.Eventually(t, func() bool {
		require.NoError(t, p.Settle(t.Context(), ws))
		return len(all(t, p.Log, audit.Filter{Action: "export.segment"})) == 1
	}, 5*time.Second, 20*time.Millisecond)
	cancel()
	wg.Wait()
	got := all(t, p.Log, audit.Filter{ProfileID: "prof_2_149"})
	require.Len(t, got, 1)
	require.Equal(t, 450, got[0].SubjectCount)
	require.Equal(t, "ABANDONED", got[0].Details["failed"])
	require.Empty(t, all(t, p.Log, audit.Filter{ProfileID: "prof_3_1"}))
}
