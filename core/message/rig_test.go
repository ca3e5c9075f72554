package message_test

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
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_MSG0000001"

// postman is the host of a connector that carries e-mail and SMS: what tests script.
type postman struct {
	mu      stdsync.Mutex
	keys    map[string]int // how often each came
	order   []sync.Message
	caps    []string
	send    func(ctx context.Context, m sync.Message) (sync.Sent, error)
	status  func(id, key string) (sync.Delivery, error)
	checked int
	check   error
	hooks   bool
}

func newPostman(caps ...string) *postman {
	return &postman{keys: map[string]int{}, caps: append(caps, sync.CanSend), hooks: true}
}

// Connectors implements sync.Host.
func (p *postman) Connectors() []sync.Connector {
	return []sync.Connector{{
		Name: "post", Version: "v1.0.0", Title: "Post", Protocol: 1, Kinds: []string{"channel"}, ConfigSchema: json.RawMessage(`{"type":"object"}`),
		Capabilities: p.caps, Channels: []string{message.Email, message.SMS, message.Push}, Categories: []core.Category{core.Contact}, Webhooks: p.hooks,
	}}
}

// Dial implements sync.Host.
func (p *postman) Dial(context.Context, sync.Dial) (sync.Instance, error) { return &post{p: p}, nil }

// Drop implements sync.Host.
func (p *postman) Drop(string) {}

// Process implements sync.Host.
func (p *postman) Process(string) sync.Process { return sync.Process{State: sync.ProcessRunning} }

func (p *postman) sentTo(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[key]
}

func (p *postman) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.order)
}

// post is the connector; what it cannot do is nobody's to ask.
type post struct {
	sync.Instance
	p *postman
}

// Send implements sync.Instance.
func (i *post) Send(ctx context.Context, m sync.Message) (sync.Sent, error) {
	i.p.mu.Lock()
	f := i.p.send
	i.p.keys[m.Key]++
	i.p.order = append(i.p.order, m)
	i.p.mu.Unlock()
	if f != nil {
		return f(ctx, m)
	}
	return sync.Sent{ID: "v-" + m.Key, State: sync.DeliveryQueued}, nil
}

// Status implements sync.Instance.
func (i *post) Status(_ context.Context, id, key string) (sync.Delivery, error) {
	if i.p.status == nil {
		return sync.Delivery{}, &sync.Fault{Kind: sync.FaultUnsupported, Origin: sync.FromConnector, Message: "no"}
	}
	return i.p.status(id, key)
}

// Check implements sync.Instance.
func (i *post) Check(context.Context) error {
	i.p.mu.Lock()
	defer i.p.mu.Unlock()
	i.p.checked++
	return i.p.check
}

// Upgrade implements sync.Instance.
func (i *post) Upgrade(context.Context, sync.Stored) (sync.Stored, error) {
	return sync.Stored{}, &sync.Fault{Kind: sync.FaultUnsupported, Origin: sync.FromConnector, Message: "no"}
}

// words are templates that say the same to everybody, by their id.
type words map[string]func(roots map[string]any) message.Content

// Published implements message.Templates.
func (w words) Published(_ context.Context, _, id string, _ int64) (message.Template, error) {
	f := w[id]
	if f == nil {
		return nil, core.Errorf(core.NotFound, "TEMPLATE", "there is no such template")
	}
	return word(f), nil
}

type word func(map[string]any) message.Content

// Number implements message.Template.
func (w word) Number() int64 { return 3 }

// Channel implements message.Template.
func (w word) Channel() string { return "" }

// Render implements message.Template.
func (w word) Render(_ context.Context, _, _ string, roots map[string]any) (message.Content, error) {
	return w(roots), nil
}

// rig is one process over a store.
type rig struct {
	*message.Service
	t        testing.TB
	ctx      context.Context
	clock    core.Clock
	store    store.Store
	post     *postman
	words    words
	people   *profile.Service
	consent  *consent.Service
	syncs    *sync.Service
	pipeline *ingest.Pipeline
	runner   *work.Runner
	end      func()
}

func specs() []*store.Spec {
	all := store.Specs()
	for _, list := range [][]*store.Spec{
		keyring.Specs(), audit.Specs(), access.Specs(), work.Specs(), event.Specs(), consent.Specs(), object.Specs(), profile.Specs(),
		segment.Specs(), ingest.Specs(), sync.Specs(), message.Specs(),
	} {
		all = append(all, list...)
	}
	return all
}

func openStore(t testing.TB, path string) store.Store {
	t.Helper()
	if path == "" { // a store of the test's own
		if tt, ok := t.(*testing.T); ok {
			tt.Parallel()
		}
		path = filepath.Join(t.TempDir(), "headwater.db")
	}
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	require.NoError(t, db.Declare(t.Context(), specs()...))
	return db
}

func newRig(t testing.TB, p *postman) *rig {
	t.Helper()
	r := rigOver(t, openStore(t, ""), p, core.SystemClock{})
	r.setUp()
	r.start()
	return r
}

// rigOver is a process that runs nothing in the background.
func rigOver(t testing.TB, db store.Store, p *postman, clock core.Clock) *rig {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	m, err := keyring.NewMaster(make([]byte, 32))
	require.NoError(t, err)
	ring := keyring.New(db, clock, m)
	r := &rig{t: t, store: db, post: p, clock: clock, words: words{}, ctx: core.WithActor(context.Background(), access.System(ws, "test"))}
	r.runner = work.New(work.Options{Store: db, Clock: clock, Logger: logger, Poll: 20 * time.Millisecond, Grace: 200 * time.Millisecond, Lease: lease})
	jobs := work.NewJobs(r.runner)
	log := audit.New(audit.Options{
		Store: db, Keys: ring, Clock: clock, Logger: logger, Runner: r.runner,
		Workspaces: func(context.Context) ([]string, error) { return []string{ws}, nil },
	})
	events := event.NewService(db, clock)
	r.people = profile.NewService(db, clock)
	r.pipeline = ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: r.people, Log: logger})
	r.consent = consent.NewService(consent.Options{
		Store: db, Clock: clock, People: r.people.ConsentPeople(), Committer: r.pipeline, Tokens: ring, Audit: log, URL: "https://cdp.example",
	})
	objects := object.NewService(object.Options{Store: db, Clock: clock, Committer: r.pipeline, People: r.people, Events: events, Jobs: jobs, Logger: logger})
	segments := segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: r.people, Objects: objects, ObjectTypes: objects.Vocabulary, Events: events,
		Committer: r.pipeline, Jobs: jobs, Runner: r.runner, Logger: logger,
	})
	r.people.SetFold(segments)
	url := func() string { return "https://cdp.example" }
	r.syncs = sync.New(sync.Options{
		Store: db, Clock: clock, Host: p, Keys: ring, Runner: r.runner, Events: events, Committer: r.pipeline, Profiles: r.people,
		Objects: objects, Segments: segments, Consent: r.consent, Audit: log, Logger: logger, Private: true, URL: url,
	})
	r.Service = message.New(message.Options{
		Store: db, Clock: clock, Keys: ring, Runner: r.runner, Committer: r.pipeline, Events: events, Profiles: r.people, Consent: r.consent,
		Vendors: r.syncs, Templates: r.words, Audit: log, Logger: logger, URL: url,
		Outcomes: func(ws string, lane int, batch []message.Outcome) []store.Op {
			var list []library.Outcome
			for _, o := range batch {
				list = append(list, library.Outcome(o))
			}
			return library.OutcomeOps(ws, lane, list)
		},
	})
	r.words["tpl_hello"] = func(roots map[string]any) message.Content {
		who, _ := roots["profile"].(map[string]any)
		return message.Content{Subject: "Hello", Text: fmt.Sprint("Hello ", who["firstName"]), HTML: `<p>Hello</p><a href="https://shop.example/x?a=1&amp;b=2">x</a>`}
	}
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

// setUp makes the connection with its agreement.
func (r *rig) setUp() {
	r.t.Helper()
	signed := time.Now().Add(-time.Hour)
	p, err := r.consent.SetProcessor(r.ctx, ws, "", "p", consent.Processor{
		Name: "Post", Country: "DE", Purposes: []string{consent.Marketing, consent.Operations}, Agreement: "cabinet 3", AgreementSignedOn: &signed,
		Categories: []core.Category{core.IdentifierID, core.Contact}, TransferMechanism: consent.TransferNone,
	}, consent.Edit{})
	require.NoError(r.t, err)
	_, err = r.syncs.CreateConnection(r.ctx, ws, sync.ConnectionInput{Name: "Post", Connector: "post", Config: map[string]any{}, Processor: p.ProcessorID()})
	require.NoError(r.t, err)
}

// person makes somebody with an address, who agrees to marketing over all channels.
func (r *rig) person(n int, traits ...bson.E) string {
	r.t.Helper()
	return r.persons([]int{n}, traits...)[0]
}

func (r *rig) persons(list []int, traits ...bson.E) []string {
	r.t.Helper()
	var inputs []event.Input
	for _, n := range list {
		doc := bson.D{{Key: "email", Value: fmt.Sprintf("p%d@example.com", n)}, {Key: "phone", Value: fmt.Sprintf("+4072%07d", n)}, {Key: "firstName", Value: "Ana"}}
		raw, err := bson.Marshal(append(doc, traits...))
		require.NoError(r.t, err)
		context, err := bson.Marshal(bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: bson.D{{Key: consent.Marketing, Value: true}}}}}})
		require.NoError(r.t, err)
		in := event.Input{Type: event.Identify, MessageID: fmt.Sprintf("i%d", n), UserID: fmt.Sprintf("u%d", n), Traits: raw, Context: context, Timestamp: r.clock.Now()}
		in.Seal(r.clock.Now())
		inputs = append(inputs, in)
	}
	results, err := r.pipeline.Ingest(r.ctx, ws, "src_test", inputs)
	require.NoError(r.t, err)
	out := make([]string, len(results))
	for i, res := range results {
		require.Nil(r.t, res.Err)
		out[i] = res.ProfileID
	}
	return out
}

var serial struct {
	stdsync.Mutex
	n int
}

// intent is a message for marketing by e-mail.
func intent(profile string, change ...func(*message.Intent)) message.Intent {
	serial.Lock()
	serial.n++
	n := serial.n
	serial.Unlock()
	in := message.Intent{
		ID: core.HashID(core.PrefixMessage, ws, profile, fmt.Sprint(n)), Profile: profile, Channel: message.Email, Purpose: consent.Marketing, Template: "tpl_hello",
	}
	for _, f := range change {
		f(&in)
	}
	return in
}

// queue decides messages.
func (r *rig) queue(list ...message.Intent) []string {
	r.t.Helper()
	var ops []store.Op
	var ids []string
	for _, in := range list {
		made, err := r.Queue(r.ctx, ws, in)
		require.NoError(r.t, err)
		ops, ids = append(ops, made...), append(ids, in.ID)
	}
	for len(ops) > 0 {
		n := min(len(ops), 500)
		require.NoError(r.t, work.Commit(r.ctx, r.store, ops[:n]...))
		ops = ops[n:]
	}
	r.WakeAll(ws)
	return ids
}

func (r *rig) get(id string) *message.Message {
	r.t.Helper()
	m, err := message.Messages.Get(r.ctx, r.store, store.Key(ws, id))
	require.NoError(r.t, err)
	require.NotNil(r.t, m)
	return m
}

// becomes waits until a message has one of some statuses.
func (r *rig) becomes(id string, want ...message.Status) *message.Message {
	r.t.Helper()
	var m *message.Message
	if !func() bool {
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			m = r.get(id)
			for _, s := range want {
				if m.Status == s {
					return true
				}
			}
		}
		return false
	}() {
		require.FailNow(r.t, "the message does not become what it should", "want %v, is %s %s %+v", want, m.Status, m.Reason, m.Checks)
	}
	return m
}

// events lists the names of a person's system events about messages.
func (r *rig) events(profileID string) []string {
	r.t.Helper()
	p, err := r.people.Get(r.ctx, ws, profileID)
	require.NoError(r.t, err)
	page, err := r.people.Timeline(r.ctx, p, profile.TimelineFilter{}, core.Window{Limit: 100})
	require.NoError(r.t, err)
	var out []string
	for _, e := range page.Items {
		if e.Type == event.System && len(e.Name) > 8 && e.Name[:8] == "Message " {
			out = append(out, e.Name[8:])
		}
	}
	return out
}

// lease is that of tasks; 0 is the usual one.
var lease time.Duration

var realClock core.Clock = core.SystemClock{}
