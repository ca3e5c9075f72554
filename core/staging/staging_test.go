package staging_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_TEST"

var area = staging.Declare(staging.Area{
	Name: "test_chunks", Job: "test.read", Sweep: "test.sweep", Max: 8 << 20, Data: core.Unclassified,
})

// clock is a clock that stands still until it is set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Sleep waits for real: the runner polls however late it is by this clock.
func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	return core.SystemClock{}.Sleep(ctx, min(d, 5*time.Millisecond))
}

// flaky is a store whose commits can be made to fail.
type flaky struct {
	store.Store
	fail func(store.Batch) error
}

func (f *flaky) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if f.fail != nil {
		if err := f.fail(b); err != nil {
			return "", err
		}
	}
	return f.Store.Commit(ctx, b)
}

type bench struct {
	*testing.T
	db    *flaky
	clock *clock
	files staging.Files
}

func open(t *testing.T) *bench {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	require.NoError(t, db.Declare(t.Context(), append(work.Specs(), store.Claims.Spec, area.Chunks.Spec)...))
	b := &bench{T: t, db: &flaky{Store: db}, clock: &clock{at: time.Now()}}
	b.files = area.In(b.db, b.clock)
	return b
}

func (b *bench) chunks() int64 {
	b.Helper()
	n, err := area.Chunks.Count(context.Background(), b.db, store.Query{Workspace: ws})
	require.NoError(b, err)
	return n
}

func (b *bench) put(content []byte) staging.File {
	b.Helper()
	f, err := b.files.Put(b.Context(), ws, bytes.NewReader(content))
	require.NoError(b, err)
	require.EqualValues(b, len(content), f.Bytes)
	return f
}

func (b *bench) read(f staging.File, at int64) []byte {
	b.Helper()
	out, err := io.ReadAll(b.files.Open(b.Context(), ws, f, at))
	require.NoError(b, err)
	return out
}

// sweepAll runs what is due, until no sweep is.
func (b *bench) sweepAll() {
	b.Helper()
	r := work.New(work.Options{Store: b.db, Clock: b.clock, Poll: 5 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	r.Handle("test.sweep", work.Kind{Handler: b.files.Sweeper(nil)})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	require.Eventually(b, func() bool {
		tasks, err := work.Tasks.Find(b.Context(), b.db, store.Query{Where: []store.Cond{store.Eq("kind", "test.sweep")}, Order: []string{"dueAt"}}, 1)
		return err == nil && (len(tasks) == 0 || tasks[0].DueAt.After(b.clock.Now().Add(time.Hour)))
	}, 10*time.Second, 5*time.Millisecond)
	cancel()
	<-done
}

func noise(n int) []byte {
	out := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(out)
	return out
}

func TestAFileIsReadAsItWasWritten(t *testing.T) {
	b := open(t)
	for _, size := range []int{0, 1, staging.ChunkBytes - 1, staging.ChunkBytes, staging.ChunkBytes + 1, 3 * staging.ChunkBytes, 7*staging.ChunkBytes + 12345} {
		content := noise(size)
		f := b.put(content)
		require.True(t, bytes.Equal(content, b.read(f, 0)), "%d bytes", size)
		require.EqualValues(t, (size+staging.ChunkBytes-1)/staging.ChunkBytes, b.chunks())
		require.NoError(t, b.files.Delete(t.Context(), ws, f.ID))
		require.Zero(t, b.chunks())
		require.NoError(t, b.files.Delete(t.Context(), ws, f.ID), "there is nothing left to delete")
	}
}

func TestAReaderGoesOnFromAnyOffset(t *testing.T) {
	b := open(t)
	content := noise(3*staging.ChunkBytes + 77)
	f := b.put(content)
	for _, at := range []int{0, 1, staging.ChunkBytes - 1, staging.ChunkBytes, 2*staging.ChunkBytes + 5, len(content) - 1, len(content)} {
		require.True(t, bytes.Equal(content[at:], b.read(f, int64(at))), "from %d", at)
	}
	r := b.files.Open(t.Context(), ws, f, 0)
	some := make([]byte, 100)
	_, err := io.ReadFull(r, some)
	require.NoError(t, err)
	_, err = r.Seek(2*staging.ChunkBytes-50, io.SeekStart)
	require.NoError(t, err)
	_, err = io.ReadFull(r, some)
	require.NoError(t, err)
	require.Equal(t, content[2*staging.ChunkBytes-50:][:100], some)
	_, err = r.Seek(-1, io.SeekEnd)
	require.Error(t, err)
}

func TestPiecesOfAnySizeMakeTheSameFile(t *testing.T) {
	b := open(t)
	content := noise(4*staging.ChunkBytes + 3)
	w := b.files.Create(t.Context(), ws)
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 1+rand.IntN(3*staging.ChunkBytes/2))
		got, err := w.Write(rest[:n])
		require.NoError(t, err)
		require.Equal(t, n, got)
		rest = rest[n:]
	}
	f, err := w.Close()
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, b.read(f, 0)))
}

func TestTwoFilesDoNotMeet(t *testing.T) {
	b := open(t)
	one, two := noise(staging.ChunkBytes+1), noise(staging.ChunkBytes+2)
	f, g := b.put(one), b.put(two)
	require.NoError(t, b.files.Delete(t.Context(), ws, f.ID))
	require.True(t, bytes.Equal(two, b.read(g, 0)))
	_, err := io.ReadAll(b.files.Open(t.Context(), ws, f, 0))
	require.Equal(t, "FILE_GONE", core.AsError(err).Reason)
}

func TestAnEndedFileIsNotReadAgain(t *testing.T) {
	b := open(t)
	f := b.put(noise(2 * staging.ChunkBytes))
	ops, err := b.files.Ending(t.Context(), ws, f.ID)
	require.NoError(t, err)
	require.Len(t, ops, 1)
	require.NoError(t, work.Commit(t.Context(), b.db, ops...))
	_, err = io.ReadAll(b.files.Open(t.Context(), ws, f, 0))
	require.Equal(t, "FILE_GONE", core.AsError(err).Reason)
	ops, err = b.files.Ending(t.Context(), ws, f.ID)
	require.NoError(t, err)
	require.Empty(t, ops)
}

func TestNothingIsKeptOfAnUploadThatIsRefused(t *testing.T) {
	b := open(t)
	for name, c := range map[string]struct {
		r      io.Reader
		reason string
	}{
		"too large":        {bytes.NewReader(noise(8<<20 + 1)), "FILE_TOO_LARGE"},
		"cut":              {io.MultiReader(bytes.NewReader(noise(5<<20)), iotest.ErrReader(errors.New("reset by peer"))), "UPLOAD_BROKEN"},
		"refused as it is": {io.MultiReader(bytes.NewReader(noise(5<<20)), iotest.ErrReader(core.Errorf(core.Invalid, "OTHER", "other"))), "OTHER"},
	} {
		_, err := b.files.Put(t.Context(), ws, c.r)
		require.Equal(t, core.Invalid, core.CodeOf(err), name)
		require.Equal(t, c.reason, core.AsError(err).Reason, name)
		require.Zero(t, b.chunks(), name)
	}
	b.put(noise(8 << 20))
}

func TestAnUploadIsDiscardedThoughItsRequestEnded(t *testing.T) {
	b := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	w := b.files.Create(ctx, ws)
	_, err := w.Write(noise(4 << 20))
	require.NoError(t, err)
	require.NotZero(t, b.chunks())
	cancel()
	require.NoError(t, w.Discard())
	require.Zero(t, b.chunks())
}
