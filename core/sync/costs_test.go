package sync_test

import (
	"context"
	"encoding/json"
	"slices"
	stdsync "sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
)

// What an account spent comes with its own ids; what is no cost becomes a dead letter and
// costs the others nothing; what is taken back there is taken back here.
func TestCosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vendor.streams = []sync.Stream{{
		Name: "spend", Modes: []string{sync.PullChanges},
		Schema: json.RawMessage(`{"type":"object","properties":{"day":{"type":"string"},"micros":{"type":"integer"},"money":{"type":"string"},"campaign":{"type":"string"}}}`),
	}}
	var mu stdsync.Mutex
	kept := map[string]sync.Cost{}
	r.Costs = func(_ context.Context, in, account string, list []sync.Cost) (sync.CostsKept, error) {
		mu.Lock()
		defer mu.Unlock()
		out := sync.CostsKept{Faults: map[int]*core.Error{}}
		for i, c := range list {
			_, had := kept[c.Ref]
			switch {
			case in != ws || account != "acme-ads":
				return out, core.Errorf(core.Invalid, "ACCOUNT", "who is that")
			case c.Gone:
				delete(kept, c.Ref)
				if had {
					out.Written++
				}
			case c.Currency == "":
				out.Faults[i] = core.Errorf(core.Invalid, "CURRENCY", "a currency is needed").At("costs", "0", "currency")
			case kept[c.Ref] != c:
				kept[c.Ref] = c
				out.Written++
			}
		}
		return out, nil
	}
	c := r.connection()
	fields := []sync.Field{
		{Remote: "day", Local: "cost.day"}, {Remote: "micros", Local: "cost.amount", ToLocal: "value / 1000000"}, {Remote: "money", Local: "cost.currency"},
		{Remote: "campaign", Local: "cost.campaign"},
	}
	in := sync.Sync{
		Connection: c.ConnectionID(), Name: "spend", Kind: sync.Costs, Stream: "spend", Type: "acme-ads", Direction: sync.Pull, Deletions: sync.DeleteDeleted,
		Fields: fields,
	}
	for reason, change := range map[string]func(y *sync.Sync){
		"ACCOUNT":   func(y *sync.Sync) { y.Type = "" },
		"STREAM":    func(y *sync.Sync) { y.Stream = "" },
		"DIRECTION": func(y *sync.Sync) { y.Direction = sync.Both },
		"FIELDS":    func(y *sync.Sync) { y.Fields = fields[:2] },
		"LOCAL":     func(y *sync.Sync) { y.Fields = append(fields[:3:3], sync.Field{Remote: "x", Local: "traits.email"}) },
	} {
		y := in
		change(&y)
		_, err := r.CreateSync(r.ctx, ws, sync.SyncInput{Sync: y})
		var all sync.Problems
		require.ErrorAs(t, err, &all)
		require.True(t, slices.ContainsFunc(all, func(e *core.Error) bool { return e.Reason == reason }), "%s: %v", reason, all)
	}
	r.vendor.set("spend", "1", map[string]any{"day": "2026-11-01", "micros": 12_340_000, "money": "EUR", "campaign": "autumn"})
	r.vendor.set("spend", "2", map[string]any{"day": "2026-11-01", "micros": 100_000, "money": "EUR", "campaign": "autumn"})
	r.vendor.set("spend", "3", map[string]any{"day": "2026-11-02", "micros": 1})
	y, err := r.CreateSync(r.ctx, ws, sync.SyncInput{Sync: in})
	require.NoError(t, err)
	run := r.settled(y)
	require.Equal(t, []int64{3, 2, 0, 1}, []int64{run.Read, run.Written, run.Skipped, run.Failed}, js(run))
	mu.Lock()
	require.Equal(t, map[string]sync.Cost{
		"1": {Ref: "1", Day: "2026-11-01", Amount: "12.34", Currency: "EUR", Campaign: "autumn"},
		"2": {Ref: "2", Day: "2026-11-01", Amount: "0.1", Currency: "EUR", Campaign: "autumn"},
	}, kept, "two of one day and campaign are two")
	mu.Unlock()
	dead, err := r.ListDeadLetters(r.ctx, ws, y.SyncID(), core.Window{Limit: 5})
	require.NoError(t, err)
	require.Len(t, dead.Items, 1)
	require.Equal(t, []string{"CURRENCY", "cost.currency"}, []string{dead.Items[0].Fault.Reason, dead.Items[0].Fault.Path})

	r.vendor.set("spend", "1", map[string]any{"day": "2026-11-01", "micros": 13_000_000, "money": "EUR", "campaign": "autumn"})
	r.vendor.remove("spend", "2", "")
	run = r.run(y)
	require.EqualValues(t, 2, run.Written, js(run))
	mu.Lock()
	require.Len(t, kept, 1)
	require.Equal(t, "13", kept["1"].Amount)
	mu.Unlock()
}
