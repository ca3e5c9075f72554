package audit

import (
	"cmp"
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core/store"
)

// walkBlocks is how many blocks are read at once.
const walkBlocks = 8

// each calls f with the matches in [low, high) until it says stop.
func (l *Log) each(ctx context.Context, ws string, c *criteria, low, high int64, newest bool, f func(*Record) (bool, error)) error {
	return storeFault(l.eachBlock(ctx, ws, c, low, high, newest, func(b *block) (bool, error) {
		bodies, err := b.bodiesOf()
		if err != nil {
			return false, err
		}
		for k := range bodies {
			i := int64(k)
			if newest {
				i = int64(len(bodies) - 1 - k)
			}
			if index := b.First + i; index >= low && index < high {
				r, err := l.match(ctx, ws, c, index, bodies[i])
				if err != nil {
					return false, err
				}
				if r == nil {
					continue
				}
				if more, err := f(r); err != nil || !more {
					return false, err
				}
			}
		}
		return true, nil
	}))
}

// eachBlock calls f with the blocks that may hold a match in [low, high), in the order
// of the log or, newest, its reverse. It walks the index of the rarest thing that is
// asked for.
func (l *Log) eachBlock(ctx context.Context, ws string, c *criteria, low, high int64, newest bool, f func(*block) (bool, error)) error {
	if low >= high || c.who != nil && len(c.who) == 0 {
		return nil
	}
	low, err := blockAt(ctx, l.o.Store, ws, low)
	if err != nil {
		return err
	}
	seen := map[int64]bool{}
	walk := func(more func(ctx context.Context, w *blockWalk) ([]*block, error)) *blockWalk {
		return &blockWalk{more: more, low: low, high: high, newest: newest}
	}
	var walks []*blockWalk
	for _, eq := range c.indexes() {
		walks = append(walks, walk(func(ctx context.Context, w *blockWalk) ([]*block, error) { return w.scan(ctx, l.o.Store, ws, eq) }))
	}
	if marks := c.marks(); marks != nil {
		places, err := placesOf(ctx, l.o.Store, ws, marks, low, high)
		if err != nil {
			return err
		}
		walks = append(walks, walk(func(ctx context.Context, w *blockWalk) ([]*block, error) { return w.pick(ctx, l.o.Store, ws, &places) }))
	}
	for {
		b, err := nextBlock(ctx, walks, newest)
		if err != nil || b == nil {
			return err
		}
		if seen[b.First] {
			continue
		}
		seen[b.First] = true
		if more, err := f(b); err != nil || !more {
			return err
		}
	}
}

// blockAt returns where the block begins that an index is in.
func blockAt(ctx context.Context, r store.Reader, ws string, index int64) (int64, error) {
	found, err := blocks.Find(ctx, r, store.Query{Workspace: ws, Where: []store.Cond{
		store.Gte("_id", blockKey(ws, 0)), store.Lte("_id", blockKey(ws, index)),
	}, Order: []string{"-_id"}}, 1)
	if err != nil || len(found) == 0 {
		return index, err
	}
	return found[0].First, nil
}

// indexes returns the equalities whose indexes together find every match that no mark
// finds: people may stand in an entry or in a set beside one.
func (c *criteria) indexes() [][]store.Cond {
	one := func(field string, v any) [][]store.Cond { return [][]store.Cond{{store.Eq(field, v)}} }
	switch {
	case c.RequestID != "":
		return one("requests", c.RequestID)
	case c.who != nil:
		var out [][]store.Cond
		for _, p := range c.who {
			out = append(out, []store.Cond{store.Eq("subjects", p)})
		}
		return append(out, []store.Cond{store.Eq("sets", int64(1))})
	case c.Actor != "":
		return one("actors", c.Actor)
	case c.Action != "":
		return one("actions", c.Action)
	case c.Purpose != "":
		return one("purposes", c.Purpose)
	case c.Decision != "":
		return one("decisions", string(c.Decision))
	}
	return [][]store.Cond{nil}
}

// marks returns what the index finds of a filter: nil when it is of no use.
func (c *criteria) marks() (out []mark) {
	if c.RequestID != "" {
		return []mark{markOf(markRequest, c.RequestID)}
	}
	for _, p := range c.who {
		out = append(out, markOf(markSubject, p))
	}
	return out
}

// blockWalk reads the blocks that one index finds some at a time.
type blockWalk struct {
	more      func(ctx context.Context, w *blockWalk) ([]*block, error) // at most walkBlocks; fewer: the last
	low, high int64
	newest    bool
	batch     []*block
	done      bool
}

// peek returns the next block without taking it, or nil.
func (w *blockWalk) peek(ctx context.Context) (*block, error) {
	if len(w.batch) == 0 && !w.done {
		var err error
		if w.batch, err = w.more(ctx, w); err != nil {
			return nil, err
		}
		w.done = len(w.batch) < walkBlocks
	}
	if len(w.batch) == 0 {
		return nil, nil
	}
	return w.batch[0], nil
}

// scan reads the next blocks of an index of the store.
func (w *blockWalk) scan(ctx context.Context, r store.Reader, ws string, eq []store.Cond) ([]*block, error) {
	field, from, to, sign := "first", any(w.low), any(w.high), ""
	if w.newest {
		sign = "-"
	}
	q := store.Query{Workspace: ws, Where: slices.Clone(eq)}
	if eq == nil { // by the key itself
		field, from, to = "_id", blockKey(ws, w.low), blockKey(ws, w.high)
	}
	q.Where = append(q.Where, store.Gte(field, from), store.Lt(field, to))
	q.Order = []string{sign + field}
	found, err := blocks.Find(ctx, r, q, walkBlocks)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	last := found[len(found)-1].First
	if w.newest {
		w.high = last
	} else {
		w.low = last + 1
	}
	return found, nil
}

// pick reads the next blocks of those that begin at places, which are in ascending order.
func (w *blockWalk) pick(ctx context.Context, r store.Reader, ws string, places *[]int64) ([]*block, error) {
	n := min(walkBlocks, len(*places))
	some := (*places)[:n]
	if w.newest {
		some = slices.Clone((*places)[len(*places)-n:])
		slices.Reverse(some)
		*places = (*places)[:len(*places)-n]
	} else {
		*places = (*places)[n:]
	}
	ids := make([]string, n)
	for i, first := range some {
		ids[i] = blockKey(ws, first)
	}
	found, err := blocks.GetMany(ctx, r, ids)
	if err != nil {
		return nil, err
	}
	for i, b := range found {
		if b == nil {
			return nil, errMissing(some[i])
		}
	}
	return found, nil
}

// nextBlock takes the next block of all walks.
func nextBlock(ctx context.Context, walks []*blockWalk, newest bool) (*block, error) {
	var best *blockWalk
	for _, w := range walks {
		b, err := w.peek(ctx)
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		if best == nil {
			best = w
			continue
		}
		if d := cmp.Compare(b.First, best.batch[0].First); newest && d > 0 || !newest && d < 0 {
			best = w
		}
	}
	if best == nil {
		return nil, nil
	}
	b := best.batch[0]
	best.batch = best.batch[1:]
	return b, nil
}
