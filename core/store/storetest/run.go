package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

// Factory opens a fresh, empty store for one test and closes it at its end.
type Factory func(t *testing.T) store.Store

// Forgetter is implemented by a store that a test can make forget its changes: all
// tokens given before the call are expired after it. Cases on expiry are skipped
// where it is missing.
type Forgetter interface {
	ForgetChanges(ctx context.Context) error
}

// testCase is one "must".
type testCase struct {
	name string
	run  func(t *testing.T, s store.Store)
}

// cases lists every case, by group.
func cases() []testCase {
	return slices.Concat(commitCases, batchCases, addCases, raceCases, scanCases, elementCases, keyCases, pageCases,
		watchCases, snapshotCases, declareCases)
}

// Names lists the names of the cases, for those who make exceptions.
func Names() []string {
	var out []string
	for _, c := range cases() {
		out = append(out, c.name)
	}
	return out
}

// Run runs every case against a fresh store.
func Run(t *testing.T, f Factory) { RunExcept(t, f, nil) }

// RunExcept is Run for an engine that cannot do everything: it skips the named
// cases with the reason given. A name that no case has fails the test.
func RunExcept(t *testing.T, f Factory, except map[string]string) {
	names := Names()
	for name := range except {
		require.Contains(t, names, name, "exception for a case that does not exist")
	}
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if reason, ok := except[c.name]; ok {
				t.Skip(reason)
			}
			t.Parallel()
			s := f(t)
			require.NoError(t, s.Declare(t.Context(), All()...))
			c.run(t, s)
		})
	}
}

// wait bounds what a case waits for.
const wait = 30 * time.Second

// Doc is what the cases store. Every field but the key may be missing.
type Doc struct {
	store.Meta `bson:",inline"`
	Name       *string    `bson:"name,omitempty"`
	N          *int64     `bson:"n,omitempty"`
	Flag       *bool      `bson:"flag,omitempty"`
	At         *time.Time `bson:"at,omitempty"`
	Tags       []string   `bson:"tags,omitempty"`
	In         *Inner     `bson:"in,omitempty"`
	Text       string     `bson:"text,omitempty"`
}

// Inner is a document in a document.
type Inner struct {
	Rank *int64 `bson:"rank,omitempty"`
	Sum  int64  `bson:"sum,omitempty"`
}

// The collections of the cases.
var (
	Things = store.Declare[Doc](store.Spec{Name: "storetest_things", Indexes: []store.Index{
		store.On("name"), store.On("name", "-n"), store.On("n").WithFewTies(), store.On("-at"), store.On("flag", "at", "n"),
		store.On("in.rank"), store.On("tags[]"), store.On("tags[]", "-n"),
	}})
	Others  = store.Declare[Doc](store.Spec{Name: "storetest_others", Indexes: []store.Index{store.On("n", "name").WithFewTies()}})
	Globals = store.Declare[Doc](store.Spec{Name: "storetest_globals", Global: true, Indexes: []store.Index{store.On("name")}})
)

// All lists the collections that the cases use, for an engine that wants to clean
// up.
func All() []*store.Spec {
	return []*store.Spec{Things.Spec, Others.Spec, Globals.Spec, store.Counters.Spec, store.Claims.Spec}
}

// ptr makes an optional value.
func ptr[T any](v T) *T { return &v }

func doc(id string) *Doc { return &Doc{Meta: store.Meta{ID: id}} }

var batchNumber atomic.Int64

// batch makes a batch with an id of its own.
func batch(ops ...store.Op) store.Batch {
	return store.Batch{ID: fmt.Sprintf("storetest-%d-%d", time.Now().UnixNano(), batchNumber.Add(1)), Ops: ops}
}

func commit(t testing.TB, s store.Store, ops ...store.Op) store.Token {
	t.Helper()
	token, err := s.Commit(t.Context(), batch(ops...))
	require.NoError(t, err)
	return token
}

// refused commits a batch that must conflict, and returns the conflict.
func refused(t testing.TB, s store.Store, ops ...store.Op) *store.ConflictError {
	t.Helper()
	_, err := s.Commit(t.Context(), batch(ops...))
	require.ErrorIs(t, err, store.ErrConflict)
	var c *store.ConflictError
	require.ErrorAs(t, err, &c)
	return c
}

func get(t testing.TB, s store.Store, c *store.Collection[Doc], id string) *Doc {
	t.Helper()
	d, err := c.Get(t.Context(), s, id)
	require.NoError(t, err)
	return d
}

// insert stores the documents and returns them as read back.
func insert(t testing.TB, s store.Store, c *store.Collection[Doc], docs ...*Doc) {
	t.Helper()
	for chunk := range slices.Chunk(docs, 500) {
		var ops []store.Op
		for _, d := range chunk {
			ops = append(ops, c.Insert(d))
		}
		commit(t, s, ops...)
	}
}

// find returns the keys that a query finds, in order.
func find(t testing.TB, s store.Store, c *store.Collection[Doc], q store.Query) []string {
	t.Helper()
	if q.Workspace == "" && !c.Spec.Global {
		q.Workspace = "ws"
	}
	docs, err := c.Find(t.Context(), s, q, 0)
	require.NoError(t, err)
	n, err := c.Count(t.Context(), s, q)
	require.NoError(t, err)
	require.EqualValues(t, len(docs), n, "Count differs from Find")
	return ids(docs)
}

func ids(docs []*Doc) []string {
	out := []string{}
	for _, d := range docs {
		if store.WorkspaceOf(d.ID) == "ws" {
			out = append(out, store.Rest(d.ID))
		} else {
			out = append(out, d.ID)
		}
	}
	return out
}

func where(conds ...store.Cond) store.Query { return store.Query{Where: conds} }
