package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

type blankDoc struct {
	store.Meta `bson:",inline"`
	Name       string `bson:"name"`
}

var blankDocs = store.Declare[blankDoc](store.Spec{Name: "blank_docs", Indexes: []store.Index{store.On("name")}})

// TestScrubLeavesNoByte shares pages out among neighbours many times, deletes half of
// what moved, and looks for it in the file, byte by byte.
func TestScrubLeavesNoByte(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := Open(ctx, Options{Path: path})
	require.NoError(t, err)
	other, err := Open(ctx, Options{Path: path}) // another writer, with pages of its own in memory
	require.NoError(t, err)
	require.NoError(t, s.Declare(ctx, blankDocs.Spec))
	require.NoError(t, other.Declare(ctx, blankDocs.Spec))
	batches := 0
	commit := func(s *Store, ops ...store.Op) {
		batches++
		_, err := s.Commit(ctx, store.Batch{ID: fmt.Sprintf("b%d", batches), Ops: ops})
		require.NoError(t, err)
	}
	var gone []string
	for i := range 900 {
		secret := fmt.Sprintf("secret%05d", i*7919%900)
		d := &blankDoc{Meta: store.Meta{ID: "ws/" + secret}, Name: secret + fmt.Sprintf("%0*d", i%40, 0)}
		on := s
		if i%3 == 0 {
			on = other
		}
		commit(on, blankDocs.Insert(d))
		if i%2 == 0 {
			d.V = 1
			gone = append(gone, secret)
			commit(s, blankDocs.Delete(d))
		}
	}
	keys := make([]string, len(gone))
	for i, g := range gone {
		keys[i] = "ws/" + g
	}
	// In many slices, with both writing between them.
	defer func(n int64) { blankBytes = n }(blankBytes)
	blankBytes = 128 << 10
	stop, done := make(chan struct{}), make(chan struct{})
	between := 0
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			on := s
			if i%5 == 0 {
				on = other
			}
			d := &blankDoc{Meta: store.Meta{ID: fmt.Sprintf("ws/secret%03d_%d", i*7919%900, i)}, Name: fmt.Sprintf("beside%d", i)}
			if _, err := on.Commit(ctx, store.Batch{ID: fmt.Sprintf("c%d", i), Ops: []store.Op{blankDocs.Insert(d)}}); err != nil {
				t.Error(err)
				return
			}
			between++
		}
	}()
	require.NoError(t, s.Scrub(ctx, keys...))
	close(stop)
	<-done
	require.Greater(t, between, 3, "others write between two slices")
	look := func(when string) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			raw, err := os.ReadFile(path + suffix)
			if err != nil {
				continue
			}
			for _, g := range gone {
				if at := bytes.Index(raw, []byte(g)); at >= 0 {
					page := raw[at/4096*4096:][:4096]
					t.Logf("%s in %q at %d of a page of type %d, %d entries, content from %d, freeblock %d: %q", g, suffix, at%4096, page[0],
						int(page[3])<<8|int(page[4]), int(page[5])<<8|int(page[6]), int(page[1])<<8|int(page[2]), raw[max(0, at-40):min(len(raw), at+40)])
				}
				require.False(t, bytes.Contains(raw, []byte(g)), "%s in %q, %s", g, suffix, when)
			}
		}
	}
	look("after the scrub")
	for i := range 300 {
		d := &blankDoc{Meta: store.Meta{ID: fmt.Sprintf("ws/later%d", i)}, Name: fmt.Sprintf("secreu%05d", i)}
		commit(other, blankDocs.Insert(d))
		commit(s, blankDocs.Insert(&blankDoc{Meta: store.Meta{ID: fmt.Sprintf("ws/more%d", i)}, Name: fmt.Sprintf("secrev%05d", i)}))
	}
	look("after writes of both")
	require.NoError(t, s.Verify(ctx))
	n, err := blankDocs.Count(ctx, s, store.Query{Workspace: "ws"})
	require.NoError(t, err)
	require.EqualValues(t, 1050+between, n)
	require.NoError(t, other.Close(ctx))
	require.NoError(t, s.Close(ctx))
	look("closed")
}
