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
	var walks []*blockWalk
	for _, eq := range c.indexes() {
		walks = append(walks, &blockWalk{log: l, ws: ws, eq: eq, low: low, high: high, newest: newest})
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

// indexes returns the equalities whose indexes together find every match: one, but for
// people, each of whom may stand in an entry or in a set beside one.
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

// blockWalk reads the blocks of one index some at a time.
type blockWalk struct {
	log       *Log
	ws        string
	eq        []store.Cond
	low, high int64
	newest    bool
	batch     []*block
	done      bool
}

// peek returns the next block without taking it, or nil.
func (w *blockWalk) peek(ctx context.Context) (*block, error) {
	if len(w.batch) > 0 || w.done {
		if len(w.batch) == 0 {
			return nil, nil
		}
		return w.batch[0], nil
	}
	field, from, to, sign := "first", any(w.low), any(w.high), ""
	if w.newest {
		sign = "-"
	}
	q := store.Query{Workspace: w.ws, Where: slices.Clone(w.eq)}
	if w.eq == nil { // by the key itself
		field, from, to = "_id", blockKey(w.ws, w.low), blockKey(w.ws, w.high)
	}
	q.Where = append(q.Where, store.Gte(field, from), store.Lt(field, to))
	q.Order = []string{sign + field}
	var err error
	if w.batch, err = blocks.Find(ctx, w.log.o.Store, q, walkBlocks); err != nil || len(w.batch) == 0 {
		w.done = true
		return nil, err
	}
	last := w.batch[len(w.batch)-1].First
	if w.newest {
		w.high = last
	} else {
		w.low = last + 1
	}
	w.done = len(w.batch) < walkBlocks
	return w.batch[0], nil
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
