package segment

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        testing.TB
	clock    *core.VirtualClock
	store    store.Store
	pipeline *ingest.Pipeline
	people   *profile.Service
	work     *work.Runner
	ids      int
}

const rigWS = "ws_RIG0000001"

var rigStart = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func newRig(t testing.TB) *rig {
	t.Helper()
	return rigOver(t, openStore(t, filepath.Join(t.TempDir(), "headwater.db")), core.NewVirtualClock(rigStart))
}

func openStore(t testing.TB, path string) store.Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := []*store.Spec{store.Counters.Spec, store.Claims.Spec}
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	return db
}

// rigOver is another process over the same store.
func rigOver(t testing.TB, db store.Store, clock *core.VirtualClock, change ...func(*Options)) *rig {
	t.Helper()
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	runner := work.New(work.Options{Store: db, Clock: clock, Poll: 100 * time.Millisecond, Lease: 30 * time.Second})
	o := Options{
		Store: db, Clock: clock, Profiles: people, Events: events, Committer: pipeline, Jobs: work.NewJobs(runner), Runner: runner,
	}
	o.Gate = func(ctx context.Context, ws string) (*profile.Gate, error) {
		if a := core.ActorFrom(ctx); a == nil || a.Decider == nil { // a test that is not about who may see what
			ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:test"})
		}
		return people.Gate(ctx, ws)
	}
	for _, f := range change {
		f(&o)
	}
	s := New(o)
	people.SetFold(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	return &rig{Service: s, t: t, clock: clock, store: db, pipeline: pipeline, people: people, work: runner}
}

// define publishes a segment with a condition, as it is when everybody was asked.
func (r *rig) define(id, where string, status Status, change ...func(*Segment)) *Segment {
	r.t.Helper()
	n, err := condition.ParseJSON([]byte(where))
	require.NoError(r.t, err, where)
	raw, err := condition.MarshalJSON(n)
	require.NoError(r.t, err)
	d := &Segment{
		Meta: store.Meta{ID: store.Key(rigWS, id)}, Name: id, Kind: Dynamic, Status: status, Version: 1,
		Where: string(raw), WhereVersion: condition.Version,
	}
	for _, f := range change {
		f(d)
	}
	for try := 0; ; try++ { // a job that ends meanwhile writes the segment too
		old, err := Segments.Get(r.t.Context(), r.store, d.ID)
		require.NoError(r.t, err)
		if old != nil {
			d.V, d.Version = old.V, old.Version+1
		}
		_, err = r.publish(r.t.Context(), rigWS, func(rev int64) ([]store.Op, error) {
			d.Since = rev
			return []store.Op{Segments.Put(d)}, nil
		})
		if errors.Is(err, store.ErrConflict) && try < 10 {
			continue
		}
		require.NoError(r.t, err)
		return d
	}
}

func (r *rig) live(id, where string) { r.t.Helper(); r.define(id, where, Live) }

// ingest sends messages of the tracking protocol and returns the profile ids.
func (r *rig) send(messages ...string) []string {
	r.t.Helper()
	inputs := make([]event.Input, len(messages))
	for i, m := range messages {
		r.ids++
		inputs[i] = event.DecodeMessage([]byte(m), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("m-%p-%d", r, r.ids)})
	}
	results, err := r.pipeline.Ingest(r.t.Context(), rigWS, "src_web", inputs)
	require.NoError(r.t, err)
	out := make([]string, len(results))
	for i, res := range results {
		require.Equal(r.t, event.Accepted, res.Status, "%v", res.Err)
		out[i] = res.ProfileID
	}
	return out
}

func (r *rig) identify(user, traits string) string {
	r.t.Helper()
	return r.send(fmt.Sprintf(`{"type":"identify","userId":%q,"traits":%s}`, user, traits))[0]
}

// track sends an event that happened some time ago.
func (r *rig) track(user, name string, ago time.Duration, props string) string {
	r.t.Helper()
	return r.send(r.message(user, name, ago, props))[0]
}

func (r *rig) message(user, name string, ago time.Duration, props string) string {
	return fmt.Sprintf(`{"type":"track","userId":%q,"event":%q,"timestamp":%q,"properties":%s}`,
		user, name, r.clock.Now().Add(-ago).Format(time.RFC3339Nano), props)
}

// system commits one of Headwater's own events.
func (r *rig) system(profileID, name string, pairs ...string) {
	r.t.Helper()
	var d bson.D
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i], Value: pairs[i+1]})
	}
	props, err := bson.Marshal(d)
	require.NoError(r.t, err)
	r.ids++
	_, err = r.pipeline.Commit(r.t.Context(), rigWS, event.Input{MessageID: fmt.Sprintf("s-%p-%d", r, r.ids), Name: name, Properties: props}, profileID)
	require.NoError(r.t, err)
}

// in reports whether a profile is in a segment, by its behaviour and by the
// membership's document, which must agree.
func (r *rig) in(segmentID, profileID string) bool {
	r.t.Helper()
	b, err := Behaviours.Get(r.t.Context(), r.store, store.Key(rigWS, profileID))
	require.NoError(r.t, err)
	_, in := b.Member(segmentID)
	m, err := Memberships.Get(r.t.Context(), r.store, membershipKey(rigWS, segmentID, profileID))
	require.NoError(r.t, err)
	require.Equal(r.t, in, m != nil, "the behaviour and the membership of %s disagree", segmentID)
	return in
}

// news lists the changes of a segment, the earliest first: "ENTERED EVENT".
func (r *rig) news(segmentID, profileID string) []string {
	r.t.Helper()
	list, err := Changes.Find(r.t.Context(), r.store, store.Query{Workspace: rigWS, Where: []store.Cond{store.Prefix("_id", segmentID+"/")}}, 0)
	require.NoError(r.t, err)
	slices.SortStableFunc(list, func(a, b *Change) int { return a.At.Compare(b.At) })
	var out []string
	for _, c := range list {
		if c.Profile == profileID {
			out = append(out, string(c.Change)+" "+string(c.Cause))
		}
	}
	return out
}

func (r *rig) size(segmentID string) int64 {
	r.t.Helper()
	sums, err := store.Sum(r.t.Context(), r.store, rigWS, sizeCounter(segmentID))
	require.NoError(r.t, err)
	return sums["members"]
}

// sweepAll does what is due, as the tasks would.
func (r *rig) sweepAll() {
	r.t.Helper()
	for shard := range int64(sweepShards) {
		_, err := r.sweepShard(r.t.Context(), rigWS, shard, func(ops []store.Op) error { return r.commit(r.t.Context(), ops) })
		require.NoError(r.t, err)
	}
}

// consistent demands that what is known of everybody is what their events say.
func (r *rig) consistent() {
	r.t.Helper()
	diffs, err := r.Service.Check(context.Background(), rigWS)
	require.NoError(r.t, err)
	require.Empty(r.t, diffs)
}

// runJobs runs the background work until the job is over.
func (r *rig) finish(jobID string) *work.Job {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.work.Run(ctx) }()
	defer func() { cancel(); <-done }()
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		j, err := r.jobs.Get(ctx, rigWS, jobID)
		require.NoError(r.t, err)
		if j.Status.Final() {
			return j
		}
		time.Sleep(2 * time.Millisecond)
		r.clock.Advance(20 * time.Millisecond)
	}
	r.t.Fatal("the job did not end")
	return nil
}

func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "40") // unless the command line says otherwise
	os.Exit(m.Run())
}
