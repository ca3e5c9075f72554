package event_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

const ws = "ws_0123456789"

// counting counts what goes through to the store.
type counting struct {
	store.Store
	commits, reads atomic.Int64
}

func (c *counting) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	c.commits.Add(1)
	return c.Store.Commit(ctx, b)
}

func (c *counting) Get(ctx context.Context, spec *store.Spec, ids []string) (out []bson.Raw, err error) {
	c.reads.Add(1)
	return c.Store.Get(ctx, spec, ids)
}

func (c *counting) Scan(ctx context.Context, p store.Plan) ([]bson.Raw, error) {
	c.reads.Add(1)
	return c.Store.Scan(ctx, p)
}

// fixture is a service over a store in a file, and a clock to move.
type fixture struct {
	*event.Service
	db    *counting
	clock *core.VirtualClock
	path  string
}

func open(t testing.TB) *fixture {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "hw.db"), core.NewVirtualClock(receipt))
}

func openAt(t testing.TB, path string, clock *core.VirtualClock) *fixture {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	require.NoError(t, db.Declare(t.Context(), append(event.Specs(), store.Counters.Spec)...))
	c := &counting{Store: db}
	return &fixture{event.NewService(c, clock), c, clock, path}
}

// second is another process on the same file.
func (f *fixture) second(t testing.TB) *fixture { return openAt(t, f.path, f.clock) }

// commit commits operations as the pipeline would.
func (f *fixture) commit(t testing.TB, ops ...store.Op) error {
	t.Helper()
	_, err := f.db.Commit(t.Context(), store.Batch{ID: core.NewID("bat", f.clock.Now()), Ops: ops})
	return err
}

func reason(t *testing.T, err error) string {
	t.Helper()
	require.Error(t, err)
	return core.AsError(err).Reason
}

func TestSources(t *testing.T) {
	f := open(t)
	web, err := f.CreateSource(t.Context(), ws, event.SourceInput{Name: " Website ", Priority: 3})
	require.NoError(t, err)
	assert.Equal(t, "Website", web.Name)
	assert.Equal(t, event.SourceHTTP, web.Kind)
	f.clock.Advance(time.Minute)
	crm, err := f.CreateSource(t.Context(), ws, event.SourceInput{Name: "CRM", Kind: event.SourceConnector})
	require.NoError(t, err)
	list, err := f.Sources(t.Context(), ws)
	require.NoError(t, err)
	assert.Equal(t, []string{web.ID, crm.ID}, []string{list[0].ID, list[1].ID})
	other, err := f.Sources(t.Context(), "ws_other")
	require.NoError(t, err)
	assert.Empty(t, other)
	priorities, err := f.SourcePriorities(t.Context(), ws)
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{web.SourceID(): 3}, priorities)

	_, err = f.CreateSource(t.Context(), ws, event.SourceInput{Name: " "})
	assert.Equal(t, "NAME", reason(t, err))
	_, err = f.CreateSource(t.Context(), ws, event.SourceInput{Name: "x", Kind: "FAX"})
	assert.Equal(t, "KIND", reason(t, err))
}

func TestUpdateSource(t *testing.T) {
	f := open(t)
	src, err := f.CreateSource(t.Context(), ws, event.SourceInput{Name: "Web"})
	require.NoError(t, err)
	up, err := f.UpdateSource(t.Context(), ws, event.SourceUpdate{ID: src.SourceID(), ExpectedVersion: ptr(int64(1)), Priority: ptr(int64(9))})
	require.NoError(t, err)
	assert.EqualValues(t, 9, up.Priority)
	assert.Equal(t, "Web", up.Name)
	same, err := f.UpdateSource(t.Context(), ws, event.SourceUpdate{ID: src.SourceID(), Name: ptr("Web"), Priority: ptr(int64(9))})
	require.NoError(t, err)
	assert.Equal(t, up.V, same.V, "nothing changed")
	_, err = f.UpdateSource(t.Context(), ws, event.SourceUpdate{ID: src.SourceID(), ExpectedVersion: ptr(int64(1))})
	assert.Equal(t, "VERSION_CONFLICT", reason(t, err))
	_, err = f.UpdateSource(t.Context(), ws, event.SourceUpdate{ID: "src_none"})
	assert.Equal(t, core.NotFound, core.CodeOf(err))
	got, err := f.Source(t.Context(), ws, src.SourceID())
	require.NoError(t, err)
	assert.EqualValues(t, 9, got.Priority)
}

func TestEnsureSourceIsOneForEver(t *testing.T) {
	f := open(t)
	g := f.second(t)
	in := event.SourceInput{Name: "Imports", Kind: event.SourceImport}
	a, err := f.EnsureSource(t.Context(), ws, in)
	require.NoError(t, err)
	b, err := g.EnsureSource(t.Context(), ws, in)
	require.NoError(t, err)
	assert.Equal(t, a.ID, b.ID)
}

func TestAnotherProcessesSourceShowsWithinASecond(t *testing.T) {
	f := open(t)
	g := f.second(t)
	list, err := f.Sources(t.Context(), ws)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = g.CreateSource(t.Context(), ws, event.SourceInput{Name: "Web"})
	require.NoError(t, err)
	f.clock.Advance(event.CacheTTL)
	list, err = f.Sources(t.Context(), ws)
	require.NoError(t, err)
	assert.Len(t, list, 1)
	before := f.db.reads.Load()
	for range 100 {
		_, err = f.Source(t.Context(), ws, "src_x")
		require.NoError(t, err)
	}
	assert.Equal(t, before, f.db.reads.Load(), "no read within the second")
}
