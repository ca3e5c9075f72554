package profile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

const ws = "ws_TEST000001"

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixture is a service over a store of its own, and a small pipeline that commits
// units as core/ingest does.
type fixture struct {
	t     failer
	ctx   context.Context
	ws    string
	db    store.Store
	clock *core.VirtualClock
	s     *Service
	n     int
}

// failer is what testing.TB and rapid.T have in common.
type failer interface {
	require.TestingT
	Helper()
	Fatalf(format string, args ...any)
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return openFixture(t, t, filepath.Join(t.TempDir(), "hw.db"))
}

func openFixture(tb testing.TB, t failer, path string) *fixture {
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	require.NoError(t, err)
	tb.Cleanup(func() { _ = db.Close(context.Background()) })
	require.NoError(t, db.Declare(context.Background(), append(Specs(), event.Events.Spec)...))
	clock := core.NewVirtualClock(epoch)
	return &fixture{t: t, ctx: context.Background(), ws: ws, db: db, clock: clock, s: NewService(db, clock)}
}

// tick moves the clock by a second.
func (f *fixture) tick() { f.clock.Advance(time.Second) }

// in makes an input; edit changes it.
type edit func(*event.Input)

func (f *fixture) in(typ event.Type, edits ...edit) *event.Input {
	f.n++
	in := &event.Input{
		Type: typ, MessageID: fmt.Sprintf("m%05d", f.n), Name: string(typ),
		Timestamp: epoch.Add(time.Duration(f.n) * time.Minute), Sum: make([]byte, 16),
	}
	for _, e := range edits {
		e(in)
	}
	return in
}

func user(id string) edit  { return func(in *event.Input) { in.UserID = id } }
func anon(id string) edit  { return func(in *event.Input) { in.AnonymousID = id } }
func prev(id string) edit  { return func(in *event.Input) { in.PreviousID = id } }
func msg(id string) edit   { return func(in *event.Input) { in.MessageID = id } }
func at(t time.Time) edit  { return func(in *event.Input) { in.Timestamp = t } }
func minute(n int) edit    { return at(epoch.Add(time.Duration(n) * time.Minute)) }
func traits(d bson.D) edit { return func(in *event.Input) { in.Traits = doc(d) } }
func email(v string) edit  { return traits(bson.D{{Key: "email", Value: v}}) }
func ctxDoc(d bson.D) edit { return func(in *event.Input) { in.Context = doc(d) } }

func consentSaid(pairs ...any) edit {
	prefs := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		prefs = append(prefs, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return ctxDoc(bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: prefs}}}})
}

func doc(d bson.D) bson.Raw {
	raw, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return raw
}

// send commits the inputs as one unit and returns their events.
func (f *fixture) send(inputs ...*event.Input) []*event.Event {
	f.t.Helper()
	out, errs := f.try(inputs...)
	for _, err := range errs {
		require.NoError(f.t, err)
	}
	return out
}

// try is send that returns what Apply refuses. It retries conflicts.
func (f *fixture) try(inputs ...*event.Input) ([]*event.Event, []error) {
	f.t.Helper()
	for range 1000 {
		u, err := f.s.Begin(f.ctx, f.ws, inputs)
		require.NoError(f.t, err)
		var ops []store.Op
		events := make([]*event.Event, len(inputs))
		errs := make([]error, len(inputs))
		for i, in := range inputs {
			if events[i], errs[i] = u.Apply(in, "src_web", f.clock.Now()); errs[i] == nil {
				ops = append(ops, event.Events.Insert(events[i]))
			}
		}
		ops = append(ops, u.Ops()...)
		if len(ops) == 0 {
			return events, errs
		}
		_, err = f.db.Commit(f.ctx, store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops})
		if errors.Is(err, store.ErrConflict) {
			f.s.Conflicted(u)
			continue
		}
		require.NoError(f.t, err)
		f.s.Committed(u)
		return events, errs
	}
	f.t.Fatalf("a unit kept losing races")
	return nil, nil
}

func (f *fixture) by(namespace, value string) *Profile {
	f.t.Helper()
	p, err := f.s.ByIdentifier(f.ctx, f.ws, event.Identifier{Namespace: namespace, Value: value})
	require.NoError(f.t, err)
	return p
}

// must is by that demands a profile.
func (f *fixture) must(namespace, value string) *Profile {
	f.t.Helper()
	p := f.by(namespace, value)
	require.NotNil(f.t, p, "%s:%s names nobody", namespace, value)
	return p
}

func (f *fixture) pending() []*Proposal {
	f.t.Helper()
	page, err := f.s.Proposals(f.ctx, f.ws, Pending, core.Window{Limit: 100})
	require.NoError(f.t, err)
	return page.Items
}

func (f *fixture) profiles() []*Profile {
	f.t.Helper()
	out, err := Profiles.Find(f.ctx, f.db, store.Query{Workspace: f.ws}, 0)
	require.NoError(f.t, err)
	return out
}

// exact demands that every live profile equals its refold.
func (f *fixture) exact() {
	f.t.Helper()
	diffs, err := f.s.Check(f.ctx, f.ws, nil)
	require.NoError(f.t, err)
	require.Empty(f.t, diffs)
}

func (f *fixture) json(p *Profile) string {
	f.t.Helper()
	raw, err := TraitsJSON(p, nil)
	require.NoError(f.t, err)
	return string(raw)
}

// names lists a profile's identifiers as "namespace:value".
func names(p *Profile) []string {
	var out []string
	for _, h := range p.Identifiers {
		out = append(out, h.Namespace+":"+h.Value)
	}
	return out
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}

// commitOps commits operations in one batch.
func commitOps(ctx context.Context, db store.Store, ops ...store.Op) error {
	_, err := db.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops})
	return err
}

// wipe deletes everything of the workspace.
func (f *fixture) wipe() {
	f.t.Helper()
	var ops []store.Op
	for _, spec := range append(Specs(), event.Events.Spec) {
		plan, err := store.PlanQuery(spec, store.Query{Workspace: f.ws})
		require.NoError(f.t, err)
		raws, err := f.db.Scan(f.ctx, plan)
		require.NoError(f.t, err)
		for _, raw := range raws {
			ops = append(ops, store.Op{Kind: store.OpDelete, Spec: spec, ID: raw.Lookup("_id").StringValue(), V: raw.Lookup("_v").AsInt64()})
		}
	}
	for chunk := range slices.Chunk(ops, store.MaxOps) {
		require.NoError(f.t, commitOps(f.ctx, f.db, chunk...))
	}
}

// owner is the id of the profile that an event belongs to.
func (f *fixture) owner(e *event.Event) string {
	f.t.Helper()
	p, err := f.s.Get(f.ctx, f.ws, e.Part)
	require.NoError(f.t, err)
	return p.ProfileID()
}
