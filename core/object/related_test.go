package object_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

func (f *fixture) told(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, e := range f.commit.Take() {
		if e.Input.Name == object.NameRecordChanged {
			out = append(out, e.ProfileID+" "+event.Text(e.Input.Properties, "change"))
		}
	}
	return out
}

func TestChangesReachThoseWhomARecordConcerns(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "sub", Fields: []object.FieldInput{{Key: "plan", Type: object.String}},
		Relations: []object.RelationInput{{Key: "owner"}, {Key: "users", Many: true}}})
	f.people.set("email", "ana@example.com", "prof_A")
	f.people.set("user_id", "7", "prof_B")
	f.commit.Take()
	owner := func(l ...object.Link) map[string][]object.Link { return map[string][]object.Link{"owner": l} }

	r := f.put(t, "sub", object.Item{ExternalID: "s", Fields: doc{"plan": "gold"}, Links: owner(object.Link{Namespace: "email", Value: " Ana@example.com"})})
	require.Equal(t, object.Created, r.Outcome, "%v", r.Err)
	require.Equal(t, []string{"prof_A CREATED"}, f.told(t))
	ana := []event.Identifier{{Namespace: "email", Value: "ana@example.com"}}
	got, err := f.Related(t.Context(), ws, "sub", ana, nil)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "owner", got[0].Relation)
	require.JSONEq(t, `{"plan":"gold"}`, shown(t, got[0].Record))

	f.put(t, "sub", object.Item{ExternalID: "s", Links: owner(object.Link{Namespace: "user_id", Value: "7"})})
	require.Equal(t, []string{"prof_A UPDATED", "prof_B UPDATED"}, f.told(t), "the former and the new owner")
	got, err = f.Related(t.Context(), ws, "sub", ana, nil)
	require.NoError(t, err)
	require.Empty(t, got)

	f.put(t, "sub", object.Item{ExternalID: "s", Links: map[string][]object.Link{"owner": nil, "users": {{Namespace: "profile", Value: "prof_C"}, {Namespace: "user_id", Value: "8"}}}})
	require.Equal(t, []string{"prof_B UPDATED"}, f.told(t))
	got, err = f.Related(t.Context(), ws, "sub", nil, []string{"prof_C"})
	require.NoError(t, err)
	require.Len(t, got, 1)
	f.people.set("user_id", "8", "prof_D")
	_, err = f.Delete(t.Context(), ws, "sub", []string{"s"})
	require.NoError(t, err)
	require.Equal(t, []string{"prof_D DELETED"}, f.told(t))
	got, err = f.Related(t.Context(), ws, "sub", nil, []string{"prof_C"})
	require.NoError(t, err)
	require.Empty(t, got, "deleted records are invisible")
	require.Empty(t, f.find(t, "sub", ""))
	_, err = f.Restore(t.Context(), ws, "sub", []string{"s"})
	require.NoError(t, err)
	require.Equal(t, []string{"prof_D RESTORED"}, f.told(t))

	require.Equal(t, "RELATION_SINGLE", f.put(t, "sub", object.Item{ExternalID: "s", Links: owner(object.Link{Namespace: "user_id", Value: "1"}, object.Link{Namespace: "user_id", Value: "2"})}).Err.Reason)
	require.Equal(t, "LINK", f.put(t, "sub", object.Item{ExternalID: "s", Links: owner(object.Link{Namespace: "email", Value: "nobody"})}).Err.Reason)
	require.Equal(t, "LINK", f.put(t, "sub", object.Item{ExternalID: "s", Links: owner(object.Link{Value: "1"})}).Err.Reason)
	require.Equal(t, "RELATION_UNKNOWN", f.put(t, "sub", object.Item{ExternalID: "s", Links: map[string][]object.Link{"boss": nil}}).Err.Reason)
}

func TestSomebodyWhoComesMeanwhileIsTold(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "sub", Relations: []object.RelationInput{{Key: "owner"}}})
	f.commit.Take()
	f.commit.Before = func([]store.Op) { f.people.set("user_id", "9", "prof_L") }
	f.put(t, "sub", object.Item{ExternalID: "s", Links: map[string][]object.Link{"owner": {{Namespace: "user_id", Value: "9"}}}})
	require.Equal(t, []string{" CREATED", "prof_L LINKED"}, f.told(t))

	// Somebody who came while a link was taken away may have seen it.
	f.commit.Before = nil
	f.put(t, "sub", object.Item{ExternalID: "u", Links: map[string][]object.Link{"owner": {{Namespace: "user_id", Value: "10"}}}})
	f.told(t)
	f.commit.Before = func([]store.Op) { f.people.set("user_id", "10", "prof_M") }
	f.put(t, "sub", object.Item{ExternalID: "u", Links: map[string][]object.Link{"owner": nil}})
	require.Equal(t, []string{" UPDATED", "prof_M LINKED"}, f.told(t))
}

func TestPendingRecordsHaveTheirFields(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "sub", Fields: []object.FieldInput{{Key: "plan", Type: object.String}}, Relations: []object.RelationInput{{Key: "owner"}}})
	var seen []*object.Record
	f.commit.Before = func(ops []store.Op) {
		var err error
		seen, err = f.Pending(t.Context(), ws, ops)
		require.NoError(t, err)
	}
	f.put(t, "sub", object.Item{ExternalID: "s", Fields: doc{"plan": "gold"}, Links: map[string][]object.Link{"owner": {{Namespace: "user_id", Value: "9"}}}})
	require.Len(t, seen, 1)
	require.JSONEq(t, `{"plan":"gold"}`, shown(t, seen[0]))
	require.Equal(t, []string{"owner"}, object.RelatedTo(seen[0], []event.Identifier{{Namespace: "user_id", Value: "9"}}, nil))
}

func TestManyWritersOfFewRecords(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "tally", Fields: []object.FieldInput{{Key: "n", Type: object.Integer}, {Key: "by", Type: object.String}, {Key: "ticket", Type: object.Integer, Unique: true}}})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				items := make([]object.Item, 5)
				for j := range items {
					items[j] = object.Item{ExternalID: fmt.Sprintf("r%d", j), Fields: doc{"n": w*100 + i, "by": fmt.Sprint(w), "ticket": (w + i + j) % 9}}
				}
				out, err := f.Upsert(t.Context(), ws, "tally", items)
				if err != nil {
					t.Error(err)
				}
				for _, r := range out {
					if r.Err != nil && r.Err.Reason != object.ReasonFieldUnique {
						t.Error(r.Err)
					}
				}
			}
		})
	}
	wg.Wait()
	tickets := map[string]bool{}
	for j := range 5 {
		r, err := f.Get(t.Context(), ws, "tally", fmt.Sprintf("r%d", j))
		require.NoError(t, err)
		if r == nil {
			continue
		}
		v, ok := event.Lookup(r.Fields, "ticket")
		require.True(t, ok)
		require.False(t, tickets[v.String()])
		tickets[v.String()] = true
	}
	claims, err := store.Claims.Count(t.Context(), f.db, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", "record/")}})
	require.NoError(t, err)
	require.EqualValues(t, len(tickets), claims, "no claim outlives its value")
}
