package journey_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_JOURNEYS01"

var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// house is one process over a store, under a clock that the test moves.
type house struct {
	*journey.Service
	t        testing.TB
	clock    *core.VirtualClock
	store    store.Store
	pipeline *ingest.Pipeline
	people   *profile.Service
	segments *segment.Service
	objects  *object.Service
	runner   *work.Runner
	jobs     *work.Jobs
	access   *access.Service
	outbox   *outbox
	ids      int
	ran      bool // its runner has run, which it does once
}

// outbox stores what is queued as a claim on its id, so that nothing can be queued twice,
// and remembers it once it is known to be on disk.
type outbox struct {
	mu   stdsync.Mutex
	sent map[string]message.Intent
}

func (o *outbox) Queue(_ context.Context, ws string, in message.Intent) ([]store.Op, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent[in.ID] = in
	return []store.Op{store.Claim(ws, "sent", in.ID, in.Profile)}, nil
}

// Attained implements journey.Outbox: what is told is a claim, too.
func (o *outbox) Attained(ws, enrollment, key string, at time.Time) []store.Op {
	return []store.Op{store.Claim(ws, "attained", key, enrollment+" "+at.Sub(start).String())}
}

// words knows any template, purpose and pool.
type words struct{ conditions condition.Vocabulary }

func (w words) Conditions() condition.Vocabulary { return w.conditions }
func (words) Template(string) (journey.TemplateInfo, bool) {
	return journey.TemplateInfo{Published: true}, true
}
func (words) Purposes() []string                         { return nil }
func (words) Pool(string) bool                           { return true }
func (words) Rule(string) bool                           { return true }
func (words) Secret(string) bool                         { return true }
func (words) Journey(string) (journey.JourneyInfo, bool) { return journey.JourneyInfo{}, true }
func (words) Connected(string) bool                      { return true }

// specsOf are the collections of a house.
func specsOf() []*store.Spec {
	specs := store.Specs()
	for _, list := range [][]*store.Spec{
		keyring.Specs(), audit.Specs(), access.Specs(), work.Specs(), event.Specs(), consent.Specs(), object.Specs(), profile.Specs(), segment.Specs(),
		ingest.Specs(), journey.Specs(), privacy.Specs(), predict.Specs(), loyalty.Specs(), message.Specs(),
	} {
		specs = append(specs, list...)
	}
	return specs
}

func openStore(t testing.TB) store.Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	require.NoError(t, db.Declare(context.Background(), specsOf()...))
	return db
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return houseOver(t, openStore(t), core.NewVirtualClock(start))
}

// houseOver is another process over the same store.
func houseOver(t testing.TB, db store.Store, clock *core.VirtualClock) *house {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	master, err := keyring.NewMaster(make([]byte, 32))
	require.NoError(t, err)
	ring := keyring.New(db, clock, master)
	runner := work.New(work.Options{Store: db, Clock: clock, Logger: logger, Poll: 100 * time.Millisecond, Lease: 30 * time.Second})
	h := &house{t: t, clock: clock, store: db, runner: runner, outbox: &outbox{sent: map[string]message.Intent{}}}
	h.jobs = work.NewJobs(runner)
	events := event.NewService(db, clock)
	h.people = profile.NewService(db, clock)
	h.pipeline = ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: h.people})
	h.access = access.New(access.Options{Store: db, Clock: clock, Logger: logger, Jobs: h.jobs, Specs: specsOf()})
	purposes := consent.NewService(consent.Options{Store: db, Clock: clock, People: h.people.ConsentPeople(), Committer: h.pipeline, Tokens: ring})
	h.people.SetGate(profile.GateOptions{View: access.ViewOf, Purposes: purposes.Register, Events: events, Pseudonyms: ring.Pseudonymise})
	h.objects = object.NewService(object.Options{Store: db, Clock: clock, Committer: h.pipeline, People: h.people, Events: events, Jobs: h.jobs, Logger: logger})
	h.segments = segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: h.people, Objects: h.objects, ObjectTypes: h.objects.Vocabulary, Events: events, Committer: h.pipeline,
		Jobs: h.jobs, Runner: runner, Logger: logger,
	})
	predicts := predict.NewService(predict.Options{Store: db, Clock: clock, Profiles: h.people, Committer: h.pipeline, Runner: runner, Jobs: h.jobs, Logger: logger})
	h.Service = journey.New(journey.ServiceOptions{
		Store: db, Clock: clock, Keys: ring, Profiles: h.people, Segments: h.segments, Committer: h.pipeline, Outbox: h.outbox, Access: h.access,
		Hours: predicts, Runner: runner, Jobs: h.jobs, Logger: logger,
		View: func(context.Context, string, []string, string) (*core.View, error) { return allView(), nil },
		Words: func(ctx context.Context, ws string) (journey.Vocabulary, error) {
			v, err := h.segments.Vocabulary(ctx, ws)
			return words{v}, err
		},
	})
	h.people.SetFold(profile.Folds{h.segments, predicts, h.Service})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = h.pipeline.Close(ctx)
	})
	return h
}

func (h *house) ctx() context.Context {
	return core.WithActor(context.Background(), access.System(ws, "test"))
}

// all is the view of who may do and read everything.
type all core.View

func (a *all) View(context.Context) (*core.View, error) { return (*core.View)(a), nil }

// as is the context of a member with a role.
func (h *house) as(id string, roles ...string) context.Context {
	return core.WithActor(context.Background(), &core.Actor{ID: id, Workspace: ws, Roles: roles, Decider: (*all)(allView())})
}

func allView() *core.View {
	v := &core.View{Purpose: consent.Operations, Data: map[core.Category]core.Decision{}, Permissions: map[string]core.Decision{}}
	for _, c := range core.Categories {
		v.Data[c] = core.Decision{Effect: core.Allow}
	}
	for _, p := range access.Permissions {
		v.Permissions[string(p)] = core.Decision{Effect: core.Allow}
	}
	return v
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), text)
	return v
}

// drawing makes a definition of nodes `id {step}` and edges "from on to".
func drawing(more string, nodes []string, edges ...string) string {
	var ns, es []string
	for _, n := range nodes {
		id, step, _ := strings.Cut(n, " ")
		ns = append(ns, `{"id":"`+id+`","step":`+step+`}`)
	}
	for _, e := range edges {
		f := strings.Fields(e)
		es = append(es, `{"from":"`+f[0]+`","on":"`+f[1]+`","to":"`+f[2]+`"}`)
	}
	if !strings.Contains(more, `"reentry"`) {
		more += `,"reentry":"ALWAYS"`
	}
	return `{"timeZone":"UTC","nodes":[` + strings.Join(ns, ",") + `],"edges":[` + strings.Join(es, ",") + `]` + more + `}`
}

func mail(id string) string {
	return id + ` {"message":{"templateId":"tpl_` + id + `","channel":"EMAIL","purpose":"marketing"}}`
}

// published makes a journey that people enter.
func (h *house) published(definition string) *journey.Journey {
	h.t.Helper()
	j, _, err := h.Create(h.ctx(), ws, journey.CreateInput{Name: "test", Definition: decoded(h.t, definition)})
	require.NoError(h.t, err)
	return h.publish(j.JourneyID(), "")
}

func (h *house) publish(id, inside string) *journey.Journey {
	h.t.Helper()
	out, err := h.Publish(h.ctx(), ws, journey.PublishInput{ID: id, Inside: inside})
	require.NoError(h.t, err)
	require.Nil(h.t, out.Approval)
	if out.Job != "" {
		h.finish(out.Job)
	}
	return out.Journey
}

// finish runs the background work until a job is over.
func (h *house) finish(job string) {
	h.t.Helper()
	runs := h
	if h.ran { // another process
		runs = houseOver(h.t, h.store, h.clock)
		runs.Outbox, runs.Coupons, runs.Ledger, runs.Objects = h.Outbox, h.Coupons, h.Ledger, h.Objects
	}
	h.ran = true
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = runs.runner.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		j, err := h.jobs.Get(ctx, ws, job)
		require.NoError(h.t, err)
		if j.Status.Final() {
			require.Nil(h.t, j.Error)
			return
		}
		h.clock.Advance(20 * time.Millisecond)
	}
	j, err := h.jobs.Get(ctx, ws, job)
	h.t.Fatalf("the job did not end: %+v %v", j, err)
}

// track sends an event that happens now.
func (h *house) track(user, name, properties string) string {
	h.t.Helper()
	return h.send(fmt.Sprintf(`{"type":"track","userId":%q,"event":%q,"timestamp":%q,"properties":%s}`, user, name, h.clock.Now().Format(time.RFC3339Nano), properties))
}

func (h *house) send(text string) string {
	h.t.Helper()
	h.ids++
	in := event.DecodeMessage([]byte(text), event.Defaults{ReceivedAt: h.clock.Now(), MessageID: fmt.Sprintf("m-%p-%d", h, h.ids)})
	out, err := h.pipeline.Ingest(h.ctx(), ws, "src_web", []event.Input{in})
	require.NoError(h.t, err)
	require.Equal(h.t, event.Accepted, out[0].Status, "%v", out[0].Err)
	return out[0].ProfileID
}

// after lets time pass, a minute at a time, and does what is due.
func (h *house) after(d time.Duration) {
	h.t.Helper()
	for end := h.clock.Now().Add(d); ; {
		require.NoError(h.t, h.Turn(h.ctx(), ws))
		left := end.Sub(h.clock.Now())
		if left <= 0 {
			return
		}
		h.clock.Advance(min(left, 10*time.Minute))
	}
}

// sent lists what is in the outbox, on disk, by node: "mail1 at 12:00".
func (h *house) sent(ofPart ...string) []string {
	h.t.Helper()
	h.outbox.mu.Lock()
	defer h.outbox.mu.Unlock()
	var list []message.Intent
	for id, in := range h.outbox.sent {
		c, err := store.Claims.Get(h.ctx(), h.store, store.Key(ws, "sent", id))
		require.NoError(h.t, err)
		if c != nil && (len(ofPart) == 0 || slices.Contains(ofPart, in.Profile)) {
			list = append(list, in)
		}
	}
	slices.SortFunc(list, func(a, b message.Intent) int { return a.DueAt.Compare(b.DueAt) })
	var out []string
	for _, in := range list {
		out = append(out, in.Node+" "+in.DueAt.Sub(start).Round(time.Minute).String())
	}
	return out
}

// enrollments lists those of a journey.
func (h *house) enrollments(id string) []*journey.Enrollment {
	h.t.Helper()
	page, err := h.ListEnrollments(h.ctx(), ws, journey.EnrollmentFilter{Journey: id}, core.Window{Limit: 100})
	require.NoError(h.t, err)
	return page.Items
}

func (h *house) statuses(id string) []string {
	var out []string
	for _, e := range h.enrollments(id) {
		out = append(out, string(e.Status)+"@"+e.State.Node)
	}
	return out
}
