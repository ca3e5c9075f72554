package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_0000000001"

// process is a log over a store as one process of the server has it.
type process struct {
	*audit.Log
	db   store.Store
	ring *keyring.Ring
	stop func()
}

func openStore(t testing.TB, path string) store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	require.NoError(t, db.Declare(t.Context(), append(append(append(store.Specs(), work.Specs()...), keyring.Specs()...), audit.Specs()...)...))
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	j, err := journal.Open(journal.Options{Dir: path + ".journal", Segment: 16 << 10, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { journals.Delete(db); _ = j.Close() })
	journals.Store(db, j)
	return db
}

// journals holds the journal beside each store: a server with files of its own has one.
var journals sync.Map

func newLog(t testing.TB, db store.Store, change ...func(*audit.Options)) *process {
	t.Helper()
	master, err := keyring.NewMaster(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	p := &process{db: db, ring: keyring.New(db, core.SystemClock{}, master)}
	o := audit.Options{
		Store: db, Keys: p.ring, Gather: 5 * time.Millisecond, Linger: 50 * time.Millisecond, Lease: time.Second,
		Logger:     slog.New(slog.DiscardHandler),
		Workspaces: func(context.Context) ([]string, error) { return []string{ws}, nil },
	}
	if j, ok := journals.Load(db); ok {
		o.Journal = j.(*journal.Journal)
	}
	for _, f := range change {
		f(&o)
	}
	p.Log = audit.New(o)
	return p
}

// running is newLog whose sequencer runs until the test ends.
func running(t testing.TB, db store.Store, change ...func(*audit.Options)) *process {
	t.Helper()
	runner := work.New(work.Options{Store: db, Logger: slog.New(slog.DiscardHandler), Poll: 50 * time.Millisecond, Grace: time.Second})
	p := newLog(t, db, append(change, func(o *audit.Options) { o.Runner = runner })...)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = runner.Run(ctx) })
	wg.Go(func() { _ = p.Run(ctx) })
	p.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(p.stop)
	return p
}

func as(t testing.TB, id string) context.Context {
	t.Helper()
	return core.WithRequestID(core.WithActor(t.Context(), &core.Actor{Workspace: ws, ID: id, Purpose: "support", Reason: "TICKET-1"}), "req_"+id)
}

func all(t testing.TB, l *audit.Log, f audit.Filter) []*audit.Record {
	t.Helper()
	var out []*audit.Record
	w := core.Window{Limit: 200}
	for {
		page, err := l.Entries(t.Context(), ws, f, w)
		require.NoError(t, err)
		out = append(out, page.Items...)
		if !page.HasNext {
			return out
		}
		w.After = page.Cursors[len(page.Cursors)-1]
	}
}

func written(t testing.TB, l *audit.Log, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		c, err := l.Checkpoint(t.Context(), ws, nil)
		return err == nil && c.Size == n
	}, 10*time.Second, 5*time.Millisecond)
}

func TestAnEntryIsInTheLogWithinASecond(t *testing.T) {
	p := running(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.profile", Resource: "profile", Fields: []string{"Profile.traits"}, Subjects: []string{"prof_1"}}))
	start := time.Now()
	written(t, p.Log, 2) // the first is about the log itself
	require.Less(t, time.Since(start), time.Second)
	got := all(t, p.Log, audit.Filter{})
	require.Len(t, got, 2)
	psn, err := p.ring.Pseudonym(t.Context(), ws, audit.KindProfile, "prof_1")
	require.NoError(t, err)
	r := got[0]
	require.Equal(t, []any{int64(1), "key_1", "query.profile", "profile", []string{"Profile.traits"}, []string{psn}, 1, "support", "TICKET-1", core.Allow, "req_key_1"},
		[]any{r.Index, r.Actor, r.Action, r.Resource, r.Fields, r.Subjects, r.SubjectCount, r.Purpose, r.Reason, r.Decision, r.RequestID})
	require.NotContains(t, string(r.Body), "prof_1")
	one, err := p.Entry(t.Context(), ws, r.EntryID)
	require.NoError(t, err)
	require.Equal(t, r, one)
}

func TestManyWritersShareBatchesAndLoseNothing(t *testing.T) {
	p := running(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	var wg sync.WaitGroup
	const writers, each = 32, 40
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := p.Write(as(t, fmt.Sprintf("key_%d", w)), audit.Entry{Action: "query.x", Subjects: []string{fmt.Sprintf("prof_%d_%d", w, i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	written(t, p.Log, writers*each+1)
	got := all(t, p.Log, audit.Filter{Action: "query.x"})
	require.Len(t, got, writers*each)
	seen := map[string]bool{}
	for i, r := range got {
		require.False(t, seen[r.EntryID])
		seen[r.EntryID] = true
		if i > 0 {
			require.Less(t, r.Index, got[i-1].Index)
		}
	}
	for w := range writers {
		require.Len(t, all(t, p.Log, audit.Filter{Actor: fmt.Sprintf("key_%d", w)}), each)
	}
}
