package audit_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// TestWhatIsInTheLogIsNotTakenTwice lets the batch that puts entries of two processes
// into the log succeed, without those who made it knowing, and others go on.
func TestWhatIsInTheLogIsNotTakenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db, other := openStore(t, path), openStore(t, path)
	broken := faultstore.New(db)
	j, _ := journals.Load(db)
	first := newLog(t, broken, func(o *audit.Options) { o.Journal = j.(*journal.Journal) })
	second := newLog(t, other)
	for i := range 5 {
		require.NoError(t, first.Write(as(t, "key_1"), audit.Entry{Action: "query.profile", Subjects: people(i, 1)}))
		require.NoError(t, second.Write(as(t, "key_1"), audit.Entry{Action: "query.profile", Subjects: people(i, 300)}))
	}
	_, err := first.VerifierKeys(t.Context(), ws) // they are made
	require.NoError(t, err)
	broken.Use(func(c faultstore.Call) faultstore.Fault {
		if c.Op == faultstore.Commit {
			return faultstore.Fault{Kind: faultstore.CrashAfter}
		}
		return faultstore.Fault{}
	})
	require.Error(t, first.Settle(t.Context(), ws))
	require.Len(t, all(t, second.Log, audit.Filter{Action: "query.profile"}), 10, "they are in the log")

	third := newLog(t, openStore(t, path))
	require.NoError(t, third.Write(as(t, "key_1"), audit.Entry{Action: "query.profile", Subjects: people(9, 1)}))
	require.NoError(t, third.Settle(t.Context(), ws))
	require.NoError(t, second.Settle(t.Context(), ws))
	require.Len(t, all(t, third.Log, audit.Filter{Action: "query.profile"}), 11)
	require.Len(t, all(t, third.Log, audit.Filter{ProfileID: "prof_4_299"}), 1)
}

// filesOf lists the files of the journal beside a store.
func filesOf(t *testing.T, path string) []string {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(path+".journal", "*"))
	require.NoError(t, err)
	return out
}

// TestFilesGoWhenTheirEntriesAreInTheLog writes several of them, by a process that ends
// and by one that goes on.
func TestFilesGoWhenTheirEntriesAreInTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	dead := newLog(t, openStore(t, path))
	for i := range 50 {
		require.NoError(t, dead.Write(as(t, "key_1"), audit.Entry{Action: "query.dead", Subjects: people(i, 100)}))
	}
	j, _ := journals.Load(dead.db)
	require.NoError(t, j.(*journal.Journal).Close())
	require.Greater(t, len(filesOf(t, path)), 3)
	alive := newLog(t, openStore(t, path))
	require.NoError(t, alive.Write(as(t, "key_1"), audit.Entry{Action: "query.alive"}))
	require.NoError(t, alive.Prune(t.Context()))
	require.Greater(t, len(filesOf(t, path)), 3, "nothing is in the log")

	require.NoError(t, alive.Settle(t.Context(), ws))
	require.NoError(t, alive.Prune(t.Context()))
	require.Empty(t, filesOf(t, path))
	require.NoError(t, alive.Write(as(t, "key_1"), audit.Entry{Action: "query.alive"}))
	require.NoError(t, alive.Settle(t.Context(), ws))
	require.Len(t, all(t, alive.Log, audit.Filter{Action: "query.dead"}), 50)
	require.Len(t, all(t, alive.Log, audit.Filter{Action: "query.alive"}), 2)
}

// TestEntriesOfADeletedWorkspaceAreDropped takes a workspace away while some of its
// entries wait and others are in its log: none of them begins a log anew.
func TestEntriesOfADeletedWorkspaceAreDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	there := []string{ws}
	p := newLog(t, openStore(t, path), func(o *audit.Options) {
		o.Workspaces = func(context.Context) ([]string, error) { return there, nil }
	})
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.before"}))
	require.NoError(t, p.Settle(t.Context(), ws))
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.after"}))
	there = nil
	head, err := p.db.Get(t.Context(), headSpec(t), []string{store.Key(ws, "head")})
	require.NoError(t, err)
	v, _ := head[0].Lookup("_v").AsInt64OK()
	require.NoError(t, commitOps(t, p.db, store.Op{Kind: store.OpDelete, Spec: headSpec(t), ID: store.Key(ws, "head"), V: v}))

	require.NoError(t, p.Settle(t.Context(), ws))
	c, err := p.Checkpoint(t.Context(), ws, nil)
	require.NoError(t, err)
	require.Zero(t, c.Size)
	require.NoError(t, p.Prune(t.Context()))
	require.Empty(t, filesOf(t, path))
}

func headSpec(t *testing.T) *store.Spec {
	t.Helper()
	specs := audit.Specs()
	return specs[slices.IndexFunc(specs, func(s *store.Spec) bool { return s.Name == "audit_heads" })]
}

// TestWhatAnEarlierVersionLeftIsTakenOver has entries wait as documents of a store of
// their own, of which one is in the log already, and takes them over twice.
func TestWhatAnEarlierVersionLeftIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	p := newLog(t, openStore(t, path))
	earlier, err := sqlite.Open(t.Context(), sqlite.Options{Path: path + ".earlier"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = earlier.Close(context.Background()) })
	require.NoError(t, earlier.Declare(t.Context(), audit.EarlierSpecs()...))
	var ops []store.Op
	for i := range 3 {
		op, err := p.Op(as(t, "key_1"), audit.Entry{Action: "query.earlier", Subjects: people(i, 300)})
		require.NoError(t, err)
		ops = append(ops, op)
	}
	require.NoError(t, commitOps(t, earlier, ops...))
	require.NoError(t, commitOps(t, p.db, ops[0])) // its way into the log
	require.NoError(t, p.Settle(t.Context(), ws))
	head, err := p.db.Get(t.Context(), headSpec(t), []string{store.Key(ws, "head")})
	require.NoError(t, err)
	taken := bson.D{}
	require.NoError(t, bson.Unmarshal(head[0], &taken))
	v, _ := head[0].Lookup("_v").AsInt64OK()
	raw, err := bson.Marshal(append(taken, bson.E{Key: "taken", Value: []string{ops[0].ID}}))
	require.NoError(t, err)
	require.NoError(t, commitOps(t, p.db, store.Op{Kind: store.OpReplace, Spec: headSpec(t), ID: store.Key(ws, "head"), V: v, Doc: raw}))

	require.NoError(t, p.TakeOver(t.Context(), earlier))
	require.NoError(t, p.TakeOver(t.Context(), earlier))
	require.NoError(t, p.Settle(t.Context(), ws))
	require.Len(t, all(t, p.Log, audit.Filter{Action: "query.earlier"}), 3)
	require.Len(t, all(t, p.Log, audit.Filter{ProfileID: "prof_2_299"}), 1)
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
