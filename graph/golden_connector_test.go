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
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
)

// TestGoldenConnectors runs the queries of testdata/golden/connectors: see TestGolden. The
// connector of the fixture is one that a host of the test runs: it has three contacts, of
// which one does not fit the field map.
func TestGoldenConnectors(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { withShop(t, o) })
	signed := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	d := w.ask(`mutation($at: DateTime!) { setProcessor(input: {name: "Shop CRM", country: "DE", purposes: ["operations"], agreement: "cabinet 3", agreementSignedOn: $at,
		categories: [CONTACT, IDENTIFIER, UNCLASSIFIED], transferMechanism: NONE}) { processor { id } userErrors { message } } }`, map[string]any{"at": signed})
	golden(t, w, "testdata/golden/connectors", map[string]any{"processor": dig(d, "setProcessor", "processor", "id")})
}

// withShop gives a world's services connections, to a shop.
func withShop(t *testing.T, o *graph.Options) {
	t.Helper()
	s := &o.Services
	require.NoError(t, s.Store.(*counting).Declare(t.Context(), append(work.Specs(), sync.Specs()...)...))
	logger := slog.New(slog.DiscardHandler)
	runner := work.New(work.Options{Store: s.Store.(store.Store), Logger: logger, Poll: 20 * time.Millisecond})
	s.Syncs = sync.New(sync.Options{
		Store: s.Store.(store.Store), Clock: s.Clock, Host: &shop{}, Keys: s.Ring, Runner: runner, Events: s.Events, Committer: s.Ingest,
		Profiles: s.Profiles, Objects: s.Objects, Segments: s.Segments, Consent: s.Consent, Audit: s.Audit, Logger: logger, Private: true,
		URL: func() string { return "https://cdp.example" },
	})
	ctx, stop := context.WithCancel(context.Background())
	var running stdsync.WaitGroup
	running.Go(func() { _ = runner.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
}

// shop is a host whose one connector has three contacts.
type shop struct{}

// Connectors implements sync.Host.
func (*shop) Connectors() []sync.Connector {
	return []sync.Connector{{
		Name: "shop", Version: "v1.2.0", Title: "Shop", Protocol: 1, Kinds: []string{"source", "destination"},
		ConfigSchema: json.RawMessage(`{"type":"object","required":["url","token"],"additionalProperties":false,"properties":{"url":{"type":"string","format":"uri","title":"Address"},"token":{"type":"string","writeOnly":true,"title":"Token"}}}`),
		Capabilities: []string{sync.CanPull, sync.CanUpsert, sync.CanReceive}, Hosts: []string{"config:url"}, Categories: []core.Category{core.Contact},
		Processor: sync.Vendor{Name: "Shop GmbH", Country: "DE", URL: "https://shop.example/dpa"}, OAuth: true, Webhooks: true, SHA256: "00", SignedBy: "acme",
	}}
}

// Dial implements sync.Host.
func (s *shop) Dial(_ context.Context, d sync.Dial) (sync.Instance, error) {
	return &counter{shop: s, dial: d}, nil
}

// Drop implements sync.Host.
func (*shop) Drop(string) {}

// Process implements sync.Host.
func (*shop) Process(string) sync.Process { return sync.Process{State: sync.ProcessRunning} }

// counter is the instance of a connection; what it does not have is not asked for.
type counter struct {
	sync.Instance
	shop *shop
	dial sync.Dial
}

func (c *counter) Check(context.Context) error {
	var config map[string]string
	if json.Unmarshal(c.dial.Config, &config) != nil || config["token"] != "right" {
		return &sync.Fault{Kind: sync.FaultUnauthorized, Origin: sync.FromVendor, Reason: "BAD_TOKEN", Message: "the token is refused; copy it again"}
	}
	return nil
}

func (c *counter) Discover(context.Context) ([]sync.Stream, error) {
	return []sync.Stream{{
		Name: "contacts", Title: "Contacts", Modes: []string{sync.PullChanges, sync.PushUpsert}, Keys: []string{"email"}, Person: true,
		Schema: json.RawMessage(`{"type":"object","properties":{"email":{"type":"string"},"size":{"type":"string"}}}`),
	}}, nil
}

func (c *counter) Pull(_ context.Context, from sync.PullRequest, emit func(sync.Page) error) error {
	if len(from.Cursor) > 0 {
		return nil
	}
	at := time.Date(2026, 1, 2, 8, 0, 0, 0, time.UTC)
	return emit(sync.Page{Cursor: []byte("3"), Records: []sync.Record{
		{ID: "c1", Fields: map[string]any{"email": "ana@example.com", "size": "12"}, UpdatedAt: at},
		{ID: "c2", Fields: map[string]any{"email": "ben@example.com", "size": "wide"}, UpdatedAt: at},
		{ID: "c3", Fields: map[string]any{"email": "cleo@example.com", "size": "3"}, UpdatedAt: at},
	}})
}

func (c *counter) AuthorizeURL(context.Context, string, string, string) (string, error) {
	return "https://login.shop.example/authorize", nil
}
