package sync_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/sync"
)

const contactSchema = `{"type":"object","additionalProperties":false,"patternProperties":{"^x_":{}},"properties":{
	"email":{"type":["string","null"],"format":"email"},"name":{"type":"string"},"city":{"type":"string"},
	"score":{"type":["number","null"]},"tier":{"enum":["gold","none",null]},"made":{"type":"string","readOnly":true},"a/b":{"type":"boolean"}}}`

func contactStream() []sync.Stream {
	return []sync.Stream{{
		Name: "contacts", Schema: json.RawMessage(contactSchema), Modes: []string{sync.PullChanges, sync.PushUpsert}, Keys: []string{"email"}, Person: true,
	}, {Name: "log", Schema: json.RawMessage(`{"type":"object"}`), Modes: []string{sync.PullFull}}}
}

// A field map is compared with what the vendor really has, and every mistake in it is told
// with its place.
func TestFieldMapFitsTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	r.vendor.streams = contactStream()
	r.defineTicket()
	create := func(change func(*sync.Sync)) []string {
		y := sync.Sync{
			Connection: c.ConnectionID(), Name: "x", Kind: sync.Profiles, Stream: "contacts", Direction: sync.Both, Match: "email", Purpose: "operations",
			Fields: []sync.Field{{Remote: "email", Local: "traits.email"}},
		}
		change(&y)
		_, err := r.CreateSync(r.ctx, ws, sync.SyncInput{Sync: y, Edit: sync.Edit{DryRun: true}})
		var list sync.Problems
		if !errors.As(err, &list) {
			require.NoError(t, err)
		}
		var out []string
		for _, e := range list {
			out = append(out, core.AsError(e).Reason+" "+strings.Join(core.AsError(e).Path, "."))
		}
		return out
	}
	fields := func(kind sync.Kind, list ...sync.Field) func(*sync.Sync) {
		return func(y *sync.Sync) {
			y.Fields = append([]sync.Field{{Remote: "email", Local: "identifiers.email"}}, list...)
			if y.Kind = kind; kind == sync.Objects {
				y.Type, y.Fields[0].Local = "ticket", "fields.title"
			}
		}
	}
	require.Empty(t, create(func(*sync.Sync) {}))
	require.Equal(t, []string{"STREAM stream"}, create(func(y *sync.Sync) { y.Stream = "nothing" }))
	require.Equal(t, []string{"DIRECTION direction"}, create(func(y *sync.Sync) { y.Stream = "log" }))
	require.Equal(t, []string{"REMOTE_UNKNOWN fieldMap.1.remote", "REMOTE_READ_ONLY fieldMap.2.remote"}, create(fields(sync.Profiles,
		sync.Field{Remote: "nane", Local: "traits.name"}, sync.Field{Remote: "made", Local: "traits.made"}, sync.Field{Remote: "x_own", Local: "traits.x"})))
	require.Empty(t, create(fields(sync.Profiles, sync.Field{Remote: "made", Local: "traits.made", Direction: sync.Pull})))
	require.Equal(t, []string{"REMOTE_TYPE fieldMap.1.remote"}, create(fields(sync.Profiles, sync.Field{Remote: "score", Local: "id", Direction: sync.Push})))
	require.Equal(t, []string{"REMOTE_TYPE fieldMap.1.remote"}, create(fields(sync.Objects, sync.Field{Remote: "score", Local: "fields.stage"})))
	require.Empty(t, create(fields(sync.Objects, sync.Field{Remote: "score", Local: "fields.stage", ToRemote: "number(value)", ToLocal: "text(value)"})))

	// A vendor that cannot be asked hinders nobody; pausing asks nobody.
	y := r.twoWay(c, func(y *sync.Sync) { y.Direction = sync.Push })
	r.vendor.mu.Lock()
	r.vendor.streams = []sync.Stream{}
	r.vendor.mu.Unlock()
	_, err := r.PauseSync(r.ctx, ws, y.SyncID(), true, sync.Edit{})
	require.NoError(t, err)
	_, err = r.UpdateSync(r.ctx, ws, y.SyncID(), sync.Edit{}, func(y *sync.Sync) { y.Fields = y.Fields[:1] })
	require.Equal(t, "STREAM", core.AsError(err).Reason)
	r.vendor.mu.Lock()
	r.vendor.streams = nil
	r.vendor.mu.Unlock()
	_, err = r.UpdateSync(r.ctx, ws, y.SyncID(), sync.Edit{}, func(y *sync.Sync) { y.Fields = y.Fields[:1] })
	require.NoError(t, err)
}

// What an expression makes and the vendor's field does not take is not sent.
func TestResultsFitTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vendor.streams = contactStream()
	r.identify("a", map[string]any{"email": "a@shop.example", "points": "12", "tier": "gold", "flag": "yes"})
	r.identify("b", map[string]any{"email": "b@shop.example", "points": "many", "tier": "gold", "flag": "no"})
	r.identify("c", map[string]any{"email": "c@shop.example", "points": "3", "tier": "iron", "flag": "no"})
	y := r.twoWay(r.connection(), func(y *sync.Sync) {
		y.Direction = sync.Push
		y.Fields = []sync.Field{
			{Remote: "email", Local: "traits.email"}, {Remote: "score", Local: "traits.points", ToRemote: `value == "many" ? value : number(value)`},
			{Remote: "tier", Local: "traits.tier", ToRemote: "lower(value)"}, {Remote: "a/b", Local: "traits.flag", ToRemote: `value == "yes"`},
		}
	})
	run := r.settled(y)
	require.EqualValues(t, 1, run.Written, js(run))
	require.EqualValues(t, 2, run.Failed)
	_, a := r.vendor.find("contacts", "email", "a@shop.example")
	require.Equal(t, true, a["a/b"])
	page, err := r.ListDeadLetters(r.ctx, ws, y.SyncID(), core.Window{Limit: 10})
	require.NoError(t, err)
	paths := map[string]string{}
	for _, d := range page.Items {
		require.Equal(t, sync.FaultInvalidRecord, d.Fault.Kind)
		require.Equal(t, sync.FromConfig, d.Fault.Origin)
		require.NotContains(t, d.Fault.Message, "many")
		paths[d.Fault.Path] = d.Fault.Message
	}
	require.Contains(t, paths["score"], "it is a string and must be a number")
	require.Contains(t, paths["tier"], "does not fit")
}

// defineTicket makes the type ticket, with title and stage.
func (r *rig) defineTicket() {
	r.t.Helper()
	_, err := r.objects.CreateType(r.ctx, ws, object.TypeInput{
		Key: "ticket", Name: "Ticket", Plural: "Tickets",
		Fields: []object.FieldInput{{Key: "title", Label: "Title", Type: object.Text, Category: core.None}, {Key: "stage", Label: "Stage", Type: object.Text, Category: core.None}},
	})
	require.NoError(r.t, err)
}
