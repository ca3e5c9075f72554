package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

func aheadStore(t *testing.T) (*Store, *store.Spec) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(ctx)) })
	spec := &store.Spec{Name: "Things", Indexes: []store.Index{store.On("n"), store.On("kind", "-n").WithFewTies(), store.On("tags[]", "n")}}
	require.NoError(t, s.Declare(ctx, spec))
	return s, spec
}

func aheadBatch(t *testing.T, spec *store.Spec, batch string, n int) (store.Batch, []string) {
	b := store.Batch{ID: batch}
	var keys []string
	for i := range n {
		id := fmt.Sprintf("ws/%s%04d", batch, i)
		doc := bson.D{{Key: "_id", Value: id}, {Key: "_v", Value: int64(1)}, {Key: "n", Value: int64(i)}, {Key: "tags", Value: bson.A{"t"}}}
		if i%2 == 0 { // the others are not in the second index
			doc = append(doc, bson.E{Key: "kind", Value: "x"})
		}
		raw, err := bson.Marshal(doc)
		require.NoError(t, err)
		b.Ops = append(b.Ops, store.Op{Kind: store.OpInsert, Spec: spec, ID: id, Doc: raw})
		keys = append(keys, id)
	}
	return b, keys
}

// What is read ahead are the pages that the write or read comes to: a search of each
// tree, which reads no more than the place.
func TestReadingAheadSearchesEachTree(t *testing.T) {
	s, _ := aheadStore(t)
	l := s.catalog.Load().byName["Things"]
	require.Len(t, l.spots, 2, "the multi-valued index is a table of its own")
	var steps []string
	require.NoError(t, s.pool.with(context.Background(), func(c *conn) error {
		for _, sql := range []string{l.spots[0].sql, l.spots[1].sql, l.versionOf} {
			if err := c.each("EXPLAIN QUERY PLAN "+sql, func(st *stmt) error {
				steps = append(steps, st.text(3))
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Len(t, steps, 3)
	plan := strings.Join(steps, "\n")
	for _, want := range []string{
		"USING COVERING INDEX x:^things:n (w=? AND f:n=? AND id=?)",
		"USING COVERING INDEX x:^things:kind,-n;few (w=? AND f:kind=? AND f:n=?)",
		"USING INDEX k:^things (w=? AND id=?)",
	} {
		require.Contains(t, plan, want)
	}
}

// It begins when an operation reads more than a little from disks, and ends some
// groups after the last that did.
func TestReadingAheadWhileTheDiskIsRead(t *testing.T) {
	s, spec := aheadStore(t)
	b, _ := aheadBatch(t, spec, "a", aheadLeast)
	r := newRequest()
	r.batch = b
	require.NoError(t, r.encode(s.catalog.Load()))
	group := []*request{r}
	a := &ahead{}
	require.False(t, a.worth(100))
	a.read = diskRead() - aheadLeast*aheadBytes // as if that had been read since
	a.note(group)
	require.True(t, a.worth(aheadLeast))
	require.False(t, a.worth(aheadLeast-1), "one after the other is as fast")
	for range aheadFor {
		a.read = diskRead()
		a.note(group)
	}
	require.False(t, a.worth(100))
	a.read = diskRead() - aheadLeast*aheadBytes/2
	a.note(group)
	require.False(t, a.worth(100), "a page now and then is not worth it")
}

// Each place is looked at once, on several connections, and commits and reads do
// the same with it as without, several at a time.
func TestReadingAheadChangesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, spec := aheadStore(t)
	var mu sync.Mutex
	seen := map[int]int{}
	conns := map[*conn]bool{}
	together := make(chan struct{}, aheadReaders)
	wait, _ := s.ahead.run(ctx, 99, func(c *conn, i int) error {
		mu.Lock()
		seen[i]++
		first := !conns[c]
		conns[c] = true
		mu.Unlock()
		if first { // until all of them are at it
			together <- struct{}{}
			for len(together) < aheadReaders {
				if runtime.Gosched(); ctx.Err() != nil {
					return ctx.Err()
				}
			}
		}
		return nil
	})
	wait()
	require.Len(t, seen, 99)
	for i, n := range seen {
		require.Equal(t, 1, n, "number %d", i)
	}
	require.Len(t, conns, aheadReaders)

	var wg sync.WaitGroup
	for g := range 4 {
		b, keys := aheadBatch(t, spec, string(rune('a'+g)), 200)
		wg.Go(func() {
			s.ahead.left.Store(1 << 40)
			if _, err := s.Commit(ctx, b); err != nil {
				t.Error(err)
				return
			}
			docs, err := s.Get(ctx, spec, append(keys, "ws/none", "other/a0001"))
			if err != nil || len(docs) != 202 {
				t.Error(len(docs), err)
				return
			}
			for i := range keys {
				if id := docs[i].Lookup("_id").StringValue(); id != keys[i] {
					t.Errorf("%s instead of %s", id, keys[i])
				}
			}
			if docs[200] != nil || docs[201] != nil {
				t.Error("found what is not there")
			}
		})
	}
	wg.Wait()
	b, _ := aheadBatch(t, spec, "a", 20)
	b.ID = "again"
	_, err := s.Commit(ctx, b)
	require.ErrorIs(t, err, store.ErrConflict)
}
