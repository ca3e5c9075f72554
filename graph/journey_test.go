package graph_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/journey"
	outbox "github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
)

// allWords knows every template and pool, and the conditions of the workspace.
type allWords struct{ condition.Vocabulary }

func (w allWords) Conditions() condition.Vocabulary { return w.Vocabulary }
func (allWords) Template(string) (journey.TemplateInfo, bool) {
	return journey.TemplateInfo{Published: true}, true
}
func (allWords) Purposes() []string                         { return nil }
func (allWords) Pool(string) bool                           { return true }
func (allWords) Rule(string) bool                           { return true }
func (allWords) Secret(string) bool                         { return true }
func (allWords) Journey(string) (journey.JourneyInfo, bool) { return journey.JourneyInfo{}, true }
func (allWords) Connected(string) bool                      { return true }

// withJourneys wires journeys into a world.
func withJourneys(s *graph.Services, db store.Store, runner *work.Runner, logger *slog.Logger) {
	queue := outbox.New(outbox.Options{
		Store: db, Clock: s.Clock, Keys: s.Ring, Runner: runner, Committer: s.Ingest, Events: s.Events, Profiles: s.Profiles, Consent: s.Consent, Logger: logger,
	})
	s.Journeys = journey.New(journey.ServiceOptions{
		Store: db, Clock: s.Clock, Keys: s.Ring, Profiles: s.Profiles, Segments: s.Segments, Objects: s.Objects, Committer: s.Ingest, Outbox: queue, Hours: s.Predicts,
		Access: s.Access, Audit: access.Recorder(s.Audit), Runner: runner, View: s.Policies.View, Jobs: s.Jobs, Logger: logger,
		Words: func(ctx context.Context, ws string) (journey.Vocabulary, error) {
			v, err := s.Segments.Vocabulary(ctx, ws)
			return allWords{v}, err
		},
	})
	s.Profiles.SetFold(profile.Folds{s.Segments, s.Rewards, s.Leads, s.Predicts, s.Credits, s.Trials, s.Figures, s.Journeys})
}

// TestGoldenJourneys runs the queries of testdata/golden/journeys: see TestGolden. A person
// waits in the journey once the second one has run.
func TestGoldenJourneys(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(map[string]any{"type": "IDENTIFY", "userId": "ana", "traits": map[string]any{"email": "ana@example.com", "plan": "pro"}})[0]
	golden(t, w, "testdata/golden/journeys", map[string]any{"ana": id})
}

const drawn = `mutation($key: String!, $where: ConditionInput) { createJourney(input: {name: "Followed", idempotencyKey: $key, definition: {
	timeZone: "UTC", reentry: ALWAYS, exitWhen: $where,
	nodes: [{id: "in", step: {entry: {event: {name: "Cart Updated"}}}}, {id: "wait", step: {wait: {event: {event: {name: "Go"}, timeout: "P1D"}}}}, {id: "end", step: {exit: true}}],
	edges: [{from: "in", to: "wait"}, {from: "wait", to: "end"}, {from: "wait", on: "timeout", to: "end"}]}}) { journey { id } userErrors { code reason message path } } }`

// live makes a journey in which people wait for "Go", and publishes it.
func (w *world) live(where map[string]any) string {
	w.t.Helper()
	d := w.ask(drawn, map[string]any{"key": "one", "where": where})
	id, _ := dig(d, "createJourney", "journey", "id").(string)
	require.NotEmpty(w.t, id, "%v", d)
	d = w.ask(`mutation($id: ID!) { publishJourney(input: {id: $id}) { journey { status } userErrors { message } } }`, map[string]any{"id": id})
	require.Equal(w.t, "LIVE", dig(d, "publishJourney", "journey", "status"))
	return id
}

func happens(user, name string) map[string]any {
	return map[string]any{"type": "TRACK", "userId": user, "event": name}
}

const changedEnrollment = `subscription($id: ID!, $after: Cursor) { enrollmentChanged(journeyId: $id, after: $after) { cursor from to at enrollment { id status node profile { id } } } }`

func TestEnrollmentChangedTellsEachStep(t *testing.T) {
	w := newWorld(t)
	id := w.live(nil)
	before := dig(w.ask(`query($id: ID!) { journey(id: $id) { cursor } }`, map[string]any{"id": id}), "journey", "cursor")
	who := w.ingest(happens("u1", "Cart Updated"))[0]
	c := w.connect(t, w.admin)
	c.subscribe("1", changedEnrollment, map[string]any{"id": id, "after": before})
	first := dig(c.next("1"), "enrollmentChanged")
	require.Nil(t, dig(first, "from"))
	require.Equal(t, "wait", dig(first, "to"))
	require.Equal(t, who, dig(first, "enrollment", "profile", "id"))
	w.ingest(happens("u1", "Go"))
	second := dig(c.next("1"), "enrollmentChanged")
	require.Equal(t, "wait", dig(second, "from"))
	require.Equal(t, "end", dig(second, "to"))
	require.Equal(t, "COMPLETED", dig(second, "enrollment", "status"))
	// From the first cursor on there is just the second change.
	c.subscribe("2", changedEnrollment, map[string]any{"id": id, "after": dig(first, "cursor")})
	require.Equal(t, dig(second, "cursor"), dig(c.next("2"), "enrollmentChanged", "cursor"))
}

// TestEnrollmentsAreThePersonsBehaviour hides the people of journeys whose conditions ask
// about what may not be read.
func TestEnrollmentsAreThePersonsBehaviour(t *testing.T) {
	w := newWorld(t)
	who := w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1", "traits": map[string]any{"email": "a@b.example"}})[0]
	id := w.live(map[string]any{"and": []any{
		map[string]any{"trait": map[string]any{"path": "email", "eq": "nobody@b.example"}}, map[string]any{"event": map[string]any{"name": "Bought"}},
	}})
	w.ingest(happens("u1", "Cart Updated"))
	ask := `query($id: ID!, $who: ID!) { enrollments(journeyId: $id) { totalCount edges { node { id node } } } profile(id: $who) { enrollments { id node } } journey(id: $id) { stats { nodeId } versions { definition mermaid } } }`
	vars := map[string]any{"id": id, "who": who}
	require.Eventually(t, func() bool {
		d := w.ask(ask, vars)
		list, _ := dig(d, "profile", "enrollments").([]any)
		return len(list) == 1 && dig(d, "enrollments", "edges", 0, "node", "node") == "wait"
	}, 10*time.Second, 20*time.Millisecond)
	a := w.as(w.analyst, ask, vars) // reads no addresses
	require.Len(t, a.Errors, 1, "%s", a.Body)
	require.Equal(t, journey.ReasonProtected, a.Errors[0].Extensions.Reason)
	a = w.as(w.analyst, `query($id: ID!, $who: ID!) { profile(id: $who) { enrollments { id node } } journey(id: $id) { stats { nodeId } versions { definition mermaid } } }`, vars)
	require.Empty(t, a.Errors, "%s", a.Body)
	require.Empty(t, dig(a.Data, "profile", "enrollments"))
	require.Nil(t, dig(a.Data, "journey", "stats"))
	require.Nil(t, dig(a.Data, "journey", "versions", 0, "definition"))
	require.Nil(t, dig(a.Data, "journey", "versions", 0, "mermaid"))
}

// TestBestTimeOverGraphQL draws, publishes and follows a journey that waits for the best hour.
func TestBestTimeOverGraphQL(t *testing.T) {
	w := newWorld(t)
	d := w.ask(`mutation { createJourney(input: {name: "Best", idempotencyKey: "best", definition: {
		timeZone: "Europe/Berlin", reentry: ALWAYS, nodes: [
			{id: "in", step: {entry: {event: {name: "Cart Updated"}}}},
			{id: "wait", step: {wait: {bestTime: {within: "P1D", localTime: "10:00"}}}},
			{id: "end", step: {exit: true}}], edges: [{from: "in", to: "wait"}, {from: "wait", to: "end"}]
	}}) { journey { id versions { mermaid } } userErrors { reason message path } } }`, nil)
	id, _ := dig(d, "createJourney", "journey", "id").(string)
	require.NotEmpty(t, id, "%v", d)
	require.Contains(t, dig(d, "createJourney", "journey", "versions", 0, "mermaid"), "best hour, within 1 day")
	d = w.ask(`mutation($id: ID!) { publishJourney(input: {id: $id}) { userErrors { reason message } } }`, map[string]any{"id": id})
	require.Empty(t, dig(d, "publishJourney", "userErrors"))
	who := w.ingest(happens("u1", "Cart Updated"))[0]
	require.Eventually(t, func() bool {
		d := w.ask(`query($who: ID!) { profile(id: $who) { enrollments { node timeline { node did detail } } predictions { name state } } }`, map[string]any{"who": who})
		if dig(d, "profile", "enrollments", 0, "node") != "wait" {
			return false
		}
		detail, _ := dig(d, "profile", "enrollments", 0, "timeline", 1, "detail").(string)
		require.Contains(t, detail, "INSUFFICIENT_DATA 10:00")
		require.Equal(t, "best_hour", dig(d, "profile", "predictions", 0, "name"))
		return true
	}, 10*time.Second, 20*time.Millisecond)
	d = w.ask(`mutation { createJourney(input: {name: "Bad", idempotencyKey: "bad", definition: {
		timeZone: "Europe/Berlin", reentry: ALWAYS, nodes: [{id: "in", step: {entry: {event: {name: "Cart Updated"}}}}, {id: "wait", step: {wait: {bestTime: {within: "PT1M", localTime: "10:00"}}}}],
		edges: [{from: "in", to: "wait"}]
	}}) { journey { id } userErrors { path } } }`, nil)
	require.Contains(t, fmt.Sprint(dig(d, "createJourney", "userErrors", 0, "path")), "within")
}

// TestMessagesNameTheirEnrollment reads the enrollment of a message, and hides it with its
// journey.
func TestMessagesNameTheirEnrollment(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { withOutbox(t, o, false) })
	who := w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1", "traits": map[string]any{"email": "a@b.example"}})[0]
	d := w.ask(`mutation { createJourney(input: {name: "Hello", idempotencyKey: "hello", definition: {
		timeZone: "UTC", reentry: ALWAYS, exitWhen: {trait: {path: "email", eq: "nobody@b.example"}},
		nodes: [{id: "in", step: {entry: {event: {name: "Cart Updated"}}}},
			{id: "hello", step: {message: {templateId: "tpl_receipt", channel: IN_APP, purpose: "operations"}}},
			{id: "wait", step: {wait: {duration: "P1D"}}}, {id: "end", step: {exit: true}}],
		edges: [{from: "in", to: "hello"}, {from: "hello", to: "wait"}, {from: "wait", to: "end"}]}}) { journey { id } userErrors { code reason message path } } }`, nil)
	id, _ := dig(d, "createJourney", "journey", "id").(string)
	require.NotEmpty(t, id, "%v", d)
	w.ask(`mutation($id: ID!) { publishJourney(input: {id: $id}) { userErrors { message } } }`, map[string]any{"id": id})
	w.ingest(happens("u1", "Cart Updated"))
	ask := `query($who: ID!) { profile(id: $who) { messages(first: 5) { edges { node { enrollmentId enrollment { id node journey { id } profile { id } } } } } } }`
	var node any
	require.Eventually(t, func() bool {
		node = dig(w.ask(ask, map[string]any{"who": who}), "profile", "messages", "edges", 0, "node")
		return dig(node, "enrollment", "node") == "wait"
	}, 10*time.Second, 20*time.Millisecond)
	require.NotEmpty(t, dig(node, "enrollmentId"))
	require.Equal(t, dig(node, "enrollmentId"), dig(node, "enrollment", "id"))
	require.Equal(t, id, dig(node, "enrollment", "journey", "id"))
	require.Equal(t, who, dig(node, "enrollment", "profile", "id"))
	a := w.as(w.analyst, ask, map[string]any{"who": who}) // may not read what the journey asks of people
	require.Empty(t, a.Errors, "%s", a.Body)
	require.NotNil(t, dig(a.Data, "profile", "messages", "edges", 0, "node"))
	require.Nil(t, dig(a.Data, "profile", "messages", "edges", 0, "node", "enrollment"))
}
