package graph_test

import (
	"context"
	"encoding/json"
	"log/slog"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
)

// TestGoldenMessages runs the queries of testdata/golden/messages: see TestGolden. Nothing is
// dispatched while they run.
func TestGoldenMessages(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { withShop(t, o); withOutbox(t, o, false) })
	vars := fixture(w)
	golden(t, w, "testdata/golden/messages", vars)
}

// withOutbox gives a world's services an outbox.
func withOutbox(t *testing.T, o *graph.Options, dispatch bool) {
	t.Helper()
	s := &o.Services
	require.NoError(t, s.Store.(*counting).Declare(t.Context(), message.Specs()...))
	logger := slog.New(slog.DiscardHandler)
	runner := work.New(work.Options{Store: s.Store.(store.Store), Logger: logger, Poll: 20 * time.Millisecond})
	s.Outbox = message.New(message.Options{
		Store: s.Store.(store.Store), Clock: s.Clock, Keys: s.Ring, Runner: runner, Committer: s.Ingest, Events: s.Events, Profiles: s.Profiles,
		Consent: s.Consent, Vendors: s.Syncs, Templates: letters{}, Audit: s.Audit, Logger: logger,
	})
	if !dispatch {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	var running stdsync.WaitGroup
	running.Go(func() { _ = runner.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
}

// letters has one template.
type letters struct{}

// Published implements message.Templates.
func (letters) Published(_ context.Context, _, id string, _ int64) (message.Template, error) {
	if id != "tpl_receipt" {
		return nil, core.Errorf(core.NotFound, "TEMPLATE", "there is no template with this id")
	}
	return letter{}, nil
}

type letter struct{}

// Number implements message.Template.
func (letter) Number() int64 { return 2 }

// Channel implements message.Template.
func (letter) Channel() string { return "" }

// Render implements message.Template.
func (letter) Render(context.Context, string, string, map[string]any) (message.Content, error) {
	return message.Content{Title: "Your order", Text: "It is on its way."}, nil
}

// A message is sent, found in the inbox, read and answered; the answers tell why and what
// became of it.
func TestInboxOverGraphQL(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { withShop(t, o); withOutbox(t, o, true) })
	who := fixture(w)["ana"]
	d := w.ask(`mutation($id: ID!) { sendMessage(input: {profileId: $id, channel: IN_APP, purpose: "operations", templateId: "tpl_receipt", idempotencyKey: "k"}) {
		message { id status } userErrors { reason } } }`, map[string]any{"id": who})
	id := dig(d, "sendMessage", "message", "id")
	require.NotNil(t, id, d)
	query := `query($id: ID!, $who: ID!) { message(id: $id) { status why { check passed reason } timeline { type } profile { id } templateVersion }
		profile(id: $who) { messages { totalCount edges { node { id } } } inbox { totalCount edges { node { id title text reply readAt } } } } }`
	vars := map[string]any{"id": id, "who": who}
	require.Eventually(t, func() bool { return dig(w.ask(query, vars), "message", "status") == "DELIVERED" }, 10*time.Second, 20*time.Millisecond)
	d = w.ask(query, vars)
	require.Equal(t, "It is on its way.", dig(d, "profile", "inbox", "edges", 0, "node", "text"))
	require.Nil(t, dig(d, "profile", "inbox", "edges", 0, "node", "readAt"))
	require.Len(t, dig(d, "message", "why"), 8)
	d = w.ask(`mutation($id: ID!, $who: ID!) { markInboxRead(input: {profileId: $who}) { count } replyToMessage(input: {id: $id, text: "Thanks", idempotencyKey: "r"}) { message { id } userErrors { reason } } }`, vars)
	require.Equal(t, json.Number("1"), dig(d, "markInboxRead", "count"), d)
	d = w.ask(query, vars)
	require.Len(t, dig(d, "message", "timeline"), 4)
	require.NotNil(t, dig(d, "profile", "inbox", "edges", 1, "node", "readAt"))
}
