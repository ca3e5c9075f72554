package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

var planned = &store.Spec{Name: "events", Indexes: []store.Index{
	store.On("part", "-at"), store.On("name", "part", "n"), store.On("tags[]", "n"), store.On("n"), store.On("words[]"),
}}

func TestPlanQueryFindsTheIndex(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6789000, time.FixedZone("x", 3600))
	for _, c := range []struct {
		where   []store.Cond
		order   []string
		index   string
		equal   []any
		reverse bool
	}{
		{nil, nil, "", nil, false},
		{nil, []string{"-_id"}, "", nil, true},
		{[]store.Cond{store.Eq("part", "p")}, nil, "part,-at", []any{"p"}, false},
		{[]store.Cond{store.Eq("part", "p")}, []string{"at"}, "part,-at", []any{"p"}, true},
		{[]store.Cond{store.Eq("part", "p"), store.Gt("at", at)}, []string{"-at"}, "part,-at", []any{"p"}, false},
		{[]store.Cond{store.Eq("part", "p"), store.Eq("name", "n")}, nil, "name,part,n", []any{"n", "p"}, false},
		{[]store.Cond{store.Eq("part", "p"), store.Eq("name", "n"), store.Eq("n", 5)}, nil, "name,part,n", []any{"n", "p", int64(5)}, false},
		{[]store.Cond{store.Eq("tags", "x")}, []string{"-n"}, "tags[],n", []any{"x"}, true},
		{[]store.Cond{store.Gte("n", 1), store.Lt("n", 5)}, nil, "n", []any{}, false},
		{[]store.Cond{store.Eq("words", "x")}, nil, "words[]", []any{"x"}, false},
		{[]store.Cond{store.Gte("words", "x"), store.Lt("words", "y")}, nil, "words[]", nil, false},
		{[]store.Cond{store.Prefix("words", "x")}, []string{"_id"}, "words[]", nil, false},
		{[]store.Cond{store.Lt("words", "x")}, []string{"-_id"}, "words[]", nil, true},
	} {
		p, err := store.PlanQuery(planned, store.Query{Workspace: "ws", Where: c.where, Order: c.order})
		require.NoError(t, err, "%+v", c)
		name := ""
		if p.Index != nil {
			name = p.Index.Name
		}
		require.Equal(t, c.index, name)
		require.Equal(t, c.equal, p.Equal)
		require.Equal(t, c.reverse, p.Reverse)
	}
	p, err := store.PlanQuery(planned, store.Query{Workspace: "ws", Where: []store.Cond{store.Eq("part", "p"), store.Gt("at", at), store.Lte("at", at)}})
	require.NoError(t, err)
	whole := at.UTC().Truncate(time.Millisecond)
	require.Equal(t, &store.Bound{Value: whole}, p.Low)
	require.Equal(t, &store.Bound{Value: whole, Inclusive: true}, p.High)
	p, err = store.PlanQuery(planned, store.Query{Workspace: "ws", Where: []store.Cond{store.Prefix("_id", "a/")}})
	require.NoError(t, err)
	require.Equal(t, "ws/a/", p.Low.Value)
}

func TestPlanQueryNamesTheMissingIndex(t *testing.T) {
	for _, c := range []struct {
		q    store.Query
		want string
	}{
		{store.Query{Where: []store.Cond{store.Eq("colour", "red")}}, `events needs On("colour")`},
		{store.Query{Where: []store.Cond{store.Eq("part", "p"), store.Gt("n", 5)}}, `events needs On("part", "n")`},
		{store.Query{Where: []store.Cond{store.Eq("part", "p")}, Order: []string{"-n"}}, `events needs On("part", "-n")`},
		{store.Query{Where: []store.Cond{store.Gt("n", 5), store.Gt("at", 5)}}, `events needs On(`},
		{store.Query{Order: []string{"part", "at"}}, `events needs On("part", "at")`},
		{store.Query{Order: []string{"n", "part"}}, `events needs On("n", "part")`},
		{store.Query{Where: []store.Cond{store.Gt("tags", "x")}}, `events needs On("tags[]")`},
		{store.Query{Where: []store.Cond{store.Gt("words", "x")}, Order: []string{"words"}}, `goes by key`},
		{store.Query{Where: []store.Cond{store.Gt("words", "x"), store.Eq("n", 1)}}, `events needs On("n", "words")`},
	} {
		c.q.Workspace = "ws"
		_, err := store.PlanQuery(planned, c.q)
		require.ErrorIs(t, err, store.ErrNoIndex)
		require.ErrorContains(t, err, c.want)
	}
}

func TestPlanQueryRefusesWhatMakesNoSense(t *testing.T) {
	for name, q := range map[string]store.Query{
		"no workspace":   {},
		"a float":        {Workspace: "ws", Where: []store.Cond{store.Eq("n", 1.5)}},
		"a NUL byte":     {Workspace: "ws", Where: []store.Cond{store.Eq("part", "a\x00b")}},
		"no operator":    {Workspace: "ws", Where: []store.Cond{{Field: "n", Value: 1}}},
		"a prefix of 5":  {Workspace: "ws", Where: []store.Cond{{Field: "n", Op: store.PrefixOp, Value: 5}}},
		"a key that's 5": {Workspace: "ws", Where: []store.Cond{store.Eq("_id", 5)}},
	} {
		_, err := store.PlanQuery(planned, q)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrNoIndex, name)
	}
}

func TestOnReadsItsFields(t *testing.T) {
	require.Equal(t, store.Index{Name: "a.b,-at", Fields: []store.IndexField{{Path: "a.b"}, {Path: "at", Desc: true}}}, store.On("a.b", "-at"))
	require.Equal(t, []store.IndexField{{Path: "tags", Multi: true}, {Path: "n"}}, store.On("tags[]", "n").Fields)
	require.Panics(t, func() { store.On("n", "tags[]") })
	names := map[string]bool{}
	for _, ix := range []store.Index{store.On("a", "b"), store.On("a", "-b"), store.On("-a", "b"), store.On("a_b"), store.On("a.b"), store.On("a[]", "b")} {
		require.False(t, names[ix.Name], "two indexes are called %s", ix.Name)
		names[ix.Name] = true
	}
}

func TestKeys(t *testing.T) {
	key := store.Key("ws_1", "email", "a@b.c")
	require.Equal(t, "ws_1/email/a@b.c", key)
	require.Equal(t, "ws_1", store.WorkspaceOf(key))
	require.Equal(t, "email/a@b.c", store.Rest(key))
}
