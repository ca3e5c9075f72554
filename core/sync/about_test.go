package sync_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/sync"
)

// order makes a type of orders that point at who bought.
func (r *rig) defineOrder() {
	r.t.Helper()
	_, err := r.objects.CreateType(r.ctx, ws, object.TypeInput{
		Key: "order", Name: "Order", Plural: "Orders",
		Fields:    []object.FieldInput{{Key: "title", Label: "Title", Type: object.Text, Category: core.None}},
		Relations: []object.RelationInput{{Key: "buyer", Label: "Buyer"}},
	})
	require.NoError(r.t, err)
}

func (r *rig) order(id, title, buyer string) {
	r.t.Helper()
	res, err := r.objects.Upsert(r.ctx, ws, "order", []object.Item{{
		ExternalID: id, Fields: map[string]any{"title": title}, Links: map[string][]object.Link{"buyer": {{Namespace: "email", Value: buyer}}},
	}})
	require.NoError(r.t, err)
	require.Nil(r.t, res[0].Err)
}

// A record about a person goes where that person may go: not before they agreed, and not
// after they withdrew.
func TestRecordsAboutPeople(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.defineOrder()
	for _, who := range []string{"a", "b"} {
		r.identify(who, map[string]any{"email": who + "@shop.example"})
	}
	r.say("a@shop.example", consent.Granted)
	r.order("o1", "one", "a@shop.example")
	r.order("o2", "two", "b@shop.example")
	r.order("o3", "three", "stranger@shop.example")
	y := r.twoWay(r.connection(), func(y *sync.Sync) {
		y.Kind, y.Type, y.Stream, y.Direction, y.Match = sync.Objects, "order", "orders", sync.Push, "title"
		y.Purpose, y.Channel = consent.Marketing, consent.Email
		y.Fields = []sync.Field{{Remote: "title", Local: "fields.title"}}
	})
	run := r.settled(y)
	require.EqualValues(t, 1, run.Written, js(run))
	require.EqualValues(t, 2, run.Skipped)
	_, one := r.vendor.find("orders", "title", "one")
	require.NotNil(t, one)
	entry := r.audited("sync.push")[0]
	require.Equal(t, []string{r.person("email", "a@shop.example").ProfileID()}, entry.Subjects)
	require.Equal(t, "1", entry.Details["records"])

	r.say("b@shop.example", consent.Granted)
	require.EqualValues(t, 1, r.run(y).Written, "her word alone is enough")
	require.Equal(t, 2, r.vendor.count("orders"))

	r.say("a@shop.example", consent.Denied)
	r.order("o1", "one and more", "a@shop.example")
	run = r.run(y)
	require.EqualValues(t, 0, run.Written)
	require.NotNil(t, r.vendor.get("orders", "r1"))
	require.Equal(t, "one", r.vendor.get("orders", "r1")["title"])
	r.say("a@shop.example", consent.Granted)
	require.EqualValues(t, 1, r.run(y).Written)
	require.Equal(t, "one and more", r.vendor.get("orders", "r1")["title"])
}
