package profile

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// decider is an actor's view that a test sets.
type decider struct {
	view *core.View
	err  error
}

func (d decider) View(context.Context) (*core.View, error) { return d.view, d.err }

// witness hears what is shown, or fails.
type witness struct {
	ids  []string
	fail error
}

func (w *witness) Saw(_ context.Context, s audit.Seen) error {
	w.ids = append(w.ids, s.Profiles...)
	return w.fail
}
func (w *witness) Asked(string, string) {}

func allow(purpose string, categories ...core.Category) *core.View {
	v := &core.View{Purpose: purpose, Data: map[core.Category]core.Decision{}}
	for _, c := range categories {
		v.Data[c] = core.Decision{Effect: core.Allow}
	}
	return v
}

// gated returns a fixture with a gate, and the context of an actor with a view.
func gated(t testing.TB, a core.Actor, v *core.View) (*fixture, context.Context, *witness) {
	f := newFixture(t)
	f.s.SetGate(GateOptions{
		View:   func(ctx context.Context) (*core.View, error) { return core.ActorFrom(ctx).Decider.View(ctx) },
		Events: event.NewService(f.db, f.clock),
		Pseudonyms: func(context.Context, string) (func(kind, value string) string, error) {
			return func(kind, value string) string { return "psn_" + kind + "_" + value[:1] }, nil
		},
	})
	require.NoError(t, f.db.Declare(context.Background(), event.Specs()...))
	w := &witness{}
	a.Workspace, a.ID, a.Decider = ws, "key_1", decider{view: v}
	return f, audit.WithWitness(core.WithActor(context.Background(), &a), w), w
}

func TestGateIsClosedWithoutAView(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Identify, user("u1")))
	p := f.by(UserID, "u1")
	for name, a := range map[string]*core.Actor{
		"nobody": nil, "a key": {Workspace: ws, ID: "key_1"}, "an impostor": {Workspace: ws, ID: "system:x", Decider: decider{err: errors.New("no")}},
	} {
		ctx := context.Background()
		if a != nil {
			ctx = core.WithActor(ctx, a)
		}
		g, err := f.s.Gate(ctx, ws)
		require.NoError(t, err, name)
		ok, _ := g.Admits(ctx, p)
		require.False(t, ok, name)
		require.Nil(t, g.Show(ctx, p), name)
		require.Error(t, g.Usable(event.OwnerTrait, "email"), name)
	}
	ctx := core.WithActor(context.Background(), &core.Actor{ID: "system:job"})
	g, err := f.s.Gate(ctx, ws)
	require.NoError(t, err)
	require.Same(t, p, g.Show(ctx, p))
}

func TestGateOfAnotherWorkspaceIsClosed(t *testing.T) {
	f, ctx, _ := gated(t, core.Actor{}, allow("operations", core.Categories...))
	f.send(f.in(event.Identify, user("u1")))
	g, err := f.s.Gate(ctx, "ws_OTHER00001")
	require.NoError(t, err)
	require.Nil(t, g.Show(ctx, f.by(UserID, "u1")))
}

func TestErrorsOfTheViewDeny(t *testing.T) {
	f, ctx, _ := gated(t, core.Actor{}, nil)
	core.ActorFrom(ctx).Decider = decider{err: core.Errorf(core.Unavailable, "POLICY", "unread")}
	_, err := f.s.Gate(ctx, ws)
	require.Error(t, err)
}

func TestWhatIsNotAuditedIsNotShown(t *testing.T) {
	f, ctx, w := gated(t, core.Actor{}, allow("operations", core.Categories...))
	f.send(f.in(event.Identify, user("u1")))
	p, err := f.s.Show(ctx, ws, f.by(UserID, "u1").ProfileID())
	require.NoError(t, err)
	require.Equal(t, []string{p.ProfileID()}, w.ids)
	w.fail = errors.New("the log is full")
	_, err = f.s.Show(ctx, ws, p.ProfileID())
	require.Error(t, err)
	_, err = f.s.ShowList(ctx, ws, core.Window{Limit: 5})
	require.Error(t, err)
}

func TestLimitsToOwners(t *testing.T) {
	f, ctx, _ := gated(t, core.Actor{Limits: core.Limits{Owners: []string{"ana"}}}, allow("operations", core.Categories...))
	src, err := event.NewSource(ws, event.SourceInput{Name: "Shop", Priority: 1}, f.clock.Now())
	require.NoError(t, err)
	src.ID = ws + "/src_web" // whose events the fixture sends
	_, err = f.db.Commit(context.Background(), store.Batch{ID: "bat_source", Ops: []store.Op{event.Sources.Insert(src)}})
	require.NoError(t, err)
	f.send(f.in(event.Identify, user("u1"), traits(bson.D{{Key: "owner", Value: "ana"}})), f.in(event.Identify, user("u2"), traits(bson.D{{Key: "owner", Value: "ben"}})), f.in(event.Identify, user("u3")))
	page, err := f.s.ShowList(ctx, ws, core.Window{Limit: 5})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	n, err := f.s.CountShown(ctx, ws)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	core.ActorFrom(ctx).Limits = core.Limits{Segments: []string{"seg_x"}} // nobody answers for segments
	n, err = f.s.CountShown(ctx, ws)
	require.NoError(t, err)
	require.Zero(t, n)
	core.ActorFrom(ctx).BreakGlass = true
	n, err = f.s.CountShown(ctx, ws)
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
}

// A page's write key is public: what it says of owners decides nothing, until somebody
// ranks its source.
func TestOwnersAreVouchedFor(t *testing.T) {
	for name, c := range map[string]struct {
		in   event.SourceInput
		want int
	}{
		"a page":    {event.SourceInput{Name: "Page"}, 0},
		"a form":    {event.SourceInput{Name: "Form", Kind: event.SourceForm}, 0},
		"ranked":    {event.SourceInput{Name: "Shop", Priority: 1}, 1},
		"a CRM":     {event.SourceInput{Name: "CRM", Kind: event.SourceConnector}, 1},
		"not known": {event.SourceInput{}, 0},
	} {
		f, ctx, _ := gated(t, core.Actor{Limits: core.Limits{Owners: []string{"ana"}}}, allow("operations", core.Categories...))
		if c.in.Name != "" {
			src, err := event.NewSource(ws, c.in, f.clock.Now())
			require.NoError(t, err)
			src.ID = ws + "/src_web" // whose events the fixture sends
			_, err = f.db.Commit(context.Background(), store.Batch{ID: "bat_source", Ops: []store.Op{event.Sources.Insert(src)}})
			require.NoError(t, err)
		}
		f.send(f.in(event.Identify, user("u1"), traits(bson.D{{Key: "owner", Value: "ana"}})))
		page, err := f.s.ShowList(ctx, ws, core.Window{Limit: 5})
		require.NoError(t, err)
		require.Len(t, page.Items, c.want, name)
	}
}

func TestSourcesAreUsedForTheirPurposes(t *testing.T) {
	f, ctx, _ := gated(t, core.Actor{}, allow("operations", core.Categories...))
	src, err := event.NewSource(ws, event.SourceInput{Name: "Newsletter", Purposes: []string{"marketing"}}, f.clock.Now())
	require.NoError(t, err)
	src.ID = ws + "/src_web" // whose events the fixture sends
	_, err = f.db.Commit(context.Background(), store.Batch{ID: "bat_source", Ops: []store.Op{event.Sources.Insert(src)}})
	require.NoError(t, err)
	f.send(f.in(event.Identify, user("u1"), email("a@b.example")))
	p, err := f.s.Show(ctx, ws, f.by(UserID, "u1").ProfileID())
	require.NoError(t, err)
	require.Empty(t, p.Traits)
	require.Equal(t, []core.Withheld{{Path: "traits.email", Reason: core.WithheldPurpose}}, p.Withheld)
	g, err := f.s.Gate(ctx, ws)
	require.NoError(t, err)
	page, err := g.ShowTimeline(ctx, p, TimelineFilter{}, core.Window{Limit: 5})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	core.ActorFrom(ctx).Decider = decider{view: allow("compliance", core.Categories...)}
	p, err = f.s.Show(ctx, ws, p.ProfileID())
	require.NoError(t, err)
	require.Len(t, p.Traits, 1, "compliance sees what there is")
}

func TestPartialForms(t *testing.T) {
	for in, want := range map[string]string{
		"ana@example.com": "a•••@example.com", "a@b.c": "a•••@b.c", "+40 721 234 567": "•••67", "12": "•••", "Șerban": "Ș•••", "x": "x•••", "": "•••", "4111": "•••",
	} {
		require.Equal(t, want, partial(in), in)
	}
}

func TestMaskedValues(t *testing.T) {
	_, ctx, _ := gated(t, core.Actor{}, nil)
	g := &Gate{ctx: ctx, pseudo: func(kind, v string) string { return kind + ":" + v }, view: allow("operations")}
	value := func(v any) bson.RawValue {
		typ, raw, err := bson.MarshalValue(v)
		require.NoError(t, err)
		return bson.RawValue{Type: typ, Value: raw}
	}
	psn := core.Decision{Effect: core.Mask, Form: core.Pseudonym}
	part := core.Decision{Effect: core.Mask, Form: core.Partial}
	require.Equal(t, "CONTACT:x", g.MaskValue(psn, "CONTACT", value("x")).StringValue())
	require.Equal(t, "CONTACT:7", g.MaskValue(psn, "CONTACT", value(int64(7))).StringValue())
	require.Equal(t, null, g.MaskValue(psn, "CONTACT", value(true)), "a boolean is guessed")
	require.Equal(t, null, g.MaskValue(part, "CONTACT", value(int64(7))))
	require.Equal(t, null, g.MaskValue(core.Decision{Effect: core.Deny}, "CONTACT", value("x")))
	require.Equal(t, null, g.MaskValue(part, "LOCATION", value("Cluj")))
	g.view.Data[core.Location] = part
	m := masker{g: g, category: func(string) core.Category { return core.Location }}
	v, ok := m.value("address.country", value("RO"))
	require.True(t, ok)
	require.Equal(t, "RO", v.StringValue())
	_, ok = m.value("address.city", value("Cluj"))
	require.False(t, ok)
}

// BenchmarkShow compares reading a person with and without the gate, as somebody who may
// read everything and as somebody who may not.
func BenchmarkShow(b *testing.B) {
	some := allow("operations", core.Behaviour, core.Transaction, core.IdentifierID)
	for _, c := range []struct {
		name string
		view *core.View
	}{{"raw", nil}, {"admin", allow("operations", core.Categories...)}, {"masked", some}} {
		b.Run(c.name, func(b *testing.B) {
			f, ctx, w := gated(b, core.Actor{}, c.view)
			f.send(f.in(event.Identify, user("u1"), traits(bson.D{{Key: "email", Value: "a@b.example"}, {Key: "plan", Value: "x"}, {Key: "name", Value: "Ana"}, {Key: "age", Value: int64(3)}})))
			id := f.by(UserID, "u1").ProfileID()
			b.ReportAllocs()
			for b.Loop() {
				w.ids = w.ids[:0]
				var p *Profile
				var err error
				if c.view == nil {
					p, err = f.s.Get(ctx, ws, id)
				} else {
					p, err = f.s.Show(ctx, ws, id)
				}
				if err != nil || p == nil {
					b.Fatal(err)
				}
			}
		})
	}
}
