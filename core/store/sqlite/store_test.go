package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

type person struct {
	store.Meta `bson:",inline"`
	Name       string     `bson:"name,omitempty"`
	Age        int64      `bson:"age,omitempty"`
	Tags       []string   `bson:"tags,omitempty"`
	At         *time.Time `bson:"at,omitempty"`
}

var people = store.Declare[person](store.Spec{Name: "people", Indexes: []store.Index{
	store.On("name", "-age"), store.On("tags[]", "-age"), store.On("-at"),
}})

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

func TestReopenKeepsWhatWasCommitted(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hw.db")
	s := open(t, path)
	require.NoError(t, s.Declare(ctx, people.Spec))
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	p := &person{Meta: store.Meta{ID: "ws_1/p1"}, Name: "Ada", Age: 36, Tags: []string{"a", "b", "a"}, At: &at}
	token, err := s.Commit(ctx, store.Batch{ID: "b1", Ops: []store.Op{people.Insert(p)}})
	require.NoError(t, err)
	now, err := s.Now(ctx)
	require.NoError(t, err)
	require.Equal(t, token, now)

	again, err := s.Commit(ctx, store.Batch{ID: "b1", Ops: []store.Op{people.Insert(p)}})
	require.NoError(t, err)
	require.Equal(t, token, again)
	_, err = s.Commit(ctx, store.Batch{ID: "b2", Ops: []store.Op{people.Insert(p)}})
	var conflict *store.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, "ws_1/p1", conflict.ID)
	require.NoError(t, s.Close(ctx))
	require.NoFileExists(t, path+"-wal", "closing puts the log into the file")

	s = open(t, path)
	require.NoError(t, s.Declare(ctx, people.Spec))
	got, err := people.Get(ctx, s, "ws_1/p1")
	require.NoError(t, err)
	p.V = 1
	require.Equal(t, p, got)
	for _, q := range []store.Query{
		{Where: []store.Cond{store.Eq("name", "Ada")}},
		{Where: []store.Cond{store.Eq("tags", "b"), store.Gt("age", 35)}},
		{Where: []store.Cond{store.Gte("at", at)}},
		{Order: []string{"at"}},
		{Where: []store.Cond{store.Prefix("_id", "p")}},
		{},
	} {
		q.Workspace = "ws_1"
		found, err := people.Find(ctx, s, q, 10)
		require.NoError(t, err)
		require.Len(t, found, 1, "%+v", q)
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	require.NoError(t, s.Declare(ctx, people.Spec))
	require.NoError(t, s.Close(ctx))
	require.NoError(t, s.Close(ctx))
	_, err = s.Commit(ctx, store.Batch{ID: "b", Ops: []store.Op{people.Absent("ws/a")}})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = people.Get(ctx, s, "ws/a")
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, s.Ping(ctx), store.ErrUnavailable)
	_, err = s.Snapshot(ctx)
	require.ErrorIs(t, err, store.ErrUnavailable)
}

func TestWatchWakesAcrossStores(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	path := filepath.Join(t.TempDir(), "hw.db")
	a, b := open(t, path), open(t, path)
	require.NoError(t, a.Declare(ctx, people.Spec))
	now, err := b.Now(ctx)
	require.NoError(t, err)
	w, err := b.Watch(ctx, now)
	require.NoError(t, err)
	defer w.Close()
	go func() {
		time.Sleep(100 * time.Millisecond)
		p := &person{Meta: store.Meta{ID: "ws_1/p1"}, Name: "Ada"}
		_, err := a.Commit(ctx, store.Batch{ID: "b1", Ops: []store.Op{people.Insert(p)}})
		if err != nil {
			t.Error(err)
		}
	}()
	c, err := w.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, "ws_1/p1", c.Key)
	require.Equal(t, "people", c.Collection)
	require.Equal(t, store.Inserted, c.Kind)
}

func TestRetentionExpiresTokens(t *testing.T) {
	ctx := context.Background()
	clock := core.NewVirtualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db"), Clock: clock})
	require.NoError(t, err)
	defer s.Close(ctx)
	require.NoError(t, s.Declare(ctx, people.Spec))
	var tokens []store.Token
	for i := range 6 {
		p := &person{Meta: store.Meta{ID: store.Key("ws", string(rune('a'+i)))}}
		token, err := s.Commit(ctx, store.Batch{ID: string(rune('a' + i)), Ops: []store.Op{people.Insert(p)}})
		require.NoError(t, err)
		tokens = append(tokens, token)
		clock.Advance(store.Retention / 3)
	}
	_, err = s.Watch(ctx, tokens[0])
	require.ErrorIs(t, err, store.ErrTokenExpired)
	for i, token := range tokens[2:] {
		w, err := s.Watch(ctx, token)
		require.NoError(t, err, "%d thirds of the retention ago", 4-i)
		require.NoError(t, w.Close())
	}
	_, err = s.Watch(ctx, "00000000fffff.001")
	require.ErrorIs(t, err, store.ErrTokenExpired, "a token of a store that was replaced by an older one")
}

// A clock that jumps back and forth must not open gaps in the log.
func TestRetentionForgetsFromTheBeginningOnly(t *testing.T) {
	ctx := context.Background()
	clock := core.NewVirtualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db"), Clock: clock})
	require.NoError(t, err)
	defer s.Close(ctx)
	require.NoError(t, s.Declare(ctx, people.Spec))
	var tokens []store.Token
	put := func() {
		key := store.Key("ws", fmt.Sprintf("%04d", len(tokens)))
		token, err := s.Commit(ctx, store.Batch{ID: key, Ops: []store.Op{people.Insert(&person{Meta: store.Meta{ID: key}})}})
		require.NoError(t, err)
		tokens = append(tokens, token)
	}
	for i := range 700 {
		if i%2 == 0 {
			clock.Advance(100 * time.Hour)
		} else {
			clock.Advance(-100 * time.Hour)
		}
		put()
	}
	clock.Advance(50 * time.Hour) // every second batch is too old, every other is not
	for range 5 {
		put()
	}
	kept := 0
	for i, token := range tokens {
		w, err := s.Watch(ctx, token)
		if err != nil {
			require.ErrorIs(t, err, store.ErrTokenExpired)
			require.Zero(t, kept, "token %d is expired, an older one is not", i)
			continue
		}
		kept++
		for _, want := range tokens[i+1:] {
			c, err := w.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, want, c.Token)
		}
		require.NoError(t, w.Close())
		if kept == 3 {
			break
		}
	}
	require.Equal(t, 3, kept)
}

func TestConcurrentBatchesShareAnFsync(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hw.db"))
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	const writers, each = 32, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("ws/%d-%d", w, i)
				if _, err := s.Commit(t.Context(), store.Batch{ID: key, Ops: []store.Op{people.Insert(&person{Meta: store.Meta{ID: key}})}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stats := s.Stats()
	require.EqualValues(t, writers*each, stats.Batches)
	require.Less(t, stats.Groups, stats.Batches/2)
}

// The log begins anew while writers never pause, and while nobody reads an old state.
func TestLogStaysShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	s := open(t, path)
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			text := strings.Repeat("x", 3500)
			for i := range 60 {
				var ops []store.Op
				for j := range 100 {
					key := fmt.Sprintf("ws/%d-%d-%d", w, i, j)
					ops = append(ops, people.Insert(&person{Meta: store.Meta{ID: key}, Tags: []string{text}}))
				}
				if _, err := s.Commit(t.Context(), store.Batch{ID: fmt.Sprint(w, "-", i), Ops: ops}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	written, err := os.Stat(path)
	require.NoError(t, err)
	log, err := os.Stat(path + "-wal")
	require.NoError(t, err)
	require.Greater(t, written.Size(), int64(85<<20), "the test must write more than the log may hold")
	require.Less(t, log.Size(), int64(80<<20))
}

// However long nothing happened, whoever stands at the latest change has missed
// nothing when the next one comes.
func TestIdleWatchDoesNotExpire(t *testing.T) {
	ctx := context.Background()
	clock := core.NewVirtualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db"), Clock: clock})
	require.NoError(t, err)
	defer s.Close(ctx)
	require.NoError(t, s.Declare(ctx, people.Spec))
	put := func(key string) store.Token {
		token, err := s.Commit(ctx, store.Batch{ID: key, Ops: []store.Op{people.Insert(&person{Meta: store.Meta{ID: key}})}})
		require.NoError(t, err)
		return token
	}
	old := put("ws/1")
	latest := put("ws/2")
	open, err := s.Watch(ctx, latest)
	require.NoError(t, err)
	defer open.Close()
	clock.Advance(store.Retention + time.Hour)
	next := put("ws/3")
	for _, w := range []store.Stream{open, watch(t, s, latest)} {
		c, err := w.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, next, c.Token)
	}
	_, err = s.Watch(ctx, old)
	require.ErrorIs(t, err, store.ErrTokenExpired)
}

func watch(t *testing.T, s store.Store, after store.Token) store.Stream {
	t.Helper()
	w, err := s.Watch(context.Background(), after)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w
}
