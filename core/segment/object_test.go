package segment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// rigWithObjects is a process that keeps records too.
func rigWithObjects(t *testing.T) (*rig, *object.Service) {
	base := newRig(t)
	var objects *object.Service
	r := rigOver(t, base.store, base.clock, func(o *Options) {
		objects = object.NewService(object.Options{
			Store: o.Store, Clock: o.Clock, Committer: o.Committer, People: o.Profiles, Events: o.Events, Jobs: o.Jobs,
		})
		o.Objects = objects
	})
	_, err := objects.CreateType(t.Context(), rigWS, object.TypeInput{
		Key: "subscription", Name: "Subscription",
		Fields:    []object.FieldInput{{Key: "plan", Label: "Plan", Type: "STRING"}},
		Relations: []object.RelationInput{{Key: "owner", Label: "Owner"}},
	})
	require.NoError(t, err)
	return r, objects
}

const wherePro = `{"object":{"type":"subscription","match":"ANY","where":[{"path":"plan","eq":"pro"}]}}`

func TestObjects(t *testing.T) {
	r, objects := rigWithObjects(t)
	r.live("seg_pro", wherePro)
	r.live("seg_none", `{"not":{"object":{"type":"subscription","match":"ANY"}}}`)
	put := func(externalID, plan, user string) {
		t.Helper()
		r.clock.Advance(time.Second)
		out, err := objects.Upsert(t.Context(), rigWS, "subscription", []object.Item{{
			ExternalID: externalID, Fields: map[string]any{"plan": plan},
			Links: map[string][]object.Link{"owner": {{Namespace: "user_id", Value: user}}},
		}})
		require.NoError(t, err)
		require.Nil(t, out[0].Err)
	}
	ana := r.identify("ana", `{}`)
	require.True(t, r.in("seg_none", ana))
	put("s1", "free", "ana")
	require.False(t, r.in("seg_pro", ana))
	require.False(t, r.in("seg_none", ana))
	put("s1", "pro", "ana") // decided by what the same batch writes
	require.True(t, r.in("seg_pro", ana))
	require.Equal(t, []string{"ENTERED EVENT"}, r.news("seg_pro", ana))

	// A record that waits for its person.
	put("s2", "pro", "bob")
	bob := r.identify("bob", `{}`)
	require.True(t, r.in("seg_pro", bob))

	// It goes with its identifier.
	_, err := r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: r.identify("eve", `{}`), LoserID: bob, Reason: "test"})
	require.NoError(t, err)
	eve := r.identify("eve", `{}`)
	require.True(t, r.in("seg_pro", eve))
	r.consistent()
	r.clock.Advance(time.Second)
	_, err = objects.Delete(t.Context(), rigWS, "subscription", []string{"s1", "s2"})
	require.NoError(t, err)
	for _, id := range []string{ana, eve} {
		require.False(t, r.in("seg_pro", id))
		require.True(t, r.in("seg_none", id))
	}
	r.consistent()
	n, err := Behaviours.Count(t.Context(), r.store, store.Query{Workspace: rigWS})
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
}
