package segment

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// decided is an actor's decider with a fixed view.
type decided core.View

func (d *decided) View(context.Context) (*core.View, error) { return (*core.View)(d), nil }

var refused = core.Decision{Effect: core.Deny, Withheld: core.WithheldRole}

// guardedOffice is an office whose people are behind a gate.
func guardedOffice(t testing.TB) *office {
	t.Helper()
	var people *profile.Service
	var events *event.Service
	o := newOffice(t, func(o *Options) { people, events = o.Profiles, o.Events })
	people.SetGate(profile.GateOptions{
		View:   func(ctx context.Context) (*core.View, error) { return core.ActorFrom(ctx).Decider.View(ctx) },
		Events: events, Members: o.Service,
		Pseudonyms: func(context.Context, string) (func(kind, value string) string, error) {
			return func(kind, value string) string { return "psn_" + kind }, nil
		},
	})
	src, err := event.NewSource(o.ws, event.SourceInput{Name: "Shop", Priority: 1}, o.clock.Now())
	require.NoError(t, err)
	src.ID = store.Key(o.ws, "src_web") // whose events the office sends; it vouches for owners
	_, err = o.db.Commit(o.ctx, store.Batch{ID: core.NewID(core.PrefixBatch, o.clock.Now()), Ops: []store.Op{event.Sources.Insert(src)}})
	require.NoError(t, err)
	return o
}

// as returns the context of an actor who may read everything but what is decided
// otherwise, for a purpose.
func (o *office) as(purpose string, otherwise map[core.Category]core.Decision, change ...func(*core.Actor)) context.Context {
	v := &decided{Purpose: purpose, Data: map[core.Category]core.Decision{}}
	for _, c := range core.Categories {
		v.Data[c] = core.Decision{Effect: core.Allow}
	}
	for c, d := range otherwise {
		v.Data[c] = d
	}
	a := &core.Actor{Workspace: o.ws, ID: "key_TEST", Decider: v}
	for _, f := range change {
		f(a)
	}
	return core.WithActor(o.ctx, a)
}

// classify says what a field holds.
func (o *office) classify(owner, path string, c core.Category) {
	o.t.Helper()
	_, err := o.events.SetField(o.ctx, o.ws, event.FieldUpdate{Owner: owner, Path: path, Category: &c})
	require.NoError(o.t, err)
}

// canary is part of every value that must not come out.
const canary = "canary"

// guardedPeople are Ana, Ben and Eva, of whom the fields of every category are known.
func (o *office) guardedPeople() []string {
	o.t.Helper()
	ids := o.send(
		`{"type":"identify","userId":"ana","traits":{"email":"ana.canary@example.com","plan":"canary-pro","age":41,"address":{"city":"canary-Cluj","country":"RO"},"illness":"canary-flu","bio":"canary-bio","odd":"canary-odd","owner":"eve"},"context":{"consent":{"categoryPreferences":{"marketing":true}}}}`,
		`{"type":"identify","userId":"ben","traits":{"email":"ben.canary@example.com","plan":"canary-pro","age":35,"address":{"city":"canary-Iasi"},"illness":"canary-flu","bio":"canary-b","odd":"canary-odd","owner":"bob"},"context":{"consent":{"categoryPreferences":{"marketing":false}}}}`,
		`{"type":"identify","userId":"eva","traits":{"email":"eva.canary@example.com","plan":"canary-pro","age":22,"address":{"city":"canary-Arad"},"illness":"canary-flu","bio":"canary-e","odd":"canary-odd","owner":"eve"}}`,
	)
	for _, user := range []string{"ana", "ben", "eva"} {
		o.send(`{"type":"track","userId":"` + user + `","event":"Order Completed","properties":{"total":7,"diagnosis":"canary-flu","products":[{"sku":"canary-sku","coupon":"canary-c"}]}}`)
	}
	require.NoError(o.t, o.events.Flush(o.ctx, o.ws))
	order := event.OwnerOf("Order Completed")
	o.classify(event.OwnerTrait, "illness", core.Special)
	o.classify(event.OwnerTrait, "odd", core.Unclassified)
	o.classify(event.OwnerTrait, "owner", core.None)
	o.classify(order, "diagnosis", core.Special)
	o.classify(order, "products.sku", core.Behaviour)
	o.classify(order, "products.coupon", core.Transaction)
	return ids
}
