package sync_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	stdsync "sync"
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
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_SYNC000001"

// rig is one process over a store, and a vendor outside.
type rig struct {
	*sync.Service
	t        *testing.T
	ctx      context.Context
	store    store.Store
	vendor   *vendor
	events   *event.Service
	people   *profile.Service
	objects  *object.Service
	segments *segment.Service
	consent  *consent.Service
	pipeline *ingest.Pipeline
	jobs     *work.Jobs
	runner   *work.Runner
	end      func()

	log     *audit.Log
	reports func(c *sync.Connection, d []sync.Delivery, in []sync.Inbound) error
	mu      stdsync.Mutex
	entries []audit.Entry
}

// Op implements sync.Auditor: the log's own, and noted.
func (r *rig) Op(ctx context.Context, e audit.Entry) (store.Op, error) {
	r.mu.Lock()
	r.entries = append(r.entries, e)
	r.mu.Unlock()
	return r.log.Op(ctx, e)
}

func (r *rig) audited(action string) []audit.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []audit.Entry
	for _, e := range r.entries {
		if e.Action == action {
			out = append(out, e)
		}
	}
	return out
}

func openStore(t *testing.T) store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{
		keyring.Specs(), audit.Specs(), access.Specs(), work.Specs(), event.Specs(), consent.Specs(), object.Specs(), profile.Specs(), segment.Specs(), ingest.Specs(), sync.Specs(),
	} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(t.Context(), specs...))
	return db
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return rigOver(t, openStore(t), newVendor())
}

var master = make([]byte, 32)

// rigOver is another process over the same store and the same vendor.
func rigOver(t *testing.T, db store.Store, v *vendor) *rig {
	t.Helper()
	r := idleRig(t, db, v)
	r.start()
	return r
}

// idleRig is a process that runs nothing in the background.
func idleRig(t *testing.T, db store.Store, v *vendor) *rig {
	t.Helper()
	clock, logger := core.SystemClock{}, slog.New(slog.DiscardHandler)
	m, err := keyring.NewMaster(master)
	require.NoError(t, err)
	ring := keyring.New(db, clock, m)
	r := &rig{t: t, store: db, vendor: v, ctx: core.WithActor(context.Background(), access.System(ws, "test"))}
	r.runner = work.New(work.Options{Store: db, Clock: clock, Logger: logger, Poll: 20 * time.Millisecond, Grace: 200 * time.Millisecond})
	r.jobs = work.NewJobs(r.runner)
	log := audit.New(audit.Options{
		Store: db, Keys: ring, Clock: clock, Logger: logger, Runner: r.runner,
		Workspaces: func(context.Context) ([]string, error) { return []string{ws}, nil },
	})
	r.log = log
	r.events, r.people = event.NewService(db, clock), profile.NewService(db, clock)
	r.pipeline = ingest.New(ingest.Options{Store: db, Clock: clock, Events: r.events, Profiles: r.people, Log: logger})
	r.consent = consent.NewService(consent.Options{
		Store: db, Clock: clock, People: r.people.ConsentPeople(), Committer: r.pipeline, Tokens: ring, Audit: log,
	})
	r.objects = object.NewService(object.Options{Store: db, Clock: clock, Committer: r.pipeline, People: r.people, Events: r.events, Jobs: r.jobs, Logger: logger})
	r.objects.Register(r.jobs, r.runner)
	r.segments = segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: r.people, Objects: r.objects, ObjectTypes: r.objects.Vocabulary, Events: r.events,
		Committer: r.pipeline, Jobs: r.jobs, Runner: r.runner, Logger: logger,
	})
	r.people.SetFold(r.segments)
	r.people.SetGate(profile.GateOptions{View: access.ViewOf, Purposes: r.consent.Register, Events: r.events, Pseudonyms: ring.Pseudonymise, Members: r.segments})
	r.objects.SetGate(func(ctx context.Context, ws string) (object.Gate, error) { return r.people.Gate(ctx, ws) })
	r.Service = sync.New(sync.Options{
		Store: db, Clock: clock, Host: v, Keys: ring, Runner: r.runner, Events: r.events, Committer: r.pipeline, Profiles: r.people,
		Objects: r.objects, Segments: r.segments, Consent: r.consent, Audit: r, Logger: logger, Private: true,
		URL: func() string { return "https://cdp.example" },
		Reports: func(_ context.Context, c *sync.Connection, d []sync.Delivery, in []sync.Inbound) error {
			return r.reports(c, d, in)
		},
	})
	r.end = stdsync.OnceFunc(func() {
		c, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_ = r.pipeline.Close(c)
	})
	t.Cleanup(func() { r.end() })
	return r
}

func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = r.runner.Run(ctx); close(done) }()
	end := r.end
	r.end = stdsync.OnceFunc(func() { cancel(); <-done; end() })
}

// connection makes a connection with an agreement for marketing.
func (r *rig) connection() *sync.Connection { r.t.Helper(); return r.connectionNamed("CRM") }

func (r *rig) connectionNamed(name string) *sync.Connection {
	r.t.Helper()
	signed := time.Now().Add(-time.Hour)
	p, err := r.consent.SetProcessor(r.ctx, ws, "", "p", consent.Processor{
		Name: "Shop CRM", Country: "DE", Purposes: []string{consent.Marketing, consent.Operations}, Agreement: "cabinet 3", AgreementSignedOn: &signed,
		Categories: []core.Category{core.IdentifierID, core.Contact, core.Demographic, core.Behaviour, core.Location, core.Unclassified}, TransferMechanism: consent.TransferNone,
	}, consent.Edit{})
	require.NoError(r.t, err)
	c, err := r.CreateConnection(r.ctx, ws, sync.ConnectionInput{
		Name: name, Connector: "shop", Config: map[string]any{"url": "http://127.0.0.1:1", "token": "secret-canary"}, Processor: p.ProcessorID(),
	})
	require.NoError(r.t, err)
	return c
}

// twoWay is a sync of contacts both ways, for a purpose that needs no consent.
func (r *rig) twoWay(c *sync.Connection, change ...func(*sync.Sync)) *sync.Sync {
	r.t.Helper()
	y := sync.Sync{
		Connection: c.ConnectionID(), Name: "contacts", Kind: sync.Profiles, Stream: "contacts", Direction: sync.Both, Match: "email",
		Every: time.Hour, Conflict: sync.LatestWins, Purpose: consent.Operations,
		Fields: []sync.Field{
			{Remote: "email", Local: "traits.email"},
			{Remote: "name", Local: "traits.name"},
			{Remote: "city", Local: "traits.city"},
		},
	}
	for _, f := range change {
		f(&y)
	}
	out, err := r.CreateSync(r.ctx, ws, sync.SyncInput{Sync: y})
	require.NoError(r.t, err)
	r.settled(out)
	return out
}

// settled waits until a sync has nothing under way, and returns its latest run.
func (r *rig) settled(y *sync.Sync) *sync.Run {
	r.t.Helper()
	var last *sync.Run
	require.Eventually(r.t, func() bool {
		t, err := work.Find(r.ctx, r.store, ws, "sync.run", y.SyncID())
		if err != nil || t == nil || !t.LeaseUntil.IsZero() || !t.DueAt.After(time.Now()) {
			return false
		}
		limit := 1
		page, err := r.ListRuns(r.ctx, ws, y.SyncID(), core.Window{Limit: limit})
		if err != nil || len(page.Items) == 0 {
			return false
		}
		last = page.Items[0]
		return last.Status != sync.RunRunning
	}, 15*time.Second, 5*time.Millisecond)
	return last
}

// run runs a sync once.
func (r *rig) run(y *sync.Sync) *sync.Run {
	r.t.Helper()
	_, err := r.RunSync(r.ctx, ws, y.SyncID())
	require.NoError(r.t, err)
	return r.settled(y)
}

// identify writes traits here.
func (r *rig) identify(user string, traits map[string]any) {
	r.t.Helper()
	doc, fault := event.FromJSON(traits)
	require.Nil(r.t, fault)
	in := event.Input{Type: event.Identify, Name: event.NameIdentified, UserID: user, Traits: doc, Timestamp: time.Now().UTC()}
	in.Seal(time.Now())
	src, err := r.events.EnsureSource(r.ctx, ws, event.SourceInput{Name: "web"})
	require.NoError(r.t, err)
	res, err := r.pipeline.Ingest(r.ctx, ws, src.SourceID(), []event.Input{in})
	require.NoError(r.t, err)
	require.Equal(r.t, event.Accepted, res[0].Status, res[0].Err)
}

func (r *rig) person(namespace, value string) *profile.Profile {
	r.t.Helper()
	p, err := r.people.ByIdentifier(r.ctx, ws, event.Identifier{Namespace: namespace, Value: value})
	require.NoError(r.t, err)
	return p
}

// trait returns a trait as JSON text; "" where there is none.
func (r *rig) trait(p *profile.Profile, path string) string {
	r.t.Helper()
	require.NotNil(r.t, p)
	tr := p.TraitAt(path)
	if tr == nil {
		return ""
	}
	text, err := event.ValueToJSON(tr.Value)
	require.NoError(r.t, err)
	if string(text) == "null" {
		return ""
	}
	return string(text)
}

func js(v any) string { t, _ := json.Marshal(v); return string(t) }
