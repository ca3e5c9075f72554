package segment

import (
	"fmt"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestPackedLedgers(t *testing.T) {
	for name, l := range map[string]condition.Ledger{
		"empty": {},
		"full": {
			Entries: []condition.Entry{
				{At: -5}, {At: 1, Event: core.HashID(core.PrefixEvent, "a")}, {At: 1, Event: "odd", Match: true},
				{At: 1 << 41, Num: []condition.Decimal{decimal.RequireFromString("-12.50"), decimal.RequireFromString("1e300")}, Text: []string{"", `"x"`}},
			},
			Total: condition.Total{
				Count: 3, First: -1, Last: 2, N: 4, Sum: decimal.RequireFromString("-0.1"), Min: decimal.RequireFromString("12345678901234567890"),
				Max: decimal.RequireFromString("0"), Distinct: []string{"a", "b"},
			},
		},
	} {
		b := packLedger(&l)
		got, err := unpackLedger(b)
		require.NoError(t, err, name)
		require.Equal(t, fmt.Sprintf("%+v", l), fmt.Sprintf("%+v", *got), name)
		for i := range b { // a truncated one is an error, never a panic
			if i > 0 {
				_, _ = unpackLedger(b[:i])
			}
		}
	}
}

func TestBehaviourCodec(t *testing.T) {
	b := newBehaviour("ws_1", "prof_1")
	b.V, b.Rev, b.Due = 7, 9, time.UnixMilli(123).UTC()
	b.Members = []Member{{"seg_a", 5, 1}, {"seg_b", 6, 3}}
	b.Nexts = []Next{{"seg_a", 123}}
	p := b.ensure("prof_1")
	p.put("k1", &condition.Ledger{Entries: []condition.Entry{{At: 1}, {At: 2}}})
	p.Ledgers[0].Months = []Spilled{{202601, 0, 2}, {202602, 1, 3}}
	p.say(ListState{"seg_l", 4, "evt_x", true})
	raw, err := b.MarshalBSON()
	require.NoError(t, err)
	got, err := Behaviours.Decode(raw)
	require.NoError(t, err)
	l, err := got.part("prof_1").open("k1")
	require.NoError(t, err)
	require.Len(t, l.Entries, 2)
	again, err := got.MarshalBSON()
	require.NoError(t, err)
	require.Equal(t, raw, again)
	got.Parts[0].Ledgers[0].packed, got.Parts[0].Ledgers[0].ledger = nil, b.Parts[0].Ledgers[0].ledger
	require.Equal(t, b, got)
	require.Equal(t, store.Key("ws_1", "prof_1"), got.ID)
}

// What is written by hand is what the tags say.
func TestNewsCodec(t *testing.T) {
	type membership Membership
	type change Change
	at := time.UnixMilli(1234567890123).UTC()
	m := Membership{Meta: store.Meta{ID: "ws_1/seg_1/prof_1", V: 3}, Segment: "seg_1", Profile: "prof_1", Since: at}
	c := Change{
		Meta: store.Meta{ID: "ws_1/seg_1/chg_1", V: 1}, Segment: "seg_1", Profile: "prof_1", Change: Left, At: at, Cause: CauseMerge, Version: 7,
	}
	for _, p := range [][2]any{{&m, (*membership)(&m)}, {&c, (*change)(&c)}} {
		own, err := bson.Marshal(p[0])
		require.NoError(t, err)
		tags, err := bson.Marshal(p[1])
		require.NoError(t, err)
		require.Equal(t, bson.Raw(tags), bson.Raw(own))
	}
}
