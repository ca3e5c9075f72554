package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/form"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/core/insight/budget"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/lead"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/loyalty"
	outbox "github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/quality"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/policies"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counting counts the reads of a store that requests make.
type counting struct {
	store.Store
	mu    sync.Mutex
	reads int
	nows  int
}

func (c *counting) Now(ctx context.Context) (store.Token, error) {
	if core.ActorFrom(ctx) != nil {
		c.mu.Lock()
		c.nows++
		c.mu.Unlock()
	}
	return c.Store.Now(ctx)
}

func (c *counting) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	c.count(ctx)
	return c.Store.Get(ctx, spec, ids)
}

func (c *counting) Scan(ctx context.Context, plan store.Plan) ([]bson.Raw, error) {
	c.count(ctx)
	return c.Store.Scan(ctx, plan)
}

func (c *counting) count(ctx context.Context) {
	if core.ActorFrom(ctx) != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reads++
	}
}

func (c *counting) take() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.reads
	c.reads = 0
	return n
}

// world is the whole edge over real services on an embedded store.
type world struct {
	t        *testing.T
	db       *counting
	services graph.Services
	server   *graph.Server
	http     *httptest.Server
	log      *lockedBuffer
	policy   *tablePolicy
	admin    string
	write    string
	analyst  string
	marketer string
	ws       string
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

func newWorld(t *testing.T, change ...func(*graph.Options)) *world {
	t.Helper()
	ctx := t.Context()
	embedded, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	w := &world{t: t, db: &counting{Store: embedded}, log: &lockedBuffer{}}
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	specs := append(store.Specs(), insight.Specs()...)
	for _, more := range [][]*store.Spec{keyring.Specs(), audit.Specs(), access.Specs(), policies.Specs(), work.Specs(), event.Specs(), consent.Specs(), profile.Specs(), ingest.Specs(), object.Specs(), segment.Specs(), loyalty.Specs(), lead.Specs(), attribution.Specs(), budget.Specs(), experiment.Specs(), predict.Specs(), form.Specs(), privacy.Specs(), privacy.DeskSpecs(), quality.Specs(), library.Specs(), journey.Specs(), outbox.Specs()} {
		specs = append(specs, more...)
	}
	require.NoError(t, w.db.Declare(ctx, specs...))

	clock := core.SystemClock{}
	runner := work.New(work.Options{Store: w.db, Logger: logger})
	jobs := work.NewJobs(runner)
	master, err := keyring.NewMaster(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	s := graph.Services{Jobs: jobs, Store: w.db, Clock: clock}
	s.Ring = keyring.New(w.db, clock, master)
	s.Audit = audit.New(audit.Options{Store: w.db, Keys: s.Ring, Runner: runner, Logger: logger, Gather: 5 * time.Millisecond})
	s.Access = access.New(access.Options{Store: w.db, Jobs: jobs, Specs: specs, Settle: time.Millisecond, Logger: logger, Ring: s.Ring, Audit: s.Audit})
	w.policy = &tablePolicy{}
	s.Events = event.NewService(w.db, clock)
	s.Profiles = profile.NewService(w.db, clock)
	s.Ingest = ingest.New(ingest.Options{Store: w.db, Clock: clock, Events: s.Events, Profiles: s.Profiles, Log: logger})
	s.Consent = consent.NewService(consent.Options{
		Store: w.db, Clock: clock, People: s.Profiles.ConsentPeople(), Committer: s.Ingest, Tokens: keyring.New(w.db, clock, master), Audit: s.Audit, Approver: s.Access,
	})
	s.Policies = policies.New(policies.Options{
		Store: w.db, Logger: logger, Purposes: s.Consent.Register, Access: s.Access, Record: access.Recorder(s.Audit),
	})
	s.Access.SetPolicy(s.Policies)
	s.Consent.SetGuard(s.Policies.PurposeChange)
	s.Objects = object.NewService(object.Options{
		Store: w.db, Clock: clock, Committer: s.Ingest, People: s.Profiles, Events: s.Events, Jobs: jobs, Logger: logger,
	})
	s.Objects.Register(jobs, runner)
	s.Segments = segment.New(segment.Options{
		Store: w.db, Clock: clock, Profiles: s.Profiles, Objects: s.Objects, ObjectTypes: s.Objects.Vocabulary, Events: s.Events,
		Committer: s.Ingest, Jobs: jobs, Runner: runner, Logger: logger,
	})
	s.Objects.SetUses(s.Segments.ObjectUses)
	s.Rewards = loyalty.NewService(loyalty.Options{Store: w.db, Clock: clock, Profiles: s.Profiles, Committer: s.Ingest, Runner: runner, Jobs: jobs, Logger: logger})
	s.Leads = lead.NewService(lead.Options{Store: w.db, Clock: clock, Profiles: s.Profiles, Objects: s.Objects, Committer: s.Ingest, Runner: runner, Jobs: jobs, Logger: logger})
	s.Predicts = predict.NewService(predict.Options{Store: w.db, Clock: clock, Profiles: s.Profiles, Committer: s.Ingest, Consent: s.Consent, Runner: runner, Jobs: jobs, Logger: logger, Categories: s.Events.Categories})
	s.Credits = attribution.NewService(attribution.Options{Store: w.db, Clock: clock, Profiles: s.Profiles, Jobs: jobs, View: s.Policies.View})
	s.Trials = experiment.NewService(experiment.Options{Store: w.db, Clock: clock, Profiles: s.Profiles, Jobs: jobs, View: s.Policies.View})
	s.Budget = budget.New(budget.Options{Store: w.db, Clock: clock, Runner: runner, Logger: logger})
	s.Figures = insight.NewService(insight.Options{Costs: s.Budget, Targets: s.Budget, Store: w.db, Clock: clock, Profiles: s.Profiles, Segments: s.Segments, Events: s.Events, Jobs: jobs, Logger: logger})
	s.Budget.Figures = budget.Of(s.Figures)
	s.Forms = form.NewService(form.Options{Store: w.db, Clock: clock, Profiles: s.Profiles, Consent: s.Consent, Committer: s.Ingest, Tokens: s.Ring})
	withJourneys(&s, w.db, runner, logger)
	gate := profile.GateOptions{View: access.ViewOf, Events: s.Events, Pseudonyms: s.Ring.Pseudonymise, Members: s.Segments}
	if s.Consent != nil {
		gate.Purposes = s.Consent.Register
	}
	s.Profiles.SetGate(gate)
	s.Objects.SetGate(func(ctx context.Context, ws string) (object.Gate, error) { return s.Profiles.Gate(ctx, ws) })
	s.Privacy = privacy.New(privacy.Options{
		Store: w.db, Clock: clock, Keys: keyring.New(w.db, clock, master), Audit: s.Audit, Events: s.Events, Profiles: s.Profiles, Objects: s.Objects,
		Segments: s.Segments, Jobs: jobs, Runner: runner, Specs: specs, Logger: logger,
		Suppress: s.Consent.SuppressErased, Suppressed: s.Consent.Guarded,
	})
	s.Quality = quality.New(quality.Options{Store: w.db, Clock: clock, Profiles: s.Profiles, Runner: runner, Jobs: jobs, Logger: logger, Knowers: quality.Known(w.db, s.Library)})
	s.Desk = privacy.NewDesk(privacy.DeskOptions{
		Store: w.db, Clock: clock, Keys: keyring.New(w.db, clock, master), Committer: s.Ingest, Events: s.Events, Profiles: s.Profiles, Consent: s.Consent,
		Segments: s.Segments, Objects: s.Objects, Audit: s.Audit, Jobs: jobs, Runner: runner, Specs: func() []*store.Spec { return specs }, Logger: logger,
		Object: privacy.ObjectThrough(s.Consent), Recipients: privacy.RecipientsFrom(s.Consent), Erasure: s.Privacy,
	})
	s.Library = library.New(library.Options{
		Store: w.db, Clock: clock, Access: s.Access, Audit: s.Audit, Data: library.Stack{Events: s.Events, Profiles: s.Profiles, Objects: s.Objects},
	})
	s.Hub = store.NewHub(context.Background(), w.db)
	jobs.Handle(ingest.ReplayKind, s.Ingest.ReplayHandler(), 1)
	jobs.Handle(profile.JobRebuild, profile.RebuildHandler(s.Profiles), 1)
	jobs.Handle(ingest.ImportKind, s.Ingest.ImportHandler(), 1)
	w.services = s

	run, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Access.Run(run) })
	running.Go(func() { _ = s.Policies.Run(run) })
	running.Go(func() { _ = runner.Run(run) })
	running.Go(func() { _ = s.Audit.Run(run) })

	op := core.WithActor(ctx, access.Operator("test"))
	made, err := s.Access.CreateWorkspace(op, "Test", func(ws, source string) []store.Op {
		src, err := event.NewSource(ws, event.SourceInput{Name: "Website"}, clock.Now())
		require.NoError(t, err)
		src.Meta.ID = store.Key(ws, source)
		return []store.Op{event.Sources.Insert(src)}
	})
	require.NoError(t, err)
	w.ws, w.admin, w.write = made.Workspace.ID, made.AdminKey, made.WriteKey
	analyst, err := s.Access.CreateKey(op, access.NewKey{Workspace: w.ws, Name: "analyst", Roles: []string{access.Analyst}})
	require.NoError(t, err)
	w.analyst = analyst.Secret
	marketer, err := s.Access.CreateKey(op, access.NewKey{Workspace: w.ws, Name: "marketer", Roles: []string{access.Marketer}})
	require.NoError(t, err)
	w.marketer = marketer.Secret

	opt := graph.Options{Services: s, Logger: logger, Playground: true, KeepAlive: time.Second}
	for _, f := range change {
		f(&opt)
	}
	w.server = graph.New(opt)
	mux := http.NewServeMux()
	mux.Handle("/graphql", w.server.Handler())
	mux.Handle("/", w.server.GraphiQL())
	w.http = httptest.NewServer(mux)
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, w.server.Close(end))
		w.http.Close()
		stop()
		running.Wait()
		require.NoError(t, s.Ingest.Close(end))
		require.NoError(t, s.Hub.Close())
		require.NoError(t, w.db.Close(end))
	})
	return w
}

// otherWorkspace makes another workspace and returns its admin key.
func (w *world) otherWorkspace() string {
	w.t.Helper()
	made, err := w.services.Access.CreateWorkspace(core.WithActor(w.t.Context(), access.Operator("test")), "Other")
	require.NoError(w.t, err)
	return made.AdminKey
}

// answer is what a client reads.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code, Reason, RequestID string
			InputPath               []string
			RetryAfterMs            int
		}
	}
}

func (a answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].Extensions.Code + " " + a.Errors[0].Extensions.Reason
}

// send sends one request as it is.
func (w *world) send(method, query, contentType string, body []byte, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.http.URL+"/graphql"+query, bytes.NewReader(body))
	require.NoError(w.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Client().Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	a := answer{Status: resp.StatusCode, Header: resp.Header}
	a.Body, err = io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	dec := json.NewDecoder(bytes.NewReader(a.Body))
	dec.UseNumber()
	if len(a.Body) > 0 && bytes.HasPrefix(a.Body, []byte("{")) {
		require.NoError(w.t, dec.Decode(&a), string(a.Body))
	}
	return a
}

// as sends a query with a key.
func (w *world) as(key, query string, vars map[string]any) answer {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	require.NoError(w.t, err)
	return w.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+key)
}

// ask sends a query as an admin and expects no errors.
func (w *world) ask(query string, vars map[string]any) map[string]any {
	w.t.Helper()
	a := w.as(w.admin, query, vars)
	require.Empty(w.t, a.Errors, string(a.Body))
	return a.Data
}

// dig follows a path of keys and indexes.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

const ingestQuery = `mutation($events: [EventInput!]!) { ingest(input: {events: $events}) {
	accepted rejected results { messageId status eventId profileId error { code reason message path } } userErrors { code reason path } } }`

// ingest takes events in and returns the profile ids.
func (w *world) ingest(events ...map[string]any) []string {
	w.t.Helper()
	d := w.ask(ingestQuery, map[string]any{"events": events})
	require.Equal(w.t, json.Number("0"), dig(d, "ingest", "rejected"), d)
	var ids []string
	for i := range events {
		id, _ := dig(d, "ingest", "results", i, "profileId").(string)
		ids = append(ids, id)
	}
	return ids
}
