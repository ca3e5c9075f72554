package privacy

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

// rigLease is for how long what a killed process had begun stays with it.
const rigLease = 2 * time.Second

// rig is one process over a store, with everything that an erasure meets.
type rig struct {
	*Service
	t        testing.TB
	ctx      context.Context
	path     string
	store    *sqlite.Store
	clock    core.Clock
	ring     *keyring.Ring
	pipeline *ingest.Pipeline
	people   *profile.Service
	objects  *object.Service
	segments *segment.Service
	events   *event.Service
	jobs     *work.Jobs
	consents *consent.Service
	ids      int
	mu       sync.Mutex
	dests    []Destination
	close    func()
}

func allSpecs() []*store.Spec {
	specs := store.Specs()
	for _, list := range [][]*store.Spec{
		access.Specs(), keyring.Specs(), event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), segment.Specs(), consent.Specs(), Specs(),
	} {
		specs = append(specs, list...)
	}
	return specs
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return rigAt(t, filepath.Join(t.TempDir(), "headwater.db"))
}

// rigAt is a process, with its own handle on the file.
func rigAt(t testing.TB, path string) *rig {
	t.Helper()
	clock := core.SystemClock{}
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	require.NoError(t, err)
	require.NoError(t, db.Declare(context.Background(), allSpecs()...))
	master, err := keyring.NewMaster(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	r := &rig{t: t, path: path, store: db, clock: clock, ring: keyring.New(db, clock, master)}
	r.ctx = officer(context.Background())
	runner := work.New(work.Options{Store: db, Clock: clock, Poll: 20 * time.Millisecond, Lease: rigLease})
	r.jobs = work.NewJobs(runner)
	r.events, r.people = event.NewService(db, clock), profile.NewService(db, clock)
	r.pipeline = ingest.New(ingest.Options{Store: db, Clock: clock, Events: r.events, Profiles: r.people})
	r.objects = object.NewService(object.Options{Store: db, Clock: clock, Committer: r.pipeline, People: r.people, Events: r.events, Jobs: r.jobs})
	r.objects.Register(r.jobs, runner)
	r.segments = segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: r.people, Objects: r.objects, ObjectTypes: r.objects.Vocabulary, Events: r.events,
		Committer: r.pipeline, Jobs: r.jobs, Runner: runner,
	})
	r.people.SetFold(r.segments)
	r.people.SetGate(profile.GateOptions{View: access.ViewOf, Events: r.events, Pseudonyms: r.ring.Pseudonymise, Members: r.segments})
	r.objects.SetGate(func(ctx context.Context, ws string) (object.Gate, error) { return r.people.Gate(ctx, ws) })
	r.jobs.Handle(ingest.ImportKind, r.pipeline.ImportHandler(), 2)
	r.jobs.Handle(profile.JobRebuild, profile.RebuildHandler(r.people), 1)
	r.consents = consent.NewService(consent.Options{Store: db, Clock: clock, People: r.people.ConsentPeople(), Committer: r.pipeline, Tokens: r.ring})
	r.Service = New(Options{
		Store: db, Clock: clock, Keys: r.ring, Events: r.events, Profiles: r.people, Objects: r.objects, Segments: r.segments,
		Jobs: r.jobs, Runner: runner, Specs: allSpecs(), Suppress: r.consents.SuppressErased, Suppressed: r.consents.Guarded,
		Destinations: func(context.Context, string) ([]Destination, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.dests, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = runner.Run(ctx) })
	r.close = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		stop, end := context.WithTimeout(context.Background(), 20*time.Second)
		defer end()
		require.NoError(t, r.pipeline.Close(stop))
		require.NoError(t, db.Close(stop))
	})
	t.Cleanup(r.close)
	return r
}

// all is the decider of an actor who may do and read everything.
type all core.View

func (a *all) View(context.Context) (*core.View, error) { return (*core.View)(a), nil }

// trail is an audit that hears what is shown, and keeps nothing.
type trail struct{}

func (trail) Saw(context.Context, audit.Seen) error { return nil }
func (trail) Asked(string, string)                  {}

// officer returns the context of a request by an officer: who may read every category
// in clear, and do everything.
func officer(ctx context.Context) context.Context {
	v := &all{Purpose: "compliance", Data: map[core.Category]core.Decision{}, Permissions: map[string]core.Decision{}}
	for _, c := range core.Categories {
		v.Data[c] = core.Decision{Effect: core.Allow}
	}
	for _, p := range access.Permissions {
		v.Permissions[string(p)] = core.Decision{Effect: core.Allow}
	}
	a := &core.Actor{ID: "key_officer", Workspace: rigWS, Roles: []string{access.Owner}, Purpose: v.Purpose, Decider: v}
	return audit.WithWitness(core.WithActor(ctx, a), trail{})
}

// send sends messages of the tracking protocol and returns what became of them.
func (r *rig) send(messages ...string) []event.Result {
	r.t.Helper()
	inputs := make([]event.Input, len(messages))
	for i, m := range messages {
		r.mu.Lock()
		r.ids++
		id := fmt.Sprintf("m-%p-%d", r, r.ids)
		r.mu.Unlock()
		inputs[i] = event.DecodeMessage([]byte(m), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: id})
	}
	results, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", inputs)
	require.NoError(r.t, err)
	return results
}

// identify makes or changes a person and returns the profile's id.
func (r *rig) identify(user, traits string) string {
	r.t.Helper()
	res := r.send(fmt.Sprintf(`{"type":"identify","userId":%q,"traits":%s}`, user, traits))[0]
	require.Equal(r.t, event.Accepted, res.Status, "%v", res.Err)
	return res.ProfileID
}

// erase erases a person and waits for the receipt.
func (r *rig) erase(in EraseInput) *Request {
	r.t.Helper()
	out, err := r.Erase(r.ctx, rigWS, in)
	require.NoError(r.t, err)
	return r.await(out.Request.RequestID(), func(q *Request) bool { return q.Status.Final() })
}

func (r *rig) await(id string, until func(*Request) bool) *Request {
	r.t.Helper()
	var q *Request
	require.Eventually(r.t, func() bool {
		var err error
		q, err = Requests.Get(r.ctx, r.store, store.Key(rigWS, id))
		return err == nil && q != nil && until(q)
	}, 120*time.Second, 20*time.Millisecond, "the request %s does not get there: %+v", id, q)
	return q
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}
