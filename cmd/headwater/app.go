package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/campaign"
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
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/quality"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	vendor "github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/graph/httpd"
	"github.com/headwater-cdp/headwater/internal/telemetry"
	"github.com/headwater-cdp/headwater/policies"
)

// app is the services of one process over one store.
type app struct {
	e        *env
	store    store.Store
	journal  *journal.Journal // of the audit log; nil where the store itself is as good
	ring     *keyring.Ring
	metrics  *telemetry.Metrics
	runner   *work.Runner
	jobs     *work.Jobs
	access   *access.Service
	audit    *audit.Log
	consent  *consent.Service
	policies *policies.Enforcer
	events   *event.Service
	profiles *profile.Service
	objects  *object.Service
	segments *segment.Service
	loyalty  *loyalty.Service
	leads    *lead.Service
	figures  *insight.Service
	credits  *attribution.Service
	trials   *experiment.Service
	predicts *predict.Service
	budget   *budget.Service
	forms    *form.Service
	pipeline *ingest.Pipeline
	privacy  *privacy.Service
	desk     *privacy.Desk
	quality  *quality.Service
	syncs    *vendor.Service
	library  *library.Service
	journeys *journey.Service
	messages *message.Service
	sendouts *campaign.Service
	url      string // of this server as people and vendors reach it

	connectors *lateHost // none runs until runConnectors

	end func() // ends the background work that begin started; nil: it did not
}

// start opens the store and wires the services over it.
func (f storeFlags) start(e *env) (*app, error) {
	s, err := f.open(e)
	if err != nil {
		return nil, err
	}
	ring, err := f.ring(e, s)
	var j *journal.Journal
	if err == nil {
		j, err = f.journal(e)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(e.ctx)))
	}
	a := newApp(e, s, j, ring)
	if err := f.takeOver(e, a.audit); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// newApp wires the services. Nothing runs in the background but the pipeline's
// lanes until work is called.
func newApp(e *env, s store.Store, j *journal.Journal, ring *keyring.Ring) *app {
	a := &app{e: e, store: s, journal: j, ring: ring, metrics: telemetry.NewMetrics(buildVersion()), connectors: &lateHost{}}
	a.runner = work.New(work.Options{Store: s, Clock: e.clock, Logger: e.log})
	a.jobs = work.NewJobs(a.runner)
	a.audit = audit.New(audit.Options{
		Store: s, Journal: j, Keys: ring, Clock: e.clock, Logger: e.log, Runner: a.runner, Workspaces: a.workspaceIDs, Resolve: a.profilesOf, Normal: a.normalOf,
	})
	a.access = access.New(access.Options{
		Store: s, Clock: e.clock, Logger: e.log, Jobs: a.jobs, Specs: specs(), Ring: ring, Audit: a.audit, Alert: a.alert,
	})
	a.events = event.NewService(s, e.clock)
	a.profiles = profile.NewService(s, e.clock)
	a.pipeline = ingest.New(ingest.Options{
		Store: s, Clock: e.clock, Events: a.events, Profiles: a.profiles, Log: e.log, Hooks: hooks(a.metrics),
	})
	a.consent = consent.NewService(consent.Options{
		Store: s, Clock: e.clock, People: a.profiles.ConsentPeople(), Committer: a.pipeline, Tokens: ring, Audit: a.audit, Name: a.workspaceName,
		Stands: a.access.Stands, Approver: a.access,
	})
	a.policies = policies.New(policies.Options{
		Store: s, Clock: e.clock, Logger: e.log, Purposes: a.consent.Register, Access: a.access, Record: access.Recorder(a.audit),
	})
	a.access.SetPolicy(a.policies)
	a.consent.SetGuard(a.policies.PurposeChange)
	a.knowPurposes()
	a.objects = object.NewService(object.Options{
		Store: s, Clock: e.clock, Committer: a.pipeline, People: a.profiles, Events: a.events, Jobs: a.jobs, Logger: e.log,
	})
	a.objects.Register(a.jobs, a.runner)
	a.segments = segment.New(segment.Options{
		Store: s, Clock: e.clock, Profiles: a.profiles, Objects: a.objects, ObjectTypes: a.objects.Vocabulary, Events: a.events,
		Committer: a.pipeline, Jobs: a.jobs, Runner: a.runner, Logger: e.log,
	})
	a.objects.SetUses(a.segments.ObjectUses)
	a.loyalty = loyalty.NewService(loyalty.Options{
		Store: s, Clock: e.clock, Profiles: a.profiles, Committer: a.pipeline, Runner: a.runner, Jobs: a.jobs, Logger: e.log,
	})
	a.leads = lead.NewService(lead.Options{
		Store: s, Clock: e.clock, Profiles: a.profiles, Objects: a.objects, Committer: a.pipeline, Runner: a.runner, Jobs: a.jobs, Logger: e.log,
		May: a.mayAsk,
	})
	a.predicts = predict.NewService(predict.Options{
		Store: s, Clock: e.clock, Profiles: a.profiles, Committer: a.pipeline, Consent: a.consent, Runner: a.runner, Jobs: a.jobs, Logger: e.log,
		Zones: func(ctx context.Context, ws string, people []*profile.Profile) ([]*time.Location, error) {
			return a.messages.Zones(ctx, ws, people)
		},
		Categories: a.events.Categories, May: a.mayAsk, Converted: a.convertedStage,
	})
	a.insight()
	a.figure()
	a.forms = form.NewService(form.Options{
		Store: s, Clock: e.clock, Profiles: a.profiles, Consent: a.consent, Committer: a.pipeline, Tokens: ring, URL: func() string { return a.url },
	})
	a.gates()
	a.library = library.New(library.Options{
		Store: s, Clock: e.clock, Access: a.access, Audit: a.audit,
		Data:      library.Stack{Events: a.events, Profiles: a.profiles, Objects: a.objects},
		Condition: a.askable,
	})
	a.segments.OnUses(a.library.SegmentUsers)
	a.syncs = vendor.New(vendor.Options{
		Store: s, Clock: e.clock, Host: a.connectors, Keys: ring, Runner: a.runner, Events: a.events, Committer: a.pipeline, Profiles: a.profiles,
		Objects: a.objects, Segments: a.segments, Consent: a.consent, Audit: a.audit, URL: func() string { return a.url }, Logger: e.log,
		Reports: a.reports, Costs: a.adCosts,
	})
	a.send()
	a.guide()
	a.campaign()
	a.privacy = privacy.New(privacy.Options{
		Store: s, Clock: e.clock, Keys: ring, Audit: a.audit, Events: a.events, Profiles: a.profiles, Objects: a.objects, Segments: a.segments,
		Jobs: a.jobs, Runner: a.runner, Specs: specs(), Logger: e.log, Destinations: a.destinations,
		Suppress: a.consent.SuppressErased, Suppressed: a.consent.Guarded, Deleted: a.deleted,
	})
	a.desk = privacy.NewDesk(privacy.DeskOptions{
		Store: s, Clock: e.clock, Keys: ring, Committer: a.pipeline, Events: a.events, Profiles: a.profiles, Consent: a.consent, Segments: a.segments,
		Objects: a.objects, Audit: a.audit, Jobs: a.jobs, Runner: a.runner, Specs: specs, Logger: e.log,
		Object: privacy.ObjectThrough(a.consent), Recipients: privacy.RecipientsFrom(a.consent), Read: a.readFor, Erasure: a.privacy,
		Destinations: a.destinations, Messages: a.messages,
	})
	a.judge()
	a.jobs.Handle(profile.JobRebuild, profile.RebuildHandler(a.profiles), 1)
	a.jobs.Handle(ingest.ImportKind, a.pipeline.ImportHandler(), 2)
	a.jobs.Handle(ingest.ReplayKind, a.pipeline.ReplayHandler(), 1)
	a.runner.Handle(ingest.SweepKind, work.Kind{Handler: a.pipeline.SweepHandler()})
	return a
}

// hooks lets the pipeline tell the metrics and traces what it does, without core
// knowing of either.
func hooks(m *telemetry.Metrics) ingest.Hooks {
	return ingest.Hooks{
		Unit: func(u ingest.Unit) {
			m.Unit(u.Events, u.Commit)
			for status, n := range map[event.Status]int{
				event.Accepted: u.Accepted, event.Duplicate: u.Duplicates, event.Quarantined: u.Quarantined, event.Rejected: u.Rejected,
				event.Dropped: u.Dropped,
			} {
				if n > 0 {
					m.Events(string(status), n)
				}
			}
		},
		Conflict:   m.Conflict,
		Split:      m.Split,
		Failed:     func(n int) { m.Events("FAILED", n) },
		Overloaded: func(n int) { m.Events("OVERLOADED", n) },
		Trace:      telemetry.Span,
	}
}

// readFor returns the categories of data that some role may read for a purpose, in clear
// or in part.
func (a *app) readFor(ctx context.Context, ws, purpose string) (map[core.Category]bool, error) {
	own, err := a.policies.OwnRoles(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := map[core.Category]bool{}
	for _, role := range append(own, access.Roles...) {
		v, err := a.policies.View(ctx, ws, []string{role}, purpose)
		if err != nil {
			return nil, err
		}
		for _, c := range core.Categories {
			out[c] = out[c] || !v.Reads(c).Hidden()
		}
	}
	return out, nil
}

// askable refuses a condition that cannot be asked, or not by the actor of ctx.
func (a *app) askable(ctx context.Context, ws string, where any) error {
	_, err := a.segments.CheckCondition(ctx, ws, segment.Condition{Where: where})
	return err
}

// workspaceName returns what people know a workspace by.
func (a *app) workspaceName(ctx context.Context, ws string) (string, error) {
	w, err := a.access.Workspace(core.WithActor(ctx, access.System(ws, "pages")), ws)
	if w == nil || err != nil {
		return "", err
	}
	return w.Name, nil
}

// warm reads into memory what the first events would look up one by one.
func (a *app) warm(ctx context.Context) error {
	ctx = core.WithActor(ctx, access.Operator("warm"))
	return eachWorkspace(ctx, a, func(w *access.Workspace) error { return a.profiles.Warm(ctx, w.ID) })
}

// work runs the background work, and what else is given, until ctx ends; the
// returned function waits for it.
func (a *app) work(ctx context.Context, also ...func(context.Context) error) (wait func()) {
	var wg sync.WaitGroup
	for _, run := range append(also, a.runner.Run, a.access.Run, a.audit.Run, a.policies.Run, a.figures.Run) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				a.e.log.Error("background work ended", "error", err.Error())
			}
		})
	}
	return wg.Wait
}

// begin runs the background work until close, for a command that waits for jobs, of
// which there may be several.
func (a *app) begin(ctx context.Context) {
	if a.end != nil {
		return
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	wait := a.work(background)
	a.end = func() { cancel(); wait() }
}

// close finishes what the pipeline holds and closes the store.
func (a *app) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if a.end != nil {
		a.end()
	}
	a.connectors.close()
	err := a.pipeline.Close(ctx)
	if a.journal != nil {
		err = errors.Join(err, a.journal.Close())
	}
	return errors.Join(err, a.store.Close(ctx))
}

// httpFlags configure the edge.
type httpFlags struct {
	signInFlags
	PublicUrl        string   `help:"URL of this server as people reach it, without a slash at its end; links in letters begin with it." placeholder:"URL"`
	Addr             string   `help:"Address to listen on; port 0 picks one." default:"127.0.0.1:8080"`
	CorsOrigin       []string `help:"Origins whose pages may use /graphql, or *." placeholder:"ORIGIN"`
	TrustedDocuments string   `help:"JSON file of hash to query text; when given, only those run." type:"existingfile" placeholder:"FILE"`
	NoGraphiql       bool     `help:"Do not serve GraphiQL at /."`
	NoMetrics        bool     `help:"Do not serve /metrics."`
	OtlpEndpoint     string   `help:"OTLP/HTTP endpoint for traces, for example http://127.0.0.1:4318; off when empty." placeholder:"URL"`
	TraceRatio       float64  `help:"Share of traces to keep, 0 to 1." default:"1"`
	PrintConfig      bool     `help:"Print the values in force, in the form that --config reads, and exit."`

	own bool // without a public URL it is the address that is listened on
}

// serve answers requests until the context of e ends, then finishes what it has
// begun: no new connections, requests in flight, queued events, leased work.
func (a *app) serve(f httpFlags, ready func(url string)) (err error) {
	ctx := a.e.ctx
	if err := a.signIn(f.signInFlags); err != nil {
		return err
	}
	var trusted map[string]string
	if f.TrustedDocuments != "" {
		if trusted, err = graph.ReadTrusted(f.TrustedDocuments); err != nil {
			return err
		}
	}
	if f.OtlpEndpoint != "" {
		stop, err := telemetry.StartTracing(ctx, f.OtlpEndpoint, buildVersion(), f.TraceRatio)
		if err != nil {
			return err
		}
		defer func() { _ = stop(context.WithoutCancel(ctx)) }()
	}
	l, err := listen(f.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // by then it is, but for one that nobody has served
	if a.url = strings.TrimRight(f.PublicUrl, "/"); a.url == "" && f.own {
		a.url = "http://" + l.Addr().String()
	}
	a.consent.URL = a.url
	// What the background does goes on until the last request is answered.
	background, endBackground := context.WithCancel(context.WithoutCancel(ctx))
	hub := store.NewHub(background, a.store)
	wait := a.work(background, a.warm)
	defer func() {
		endBackground()
		wait()
		err = errors.Join(err, hub.Close())
	}()

	g := graph.New(graph.Options{
		Services: a.services(hub),
		Trusted:  trusted, Origins: f.CorsOrigin, Playground: !f.NoGraphiql, Logger: a.e.log,
		Observe: func(_ context.Context, o graph.Observation) {
			a.metrics.Operation(o.Kind, string(o.Code), o.Duration)
		},
	})
	o := httpd.Options{
		Access: a.access, Audit: a.audit, Events: a.pipeline, Segments: a.segments, Downloads: a.desk, Consent: a.consent, Forms: a.forms, Vendors: a.syncs, Messages: a.messages, Assets: a.library, URL: func() string { return a.url }, GraphQL: g.Handler(), Ready: a.store.Ping, CORSOrigins: f.CorsOrigin,
		Observe: a.metrics.Request, Tracing: f.OtlpEndpoint != "", Clock: a.e.clock, Logger: a.e.log,
	}
	if !f.NoGraphiql {
		o.GraphiQL = g.GraphiQL()
	}
	if !f.NoMetrics {
		o.Metrics = a.metrics.Handler()
	}
	return a.answer(l, httpd.New(o), g, ready)
}

// services are what the API is answered from.
func (a *app) services(hub *store.Hub) graph.Services {
	return graph.Services{
		Figures: a.figures,
		Store:   a.store, Hub: hub, Access: a.access, Policies: a.policies, Audit: a.audit, Ring: a.ring, Jobs: a.jobs, Consent: a.consent, Events: a.events, Profiles: a.profiles, Objects: a.objects, Segments: a.segments,
		Rewards: a.loyalty, Forms: a.forms, Leads: a.leads, Credits: a.credits, Trials: a.trials, Predicts: a.predicts, Budget: a.budget, Privacy: a.privacy, Desk: a.desk, Quality: a.quality, Syncs: a.syncs, Library: a.library, Outbox: a.messages, Sendouts: a.sendouts, Journeys: a.journeys, Ingest: a.pipeline, Clock: a.e.clock,
	}
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, core.Errorf(core.Unavailable, "LISTEN", "cannot listen on %s; is another process there? choose another --addr", addr).Wrap(err)
	}
	return l, nil
}

// answer serves what comes until the context ends.
func (a *app) answer(l net.Listener, s *httpd.Server, g *graph.Server, ready func(url string)) error {
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	ready("http://" + l.Addr().String())
	select {
	case err := <-done:
		return err
	case <-a.e.ctx.Done():
	}
	a.e.log.Info("stopping: finishing what has begun")
	stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// Live subscriptions would keep their connections for ever: they are ended first.
	return errors.Join(g.Close(stop), s.Shutdown(stop), <-done)
}
