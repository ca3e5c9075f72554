package lead

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

const day = 24 * time.Hour

var rigStart = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        testing.TB
	ctx      context.Context
	clock    *core.VirtualClock
	pipeline *ingest.Pipeline
	people   *profile.Service
	objects  *object.Service
	segments *segment.Service
	ids      int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := core.NewVirtualClock(rigStart)
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), segment.Specs(), Specs()} {
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
	jobs := work.NewJobs(runner)
	objects := object.NewService(object.Options{Store: db, Clock: clock, Committer: pipeline, People: people, Events: events})
	segments := segment.New(segment.Options{Store: db, Clock: clock, Profiles: people, Objects: objects, Events: events, Committer: pipeline, Jobs: jobs, Runner: runner})
	s := NewService(Options{Store: db, Clock: clock, Profiles: people, Objects: objects, Committer: pipeline, Runner: runner})
	people.SetFold(profile.Folds{segments, s})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	ctx := core.WithActor(t.Context(), &core.Actor{Workspace: rigWS, ID: "system:test"})
	return &rig{Service: s, t: t, ctx: ctx, clock: clock, pipeline: pipeline, people: people, objects: objects, segments: segments}
}

// send ingests one message and returns its profile.
func (r *rig) send(format string, args ...any) string {
	r.t.Helper()
	r.ids++
	in := event.DecodeMessage([]byte(fmt.Sprintf(format, args...)), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("m-%p-%d", r, r.ids)})
	out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", []event.Input{in})
	require.NoError(r.t, err)
	require.Equal(r.t, event.Accepted, out[0].Status, "%v", out[0].Err)
	return out[0].ProfileID
}

func (r *rig) track(who, name string) string {
	r.t.Helper()
	return r.send(`{"type":"track","userId":%q,"event":%q,"properties":{"plan":"pro"}}`, who, name)
}

func (r *rig) sweepAll() {
	r.t.Helper()
	for shard := range int64(shards) {
		_, err := r.sweepShard(r.ctx, rigWS, shard)
		require.NoError(r.t, err)
	}
}

func (r *rig) set(m Model) {
	r.t.Helper()
	old, err := r.Model(r.ctx, rigWS)
	require.NoError(r.t, err)
	_, _, err = r.SetModel(r.ctx, rigWS, old.V, func(x *Model) { m.Meta = x.Meta; *x = m })
	require.NoError(r.t, err)
	_, err = r.Rebuild(r.ctx, rigWS)
	require.NoError(r.t, err)
}

// score returns a score, whose reasons must add up to it.
func (r *rig) score(who string) int64 {
	r.t.Helper()
	s, _, err := r.ScoreOf(r.ctx, rigWS, who)
	require.NoError(r.t, err)
	var sum int64
	for _, reason := range s.Reasons {
		sum += reason.Points
	}
	require.Equal(r.t, s.Total, sum)
	require.Equal(r.t, s.Total, s.Fit+s.Engagement)
	return s.Total
}

// told returns the names of what was told of somebody, in order; publications aside.
func (r *rig) told(who string) []string {
	r.t.Helper()
	p, err := r.people.Get(r.ctx, rigWS, who)
	require.NoError(r.t, err)
	var events []*event.Event
	require.NoError(r.t, r.people.EachEventOf(r.ctx, rigWS, p.Parts, func(e *event.Event) error {
		if told(e) && e.Name != "Prediction Computed" {
			events = append(events, e)
		}
		return nil
	}))
	slices.SortFunc(events, func(a, b *event.Event) int { return int(a.Seq - b.Seq) })
	var out []string
	for _, e := range events {
		out = append(out, e.Name)
	}
	return out
}

func (r *rig) clean() {
	r.t.Helper()
	found, err := r.Check(r.ctx, rigWS)
	require.NoError(r.t, err)
	require.Empty(r.t, found)
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}

func count(list []string, name string) (n int) {
	for _, s := range list {
		if s == name {
			n++
		}
	}
	return n
}
