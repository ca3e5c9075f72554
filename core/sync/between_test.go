package sync_test

import (
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/sync"
)

// What somebody writes at the vendor between the pull and the push of one run is not written
// over unseen: the conflict policy decides.
func TestChangedBetweenPullAndPush(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy sync.Authority
		want   string
	}{{sync.LatestWins, "Theirs"}, {sync.RemoteWins, "Theirs"}, {sync.LocalWins, "Ours"}} {
		t.Run(string(c.policy), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.vendor.set("contacts", "v1", map[string]any{"email": "a@shop.example", "name": "First"})
			y := r.twoWay(r.connection(), func(y *sync.Sync) { y.Conflict = c.policy })
			r.identify("a", map[string]any{"email": "a@shop.example", "name": "Ours"})
			r.afterNextPull(func() { r.vendor.set("contacts", "v1", map[string]any{"name": "Theirs", "city": "Bonn"}) })
			r.run(y)
			r.run(y)
			require.Equal(t, c.want, r.vendor.get("contacts", "v1")["name"])
			require.Equal(t, "Bonn", r.vendor.get("contacts", "v1")["city"])
			p := r.person("email", "a@shop.example")
			require.Equal(t, `"`+c.want+`"`, r.trait(p, "name"))
			require.Equal(t, `"Bonn"`, r.trait(p, "city"))
		})
	}
}

// The same of records of a type.
func TestRecordChangedBetween(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.defineTicket()
	r.vendor.set("tickets", "v1", map[string]any{"title": "First", "stage": "open"})
	y := r.twoWay(r.connection(), func(y *sync.Sync) {
		y.Kind, y.Stream, y.Type, y.Match, y.Purpose = sync.Objects, "tickets", "ticket", "title", consent.Operations
		y.Fields = []sync.Field{{Remote: "title", Local: "fields.title"}, {Remote: "stage", Local: "fields.stage"}}
	})
	_, err := r.objects.Upsert(r.ctx, ws, "ticket", []object.Item{{ExternalID: "v1", Fields: map[string]any{"stage": "ours"}}})
	require.NoError(t, err)
	r.afterNextPull(func() { r.vendor.set("tickets", "v1", map[string]any{"stage": "theirs"}) })
	r.run(y)
	require.Equal(t, "theirs", r.vendor.get("tickets", "v1")["stage"])
}

// afterNextPull does something once, when a pull has read everything and before it says so.
func (r *rig) afterNextPull(f func()) {
	once := stdsync.OnceFunc(func() {
		f()
		time.Sleep(250 * time.Millisecond)
	})
	r.vendor.mu.Lock()
	defer r.vendor.mu.Unlock()
	r.vendor.after = once
}
