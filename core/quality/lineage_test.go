package quality

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
)

func TestMentions(t *testing.T) {
	m, err := mentions([]byte(`{"and":[{"trait":{"path":"address.city","eq":"Cluj"}},{"not":{"event":{"name":"Order Completed","where":[{"path":"total","gt":10}]}}},
		{"aggregate":{"event":{"name":"Order Completed"},"fn":"SUM","path":"discount","value":{"gt":1}}},
		{"sequence":{"steps":[{"name":"Cart"},{"name":"Paid","where":[{"path":"sku","eq":"A"}]}]}},
		{"object":{"type":"car","where":[{"path":"brand","eq":"x"}]}},{"segment":{"id":"seg_01J"}},{"prediction":{"path":"clv","gt":1}}]}`))
	require.NoError(t, err)
	for _, f := range []Field{{event.OwnerTrait, "address.city"}, {"Order Completed", "total"}, {"Order Completed", "discount"}, {"Cart", ""}, {"Paid", "sku"}, {"type:car", "brand"}, {"PREDICTION", "clv"}} {
		require.Contains(t, m.reads, f)
	}
	require.Equal(t, []string{"seg_01J"}, m.uses)
	require.Empty(t, m.writes)

	m, err = mentions([]byte(`{"nodes":[{"id":"a","step":{"entry":{"segmentEntered":"seg_A"}}},{"id":"b","step":{"message":{"templateId":"tpl_B","channel":"EMAIL"}}},
		{"id":"c","step":{"wait":{"trait":"renewsAt"}}},{"id":"d","step":{"updateTrait":{"path":"stage","value":"x"}}}]}`))
	require.NoError(t, err)
	require.Equal(t, []string{"seg_A", "tpl_B"}, m.uses)
	require.Contains(t, m.reads, Field{event.OwnerTrait, "renewsAt"})
	require.Equal(t, []Field{{event.OwnerTrait, "stage"}}, m.writes)
}

// A field is followed from the sources that write it to the campaign that a segment of a
// segment feeds, and not to what has nothing to do with it.
func TestLineage(t *testing.T) {
	r := newRig(t)
	r.start()
	for i, source := range []string{"src_crm", "src_crm", "src_form"} {
		r.send(source, `{"type":"identify","userId":"u%d","traits":{"address":{"city":"Cluj"}}}`, i)
	}
	r.send("src_form", `{"type":"track","userId":"u1","event":"Signed Up","properties":{"plan":"pro"}}`)
	r.set("any", Rule{Kind: Completeness, Owner: event.OwnerTrait, Path: "address.city"})
	r.clock.Advance(24 * time.Hour)
	r.judge()
	r.Knowers = []Knower{func(context.Context, string) ([]Thing, error) {
		return []Thing{
			{Kind: "segment", ID: "seg_cluj", Name: "In Cluj", Reads: []Field{{event.OwnerTrait, "address.city"}}},
			{Kind: "segment", ID: "seg_both", Name: "Both", Uses: []string{"seg_cluj", "seg_other"}},
			{Kind: "segment", ID: "seg_other", Name: "Other", Reads: []Field{{event.OwnerTrait, "plan"}}},
			{Kind: "template", ID: "tpl_city", Name: "Hello", Reads: []Field{{event.OwnerTrait, "address"}}},
			{Kind: "campaign", ID: "cmp_1", Name: "Spring", Uses: []string{"seg_both", "tpl_city"}, Sends: true},
			{Kind: "campaign", ID: "cmp_2", Name: "Autumn", Uses: []string{"seg_other"}, Sends: true},
			{Kind: "sync", ID: "syn_1", Name: "CRM", Writes: []Field{{event.OwnerTrait, "address.city"}}},
		}, nil
	}}
	r.Sent = func(_ context.Context, _, id string) (int64, error) { return int64(len(id)), nil }
	got, err := r.Lineage(r.ctx, rigWS, Field{event.OwnerTrait, "address.city"})
	require.NoError(t, err)
	var ways []string
	for _, s := range got.Stations {
		ways = append(ways, string(s.Role)+" "+s.ID)
	}
	require.Equal(t, []string{"WRITER src_crm", "WRITER src_form", "WRITER syn_1", "READER seg_cluj", "READER tpl_city", "USER seg_both", "SENDER cmp_1"}, ways)
	require.EqualValues(t, 2, got.Stations[0].People)
	require.Equal(t, []string{"seg_cluj"}, got.Stations[5].Via)
	require.Contains(t, got.Stations[6].Via, "tpl_city")
	require.EqualValues(t, 5, got.Stations[6].Count)

	got, err = r.Lineage(r.ctx, rigWS, Field{"Signed Up", "plan"})
	require.NoError(t, err)
	require.Len(t, got.Stations, 1)
	require.Equal(t, "src_form", got.Stations[0].ID)
	require.EqualValues(t, 1, got.Stations[0].Count)

	_, err = r.Lineage(r.ctx, rigWS, Field{event.OwnerTrait, ""})
	require.Equal(t, "PATH", reason(err))
}
