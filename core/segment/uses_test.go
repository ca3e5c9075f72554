package segment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
)

// withObjects gives an office a type "subscription" of records about people.
func withObjects(t *testing.T) (*office, *object.Service) {
	t.Helper()
	var objects *object.Service
	o := newOffice(t, func(o *Options) {
		objects = object.NewService(object.Options{
			Store: o.Store, Clock: o.Clock, Committer: o.Committer, People: o.Profiles, Events: o.Events, Jobs: o.Jobs,
		})
		objects.Register(o.Jobs, o.Runner)
		o.Objects, o.ObjectTypes = objects, objects.Vocabulary
	})
	objects.SetUses(o.ObjectUses)
	_, err := objects.CreateType(o.ctx, o.ws, object.TypeInput{
		Key: "subscription", Name: "Subscription",
		Fields:    []object.FieldInput{{Key: "status", Type: object.String}, {Key: "seats", Type: object.Integer}, {Key: "note", Type: object.String}},
		Relations: []object.RelationInput{{Key: "owner"}},
	})
	require.NoError(t, err)
	return o, objects
}

func TestWhatASegmentAsksForIsNotDeleted(t *testing.T) {
	o, objects := withObjects(t)
	people := o.people(4, countryOf)
	write := func(id, fields, user string) {
		t.Helper()
		results, err := objects.Upsert(o.ctx, o.ws, "subscription", []object.Item{{
			ExternalID: id, Fields: o.tree(fields), Links: map[string][]object.Link{"owner": {{Namespace: "user_id", Value: user}}},
		}})
		require.NoError(t, err)
		require.Nil(t, results[0].Err)
	}
	write("s1", `{"status":"active","seats":5}`, "u0")
	where := `{"object":{"type":"subscription","relation":"owner","where":[{"path":"status","eq":"active"}]}}`
	p, err := o.Preview(o.ctx, o.ws, PreviewInput{Where: o.tree(where)})
	require.NoError(t, err)
	require.Equal(t, exactly(1), p.Count)
	seg := o.create("Subscribers", where)
	require.Equal(t, people[:1], o.ids(seg.SegmentID()))
	write("s2", `{"status":"active"}`, "u2")
	require.ElementsMatch(t, []string{people[0], people[2]}, o.ids(seg.SegmentID()), "a record changes members as it is written")
	e, err := o.Explain(o.ctx, o.ws, seg.SegmentID(), people[2])
	require.NoError(t, err)
	require.True(t, e.Member && e.Stored)

	named := "segment " + seg.SegmentID() + " (Subscribers)"
	for field, want := range map[string][]string{"": {named}, "status": {named}, "owner": {named}, "seats": nil} {
		got, err := o.ObjectUses(o.ctx, o.ws, "subscription", field)
		require.NoError(t, err)
		require.Equal(t, want, got, field)
	}
	_, err = objects.DeleteType(o.ctx, o.ws, object.TypeDeletion{Key: "subscription", Records: true})
	require.ErrorContains(t, err, "Subscribers")
	_, err = objects.UpdateType(o.ctx, o.ws, object.TypeUpdate{Key: "subscription", RemoveFields: []string{"status"}})
	require.ErrorContains(t, err, "Subscribers")
	_, err = objects.UpdateType(o.ctx, o.ws, object.TypeUpdate{Key: "subscription", RemoveFields: []string{"note"}})
	require.NoError(t, err)

	_, err = o.Create(o.ctx, o.ws, CreateInput{Name: "x", Where: o.tree(`{"or":[{"object":{"type":"subscription","where":[{"path":"state","eq":"x"}]}},{"object":{"type":"subscriptions"}},{"object":{"type":"subscription","where":[{"path":"seats","startsWith":"x"}]}}]}`)})
	require.Len(t, reasons(err), 3, "%v", err)
	_, err = o.Archive(o.ctx, o.ws, seg.SegmentID(), nil)
	require.NoError(t, err)
	got, err := o.ObjectUses(o.ctx, o.ws, "subscription", "")
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestTheVocabularyKnowsWhatWasSeenAndPlanned(t *testing.T) {
	o := newOffice(t, func(o *Options) {
		o.Purposes = nil
	})
	o.send(`{"type":"identify","userId":"u1","traits":{"address":{"city":"Cluj","geo":{"lat":46.77}},"tags":["a"],"since":"2026-01-02T03:04:05Z","n":1}}`,
		`{"type":"track","userId":"u1","event":"Order Completed","properties":{"products":[{"sku":"x"}]}}`)
	_, err := o.events.SetPlan(o.ctx, o.ws, event.PlanUpdate{Unplanned: event.Allow, Rules: []event.PlanRule{{Event: "Trial Started", Schema: `{}`, Action: event.Warn}}})
	require.NoError(t, err)
	voc, err := o.vocabularyNow(o.ctx, o.ws)
	require.NoError(t, err)
	for path, want := range map[string][]string{
		"address.city": {"string"}, "address": {"object"}, "address.geo": {"object"}, "address.geo.lat": {"decimal"},
		"since": {"datetime"}, "n": {"integer"}, "nothing": nil,
	} {
		types, known := voc.TraitTypes(path)
		require.Equal(t, want, types, path)
		require.Equal(t, want != nil, known, path)
	}
	tags, _ := voc.TraitTypes("tags")
	require.Contains(t, tags, "array")
	sku, known := voc.PropertyTypes("Order Completed", "products.sku")
	require.True(t, known)
	require.Equal(t, []string{"string"}, sku)
	for name, want := range map[string]bool{"Order Completed": true, "Trial Started": true, "Page Viewed": true, "Ordered": false, "TRAIT": false} {
		require.Equal(t, want, voc.EventKnown(name), name)
	}
	require.Subset(t, voc.Events(), []string{"Order Completed", "Trial Started", "Identified"})
	require.NotContains(t, voc.Events(), "TRAIT")
	require.NoError(t, voc.failed())
}

func TestPurposesAreLookedUpWhereTheyAreKnown(t *testing.T) {
	const where = `{"consent":{"purpose":"advertising","status":"GRANTED"}}`
	check := func(purposes []string) []condition.Warning {
		v := &vocabulary{ws: "ws_1", segments: map[string]*Segment{}, purposes: purposes}
		v.fields = func() ([]event.FieldDefinition, []string, error) { return nil, nil, nil }
		tree, err := whereTree(condition.Version, where)
		require.NoError(t, err)
		n, faults, warnings, err := v.check(tree, "", Dynamic, nil, false)
		require.NoError(t, err)
		require.Empty(t, faults)
		require.NotNil(t, n)
		return warnings
	}
	require.Empty(t, check(nil))
	require.Empty(t, check([]string{"advertising"}))
	require.Len(t, check([]string{"marketing"}), 1)
}

func TestAVocabularyThatCannotBeReadSaysSo(t *testing.T) {
	v := &vocabulary{ws: "ws_1", segments: map[string]*Segment{}}
	broken := core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "no")
	v.fields = func() ([]event.FieldDefinition, []string, error) { return nil, nil, broken }
	tree, err := whereTree(condition.Version, inRomania)
	require.NoError(t, err)
	_, _, _, err = v.check(tree, "", Dynamic, nil, false)
	require.ErrorIs(t, err, broken)
}
