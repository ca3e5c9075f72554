package loyalty

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

var rigStart = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        testing.TB
	ctx      context.Context
	clock    *core.VirtualClock
	pipeline *ingest.Pipeline
	people   *profile.Service
	ids      int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := core.NewVirtualClock(rigStart)
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	return rigOver(t, db, clock)
}

// rigOver is another process over the same store.
func rigOver(t testing.TB, db store.Store, clock *core.VirtualClock) *rig {
	t.Helper()
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	runner := work.New(work.Options{Store: db, Clock: clock})
	s := NewService(Options{Store: db, Clock: clock, Profiles: people, Committer: pipeline, Runner: runner})
	people.SetFold(profile.Folds{s})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	return &rig{Service: s, t: t, ctx: t.Context(), clock: clock, pipeline: pipeline, people: people}
}

// somebody returns the id of a new profile.
func (r *rig) somebody(name string) string {
	r.t.Helper()
	return r.send(fmt.Sprintf(`{"type":"identify","userId":%q,"traits":{"name":%q}}`, name, name))
}

// send ingests one message and returns its profile.
func (r *rig) send(message string) string {
	r.t.Helper()
	r.ids++
	in := event.DecodeMessage([]byte(message), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("m-%p-%d", r, r.ids)})
	out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", []event.Input{in})
	require.NoError(r.t, err)
	require.Equal(r.t, event.Accepted, out[0].Status, "%v", out[0].Err)
	return out[0].ProfileID
}

// sweepAll does all that is due, as the runner would.
func (r *rig) sweepAll() {
	r.t.Helper()
	for shard := range int64(shards) {
		_, err := r.sweepShard(r.ctx, rigWS, shard)
		require.NoError(r.t, err)
	}
}

func (r *rig) pool(p Pool, codes ...string) *Pool {
	r.t.Helper()
	r.ids++
	if p.Name == "" {
		p.Name = "spring"
	}
	out, err := r.CreatePool(r.ctx, rigWS, p, fmt.Sprint("pool", r.ids))
	require.NoError(r.t, err)
	if len(codes) > 0 {
		_, err := r.Upload(r.ctx, rigWS, out.PoolID(), codes)
		require.NoError(r.t, err)
	}
	return out
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}
