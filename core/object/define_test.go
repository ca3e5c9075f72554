package object_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/object/objecttest"
)

func TestBadDefinitionsAreNamed(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "there"})
	field := func(in object.FieldInput) object.TypeInput {
		if in.Key == "" {
			in.Key = "f"
		}
		return object.TypeInput{Key: "x", Name: "X", Fields: []object.FieldInput{in}}
	}
	con := func(t object.FieldType, c object.Constraints) object.TypeInput {
		return field(object.FieldInput{Type: t, Constraints: c})
	}
	for name, c := range map[string]struct {
		in           object.TypeInput
		reason, path string
	}{
		"key":             {object.TypeInput{Key: "Big", Name: "X"}, "KEY", "key"},
		"long key":        {object.TypeInput{Key: strings.Repeat("x", 41), Name: "X"}, "KEY", "key"},
		"exists":          {object.TypeInput{Key: "there", Name: "X"}, "TYPE_EXISTS", "key"},
		"no name":         {object.TypeInput{Key: "x"}, "LABEL", "name"},
		"two lines":       {object.TypeInput{Key: "x", Name: "a\nb"}, "LABEL", "name"},
		"field key":       {field(object.FieldInput{Key: "a.b", Type: object.String}), "KEY", "fields.0.key"},
		"field type":      {field(object.FieldInput{Type: "BLOB"}), "TYPE", "fields.0.type"},
		"twice":           {object.TypeInput{Key: "x", Name: "X", Fields: []object.FieldInput{{Key: "f", Type: object.String}, {Key: "f", Type: object.String}}}, "FIELD_EXISTS", "fields.1.key"},
		"category":        {field(object.FieldInput{Type: object.String, Category: "SECRET"}), "CATEGORY", "fields.0.category"},
		"unique many":     {field(object.FieldInput{Type: object.String, Unique: true, Many: true}), "UNIQUE", "fields.0.unique"},
		"unique json":     {field(object.FieldInput{Type: object.JSON, Unique: true}), "UNIQUE", "fields.0.unique"},
		"unique default":  {field(object.FieldInput{Type: object.String, Unique: true, Default: "x"}), "UNIQUE", "fields.0.default"},
		"default":         {field(object.FieldInput{Type: object.Integer, Default: "x"}), object.ReasonFieldType, "fields.0.default"},
		"default range":   {field(object.FieldInput{Type: object.Integer, Default: 1, Constraints: object.Constraints{Min: "2"}}), object.ReasonFieldRange, "fields.0.default"},
		"no target":       {field(object.FieldInput{Type: object.Reference}), "TARGET", "fields.0.target"},
		"unknown target":  {field(object.FieldInput{Type: object.Reference, Target: "gone"}), "OBJECT_TYPE", "fields.0.target"},
		"bound":           {con(object.Integer, object.Constraints{Min: "one"}), "CONSTRAINT", "fields.0.constraints.min"},
		"bounds":          {con(object.Decimal, object.Constraints{Min: "2", Max: "1.5"}), "CONSTRAINT", "fields.0.constraints.min"},
		"dates":           {con(object.Date, object.Constraints{Max: "tomorrow"}), "CONSTRAINT", "fields.0.constraints.max"},
		"pattern":         {con(object.String, object.Constraints{Pattern: "("}), "CONSTRAINT", "fields.0.constraints.pattern"},
		"long pattern":    {con(object.String, object.Constraints{Pattern: strings.Repeat("x", 257)}), "CONSTRAINT", "fields.0.constraints.pattern"},
		"strange":         {con(object.Boolean, object.Constraints{MaxLength: 1}), "CONSTRAINT", "fields.0.constraints.maxLength"},
		"enum":            {con(object.Enum, object.Constraints{}), "CONSTRAINT", "fields.0.constraints.values"},
		"enum twice":      {con(object.Enum, object.Constraints{Values: []string{"a", "a"}}), "CONSTRAINT", "fields.0.constraints.values.1"},
		"relation target": {object.TypeInput{Key: "x", Name: "X", Relations: []object.RelationInput{{Key: "r", Target: "gone"}}}, "OBJECT_TYPE", "relations.0.target"},
		"display":         {object.TypeInput{Key: "x", Name: "X", DisplayField: "f"}, "DISPLAY_FIELD", "displayField"},
	} {
		_, err := f.CreateType(t.Context(), ws, c.in)
		e := core.AsError(err)
		require.NotNil(t, e, name)
		require.Equal(t, c.reason, e.Reason, "%s: %v", name, e)
		require.Equal(t, c.path, strings.Join(e.Path, "."), name)
	}
	fields := make([]object.FieldInput, object.MaxFields+1)
	for i := range fields {
		fields[i] = object.FieldInput{Key: fmt.Sprintf("f%d", i), Type: object.String}
	}
	_, err := f.CreateType(t.Context(), ws, object.TypeInput{Key: "x", Name: "X", Fields: fields})
	require.Equal(t, "TOO_MANY_FIELDS", core.AsError(err).Reason)
	f.define(t, object.TypeInput{Key: "wide", Fields: fields[:object.MaxFields], Relations: []object.RelationInput{{Key: "who", Many: true}}})
	links := make([]object.Link, object.MaxPeople+1)
	for i := range links {
		links[i] = object.Link{Namespace: "user_id", Value: fmt.Sprint(i)}
	}
	require.Equal(t, "TOO_MANY_LINKS", f.put(t, "wide", object.Item{ExternalID: "w", Links: map[string][]object.Link{"who": links}}).Err.Reason)
	big := doc{}
	for i := range 70 {
		big[fields[i].Key] = strings.Repeat("x", 1000)
	}
	require.Equal(t, object.ReasonRecordSize, f.put(t, "wide", object.Item{ExternalID: "w", Fields: big}).Err.Reason)
	for i := range object.MaxTypes - 2 {
		f.define(t, object.TypeInput{Key: fmt.Sprintf("t%d", i)})
	}
	_, err = f.CreateType(t.Context(), ws, object.TypeInput{Key: "x", Name: "X"})
	require.Equal(t, "TOO_MANY_TYPES", core.AsError(err).Reason)
	types, err := f.Types(t.Context(), ws)
	require.NoError(t, err)
	require.Len(t, types, object.MaxTypes)
	// Another workspace has none of them.
	types, err = f.Types(t.Context(), "ws_OTHER")
	require.NoError(t, err)
	require.Empty(t, types)
}

// TestAnotherProcessSeesChangesAtOnce keeps two services on one store.
func TestAnotherProcessSeesChangesAtOnce(t *testing.T) {
	f := setup(t)
	other := object.NewService(object.Options{Store: f.db, Clock: f.clock, Committer: f.commit, Gate: objecttest.Everything})
	f.define(t, object.TypeInput{Key: "pet", Fields: []object.FieldInput{{Key: "a", Type: object.String}}})
	_, err := other.Type(t.Context(), ws, "pet")
	require.NoError(t, err)
	_, err = f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "pet", RemoveFields: []string{"a"}, AddFields: []object.FieldInput{{Key: "b", Type: object.String}}})
	require.NoError(t, err)
	out, err := other.Upsert(t.Context(), ws, "pet", []object.Item{{ExternalID: "p", Fields: doc{"a": "x"}}, {ExternalID: "q", Fields: doc{"b": "x"}}})
	require.NoError(t, err)
	require.Equal(t, object.ReasonFieldUnknown, out[0].Err.Reason)
	require.Equal(t, object.Created, out[1].Outcome)
	_, err = other.DeleteType(t.Context(), ws, object.TypeDeletion{Key: "pet"})
	require.Equal(t, "TYPE_HAS_RECORDS", core.AsError(err).Reason)
	f.define(t, object.TypeInput{Key: "empty"})
	_, err = other.DeleteType(t.Context(), ws, object.TypeDeletion{Key: "empty"})
	require.NoError(t, err)
	_, err = f.Type(t.Context(), ws, "empty")
	require.Equal(t, core.NotFound, core.CodeOf(err))
}
