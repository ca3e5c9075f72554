package access_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	silent = slog.New(slog.NewTextHandler(io.Discard, nil))
	epoch  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	root   = core.WithActor(context.Background(), access.Operator("test"))
)

// note is a document of some other package.
type note struct {
	store.Meta `bson:",inline"`
	Text       string `bson:"text"`
}

var (
	notes  = store.Declare[note](store.Spec{Name: "notes"})
	routes = store.Declare[note](store.Spec{Name: "routes", Global: true})
)

func specs() []*store.Spec {
	return append(append(append(append(access.Specs(), work.Specs()...), keyring.Specs()...), audit.Specs()...), notes.Spec, routes.Spec, store.Claims.Spec, store.Counters.Spec)
}

func openPath(t testing.TB, path string) *counting {
	t.Helper()
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(ctx)) })
	require.NoError(t, s.Declare(ctx, specs()...))
	return &counting{Store: s}
}

// counting is a store that counts its reads, and can be cut off.
type counting struct {
	store.Store
	gets atomic.Int64
	off  atomic.Bool
}

func (c *counting) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	c.gets.Add(1)
	if c.off.Load() {
		return nil, store.ErrUnavailable
	}
	return c.Store.Get(ctx, spec, ids)
}

func (c *counting) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if c.off.Load() {
		return "", store.ErrUnavailable
	}
	return c.Store.Commit(ctx, b)
}

// fixture is a service with one workspace.
type fixture struct {
	*access.Service
	store  *counting
	clock  *core.VirtualClock
	jobs   *work.Jobs
	runner *work.Runner
	made   *access.Created
	admin  context.Context // the admin of the workspace
}

func setup(t testing.TB) *fixture {
	t.Helper()
	f := serviceOn(t, openPath(t, filepath.Join(t.TempDir(), "hw.db")))
	var err error
	f.made, err = f.CreateWorkspace(root, "Shop")
	require.NoError(t, err)
	f.admin = f.as(t, f.made.AdminKey)
	return f
}

func serviceOn(t testing.TB, s *counting, change ...func(f *fixture, o *access.Options)) *fixture {
	t.Helper()
	f := &fixture{store: s, clock: core.NewVirtualClock(epoch)}
	f.runner = work.New(work.Options{Store: s, Logger: silent})
	f.jobs = work.NewJobs(f.runner)
	o := access.Options{Store: s, Clock: f.clock, Logger: silent, Jobs: f.jobs, Specs: specs(), Settle: time.Millisecond}
	for _, c := range change {
		c(f, &o)
	}
	f.Service = access.New(o)
	return f
}

// as returns a context with the actor of the secret.
func (f *fixture) as(t testing.TB, secret string) context.Context {
	t.Helper()
	a, err := f.Authenticate(context.Background(), secret, "")
	require.NoError(t, err)
	return core.WithActor(context.Background(), a)
}

func (f *fixture) key(t testing.TB, k access.NewKey) *access.Issued {
	t.Helper()
	if k.Name == "" {
		k.Name = "test"
	}
	made, err := f.CreateKey(f.admin, k)
	require.NoError(t, err)
	return made
}

// background runs f until the end of the test.
func background(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func refused(t testing.TB, err error, code core.Code, reason string) {
	t.Helper()
	var e *core.Error
	require.True(t, errors.As(err, &e), "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
	require.Equal(t, reason, e.Reason)
}

func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 10*time.Second, 2*time.Millisecond, what)
}
