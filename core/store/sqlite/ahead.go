package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/headwater-cdp/headwater/core/store"
)

// When the file is larger than what the system keeps of it in memory, nearly every
// event waits for the disk, for one page after another: in the writer, for which
// everybody waits, too. A disk that is asked for several pages at once answers
// sooner. So while reads do go to the disk, connections of their own look up at the
// same time what a large Get will come to and where the insertions of a batch will
// go; those pages are then in the system's memory. What is found is thrown away: it
// is a help and nothing depends on it.
const (
	// aheadReaders is how many pages are asked for at once.
	aheadReaders = 4
	aheadCache   = "cache_size=-2048"
	// aheadLeast is how many keys or operations are worth it.
	aheadLeast = 16
	// aheadBytes is how much an operation must read from disks on average, and
	// aheadFor for how many groups of the writer it is then taken to go on: a page for
	// every eighth operation.
	aheadBytes = 512
	aheadFor   = 32
)

// ahead reads ahead while it is worth it.
type ahead struct {
	pool *pool
	left atomic.Int64 // groups for which it goes on
	read int64        // from disks by the process so far, in bytes; the writer's
}

func (s *Store) newAhead() *ahead {
	open := func() (*conn, error) { return s.open(aheadCache, "query_only=ON") }
	return &ahead{pool: newPool(aheadReaders, open), read: diskRead()}
}

// note tells that the writer has done a group, which shows whether reads go to the
// disk.
func (a *ahead) note(group []*request) {
	ops := 0
	for _, r := range group {
		ops += len(r.ops)
	}
	before := a.read
	a.read = diskRead()
	switch read := a.read - before; {
	case read > 0 && read >= int64(ops)*aheadBytes:
		a.left.Store(aheadFor)
	case a.left.Load() > 0:
		a.left.Add(-1)
	}
}

// worth reports whether to read ahead for so many keys or operations.
func (a *ahead) worth(n int) bool { return n >= aheadLeast && a.left.Load() > 0 }

// run calls look for the numbers from 0 to n-1, in that order, on several
// connections at once. wait returns when it is done; after stop no more is begun.
func (a *ahead) run(ctx context.Context, n int, look func(c *conn, i int) error) (wait, stop func()) {
	const piece = 4
	var next atomic.Int64
	var wg sync.WaitGroup
	for range aheadReaders {
		wg.Go(func() {
			_ = a.pool.read(ctx, func(c *conn) error {
				for {
					i := int(next.Add(piece)) - piece
					if i >= n {
						return nil
					}
					for end := min(i+piece, n); i < end; i++ {
						if err := look(c, i); err != nil {
							return err
						}
					}
				}
			})
		})
	}
	return wg.Wait, func() { next.Store(int64(n)) }
}

// aheadOfGet reads the rows of keys while a Get goes through them. The Get calls
// stop when it has them all.
func (s *Store) aheadOfGet(ctx context.Context, l *layout, keys []string) (stop func()) {
	if !s.ahead.worth(len(keys)) {
		return func() {}
	}
	wait, end := s.ahead.run(ctx, len(keys), func(c *conn, i int) error {
		ws, id := cut(l.global, keys[i])
		n, ok := s.number(ws)
		if !ok && !l.global {
			return nil
		}
		return c.touch(l.get, n, id, nil)
	})
	return func() { end(); wait() }
}

// aheadOfCommit reads the pages that the insertions of a batch will go to. Those of
// documents that it replaces were read a moment ago.
func (s *Store) aheadOfCommit(ctx context.Context, r *request) {
	if !s.ahead.worth(len(r.ops)) {
		return
	}
	wait, _ := s.ahead.run(ctx, len(r.ops), func(c *conn, i int) error {
		o := &r.ops[i]
		ws, ok := s.number(o.ws)
		if o.Kind != store.OpInsert || !ok && !o.l.global {
			return nil
		}
		if err := c.touch(o.l.versionOf, ws, o.id, nil); err != nil {
			return err
		}
		for _, p := range o.l.spots {
			if err := c.touch(p.sql, ws, o.id, p.values(o.cols)); err != nil {
				return err
			}
		}
		return nil
	})
	wait()
}

// spot looks up the place of a document in an index.
type spot struct {
	sql string // takes the workspace, the key and the values of at
	at  []int  // places of the index's fields among those of the layout
}

// spotsOf returns the spots of the native indexes that are there.
func (l *layout) spotsOf() []spot {
	var out []spot
	for _, ix := range l.indexes {
		if ix.multi || !ix.ready {
			continue
		}
		var p spot
		var b strings.Builder
		fmt.Fprintf(&b, "SELECT 1 FROM %s INDEXED BY %s WHERE w = ?1", l.table, ix.name)
		for i, f := range ix.fields {
			p.at = append(p.at, slices.IndexFunc(l.fields, func(o field) bool { return o.path == f.Path }))
			fmt.Fprintf(&b, " AND %s = ?%d", ix.cols[i], 3+i)
		}
		if !ix.few {
			b.WriteString(" AND id = ?2")
		}
		p.sql = b.String()
		out = append(out, p)
	}
	return out
}

// values picks the values of the spot's fields.
func (p spot) values(cols []value) []value {
	out := make([]value, len(p.at))
	for i, n := range p.at {
		out[i] = cols[n]
	}
	return out
}

// touch runs a query as far as its first row.
func (c *conn) touch(sql string, ws int64, id string, values []value) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	s.bindInt(1, ws)
	s.bindText(2, id)
	for i, v := range values {
		s.bindValue(3+i, v)
	}
	defer s.reset()
	_, err = s.step()
	return err
}
