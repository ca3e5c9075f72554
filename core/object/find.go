package object

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// countBound is how many records are looked at for a count before it is said as a
// lower bound.
const countBound = 10_000

// query is a condition over the records of a type, ready to be asked.
type query struct {
	t       *Type
	program *condition.Program // nil: all
	routes  []route
	now     time.Time
}

// Find returns a window of the live records of a type that meet where (nil: all of
// them), ordered by key, and how many there are. It is Page and Count.
func (s *Service) Find(ctx context.Context, ws, typeKey string, where *condition.Node, w core.Window) (store.Page[Record], Count, error) {
	page, err := s.Page(ctx, ws, typeKey, where, w)
	if err != nil {
		return page, Count{}, err
	}
	n, err := s.Count(ctx, ws, typeKey, where)
	return page, n, err
}

// Page is Find without the count. A condition on a field that the actor may not read in
// clear is FORBIDDEN, reason PROTECTED_FIELD. Records all of whose people are hidden from
// the actor are left out. Cursors stay good whatever the condition.
func (s *Service) Page(ctx context.Context, ws, typeKey string, where *condition.Node, w core.Window) (store.Page[Record], error) {
	var page store.Page[Record]
	q, err := s.query(ctx, ws, typeKey, where)
	if err != nil {
		return page, err
	}
	start := w.After
	if w.Backward {
		start = w.Before
	}
	walk, err := s.choose(ctx, q, w)
	if err == nil {
		err = s.hide(ctx, ws, walk)
	}
	if err != nil {
		return page, outward(err)
	}
	err = walk.run(ctx, func(r *Record, cursor string) bool {
		if len(page.Items) == w.Limit {
			page.HasNext = true
			return false
		}
		page.Items, page.Cursors = append(page.Items, r), append(page.Cursors, cursor)
		return true
	})
	if err == nil {
		err = s.Show(ctx, ws, slices.Clone(page.Items)...) // which tells the audit
	}
	if err != nil {
		return store.Page[Record]{}, outward(err)
	}
	page.HasNext = page.HasNext || walk.stopped
	page.HasPrev = start != ""
	if w.Backward {
		slices.Reverse(page.Items)
		slices.Reverse(page.Cursors)
		page.HasNext, page.HasPrev = page.HasPrev, page.HasNext
	}
	return page, nil
}

// Count counts what Find finds: exactly while 10,000 records need to be looked at,
// beyond that at least.
func (s *Service) Count(ctx context.Context, ws, typeKey string, where *condition.Node) (Count, error) {
	q, err := s.query(ctx, ws, typeKey, where)
	if err != nil {
		return Count{}, err
	}
	walk, err := s.choose(ctx, q, core.Window{Limit: walkPage})
	if err == nil {
		err = s.hide(ctx, ws, walk)
	}
	if err != nil {
		return Count{}, outward(err)
	}
	walk.bound = countBound
	n := Count{}
	err = walk.run(ctx, func(*Record, string) bool {
		n.Value++
		return true
	})
	n.Exact = !walk.bounded
	return n, outward(err)
}

// hide makes a walk pass over the records that the actor of ctx may not see.
func (s *Service) hide(ctx context.Context, ws string, w *walk) error {
	g, err := s.gate(ctx, ws)
	if err != nil || g.Open() {
		return err
	}
	everyone, err := g.Everyone(ctx)
	if err == nil && !everyone {
		w.gate = g
	}
	return err
}

func (s *Service) query(ctx context.Context, ws, typeKey string, where *condition.Node) (*query, error) {
	t, err := s.Type(ctx, ws, typeKey)
	if err != nil {
		return nil, err
	}
	q := &query{t: t, now: s.o.Clock.Now()}
	if where == nil {
		return q, nil
	}
	if err := t.fieldsOnly(where); err != nil {
		return nil, err
	}
	g, err := s.gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := t.askable(g, where); err != nil {
		return nil, err
	}
	if q.program, err = condition.Compile(where, condition.Zone{}); err != nil {
		return nil, outward(err)
	}
	q.routes = t.routes(where, q.now)
	return q, nil
}

// meets asks the evaluator.
func (q *query) meets(r *Record) bool {
	if r.Deleted() || r.Type != q.t.Key {
		return false
	}
	q.t.present(r)
	return q.program == nil || q.program.Evaluate(recordFacts{r.Fields}, q.now).Value
}

// probe is how many records are looked at to tell which of several ways is shorter.
const probe = 128

// choose makes a walk along the most selective route.
func (s *Service) choose(ctx context.Context, q *query, w core.Window) (*walk, error) {
	out := &walk{s: s, q: q, w: w}
	if len(q.routes) == 0 {
		out.streams = []*stream{out.stream([]store.Cond{store.Prefix("_id", q.t.Key+"/")})}
		return out, nil
	}
	best := q.routes[0].rank
	for _, r := range q.routes {
		best = min(best, r.rank)
	}
	ways := slices.DeleteFunc(slices.Clone(q.routes), func(r route) bool { return r.rank != best })
	way := ways[0]
	if len(ways) > 1 {
		fewest := probe + 1
		for _, r := range ways {
			n, err := s.atMost(ctx, q.t, r, probe)
			if err != nil {
				return nil, err
			}
			if n < fewest {
				fewest, way = n, r
			}
		}
	}
	for _, p := range way.spans {
		out.streams = append(out.streams, out.stream(p.where()))
	}
	return out, nil
}

// atMost counts the records along a route, up to a bound.
func (s *Service) atMost(ctx context.Context, t *Type, r route, bound int) (int, error) {
	n := 0
	for _, p := range r.spans {
		found, err := Records.Find(ctx, s.o.Store, store.Query{Workspace: t.Workspace(), Where: p.where()}, bound-n)
		if err != nil {
			return n, err
		}
		if n += len(found); n >= bound {
			break
		}
	}
	return n, nil
}
