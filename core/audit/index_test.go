package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
)

// crowd writes n entries about people and identifiers at random, some entries at a time.
func crowd(t *testing.T, p *process, random *rand.Rand, n int) {
	t.Helper()
	for n > 0 {
		some := min(n, 1+random.IntN(90))
		n -= some
		entries := make([]audit.Entry, some)
		for i := range entries {
			e := &entries[i]
			e.Action, e.RequestID = "query.profile", fmt.Sprint("req_", random.IntN(4000))
			for range random.IntN(4) {
				e.Subjects = append(e.Subjects, fmt.Sprint("prof_", random.IntN(60)))
			}
			if random.IntN(3) == 0 {
				e.Identifiers = []audit.Subject{{Namespace: "email", Value: fmt.Sprintf("p%d@x.com", random.IntN(20))}}
			}
		}
		require.NoError(t, p.WriteAll(as(t, "key_1"), entries))
		require.NoError(t, p.Settle(t.Context(), ws))
	}
}

// requireFound asks for people, identifiers and requests by the index, and compares with
// looking at every entry.
func requireFound(t *testing.T, p *process) {
	t.Helper()
	psn := func(kind, v string) string {
		s, err := p.ring.Pseudonym(t.Context(), ws, kind, v)
		require.NoError(t, err)
		return s
	}
	byPerson, byRequest := map[string][]int64{}, map[string][]int64{}
	for _, r := range all(t, p.Log, audit.Filter{}) {
		for _, who := range unique(append(append([]string{}, r.Subjects...), r.Identifiers...)) {
			byPerson[who] = append(byPerson[who], r.Index)
		}
		byRequest[r.RequestID] = append(byRequest[r.RequestID], r.Index)
	}
	same := func(want []int64, f audit.Filter) {
		var got []int64
		for _, r := range all(t, p.Log, f) {
			got = append(got, r.Index)
		}
		require.Equal(t, want, got, "%+v", f)
		n, err := p.Count(t.Context(), ws, f)
		require.NoError(t, err)
		require.Equal(t, int64(len(want)), n, "%+v", f)
	}
	for i := 0; i < 61; i += 4 { // the last is nobody
		id := fmt.Sprint("prof_", i)
		same(byPerson[psn("profile", id)], audit.Filter{ProfileID: id})
	}
	for i := range 5 {
		v := fmt.Sprintf("p%d@x.com", i)
		same(byPerson[psn("email", v)], audit.Filter{Subject: &audit.Subject{Namespace: "email", Value: v}})
	}
	for i := 0; i < 4000; i += 501 {
		id := fmt.Sprint("req_", i)
		same(byRequest[id], audit.Filter{RequestID: id})
	}
}

func unique(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// TestTheIndexFindsEveryEntry goes through everything that becomes of marks, beside blocks
// of an earlier version.
func TestTheIndexFindsEveryEntry(t *testing.T) {
	audit.SmallIndex(t, 64, 512)
	db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	random := rand.New(rand.NewPCG(1, 2))
	p := newLog(t, db)
	crowd(t, p, random, 700)
	audit.MakeEarlier(t, db, ws)
	requireFound(t, p)
	crowd(t, p, random, 300)
	requireFound(t, p)
	crowd(t, newLog(t, db), random, 940)
	crowd(t, p, random, 5)
	requireFound(t, p)
	counts, _ := audit.IndexOf(t, db, ws)
	require.Positive(t, counts[0])
	require.Positive(t, counts[1])
	require.Positive(t, counts[2])
	// In the middle of the log.
	whole := all(t, p.Log, audit.Filter{ProfileID: "prof_7"})
	page, err := p.Entries(t.Context(), ws, audit.Filter{ProfileID: "prof_7"}, core.Window{Limit: 9})
	require.NoError(t, err)
	page, err = p.Entries(t.Context(), ws, audit.Filter{ProfileID: "prof_7"}, core.Window{Limit: 9, After: page.Cursors[8]})
	require.NoError(t, err)
	for i, r := range page.Items {
		require.Equal(t, whole[9+i].Index, r.Index)
	}
}

// TestFoldingThatIsCutOffIsDoneAgain has the store fail at random while the index is
// folded.
func TestFoldingThatIsCutOffIsDoneAgain(t *testing.T) {
	audit.SmallIndex(t, 64, 256)
	db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	broken := faultstore.New(db)
	random := rand.New(rand.NewPCG(3, 4))
	p := newLog(t, broken)
	broken.Use(faultstore.Random(5, faultstore.Rates{Error: 0.1, LostReply: 0.1}))
	n := 0
	for n < 1500 {
		var entries []audit.Entry
		for range 1 + random.IntN(90) {
			entries = append(entries, audit.Entry{
				Action: "query.profile", RequestID: fmt.Sprint("req_", random.IntN(4000)), Subjects: []string{fmt.Sprint("prof_", random.IntN(60))},
			})
		}
		n += len(entries)
		_ = p.WriteAll(as(t, "key_1"), entries)
		for p.Settle(t.Context(), ws) != nil {
			require.NoError(t, t.Context().Err())
		}
	}
	broken.Use(func(faultstore.Call) faultstore.Fault { return faultstore.Fault{} })
	crowd(t, p, random, 64)
	requireFound(t, p)
	counts, _ := audit.IndexOf(t, db, ws)
	require.Positive(t, counts[2])
}

// TestTheIndexForgetsWhatWasDropped compares what the index knows with where bodies begin.
func TestTheIndexForgetsWhatWasDropped(t *testing.T) {
	audit.SmallIndex(t, 64, 512)
	clock := core.NewVirtualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
	p := newLog(t, db, func(o *audit.Options) { o.Clock = clock })
	random := rand.New(rand.NewPCG(5, 6))
	_, err := p.SetRetention(as(t, "key_1"), ws, 3, nil, false)
	require.NoError(t, err)
	for range 6 {
		crowd(t, p, random, 230)
		clock.Advance(20 * 24 * time.Hour)
	}
	_, first := audit.IndexOf(t, db, ws)
	require.Zero(t, first)
	q := running(t, db, func(o *audit.Options) { o.Clock = clock })
	require.NoError(t, q.Write(as(t, "key_1"), audit.Entry{Action: "query.x"}))
	require.Eventually(t, func() bool {
		page, err := q.Entries(context.Background(), ws, audit.Filter{Action: "audit.drop"}, core.Window{Limit: 1})
		return err == nil && len(page.Items) > 0
	}, 10*time.Second, 10*time.Millisecond)
	left := all(t, q.Log, audit.Filter{})
	oldest := left[len(left)-1].Index
	require.Positive(t, oldest)
	require.Eventually(t, func() bool { _, first = audit.IndexOf(t, db, ws); return first >= oldest }, 10*time.Second, 10*time.Millisecond)
	require.Less(t, first, oldest+200)
	crowd(t, q, random, 200)
	requireFound(t, q)
}

// TestABatchOfManyPeopleIsFound has more marks in one batch than a run of the tail has.
func TestABatchOfManyPeopleIsFound(t *testing.T) {
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	var entries []audit.Entry
	for i := range 100 {
		e := audit.Entry{Action: "query.profiles"}
		for k := range 150 {
			e.Subjects = append(e.Subjects, fmt.Sprint("prof_", i*150+k))
		}
		entries = append(entries, e)
	}
	require.NoError(t, p.WriteAll(as(t, "key_1"), entries))
	require.NoError(t, p.Settle(t.Context(), ws))
	for i := 0; i < 15_000; i += 1499 {
		require.Len(t, all(t, p.Log, audit.Filter{ProfileID: fmt.Sprint("prof_", i)}), 1)
	}
}
