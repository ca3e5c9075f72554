package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// fill commits until the store refuses, and returns how many batches it took.
func fill(t *testing.T, s store.Store) (taken int, err error) {
	t.Helper()
	text := strings.Repeat("x", 20_000)
	for ; taken < 10_000; taken++ {
		p := &person{Meta: store.Meta{ID: fmt.Sprint("ws/", taken)}, Name: text}
		if _, err = s.Commit(t.Context(), store.Batch{ID: fmt.Sprint(taken), Ops: []store.Op{people.Insert(p)}}); err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// intact requires that exactly the first n documents are there, and that writing
// works.
func intact(t *testing.T, s store.Store, n int) {
	t.Helper()
	count, err := people.Count(t.Context(), s, store.Query{Workspace: "ws"})
	require.NoError(t, err)
	require.EqualValues(t, n, count)
	d, err := people.Get(t.Context(), s, fmt.Sprint("ws/", n-1))
	require.NoError(t, err)
	require.NotNil(t, d)
	require.NoError(t, s.(*sqlite.Store).Verify(t.Context()))
}

func TestFullFileRefusesWritesAndReadsOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, MaxPages: 500})
	require.NoError(t, err)
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	n, err := fill(t, s)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Greater(t, n, 10)
	intact(t, s, n)
	_, err = s.Commit(t.Context(), store.Batch{ID: "more", Ops: []store.Op{people.Insert(&person{Meta: store.Meta{ID: "ws/more"}, Name: strings.Repeat("y", 20_000)})}})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NoError(t, s.Close(t.Context()))

	s = open(t, path) // with room again
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	intact(t, s, n)
	_, err = s.Commit(t.Context(), store.Batch{ID: "more", Ops: []store.Op{people.Insert(&person{Meta: store.Meta{ID: "ws/more"}})}})
	require.NoError(t, err, "the refused batch can be repeated")
}

func TestScrubLeavesNothingOfDeletedDocuments(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "hw.db")
	s := open(t, path)
	require.NoError(t, s.Declare(ctx, people.Spec))
	const secret = "Rumpelstiltskin"
	for i := range 50 {
		p := &person{Meta: store.Meta{ID: fmt.Sprint("ws/", i)}, Name: secret, Tags: []string{secret}}
		_, err := s.Commit(ctx, store.Batch{ID: fmt.Sprint(i), Ops: []store.Op{people.Insert(p)}})
		require.NoError(t, err)
	}
	require.True(t, contains(t, path, secret))
	for i := range 50 {
		p, err := people.Get(ctx, s, fmt.Sprint("ws/", i))
		require.NoError(t, err)
		op := people.Delete(p)
		if i%2 == 0 {
			p.Name, p.Tags = "gone", nil
			op = people.Replace(p)
		}
		_, err = s.Commit(ctx, store.Batch{ID: fmt.Sprint("d", i), Ops: []store.Op{op}})
		require.NoError(t, err)
	}
	require.True(t, contains(t, path, secret), "the log still holds the old pages")
	require.NoError(t, s.Scrub(ctx))
	require.False(t, contains(t, path, secret))
}

func TestScrubWaitsForASnapshot(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hw.db"))
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), store.Batch{ID: "a", Ops: []store.Op{people.Insert(&person{Meta: store.Meta{ID: "ws/a"}})}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Scrub(ctx), store.ErrUnavailable)
	require.NoError(t, snap.Close())
	require.NoError(t, s.Scrub(t.Context()))
}

func contains(t *testing.T, path, text string) bool {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		require.NoError(t, err)
		if strings.Contains(string(b), text) {
			return true
		}
	}
	return false
}
