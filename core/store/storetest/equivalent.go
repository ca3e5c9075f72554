package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Equivalent drives two stores with the same random batches and queries and
// requires that they answer the same: every result, every page and its cursors,
// the class of every error and the document that it names, every change. Plans that
// one of leave says yes to are left out: those that one of the stores cannot answer.
func Equivalent(t *testing.T, a, b Factory, leave ...func(store.Plan) bool) {
	stores := []store.Store{a(t), b(t)}
	for _, s := range stores {
		require.NoError(t, s.Declare(t.Context(), All()...))
	}
	var round atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		// Each round has workspaces of its own: the stores need not be emptied.
		p := &pair{rt: rt, ctx: t.Context(), stores: stores, leave: leave,
			ws: fmt.Sprintf("eq%d-%d", time.Now().UnixNano(), round.Add(1))}
		for i, s := range stores {
			token, err := s.Now(p.ctx)
			require.NoError(rt, err)
			p.from[i] = token
		}
		rt.Repeat(map[string]func(*rapid.T){"commit": p.commit, "repeat": p.repeat, "get": p.get, "page": p.page, "find": p.find})
		p.changes()
	})
}

// pair is one round over two stores.
type pair struct {
	rt      *rapid.T
	ctx     context.Context
	stores  []store.Store
	leave   []func(store.Plan) bool
	ws      string
	from    [2]store.Token
	last    *store.Batch
	cursors []string
}

func (p *pair) workspace(t *rapid.T) string {
	return p.ws + rapid.SampledFrom([]string{"", "0"}).Draw(t, "workspace")
}

func (p *pair) key(t *rapid.T) string {
	return store.Key(p.workspace(t), rapid.SampledFrom([]string{"a", "b", "a/1", "a.", "é", "B", "c", "d"}).Draw(t, "key"))
}

func (p *pair) coll(t *rapid.T) *store.Collection[Doc] {
	return rapid.SampledFrom([]*store.Collection[Doc]{Things, Things, Others}).Draw(t, "collection")
}

func randomDoc(t *rapid.T, id string) *Doc {
	d := doc(id)
	d.Name = rapid.Ptr(rapid.SampledFrom([]string{"", "x", "xy", "y", "é"}), true).Draw(t, "name")
	d.N = rapid.Ptr(rapid.Int64Range(-2, 2), true).Draw(t, "n")
	d.Flag = rapid.Ptr(rapid.Bool(), true).Draw(t, "flag")
	if ms := rapid.Ptr(rapid.Int64Range(-1, 2), true).Draw(t, "at"); ms != nil {
		d.At = ptr(time.UnixMilli(*ms).UTC())
	}
	d.Tags = rapid.SliceOfN(rapid.SampledFrom([]string{"p", "q", "r"}), 0, 3).Draw(t, "tags")
	if rapid.Bool().Draw(t, "in") {
		d.In = &Inner{Rank: ptr(rapid.Int64Range(0, 1).Draw(t, "rank"))}
	}
	return d
}

// op draws an operation; versions are right four times of five.
func (p *pair) op(t *rapid.T) store.Op {
	c, id := p.coll(t), p.key(t)
	d := randomDoc(t, id)
	raws, err := p.stores[0].Get(p.ctx, c.Spec, []string{id})
	require.NoError(t, err)
	exists := raws[0] != nil
	if exists {
		d.V = raws[0].Lookup("_v").AsInt64()
	}
	if rapid.IntRange(0, 9).Draw(t, "wrong") == 0 {
		d.V++
		exists = !exists
	}
	kinds := []string{"insert", "insert", "absent", "add"}
	if exists {
		kinds = []string{"replace", "replace", "delete", "check", "add"}
	}
	switch rapid.SampledFrom(kinds).Draw(t, "operation") {
	case "insert":
		return c.Insert(d)
	case "absent":
		return c.Absent(id)
	case "replace":
		return c.Replace(d)
	case "delete":
		return c.Delete(d)
	case "check":
		return c.Check(d)
	}
	return c.Add(id, map[string]int64{rapid.SampledFrom([]string{"n", "in.sum", "in.rank"}).Draw(t, "path"): rapid.Int64Range(-2, 2).Draw(t, "summand")})
}

func (p *pair) commit(t *rapid.T) {
	b := batch(rapid.SliceOfN(rapid.Custom(p.op), 1, 4).Draw(t, "operations")...)
	p.last = &b
	p.run(t, b)
}

func (p *pair) repeat(t *rapid.T) {
	if p.last == nil {
		t.Skip("nothing was committed")
	}
	p.run(t, *p.last)
}

func (p *pair) run(t *rapid.T, b store.Batch) {
	p.same(t, func(s store.Store) (any, error) {
		_, err := s.Commit(p.ctx, b)
		return nil, err
	})
}

func (p *pair) get(t *rapid.T) {
	c, keys := p.coll(t), rapid.SliceOfN(rapid.Custom(p.key), 1, 4).Draw(t, "keys")
	p.same(t, func(s store.Store) (any, error) { return s.Get(p.ctx, c.Spec, keys) })
}

// query draws one of the lists of the page cases, and others.
func (p *pair) query(t *rapid.T) (q store.Query) {
	q = rapid.SampledFrom(append(lists,
		store.Query{Order: []string{"n"}}, store.Query{Order: []string{"-n"}}, store.Query{Order: []string{"in.rank"}},
		store.Query{Where: []store.Cond{store.Eq("tags", "p")}, Order: []string{"n"}},
		store.Query{Where: []store.Cond{store.Eq("tags", "q"), store.Gte("n", 0)}},
		store.Query{Where: []store.Cond{store.Gt("tags", "p"), store.Lte("tags", "r")}},
		store.Query{Where: []store.Cond{store.Gte("tags", "p"), store.Lt("tags", "q")}, Order: []string{"-_id"}},
		store.Query{Where: []store.Cond{store.Prefix("tags", "q")}},
		store.Query{Where: []store.Cond{store.Lt("tags", "q")}, Order: []string{"_id"}},
		store.Query{Where: []store.Cond{store.Gt("tags", "p")}, Order: []string{"tags"}},
		store.Query{Where: []store.Cond{store.Eq("n", 1)}},
		store.Query{Where: []store.Cond{store.Prefix("name", "x")}, Order: []string{"-name"}},
		store.Query{Where: []store.Cond{store.Gt("at", time.UnixMilli(0)), store.Lte("at", time.UnixMilli(2))}},
		store.Query{Where: []store.Cond{store.Prefix("_id", "a")}, Order: []string{"-_id"}},
		store.Query{Where: []store.Cond{store.Eq("missing", 1)}},
	)).Draw(t, "query")
	q.Workspace = p.workspace(t)
	plan, _ := store.PlanQuery(Things.Spec, q)
	for _, leave := range p.leave {
		if leave(plan) {
			t.Skip("left out")
		}
	}
	return q
}

func (p *pair) find(t *rapid.T) {
	q, limit := p.query(t), rapid.IntRange(0, 5).Draw(t, "limit")
	p.same(t, func(s store.Store) (any, error) {
		n, err := Things.Count(p.ctx, s, q)
		if err != nil {
			return nil, err
		}
		docs, err := Things.Find(p.ctx, s, q, limit)
		return []any{n, docs}, err
	})
}

func (p *pair) page(t *rapid.T) {
	q := p.query(t)
	w := core.Window{Limit: rapid.IntRange(1, 4).Draw(t, "limit"), Backward: rapid.Bool().Draw(t, "backward")}
	if len(p.cursors) > 0 {
		draw := rapid.SampledFrom(append(p.cursors, "", ""))
		w.After, w.Before = draw.Draw(t, "after"), draw.Draw(t, "before")
	}
	p.same(t, func(s store.Store) (any, error) {
		page, err := Things.Page(p.ctx, s, q, w)
		p.cursors = append(p.cursors, page.Cursors...)
		return page, err
	})
}

// same requires the same answer of both stores.
func (p *pair) same(t *rapid.T, f func(store.Store) (any, error)) {
	var answers [2]any
	var errs [2]string
	for i, s := range p.stores {
		got, err := f(s)
		answers[i], errs[i] = canonical(got), class(err)
	}
	require.Equal(t, errs[0], errs[1])
	require.Equal(t, answers[0], answers[1])
}

// changes requires the same changes in the same order.
func (p *pair) changes() {
	var told [2][]store.Change
	for i, s := range p.stores {
		marker := doc(p.ws + "/end")
		_, err := s.Commit(p.ctx, batch(Others.Insert(marker)))
		require.NoError(p.rt, err)
		st, err := s.Watch(p.ctx, p.from[i])
		require.NoError(p.rt, err)
		for done := false; !done; {
			c, err := st.Next(p.ctx)
			require.NoError(p.rt, err)
			done = c.Key == marker.ID
			if strings.HasPrefix(c.Key, p.ws) {
				c.Token, c.At = "", time.Time{}
				told[i] = append(told[i], c)
			}
		}
		require.NoError(p.rt, st.Close())
	}
	require.Equal(p.rt, told[0], told[1])
}

// canonical decodes documents, because adds may order new fields differently.
func canonical(v any) any {
	raws, ok := v.([]bson.Raw)
	if !ok {
		return v
	}
	out := make([]bson.M, len(raws))
	for i, r := range raws {
		if r != nil {
			_ = bson.Unmarshal(r, &out[i])
		}
	}
	return out
}

// class names what an error is, and the document that it names.
func class(err error) string {
	var c *store.ConflictError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &c):
		return fmt.Sprintf("conflict %s %s %d", c.Collection, c.ID, c.Kind)
	}
	for _, known := range []error{store.ErrTooLarge, store.ErrUnavailable, store.ErrNoIndex, store.ErrBadCursor, store.ErrTokenExpired} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "other"
}
