package audit_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
)

// kept is a journal out of which nothing is taken while it is stuck.
type kept struct {
	store.Store
	stuck atomic.Bool
}

func (k *kept) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if k.stuck.Load() && b.Ops[0].Kind == store.OpDelete {
		return "", store.ErrTooLarge // any error that is not tried again
	}
	return k.Store.Commit(ctx, b)
}

// TestWhatWasTakenOutOfTheJournalIsNotTakenTwice lets a sequencer end between the batch
// that puts entries into the log and the one that takes them out of the journal.
func TestWhatWasTakenOutOfTheJournalIsNotTakenTwice(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	var k kept
	apart := func(o *audit.Options) { k.Store = o.Journal; o.Journal = &k }
	first := newLog(t, db, apart)
	for i := range 5 {
		require.NoError(t, first.Write(as(t, "key_1"), audit.Entry{Action: "query.profile", Subjects: people(i, 1)}))
	}
	k.stuck.Store(true)
	require.Error(t, first.Settle(t.Context(), ws))
	require.Len(t, all(t, first.Log, audit.Filter{Action: "query.profile"}), 5, "they are in the log")

	k.stuck.Store(false)
	second := newLog(t, db, apart)
	require.NoError(t, second.Write(as(t, "key_1"), audit.Entry{Action: "query.profile", Subjects: people(9, 1)}))
	require.NoError(t, second.Settle(t.Context(), ws))
	require.Len(t, all(t, second.Log, audit.Filter{Action: "query.profile"}), 6)
}

// TestEntriesOfChangesAndOfReadsMeetInOneLog writes some beside a change and some alone.
func TestEntriesOfChangesAndOfReadsMeetInOneLog(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	p := running(t, db)
	const n = 700 // more than one step
	for range n {
		op, err := p.Op(as(t, "key_1"), audit.Entry{Action: "change"})
		require.NoError(t, err)
		_, err = db.Commit(t.Context(), store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: []store.Op{op}})
		require.NoError(t, err)
	}
	entries := make([]audit.Entry, n)
	for i := range entries {
		entries[i] = audit.Entry{Action: "read"}
	}
	require.NoError(t, p.WriteAll(as(t, "key_1"), entries))
	require.NoError(t, p.Settle(t.Context(), ws))
	require.Len(t, all(t, p.Log, audit.Filter{Action: "change"}), n)
	require.Len(t, all(t, p.Log, audit.Filter{Action: "read"}), n)
}
