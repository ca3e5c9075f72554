package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	lib "modernc.org/sqlite/lib"

	"github.com/headwater-cdp/headwater/core/store"
)

// A late page of a bounded walk costs what an early one does: it begins at its
// position and not at the bound.
func TestPagesBeginWhereTheLastEnded(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(ctx)) }()
	spec := &store.Spec{Name: "things", Indexes: []store.Index{store.On("n"), store.On("kind", "-n"), store.On("tags[]", "n")}}
	require.NoError(t, s.Declare(ctx, spec))
	const people, page = 900, 20
	ops := make([]store.Op, people)
	for i := range ops {
		id := fmt.Sprintf("ws/a%04d", i)
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "_v", Value: int64(1)}, {Key: "n", Value: int64(i)}, {Key: "kind", Value: "x"}, {Key: "tags", Value: bson.A{"t"}}})
		require.NoError(t, err)
		ops[i] = store.Op{Kind: store.OpInsert, Spec: spec, ID: id, Doc: doc}
	}
	_, err = s.Commit(ctx, store.Batch{ID: "b", Ops: ops})
	require.NoError(t, err)

	between := func(field string, low, high any) []store.Cond {
		return []store.Cond{store.Gte(field, low), store.Lte(field, high)}
	}
	for _, c := range []struct {
		name string
		q    store.Query
	}{
		{"by key", store.Query{Where: between("_id", "ws/a0000", "ws/a0899")}},
		{"by key, backwards", store.Query{Where: between("_id", "ws/a0000", "ws/a0899"), Order: []string{"-_id"}}},
		{"by a field", store.Query{Where: between("n", 0, 899)}},
		{"by a field, backwards", store.Query{Where: between("n", 0, 899), Order: []string{"-n"}}},
		{"by a field that descends", store.Query{Where: append(between("n", 0, 899), store.Eq("kind", "x"))}},
		{"by a field that descends, backwards", store.Query{Where: append(between("n", 0, 899), store.Eq("kind", "x")), Order: []string{"n"}}},
		{"by the elements' side table", store.Query{Where: append(between("n", 0, 899), store.Eq("tags", "t"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.q.Workspace = "ws"
			plan, err := store.PlanQuery(spec, c.q)
			require.NoError(t, err)
			plan.Limit = page
			var steps []int
			found := map[string]bool{}
			for {
				raws, err := s.Scan(ctx, plan)
				require.NoError(t, err)
				for _, raw := range raws {
					found[raw.Lookup("_id").StringValue()] = true
				}
				steps = append(steps, s.steps(t, plan))
				if len(raws) < page {
					break
				}
				last := raws[len(raws)-1]
				plan.After = &store.Position{ID: last.Lookup("_id").StringValue()}
				for _, f := range plan.Rest() {
					v, _ := store.FieldValue(last, f.Path)
					plan.After.Values = append(plan.After.Values, v)
				}
			}
			require.Len(t, found, people)
			for i, n := range steps[1 : len(steps)-1] { // the last page finds nobody
				require.Less(t, n, 2*steps[0]+100, "page %d of %v", i+1, steps)
			}
		})
	}

	// A position before the bound, as a cursor of another list may name, does not
	// widen the walk.
	for _, reverse := range []bool{false, true} {
		plan := store.Plan{Spec: spec, Workspace: "ws", Reverse: reverse, Low: &store.Bound{Value: "ws/a0100", Inclusive: true}, High: &store.Bound{Value: "ws/a0102"}}
		plan.After = &store.Position{ID: "ws/a0000"}
		if reverse {
			plan.After.ID = "ws/a0899"
		}
		raws, err := s.Scan(ctx, plan)
		require.NoError(t, err)
		require.Len(t, raws, 2)
	}
}

// steps runs a plan and returns how many instructions SQLite took for it.
func (s *Store) steps(t *testing.T, plan store.Plan) int {
	q := newQuery(s.catalog.Load().byName[plan.Spec.Name], plan)
	total := 0
	require.NoError(t, s.pool.with(context.Background(), func(c *conn) error {
		rows := 0
		for _, p := range q.parts() {
			if rows >= plan.Limit {
				break
			}
			sql, args := q.rows(p, 1, plan.Limit-rows)
			st, err := c.prepare(sql)
			if err != nil {
				return err
			}
			lib.Xsqlite3_stmt_status(c.tls, st.p, lib.SQLITE_STMTSTATUS_VM_STEP, 1)
			err = c.each(sql, func(*stmt) error { rows++; return nil }, args...)
			if err != nil {
				return err
			}
			total += int(lib.Xsqlite3_stmt_status(c.tls, st.p, lib.SQLITE_STMTSTATUS_VM_STEP, 1))
		}
		return nil
	}))
	return total
}
