package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// tally is how many events each part of a person has had: a second fold, kept by
// part so that merges and unmerges carry it along.
type tally struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Parts      map[string]int64 `bson:"parts"`
}

var tallies = store.Declare[tally](store.Spec{Name: "ingesttest_tallies", Derived: true})

// counting keeps tallies. Each is written at the version that was read, so that a
// lost race shows.
type counting struct {
	db                    store.Store
	extra                 int // more operations for each event, that do nothing
	fail                  atomic.Pointer[error]
	asked                 atomic.Int32
	pending               atomic.Int32
	committed, conflicted atomic.Int32
}

func (f *counting) Derive(ctx context.Context, u *profile.Unit, pending []store.Op) (profile.Derived, error) {
	f.asked.Add(1)
	f.pending.Add(int32(len(pending)))
	if err := f.fail.Load(); err != nil {
		return profile.Derived{}, *err
	}
	changes := u.Changes()
	ids := make([]string, len(changes))
	for i, c := range changes {
		ids[i] = store.Key(u.Workspace(), c.ID)
	}
	docs, err := tallies.GetMany(ctx, f.db, ids)
	if err != nil {
		return profile.Derived{}, err
	}
	stored := map[string]*tally{}
	for _, d := range docs {
		if d != nil {
			stored[store.Rest(d.ID)] = d
		}
	}
	out := profile.Derived{Committed: func() { f.committed.Add(1) }, Conflicted: func() { f.conflicted.Add(1) }}
	for i, c := range changes {
		if c.After == nil {
			if d := stored[c.ID]; d != nil {
				out.Ops = append(out.Ops, tallies.Delete(d))
			}
			continue
		}
		next := &tally{Meta: store.Meta{ID: ids[i]}, Parts: map[string]int64{}}
		if d := stored[c.ID]; d != nil {
			next.V = d.V
		}
		for _, part := range c.After.Parts {
			if from := stored[u.OwnerBefore(part)]; from != nil {
				next.Parts[part] = from.Parts[part]
			}
		}
		for n, e := range c.Events {
			next.Parts[e.Part]++
			for k := range f.extra {
				out.Ops = append(out.Ops, tallies.Absent(store.Key(u.Workspace(), c.ID, fmt.Sprint(n), fmt.Sprint(k))))
			}
		}
		out.Ops = append(out.Ops, tallies.Put(next))
	}
	return out, nil
}

// counted makes a house whose units are counted too.
func counted(t *testing.T, db store.Store, change ...func(*ingest.Options)) (*house, *counting) {
	t.Helper()
	require.NoError(t, db.Declare(t.Context(), tallies.Spec))
	f := &counting{db: db}
	h := over(t, db, append(change, func(o *ingest.Options) { o.Profiles.SetFold(f) })...)
	return h, f
}

func file(t *testing.T) store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	return db
}

// tallied checks that each tally is what the event log says.
func tallied(t *testing.T, h *house) {
	t.Helper()
	h.consistent(t)
	perPart := map[string]int64{}
	require.NoError(t, event.Events.Each(context.Background(), h.db, store.Query{Workspace: ws}, func(e *event.Event) error {
		if e.Part != "" {
			perPart[e.Part]++
		}
		return nil
	}))
	people, err := profile.Profiles.Find(context.Background(), h.db, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	docs, err := tallies.Find(context.Background(), h.db, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	require.Len(t, docs, len(people))
	for i, p := range people {
		require.Equal(t, p.ID, docs[i].ID)
		for _, part := range p.Parts {
			require.Equal(t, perPart[part], docs[i].Parts[part], "%s of %s", part, p.ID)
		}
		require.LessOrEqual(t, len(docs[i].Parts), len(p.Parts))
	}
}

func TestAFoldFollowsEveryUnit(t *testing.T) {
	db := file(t)
	a, f := counted(t, db)
	b, g := counted(t, db) // as another process would
	acked := storm(t, 6, 12, 4, "s", a, b)
	require.NotEmpty(t, acked)
	tallied(t, a)
	require.Positive(t, f.committed.Load())
	require.Positive(t, g.committed.Load())
	require.Equal(t, f.asked.Load(), f.committed.Load()+f.conflicted.Load(), "each is told of its fate once")

	merges, err := profile.Merges.Find(t.Context(), db, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	require.NotEmpty(t, merges)
	undone := 0
	for _, m := range merges {
		if m.UndoneAt == nil {
			_, err := a.profiles.Unmerge(t.Context(), ws, profile.UnmergeInput{MergeID: m.MergeID()})
			require.NoError(t, err)
			if undone++; undone == 3 {
				break
			}
		}
	}
	tallied(t, a)
	people, err := profile.Profiles.Find(t.Context(), db, store.Query{Workspace: ws}, 2)
	require.NoError(t, err)
	_, err = a.profiles.Merge(t.Context(), ws, profile.MergeInput{WinnerID: people[0].ProfileID(), LoserID: people[1].ProfileID(), Reason: "same"})
	require.NoError(t, err)
	tallied(t, a)
}

func TestWhatIsDerivedIsInTheBatchOfItsEvents(t *testing.T) {
	m := &meddler{Store: file(t)}
	h, _ := counted(t, m)
	id := h.one(t, track("first", "ana", "Viewed")).ProfileID
	batches := map[string]int{}
	m.set(func(_ context.Context, b store.Batch, commit func() error) error {
		of := func(spec *store.Spec) bool {
			return slices.ContainsFunc(b.Ops, func(o store.Op) bool { return o.Spec.Name == spec.Name })
		}
		require.True(t, of(tallies.Spec))
		require.True(t, of(event.Events.Spec) && of(profile.Profiles.Spec))
		batches[b.ID]++
		if len(batches) == 1 && batches[b.ID] == 1 {
			return store.ErrUnavailable // nobody knows: the same batch again
		}
		return commit()
	})
	require.Equal(t, event.Accepted, h.one(t, track("m1", "ana", "Viewed")).Status)
	_, err := h.Commit(t.Context(), ws, event.Input{Name: "Given", MessageID: "g"}, id)
	require.NoError(t, err)
	require.Len(t, batches, 2)
	m.set(nil)
	tallied(t, h)
}

func TestAFoldThatFailsIsAFailingRead(t *testing.T) {
	h, f := counted(t, file(t))
	id := h.one(t, track("first", "ana", "Viewed")).ProfileID
	fail := func(err error) { f.fail.Store(&err) }
	fail(fmt.Errorf("read behaviours: %w", store.ErrUnavailable))
	_, err := h.Ingest(t.Context(), ws, src, many(3))
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	_, err = h.Commit(t.Context(), ws, event.Input{Name: "Given", MessageID: "g"}, id)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	require.EqualValues(t, 1, h.count(t), "nothing was written")

	asked := f.asked.Load()
	fail(errors.New("a mistake"))
	_, err = h.Commit(t.Context(), ws, event.Input{Name: "Given", MessageID: "g"}, id)
	require.Equal(t, core.Internal, core.CodeOf(err))
	require.Equal(t, asked+1, f.asked.Load())
	f.fail.Store(nil)
	r, err := h.Ingest(t.Context(), ws, src, many(3))
	require.NoError(t, err)
	require.Equal(t, []event.Status{event.Accepted, event.Accepted, event.Accepted}, statuses(r))
	tallied(t, h)
}

// stale loses the race of every second unit: its fold says that what it knew is old.
type stale struct {
	*counting
	n atomic.Int32
}

func (f *stale) Derive(ctx context.Context, u *profile.Unit, pending []store.Op) (profile.Derived, error) {
	if f.n.Add(1)%2 == 1 {
		return profile.Derived{}, fmt.Errorf("read rules: %w", store.ErrConflict)
	}
	return f.counting.Derive(ctx, u, pending)
}

func TestAStaleFoldIsBuiltAgain(t *testing.T) {
	db := file(t)
	require.NoError(t, db.Declare(t.Context(), tallies.Spec))
	f := &stale{counting: &counting{db: db}}
	h := over(t, db, func(o *ingest.Options) { o.Profiles.SetFold(f) })
	id := h.one(t, track("m1", "ana", "Viewed")).ProfileID
	require.EqualValues(t, 2, f.n.Load())
	_, err := h.Commit(t.Context(), ws, event.Input{Name: "Given"}, id)
	require.NoError(t, err)
	require.EqualValues(t, 4, f.n.Load())
	tallied(t, h)
}

func TestAUnitThatDerivesTooMuchIsSplitAndTheNextIsSmaller(t *testing.T) {
	var splits, units, largest atomic.Int32
	h, f := counted(t, file(t), func(o *ingest.Options) {
		o.Lanes = 1
		o.Hooks.Split = func() { splits.Add(1) }
		o.Hooks.Unit = func(u ingest.Unit) {
			units.Add(1)
			largest.Store(max(largest.Load(), int32(u.Ops)))
		}
	})
	f.extra = 20
	r, err := h.Ingest(t.Context(), ws, src, many(300))
	require.NoError(t, err)
	for i := range r {
		require.Equal(t, event.Accepted, r[i].Status)
	}
	require.Positive(t, splits.Load())
	require.LessOrEqual(t, largest.Load(), int32(store.MaxOps))
	before := splits.Load()
	for round := range 10 {
		more := many(100)
		for i := range more {
			more[i].MessageID = fmt.Sprint("r", round, "-", i)
		}
		_, err := h.Ingest(t.Context(), ws, src, more)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, splits.Load()-before, int32(10), "it has learnt what an event costs")
	tallied(t, h)

	f.extra = store.MaxOps
	one := h.one(t, track("huge", "user1", "Viewed"))
	require.Equal(t, event.Quarantined, one.Status, "one event alone can be too much: it costs nobody else anything")
	f.extra = 0
	tallied(t, h)
}
