package object_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

func (f *fixture) find(t *testing.T, typeKey, where string) []string {
	t.Helper()
	var n *condition.Node
	if where != "" {
		var err error
		n, err = condition.ParseJSON([]byte(where))
		require.NoError(t, err)
	}
	page, count, err := f.Find(t.Context(), ws, typeKey, n, core.Window{Limit: 100})
	require.NoError(t, err)
	require.Equal(t, object.Count{Value: len(page.Items), Exact: true}, count)
	var out []string
	for _, r := range page.Items {
		out = append(out, r.ExternalID)
	}
	return out
}

func TestARenamedFieldRewritesNothing(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "deal", Fields: []object.FieldInput{{Key: "total", Type: object.Integer}}})
	before := f.put(t, "deal", object.Item{ExternalID: "d", Fields: doc{"total": 5}}).Record
	got, err := f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "deal", Rename: []object.Rename{{From: "total", To: "amount"}}, ExpectedVersion: ptr(int64(1))})
	require.NoError(t, err)
	require.EqualValues(t, 2, got.Type.Version)
	require.Zero(t, got.Checked)
	after, err := f.Get(t.Context(), ws, "deal", "d")
	require.NoError(t, err)
	require.Equal(t, before.V, after.V)
	require.JSONEq(t, `{"amount":5,"total":5}`, shown(t, after), "conditions from before go on")
	for _, key := range []string{"amount", "total"} {
		require.Equal(t, []string{"d"}, f.find(t, "deal", `{"field":{"path":"`+key+`","gte":5}}`))
	}
	require.Equal(t, "FIELD_TWICE", f.put(t, "deal", object.Item{ExternalID: "d", Fields: doc{"total": 1, "amount": 2}}).Err.Reason)
	require.Equal(t, object.Updated, f.put(t, "deal", object.Item{ExternalID: "d", Fields: doc{"total": 6}}).Outcome)

	// The old key may be taken, unless something uses it.
	add := object.TypeUpdate{Key: "deal", AddFields: []object.FieldInput{{Key: "total", Type: object.String}}}
	f.uses["deal.total"] = []string{"seg_1"}
	_, err = f.UpdateType(t.Context(), ws, add)
	require.Equal(t, "IN_USE", core.AsError(err).Reason)
	require.Contains(t, err.Error(), "seg_1")
	delete(f.uses, "deal.total")
	_, err = f.UpdateType(t.Context(), ws, add)
	require.NoError(t, err)
	after, err = f.Get(t.Context(), ws, "deal", "d")
	require.NoError(t, err)
	require.JSONEq(t, `{"amount":6}`, shown(t, after))
	_, err = f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "deal", ExpectedVersion: ptr(int64(1)), Name: ptr("Deals")})
	require.Equal(t, "VERSION_CONFLICT", core.AsError(err).Reason)
}

func TestNarrowingNamesTheRecordsInItsWay(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "pet", Fields: []object.FieldInput{
		{Key: "age", Type: object.Decimal}, {Key: "name", Type: object.String}, {Key: "size", Type: object.Enum, Constraints: object.Constraints{Values: []string{"s", "m", "l"}}},
	}, Relations: []object.RelationInput{{Key: "owner", Many: true}}})
	var items []object.Item
	for i := range 12 {
		items = append(items, object.Item{ExternalID: fmt.Sprintf("half%d", i), Fields: doc{"age": 1.5, "name": "Rex"},
			Links: map[string][]object.Link{"owner": {{Namespace: "user_id", Value: "1"}, {Namespace: "user_id", Value: "2"}}}})
	}
	items = append(items, object.Item{ExternalID: "whole", Fields: doc{"age": 2, "size": "l"}})
	_, err := f.Upsert(t.Context(), ws, "pet", items)
	require.NoError(t, err)

	whole := object.Integer
	for name, c := range map[string]struct {
		u     object.TypeUpdate
		count int64
	}{
		"decimal to integer": {object.TypeUpdate{ChangeFields: []object.FieldChange{{Key: "age", Type: &whole}}}, 12},
		"required":           {object.TypeUpdate{ChangeFields: []object.FieldChange{{Key: "name", Required: ptr(true)}}}, 1},
		"unique":             {object.TypeUpdate{ChangeFields: []object.FieldChange{{Key: "name", Unique: ptr(true)}}}, 11},
		"fewer values":       {object.TypeUpdate{ChangeFields: []object.FieldChange{{Key: "size", Constraints: &object.Constraints{Values: []string{"s", "m"}}}}}, 1},
		"a bound":            {object.TypeUpdate{ChangeFields: []object.FieldChange{{Key: "age", Constraints: &object.Constraints{Max: "1.9"}}}}, 1},
		"removed":            {object.TypeUpdate{RemoveFields: []string{"size"}}, 1},
		"added required":     {object.TypeUpdate{AddFields: []object.FieldInput{{Key: "new", Type: object.String, Required: true}}}, 13},
		"single relation":    {object.TypeUpdate{ChangeRelations: []object.RelationChange{{Key: "owner", Many: ptr(false)}}}, 12},
		"removed relation":   {object.TypeUpdate{RemoveRelations: []string{"owner"}}, 12},
	} {
		c.u.Key, c.u.DryRun = "pet", true
		got, err := f.UpdateType(t.Context(), ws, c.u)
		require.NoError(t, err, name)
		require.Len(t, got.Breaks, 1, name)
		require.Equal(t, c.count, got.Breaks[0].Count, name)
		require.Len(t, got.Breaks[0].ExternalIDs, int(min(10, c.count)), name)
		c.u.DryRun = false
		_, err = f.UpdateType(t.Context(), ws, c.u)
		require.Equal(t, "RECORDS_BREAK", core.AsError(err).Reason, "%s: %v", name, err)
		require.Contains(t, err.Error(), got.Breaks[0].ExternalIDs[0], name)
	}
	now, err := f.Type(t.Context(), ws, "pet")
	require.NoError(t, err)
	require.EqualValues(t, 1, now.Version)
	require.Nil(t, now.Trial)

	// Once none breaks, it is allowed; and claims hold for what was there before.
	_, err = f.Delete(t.Context(), ws, "pet", []string{"half1", "half2", "half3", "half4", "half5", "half6", "half7", "half8", "half9", "half10", "half11"})
	require.NoError(t, err)
	got, err := f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "pet", ChangeFields: []object.FieldChange{{Key: "name", Unique: ptr(true)}}})
	require.NoError(t, err)
	require.EqualValues(t, 2, got.Checked)
	require.Equal(t, object.ReasonFieldUnique, f.put(t, "pet", object.Item{ExternalID: "other", Fields: doc{"name": "Rex"}}).Err.Reason)
	_, err = f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "pet", ChangeFields: []object.FieldChange{{Key: "name", Unique: ptr(false)}}})
	require.NoError(t, err)
	require.Equal(t, object.Created, f.put(t, "pet", object.Item{ExternalID: "other", Fields: doc{"name": "Rex"}}).Outcome)
	claims, err := store.Claims.Count(t.Context(), f.db, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", "record/")}})
	require.NoError(t, err)
	require.Zero(t, claims)
}

func TestWideningAndDefaults(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "pet", Fields: []object.FieldInput{{Key: "age", Type: object.Integer}, {Key: "tag", Type: object.Enum, Constraints: object.Constraints{Values: []string{"a"}}}}})
	f.put(t, "pet", object.Item{ExternalID: "old", Fields: doc{"age": 5, "tag": "a"}})
	dec, str := object.Decimal, object.String
	got, err := f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "pet",
		ChangeFields: []object.FieldChange{{Key: "age", Type: &dec}, {Key: "tag", Type: &str, Many: ptr(true), Constraints: &object.Constraints{}}},
		AddFields:    []object.FieldInput{{Key: "mood", Type: object.String, Required: true, Default: "calm"}}})
	require.NoError(t, err)
	require.Zero(t, got.Checked, "nothing to look at")
	require.Equal(t, object.Created, f.put(t, "pet", object.Item{ExternalID: "new", Fields: doc{"age": 5.5, "tag": []any{"b", "c"}, "mood": "wild"}}).Outcome)
	old, err := f.Get(t.Context(), ws, "pet", "old")
	require.NoError(t, err)
	require.JSONEq(t, `{"age":5,"tag":["a"],"mood":"calm"}`, shown(t, old))
	require.Equal(t, []string{"old"}, f.find(t, "pet", `{"field":{"path":"mood","eq":"calm"}}`), "the default is found, though no token has it")
	require.Equal(t, []string{"old"}, f.find(t, "pet", `{"field":{"path":"tag","eq":"a"}}`))
	require.Equal(t, []string{"new"}, f.find(t, "pet", `{"field":{"path":"age","gt":5}}`))
	_, err = f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "pet", ChangeFields: []object.FieldChange{{Key: "age", Type: &str}}})
	require.Equal(t, core.Invalid, core.CodeOf(err))
}

// TestNoRecordSlipsIn makes a field required and unique while writers go on: whatever
// the outcome, no record breaks the schema that holds in the end.
func TestNoRecordSlipsIn(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "pet", Fields: []object.FieldInput{{Key: "name", Type: object.String}, {Key: "chip", Type: object.Integer}}})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 40 {
				fields := doc{"chip": w*100 + i%30}
				if i%10 != 9 {
					fields["name"] = "x"
				}
				if i > 20 && i%2 == 0 {
					fields["chip"] = i
				}
				f.put(t, "pet", object.Item{ExternalID: fmt.Sprintf("%d-%d", w, i), Fields: fields})
			}
		})
	}
	var changes []string
	wg.Go(func() {
		for range 6 {
			for _, c := range []object.FieldChange{{Key: "name", Required: ptr(true)}, {Key: "chip", Unique: ptr(true)}} {
				if _, err := f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "pet", ChangeFields: []object.FieldChange{c}}); err != nil {
					changes = append(changes, core.AsError(err).Reason)
				} else {
					changes = append(changes, "done "+c.Key)
				}
			}
		}
	})
	wg.Wait()
	typ, err := f.Type(t.Context(), ws, "pet")
	require.NoError(t, err)
	require.Nil(t, typ.Trial)
	page, _, err := f.Find(t.Context(), ws, "pet", nil, core.Window{Limit: 1000})
	require.NoError(t, err)
	seen := map[string]string{}
	for _, r := range page.Items {
		text := shown(t, r)
		if typ.Field("name").Required {
			require.Contains(t, text, `"name"`, "%s %v", r.ExternalID, changes)
		}
		_, chip, _ := strings.Cut(text, `"chip":`)
		if typ.Field("chip").Unique {
			require.Empty(t, seen[chip], "%s %v", r.ExternalID, changes)
		}
		seen[chip] = r.ExternalID
	}
	for _, c := range changes {
		require.Contains(t, []string{"RECORDS_BREAK", "done name", "done chip", "CONFLICT"}, c)
	}
}

// TestATrialThatWasLeftBehindIsDropped kills the process between the trial of a
// change and its publication.
func TestATrialThatWasLeftBehindIsDropped(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "pet", Fields: []object.FieldInput{{Key: "name", Type: object.String}}})
	f.put(t, "pet", object.Item{ExternalID: "a", Fields: doc{"name": "Rex"}})
	f.commit.Before = func([]store.Op) { panic("the process dies here") }
	strict := object.TypeUpdate{Key: "pet", ChangeFields: []object.FieldChange{{Key: "name", Required: ptr(true)}}}
	require.Panics(t, func() { _, _ = f.UpdateType(t.Context(), ws, strict) })
	f.commit.Before = nil

	require.Equal(t, "TYPE_CHANGING", f.put(t, "pet", object.Item{ExternalID: "b", Fields: doc{}}).Err.Reason, "the rules on trial hold too")
	_, err := f.UpdateType(t.Context(), ws, strict)
	require.Equal(t, "TYPE_CHANGING", core.AsError(err).Reason)
	require.Equal(t, object.Created, f.put(t, "pet", object.Item{ExternalID: "c", Fields: doc{"name": "Tom"}}).Outcome)
	f.clock.Advance(16 * time.Minute)
	require.Equal(t, object.Created, f.put(t, "pet", object.Item{ExternalID: "b", Fields: doc{}}).Outcome)
	_, err = f.Delete(t.Context(), ws, "pet", []string{"b"})
	require.NoError(t, err)
	got, err := f.UpdateType(t.Context(), ws, strict)
	require.NoError(t, err)
	require.EqualValues(t, 2, got.Type.Version)
	res, err := f.Restore(t.Context(), ws, "pet", []string{"b"})
	require.NoError(t, err)
	require.Equal(t, object.ReasonFieldRequired, res[0].Err.Reason, "a record that no longer fits stays deleted")
}
