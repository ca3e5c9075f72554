package sync_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/sync"
)

func shopStreams() []sync.Stream {
	modes := []string{sync.PullChanges, sync.PushUpsert}
	schema := func(s string) json.RawMessage {
		return json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{` + s + `}}`)
	}
	return []sync.Stream{
		{Name: "contacts", Schema: schema(`"email":{"type":"string"},"name":{"type":"string"},"city":{"type":"string"}`), Modes: modes, Keys: []string{"email"}, Person: true},
		{Name: "companies", Schema: schema(`"title":{"type":"string"}`), Modes: modes},
		{Name: "deals", Schema: schema(`"title":{"type":"string"},"company":{"type":["string","null"]},"contacts":{"type":"array","items":{"type":"string"}}`),
			Modes: modes, Relations: map[string]string{"company": "companies", "contacts": "contacts"}},
	}
}

// What a record points at is carried over, both ways: to people and to records, one and
// several. One that is not there yet is waited for.
func TestRelations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vendor.streams = shopStreams()
	for _, in := range []object.TypeInput{
		{Key: "company", Name: "Company", Plural: "Companies"},
		{Key: "deal", Name: "Deal", Plural: "Deals", Relations: []object.RelationInput{
			{Key: "company", Label: "Company", Target: "company"}, {Key: "buyers", Label: "Buyers", Many: true},
		}},
	} {
		in.Fields = []object.FieldInput{{Key: "title", Label: "Title", Type: object.Text, Category: core.None}}
		_, err := r.objects.CreateType(r.ctx, ws, in)
		require.NoError(t, err)
	}
	c := r.connection()
	records := func(stream, kind string, more ...sync.Field) *sync.Sync {
		return r.twoWay(c, func(y *sync.Sync) {
			y.Kind, y.Stream, y.Type, y.Match, y.Name, y.Purpose = sync.Objects, stream, kind, "title", stream, consent.Operations
			y.Fields = append([]sync.Field{{Remote: "title", Local: "fields.title"}}, more...)
		})
	}
	r.vendor.set("contacts", "p1", map[string]any{"email": "a@shop.example"})
	r.vendor.set("contacts", "p2", map[string]any{"email": "b@shop.example"})
	r.vendor.set("companies", "c1", map[string]any{"title": "One"})
	r.vendor.set("companies", "c2", map[string]any{"title": "Two"})
	r.vendor.set("deals", "d1", map[string]any{"title": "First", "company": "c1", "contacts": []any{"p2", "p1"}})

	_, err := r.CreateSync(r.ctx, ws, sync.SyncInput{Sync: sync.Sync{
		Connection: c.ConnectionID(), Name: "x", Kind: sync.Objects, Stream: "deals", Type: "deal", Direction: sync.Pull,
		Fields: []sync.Field{{Remote: "title", Local: "relations.company"}},
	}})
	require.Equal(t, "REMOTE_RELATION", core.AsError(err).Reason)

	deals := records("deals", "deal", sync.Field{Remote: "company", Local: "relations.company"}, sync.Field{Remote: "contacts", Local: "relations.buyers"})
	require.EqualValues(t, 1, r.settled(deals).Failed, "nothing that it points at is here")
	people, companies := r.twoWay(c), records("companies", "company")
	run := r.run(deals)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	left, err := r.CountDeadLetters(r.ctx, ws, deals.SyncID())
	require.NoError(t, err)
	require.Zero(t, left, "tried again by itself")
	links := func(ext string) map[string][]string {
		rec, err := r.objects.Get(r.ctx, ws, "deal", ext)
		require.NoError(t, err)
		require.NotNil(t, rec)
		out := map[string][]string{}
		for _, l := range rec.LinksOf() {
			out[l.Relation] = append(out[l.Relation], l.Value)
		}
		return out
	}
	a, b := r.person("email", "a@shop.example").ProfileID(), r.person("email", "b@shop.example").ProfileID()
	require.Equal(t, []string{"c1"}, links("d1")["company"])
	require.ElementsMatch(t, []string{a, b}, links("d1")["buyers"])

	items := r.vendor.items
	r.run(deals)
	require.Equal(t, items, r.vendor.items, "nothing echoes")

	// From here: another company, one buyer, named by an address; and a new deal of a company
	// that the vendor does not have yet.
	_, err = r.objects.Upsert(r.ctx, ws, "company", []object.Item{{ExternalID: "mine", Fields: map[string]any{"title": "Mine"}}})
	require.NoError(t, err)
	res, err := r.objects.Upsert(r.ctx, ws, "deal", []object.Item{
		{ExternalID: "d1", Links: map[string][]object.Link{"company": {{Value: "c2"}}, "buyers": {{Namespace: "email", Value: "b@shop.example"}}}},
		{ExternalID: "d2", Fields: map[string]any{"title": "Second"}, Links: map[string][]object.Link{"company": {{Value: "mine"}}}},
	})
	require.NoError(t, err)
	require.Nil(t, res[0].Err)
	require.Nil(t, res[1].Err)
	require.EqualValues(t, 1, r.run(deals).Failed)
	d1 := r.vendor.get("deals", "d1")
	require.Equal(t, "c2", d1["company"])
	require.Equal(t, []any{"p2"}, d1["contacts"])
	_, d2 := r.vendor.find("deals", "title", "Second")
	require.Nil(t, d2, "not without what it points at")
	r.run(companies)
	mine, _ := r.vendor.find("companies", "title", "Mine")
	run = r.run(deals)
	require.EqualValues(t, 0, run.Failed, js(run))
	_, d2 = r.vendor.find("deals", "title", "Second")
	require.Equal(t, mine, d2["company"])

	// And back: nobody buys any more.
	r.vendor.set("deals", "d1", map[string]any{"contacts": []any{}, "company": "c1"})
	r.run(deals)
	require.Equal(t, map[string][]string{"company": {"c1"}}, links("d1"))
	_ = people
}
