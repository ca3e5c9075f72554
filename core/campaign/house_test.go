package campaign_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_CMP0000001"

// start is a Sunday noon; on the Sunday before, clocks in Europe were set back.
var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// postman carries e-mail and keeps what came.
type postman struct {
	mu   stdsync.Mutex
	keys map[string]int
	send func()
}

func newPostman() *postman { return &postman{keys: map[string]int{}} }

// Connectors implements sync.Host.
func (p *postman) Connectors() []sync.Connector {
	return []sync.Connector{{
		Name: "post", Version: "v1.0.0", Title: "Post", Protocol: 1, Kinds: []string{"channel"}, ConfigSchema: json.RawMessage(`{"type":"object"}`),
		Capabilities: []string{sync.CanSend, sync.DedupesSends}, Channels: []string{message.Email}, Categories: []core.Category{core.Contact}, Webhooks: true,
	}}
}

// Dial implements sync.Host.
func (p *postman) Dial(context.Context, sync.Dial) (sync.Instance, error) { return &post{p: p}, nil }

// Drop implements sync.Host.
func (p *postman) Drop(string) {}

// Process implements sync.Host.
func (p *postman) Process(string) sync.Process { return sync.Process{State: sync.ProcessRunning} }

func (p *postman) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.keys)
}

type post struct {
	sync.Instance
	p *postman
}

// Send implements sync.Instance.
func (i *post) Send(_ context.Context, m sync.Message) (sync.Sent, error) {
	i.p.mu.Lock()
	i.p.keys[m.Key]++
	f := i.p.send
	i.p.mu.Unlock()
	if f != nil {
		f()
	}
	return sync.Sent{ID: "v-" + m.Key, State: sync.DeliveryQueued}, nil
}

// Check implements sync.Instance.
func (i *post) Check(context.Context) error { return nil }

// word is a template that says the same to everybody.
type word string

// Published implements message.Templates.
func (w word) Published(_ context.Context, _, id string, _ int64) (message.Template, error) {
	if len(id) < 6 {
		return nil, core.Errorf(core.NotFound, "TEMPLATE", "there is no such template")
	}
	return word(id), nil
}

// Number implements message.Template.
func (w word) Number() int64 { return 3 }

// Channel implements message.Template.
func (w word) Channel() string { return message.Email }

// Render implements message.Template.
func (w word) Render(_ context.Context, _, _ string, roots map[string]any) (message.Content, error) {
	return message.Content{Subject: string(w), Text: "Hello"}, nil
}

// house is one process over a store.
type house struct {
	*campaign.Service
	t        testing.TB
	ctx      context.Context
	clock    core.Clock
	store    store.Store
	post     *postman
	people   *profile.Service
	segments *segment.Service
	messages *message.Service
	consent  *consent.Service
	access   *access.Service
	syncs    *sync.Service
	pipeline *ingest.Pipeline
	runner   *work.Runner
	end      func()
}

func specs() []*store.Spec {
	all := store.Specs()
	for _, list := range [][]*store.Spec{
		keyring.Specs(), audit.Specs(), access.Specs(), work.Specs(), event.Specs(), consent.Specs(), object.Specs(), profile.Specs(),
		segment.Specs(), ingest.Specs(), sync.Specs(), message.Specs(), campaign.Specs(), predict.Specs(),
	} {
		all = append(all, list...)
	}
	return all
}

func openStore(t testing.TB) store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	require.NoError(t, db.Declare(t.Context(), specs()...))
	return db
}

// newHouse is a process that works, under a clock that the test moves.
func newHouse(t testing.TB) (*house, *core.VirtualClock) {
	t.Helper()
	clock := core.NewVirtualClock(start)
	h := houseOver(t, openStore(t), newPostman(), clock)
	h.connect()
	h.start()
	return h, clock
}

func as(who string) context.Context {
	return core.WithActor(context.Background(), access.System(ws, who))
}

// houseOver is a process that runs nothing in the background.
func houseOver(t testing.TB, db store.Store, p *postman, clock core.Clock) *house {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	m, err := keyring.NewMaster(make([]byte, 32))
	require.NoError(t, err)
	ring := keyring.New(db, clock, m)
	h := &house{t: t, store: db, post: p, clock: clock, ctx: as("ana")}
	h.runner = work.New(work.Options{Store: db, Clock: clock, Logger: logger, Poll: 20 * time.Millisecond, Grace: 200 * time.Millisecond})
	jobs := work.NewJobs(h.runner)
	events := event.NewService(db, clock)
	h.people = profile.NewService(db, clock)
	h.pipeline = ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: h.people, Log: logger})
	h.access = access.New(access.Options{Store: db, Clock: clock, Logger: logger, Jobs: jobs})
	h.consent = consent.NewService(consent.Options{
		Store: db, Clock: clock, People: h.people.ConsentPeople(), Committer: h.pipeline, Tokens: ring, URL: "https://cdp.example",
	})
	objects := object.NewService(object.Options{Store: db, Clock: clock, Committer: h.pipeline, People: h.people, Events: events, Jobs: jobs, Logger: logger})
	h.segments = segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: h.people, Objects: objects, ObjectTypes: objects.Vocabulary, Events: events,
		Committer: h.pipeline, Jobs: jobs, Runner: h.runner, Logger: logger,
	})
	predicts := predict.NewService(predict.Options{Store: db, Clock: clock, Profiles: h.people, Committer: h.pipeline, Logger: logger})
	h.people.SetFold(profile.Folds{h.segments, predicts})
	url := func() string { return "https://cdp.example" }
	h.syncs = sync.New(sync.Options{
		Store: db, Clock: clock, Host: p, Keys: ring, Runner: h.runner, Events: events, Committer: h.pipeline, Profiles: h.people,
		Objects: objects, Segments: h.segments, Consent: h.consent, Logger: logger, Private: true, URL: url,
	})
	h.messages = message.New(message.Options{
		Store: db, Clock: clock, Keys: ring, Runner: h.runner, Committer: h.pipeline, Events: events, Profiles: h.people, Consent: h.consent,
		Vendors: h.syncs, Templates: word(""), Logger: logger, URL: url,
	})
	h.Service = campaign.New(campaign.Options{
		Store: db, Clock: clock, Profiles: h.people, Segments: h.segments, Consent: h.consent, Messages: h.messages, Hours: predicts, Access: h.access,
		Runner: h.runner, Logger: logger,
	})
	h.end = stdsync.OnceFunc(func() {
		c, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_ = h.pipeline.Close(c)
	})
	t.Cleanup(func() { h.end() })
	return h
}

func (h *house) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = h.runner.Run(ctx); close(done) }()
	end := h.end
	h.end = stdsync.OnceFunc(func() { cancel(); <-done; end() })
}

// connect makes the connection with its agreement.
func (h *house) connect() {
	h.t.Helper()
	signed := h.clock.Now().Add(-time.Hour)
	p, err := h.consent.SetProcessor(h.ctx, ws, "", "p", consent.Processor{
		Name: "Post", Country: "DE", Purposes: []string{consent.Marketing, consent.Operations}, Agreement: "cabinet 3", AgreementSignedOn: &signed,
		Categories: []core.Category{core.IdentifierID, core.Contact}, TransferMechanism: consent.TransferNone,
	}, consent.Edit{})
	require.NoError(h.t, err)
	_, err = h.syncs.CreateConnection(h.ctx, ws, sync.ConnectionInput{Name: "Post", Connector: "post", Config: map[string]any{}, Processor: p.ProcessorID()})
	require.NoError(h.t, err)
}

// persons makes people, from the first to before the last, who agree to marketing.
func (h *house) persons(first, last int, traits func(n int) bson.D) []string {
	h.t.Helper()
	var out []string
	agreed, err := bson.Marshal(bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: bson.D{{Key: consent.Marketing, Value: true}}}}}})
	require.NoError(h.t, err)
	for first < last {
		var inputs []event.Input
		for n := first; n < min(first+500, last); n++ {
			doc := bson.D{{Key: "email", Value: fmt.Sprintf("p%d@example.com", n)}}
			if traits != nil {
				doc = append(doc, traits(n)...)
			}
			raw, err := bson.Marshal(doc)
			require.NoError(h.t, err)
			in := event.Input{Type: event.Identify, MessageID: fmt.Sprintf("i%d", n), UserID: fmt.Sprintf("u%d", n), Traits: raw, Context: agreed, Timestamp: h.clock.Now()}
			in.Seal(h.clock.Now())
			inputs = append(inputs, in)
		}
		results, err := h.pipeline.Ingest(h.ctx, ws, "src_test", inputs)
		require.NoError(h.t, err)
		for _, res := range results {
			require.Nil(h.t, res.Err)
			out = append(out, res.ProfileID)
		}
		first += len(inputs)
	}
	return out
}

// list makes a static list.
func (h *house) list(name string, people ...string) string {
	h.t.Helper()
	made, err := h.segments.Create(h.ctx, ws, segment.CreateInput{Name: name, Kind: segment.Static})
	require.NoError(h.t, err)
	id := made.Segment.SegmentID()
	h.join(id, people...)
	return id
}

func (h *house) join(list string, people ...string) {
	h.t.Helper()
	for len(people) > 0 {
		n := min(len(people), segment.MaxListItems)
		items := make([]segment.ListItem, n)
		for i := range items {
			items[i].ProfileID = people[i]
		}
		_, err := h.segments.AddToList(h.ctx, ws, list, items)
		require.NoError(h.t, err)
		people = people[n:]
	}
}

// draft makes a campaign by e-mail to some segments.
func (h *house) draft(include []string, change ...func(*campaign.Input)) *campaign.Campaign {
	h.t.Helper()
	in := campaign.Input{Name: "Spring", Definition: campaign.Definition{
		Channel: message.Email, Purpose: consent.Marketing, Include: include, Arms: []campaign.Arm{{ID: "a", Template: "tpl_spring"}}, Quiet: message.QuietSend,
	}}
	for _, f := range change {
		f(&in)
	}
	c, err := h.Create(h.ctx, ws, in)
	require.NoError(h.t, err)
	return c
}

func (h *house) schedule(c *campaign.Campaign, when ...campaign.When) string {
	h.t.Helper()
	w := campaign.When{}
	if len(when) > 0 {
		w = when[0]
	}
	_, a, err := h.Schedule(h.ctx, ws, c.CampaignID(), w, campaign.Edit{})
	require.NoError(h.t, err)
	require.Nil(h.t, a)
	return c.CampaignID()
}

// queued lists the messages of a campaign, by profile.
func (h *house) queued(id string) map[string]*message.Message {
	h.t.Helper()
	list, err := message.Messages.Find(h.ctx, h.store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("campaign", id)}, Order: []string{"-at"}}, 0)
	require.NoError(h.t, err)
	out := map[string]*message.Message{}
	for _, m := range list {
		require.Nil(h.t, out[m.Part], "written to twice")
		out[m.Part] = m
	}
	return out
}

// until moves the clock in steps until something is so.
func until(t testing.TB, clock *core.VirtualClock, step time.Duration, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "it does not come to be so")
		clock.Advance(step)
	}
}

func (h *house) is(id string, want campaign.Status) bool {
	c, err := h.Get(h.ctx, ws, id)
	require.NoError(h.t, err)
	return c.Status == want
}

func (h *house) run(id string) *campaign.Run {
	h.t.Helper()
	r, err := h.RunOf(h.ctx, ws, id)
	require.NoError(h.t, err)
	return r
}

func prefixOf(id string) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", id+"/")}}
}
