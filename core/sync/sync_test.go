package sync_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/sync"
)

// Records of the vendor's become people here, once, and changes follow.
func TestPull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, name := range []string{"Ann", "Ben", "Cy", "Di", "Ed", "Flo", "Gus"} {
		r.vendor.set("contacts", string(rune('a'+i)), map[string]any{"email": name + "@shop.example", "name": name})
	}
	r.vendor.set("contacts", "noaddress", map[string]any{"name": "Nobody"})
	y := r.twoWay(r.connection(), func(y *sync.Sync) { y.Direction = sync.Pull })
	run := r.settled(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run))
	require.EqualValues(t, 8, run.Written)
	ann := r.person("email", "ann@shop.example")
	require.Equal(t, `"Ann"`, r.trait(ann, "name"))

	run = r.run(y)
	require.EqualValues(t, 0, run.Read)
	r.vendor.set("contacts", "a", map[string]any{"email": "ann@new.example", "city": "Ulm"})
	run = r.run(y)
	require.EqualValues(t, 1, run.Written)
	again := r.person("email", "ann@new.example")
	require.Equal(t, ann.ID, again.ID, "the vendor's id is a name of hers")
	require.Equal(t, `"Ulm"`, r.trait(again, "city"))

	// From the beginning: everything is read, nothing is written.
	_, err := r.ResetSync(r.ctx, ws, y.SyncID(), sync.Edit{})
	require.NoError(t, err)
	run = r.settled(y)
	require.Eventually(t, func() bool { run = r.settled(y); return run.Read == 8 }, 5*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 0, run.Written)
	require.EqualValues(t, 8, run.Skipped)
	require.Zero(t, r.vendor.upserts)
}

// People here go to the vendor; what came from there is not echoed, either way.
func TestTwoWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vendor.set("contacts", "v1", map[string]any{"email": "v1@shop.example", "name": "Vera"})
	r.identify("u1", map[string]any{"email": "u1@shop.example", "name": "Uwe"})
	y := r.twoWay(r.connection())
	run := r.settled(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	id, uwe := r.vendor.find("contacts", "email", "u1@shop.example")
	require.NotEmpty(t, id)
	require.Equal(t, "Uwe", uwe["name"])
	require.Equal(t, 1, r.vendor.items, "nobody else went there")

	for range 3 {
		r.run(y)
	}
	require.Equal(t, 1, r.vendor.items, "nothing echoes")
	p := r.person("email", "u1@shop.example")
	events := p.Events

	r.identify("u1", map[string]any{"city": "Bonn"})
	r.vendor.set("contacts", id, map[string]any{"name": "Uwe B."})
	r.run(y)
	r.run(y)
	require.Equal(t, "Bonn", r.vendor.get("contacts", id)["city"])
	p = r.person("email", "u1@shop.example")
	require.Equal(t, `"Uwe B."`, r.trait(p, "name"))
	require.Equal(t, events+2, p.Events, "hers and the vendor's")
	require.Equal(t, 2, r.vendor.items)
	require.Equal(t, 2, r.vendor.count("contacts"))
}
