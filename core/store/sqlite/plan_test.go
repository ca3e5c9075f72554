package sqlite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

// Every query is a search in its index that needs no sorting, whatever page it is
// of; the exceptions are ties of an index that says it has few, and the keys of a
// range over elements.
func TestQueriesSearchTheirIndex(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(ctx)) }()
	spec := &store.Spec{Name: "Things", Indexes: []store.Index{
		store.On("name", "-n"), store.On("flag", "at", "n"), store.On("n").WithFewTies(), store.On("tags[]", "-n"), store.On("In.Rank"), store.On("words[]"),
	}}
	global := &store.Spec{Name: "globals", Global: true, Indexes: []store.Index{store.On("due")}}
	require.NoError(t, s.Declare(ctx, spec, global))
	type example struct {
		spec  *store.Spec
		q     store.Query
		after []any
		uses  string
		sorts bool
	}
	for _, c := range []example{
		{spec, store.Query{}, []any{}, `k:^things`, false},
		{spec, store.Query{Order: []string{"-_id"}}, []any{}, `k:^things`, false},
		{spec, store.Query{Where: []store.Cond{store.Prefix("_id", "a")}}, []any{}, `k:^things`, false},
		{spec, store.Query{Order: []string{"name", "-n"}}, []any{"x", int64(1)}, `x:^things:name,-n`, false},
		{spec, store.Query{Order: []string{"-name", "n"}}, []any{"x", int64(1)}, `x:^things:name,-n`, false},
		{spec, store.Query{Where: []store.Cond{store.Eq("name", "x")}}, []any{int64(1)}, `x:^things:name,-n`, false},
		{spec, store.Query{Where: []store.Cond{store.Eq("name", "x"), store.Gt("n", 3)}}, []any{int64(7)}, `x:^things:name,-n`, false},
		{spec, store.Query{Where: []store.Cond{store.Eq("name", "x"), store.Eq("n", 3)}}, []any{}, `x:^things:name,-n`, false},
		{spec, store.Query{Where: []store.Cond{store.Eq("flag", true)}, Order: []string{"-at", "-n"}}, []any{int64(1), int64(2)}, `x:^things:flag,at,n`, false},
		{spec, store.Query{Where: []store.Cond{store.Gte("n", 1), store.Lt("n", 9)}}, []any{int64(1)}, `x:^things:n;few`, true},
		{spec, store.Query{Where: []store.Cond{store.Eq("tags", "x")}}, []any{int64(1)}, `PRIMARY KEY`, false},
		{spec, store.Query{Where: []store.Cond{store.Eq("tags", "x"), store.Gt("n", 1)}, Order: []string{"n"}}, []any{int64(1)}, `PRIMARY KEY`, false},
		{spec, store.Query{Where: []store.Cond{store.Gte("words", "a"), store.Lt("words", "b")}}, []any{}, `SEARCH m USING PRIMARY KEY (w=? AND f0>? AND f0<?)`, true},
		{spec, store.Query{Where: []store.Cond{store.Prefix("words", "a")}, Order: []string{"-_id"}}, []any{}, `SEARCH c USING INDEX k:^things (w=? AND id=?)`, true},
		{spec, store.Query{Where: []store.Cond{store.Gt("In.Rank", 1)}}, []any{int64(1)}, `x:^things:^in.^rank`, false},
		{global, store.Query{Where: []store.Cond{store.Lte("due", 1)}}, []any{int64(1)}, `x:globals:due`, false},
		{global, store.Query{}, []any{}, `k:globals`, false},
	} {
		c.q.Workspace = "ws"
		plan, err := store.PlanQuery(c.spec, c.q)
		require.NoError(t, err)
		for _, after := range []*store.Position{nil, {Values: c.after, ID: "ws/a"}} {
			plan.After = after
			q := newQuery(s.catalog.Load().byName[c.spec.Name], plan)
			for _, p := range q.parts() {
				sql, args := q.rows(p, 1, plan.Limit)
				var steps []string
				require.NoError(t, s.pool.with(ctx, func(cn *conn) error {
					return cn.each("EXPLAIN QUERY PLAN "+sql, func(st *stmt) error {
						steps = append(steps, st.text(3))
						return nil
					}, args...)
				}))
				got := strings.Join(steps, "; ")
				if plan.ByElement() {
					got = strings.Replace(got, "SCAN m;", "", 1) // the keys found, which are at most a page
				}
				require.Contains(t, got, c.uses)
				require.NotContains(t, got, "SCAN", "%s", sql)
				require.Equal(t, c.sorts, strings.Contains(got, "TEMP B-TREE"), "%s\n%s", sql, got)
			}
		}
	}
}
