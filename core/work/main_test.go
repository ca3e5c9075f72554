package work_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	goleak.VerifyTestMain(m)
}

const ws = "ws_TEST"

// effect is what handlers write in these tests: how often something happened.
type effect struct {
	store.Meta `bson:",inline"`
	N          int64 `bson:"n"`
}

var effects = store.Declare[effect](store.Spec{Name: "effects"})

func happened(name string) store.Op {
	return effects.Add(store.Key(ws, name), map[string]int64{"n": 1})
}

func times(t testing.TB, s store.Reader, name string) int64 {
	t.Helper()
	d, err := effects.Get(context.Background(), s, store.Key(ws, name))
	require.NoError(t, err)
	if d == nil {
		return 0
	}
	return d.N
}

func openPath(t testing.TB, path string) store.Store {
	t.Helper()
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(ctx)) })
	require.NoError(t, s.Declare(ctx, append(work.Specs(), effects.Spec, store.Claims.Spec)...))
	return s
}

func open(t testing.TB) store.Store { return openPath(t, filepath.Join(t.TempDir(), "hw.db")) }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// run starts a runner; the returned function ends it and waits. It is also called
// at the end of the test.
func run(t testing.TB, r *work.Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func put(t testing.TB, s store.Writer, ops ...store.Op) {
	t.Helper()
	_, err := s.Commit(context.Background(), store.Batch{ID: core.NewID("bat", time.Now()), Ops: ops})
	require.NoError(t, err)
}

func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 20*time.Second, 2*time.Millisecond, what)
}

// advance moves the clock in steps until cond holds.
func advance(t testing.TB, c *core.VirtualClock, step time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(3 * time.Millisecond) {
		require.True(t, time.Now().Before(end), what)
		c.Advance(step)
	}
}

func pending(t testing.TB, s store.Reader, kind, name string) *work.Task {
	t.Helper()
	task, err := work.Find(context.Background(), s, ws, kind, name)
	require.NoError(t, err)
	return task
}

// cut is a store that can be cut off, and whose replies can be lost.
type cut struct {
	store.Store
	off     atomic.Bool
	replies atomic.Int64 // this many commits take effect, but nobody hears of it
}

func (c *cut) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if c.off.Load() {
		return "", store.ErrUnavailable
	}
	token, err := c.Store.Commit(ctx, b)
	if c.replies.Add(-1) >= 0 {
		return "", store.ErrUnavailable
	}
	return token, err
}

func (c *cut) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	if c.off.Load() {
		return nil, store.ErrUnavailable
	}
	return c.Store.Get(ctx, spec, ids)
}

func (c *cut) Scan(ctx context.Context, p store.Plan) ([]bson.Raw, error) {
	if c.off.Load() {
		return nil, store.ErrUnavailable
	}
	return c.Store.Scan(ctx, p)
}
