package object_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

var everything = object.TypeInput{Key: "visit", Name: "Visit", Fields: []object.FieldInput{
	{Key: "s", Type: object.String}, {Key: "t", Type: object.Text}, {Key: "i", Type: object.Integer}, {Key: "d", Type: object.Decimal, Constraints: object.Constraints{Scale: ptr(2)}},
	{Key: "m", Type: object.Money}, {Key: "b", Type: object.Boolean}, {Key: "day", Type: object.Date}, {Key: "at", Type: object.DateTime},
	{Key: "e", Type: object.Enum, Constraints: object.Constraints{Values: []string{"x", "y"}}}, {Key: "mail", Type: object.Email},
	{Key: "tel", Type: object.Phone}, {Key: "web", Type: object.URL}, {Key: "geo", Type: object.Geo}, {Key: "j", Type: object.JSON},
	{Key: "many", Type: object.Integer, Many: true},
}}

func ptr[T any](v T) *T { return &v }

// shown returns the record's fields as JSON.
func shown(t *testing.T, r *object.Record) string {
	t.Helper()
	out, err := event.ToJSON(r.Fields)
	require.NoError(t, err)
	return string(out)
}

func TestValuesAreNormalised(t *testing.T) {
	f := setup(t)
	f.define(t, everything)
	r := f.put(t, "visit", object.Item{ExternalID: "v1", Fields: json.RawMessage(`{
		"s":"Zoë","i":5.0,"d":12.50,"m":{"currency":"EUR","amount":1e1},"b":true,"day":"2024-02-29","at":"2026-11-21T12:00:00.1239+02:00",
		"e":"x","mail":" Ana@Example.COM ","tel":"+40 721 234 567","web":"https://example.com/a?b=c","geo":{"lon":26.1,"lat":44.4},"j":{"b":1,"a":[1.0]},"many":[3,1,3]}`)})
	require.Equal(t, object.Created, r.Outcome, "%v", r.Err)
	require.JSONEq(t, `{"s":"Zoë","i":5,"d":12.5,"m":{"amount":10,"currency":"EUR"},"b":true,"day":"2024-02-29","at":"2026-11-21T10:00:00.123Z","e":"x",
		"mail":"ana@example.com","tel":"+40721234567","web":"https://example.com/a?b=c","geo":{"lat":44.4,"lon":26.1},"j":{"a":[1],"b":1},"many":[3,1,3]}`, shown(t, r.Record))
	again := f.put(t, "visit", object.Item{ExternalID: "v1", Fields: doc{"i": 5, "mail": "ana@example.com", "j": doc{"a": []any{1}, "b": 1}, "at": "2026-11-21T10:00:00.123Z"}})
	require.Equal(t, object.Unchanged, again.Outcome, "the same content in other words")
	require.EqualValues(t, 1, again.Record.Version)
}

func TestBadValuesAreNamedAndCostTheOthersNothing(t *testing.T) {
	f := setup(t)
	f.define(t, everything)
	bad := map[string]struct{ fields, reason, path string }{
		"unknown":   {`{"nope":1}`, object.ReasonFieldUnknown, "fields.nope"},
		"type":      {`{"i":"5"}`, object.ReasonFieldType, "fields.i"},
		"fraction":  {`{"i":5.5}`, object.ReasonFieldType, "fields.i"},
		"too big":   {`{"i":9223372036854775808}`, object.ReasonFieldType, "fields.i"},
		"scale":     {`{"d":1.005}`, object.ReasonFieldScale, "fields.d"},
		"currency":  {`{"m":{"amount":1,"currency":"eur"}}`, object.ReasonFieldType, "fields.m"},
		"date":      {`{"day":"2025-02-29"}`, object.ReasonFieldFormat, "fields.day"},
		"time":      {`{"at":"2026-11-21"}`, object.ReasonFieldFormat, "fields.at"},
		"enum":      {`{"e":"z"}`, object.ReasonFieldValues, "fields.e"},
		"mail":      {`{"mail":"ana"}`, object.ReasonFieldFormat, "fields.mail"},
		"phone":     {`{"tel":"0721234567"}`, object.ReasonFieldFormat, "fields.tel"},
		"url":       {`{"web":"/path"}`, object.ReasonFieldFormat, "fields.web"},
		"geo":       {`{"geo":{"lat":91,"lon":0}}`, object.ReasonFieldFormat, "fields.geo"},
		"item":      {`{"many":[1,"x"]}`, object.ReasonFieldType, "fields.many.1"},
		"no array":  {`{"many":1}`, object.ReasonFieldType, "fields.many"},
		"no object": {`[1]`, event.ReasonNotAnObject, "fields"},
		"NUL":       {`{"s":"a\u0000b"}`, object.ReasonFieldFormat, "fields.s"},
		"long":      {`{"s":"` + strings.Repeat("x", 1025) + `"}`, object.ReasonFieldLength, "fields.s"},
		"json size": {`{"j":"` + strings.Repeat("x", object.MaxJSON) + `"}`, object.ReasonFieldLength, "fields.j"},
	}
	for name, c := range bad {
		out, err := f.Upsert(t.Context(), ws, "visit", []object.Item{
			{ExternalID: name + "-good", Fields: doc{"i": 1}}, {ExternalID: name, Fields: []byte(c.fields)}, {ExternalID: name + "-too", Fields: doc{"i": 2}},
		})
		require.NoError(t, err)
		require.Equal(t, []object.Outcome{object.Created, object.Failed, object.Created}, []object.Outcome{out[0].Outcome, out[1].Outcome, out[2].Outcome}, name)
		require.Equal(t, c.reason, out[1].Err.Reason, "%s: %v", name, out[1].Err)
		require.Equal(t, c.path, strings.Join(out[1].Err.Path, "."), name)
	}
	r := f.put(t, "visit", object.Item{})
	require.Equal(t, "EXTERNAL_ID", r.Err.Reason)
	_, err := f.Upsert(t.Context(), ws, "nothing", nil)
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestUpsertIsAPatch(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "pet", Fields: []object.FieldInput{
		{Key: "name", Type: object.String, Required: true}, {Key: "age", Type: object.Integer, Default: 1}, {Key: "colour", Type: object.String},
	}})
	require.Equal(t, object.ReasonFieldRequired, f.put(t, "pet", object.Item{ExternalID: "p", Fields: doc{"age": 3}}).Err.Reason)
	r := f.put(t, "pet", object.Item{ExternalID: "p", Fields: doc{"name": "Rex", "colour": "red"}, ExpectedVersion: ptr(int64(0))})
	require.Equal(t, object.Created, r.Outcome, "%v", r.Err)
	require.JSONEq(t, `{"name":"Rex","age":1,"colour":"red"}`, shown(t, r.Record))
	f.commit.Take()

	out, err := f.Upsert(t.Context(), ws, "pet", []object.Item{
		{ExternalID: "p", Fields: doc{"age": 2, "colour": nil}},
		{ExternalID: "p", Fields: doc{"age": 3}, ExpectedVersion: ptr(int64(2))},
		{ExternalID: "p", Fields: doc{"age": 4}, ExpectedVersion: ptr(int64(2))},
		{ExternalID: "p", Fields: doc{"name": nil}},
		{ExternalID: "p", Fields: doc{"age": 3}},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"Rex","age":2}`, shown(t, out[0].Record))
	require.JSONEq(t, `{"name":"Rex","age":3}`, shown(t, out[1].Record))
	require.Equal(t, "VERSION_CONFLICT", out[2].Err.Reason)
	require.Equal(t, object.ReasonFieldRequired, out[3].Err.Reason)
	require.Equal(t, object.Unchanged, out[4].Outcome)

	events := f.commit.Take()
	require.Len(t, events, 2, "one for each change")
	props, _ := event.ToJSON(events[0].Input.Properties)
	require.JSONEq(t, fmt.Sprintf(`{"type":"pet","recordId":%q,"change":"UPDATED","fields":["age","colour"]}`, r.Record.RecordID()), string(props))
	byID, err := f.ByIDs(t.Context(), ws, []string{r.Record.RecordID(), "rec_x", "prof_1"})
	require.NoError(t, err)
	require.Equal(t, "p", byID[0].ExternalID)
	require.Nil(t, byID[1])
}

func TestUniqueValuesAreClaimed(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "card", Fields: []object.FieldInput{{Key: "mail", Type: object.Email, Unique: true}}})
	out, err := f.Upsert(t.Context(), ws, "card", []object.Item{
		{ExternalID: "a", Fields: doc{"mail": "a@b.co"}}, {ExternalID: "b", Fields: doc{"mail": "A@B.CO"}}, {ExternalID: "c", Fields: doc{}},
	})
	require.NoError(t, err)
	require.Equal(t, object.Created, out[0].Outcome)
	require.Equal(t, object.ReasonFieldUnique, out[1].Err.Reason)
	require.Equal(t, []string{"fields", "mail"}, out[1].Err.Path)
	require.NotContains(t, out[1].Err.Error(), "b.co")
	require.Equal(t, object.Created, out[2].Outcome)

	// A value that is given up is free again; a deleted record gives its own up.
	require.Equal(t, object.Updated, f.put(t, "card", object.Item{ExternalID: "a", Fields: doc{"mail": "x@b.co"}}).Outcome)
	require.Equal(t, object.Created, f.put(t, "card", object.Item{ExternalID: "b", Fields: doc{"mail": "a@b.co"}}).Outcome)
	del, err := f.Delete(t.Context(), ws, "card", []string{"b", "nobody"})
	require.NoError(t, err)
	require.Equal(t, object.Deleted, del[0].Outcome)
	require.Equal(t, "RECORD", del[1].Err.Reason)
	require.Equal(t, "RECORD_DELETED", f.put(t, "card", object.Item{ExternalID: "b", Fields: doc{}}).Err.Reason)
	require.Equal(t, object.Updated, f.put(t, "card", object.Item{ExternalID: "c", Fields: doc{"mail": "a@b.co"}}).Outcome)
	res, err := f.Restore(t.Context(), ws, "card", []string{"b"})
	require.NoError(t, err)
	require.Equal(t, object.ReasonFieldUnique, res[0].Err.Reason)
	require.Equal(t, object.Updated, f.put(t, "card", object.Item{ExternalID: "c", Fields: doc{"mail": nil}}).Outcome)
	res, err = f.Restore(t.Context(), ws, "card", []string{"b"})
	require.NoError(t, err)
	require.Equal(t, object.Restored, res[0].Outcome, "%v", res[0].Err)
	claims, err := store.Claims.Count(t.Context(), f.db, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", "record/")}})
	require.NoError(t, err)
	require.EqualValues(t, 2, claims, "of a and b")
}

func TestReferencesMustExist(t *testing.T) {
	f := setup(t)
	f.define(t, object.TypeInput{Key: "store"})
	f.define(t, object.TypeInput{Key: "visit", Fields: []object.FieldInput{{Key: "shop", Type: object.Reference, Target: "store"}, {Key: "before", Type: object.Reference, Target: "visit"}},
		Relations: []object.RelationInput{{Key: "shops", Target: "store", Many: true}}})
	r := f.put(t, "visit", object.Item{ExternalID: "v", Fields: doc{"shop": "s1"}})
	require.Equal(t, core.NotFound, r.Err.Code)
	require.Equal(t, []string{"fields", "shop"}, r.Err.Path)
	f.put(t, "store", object.Item{ExternalID: "s1"})
	f.put(t, "store", object.Item{ExternalID: "s2"})
	out, err := f.Upsert(t.Context(), ws, "visit", []object.Item{
		{ExternalID: "v2", Fields: doc{"before": "v1"}}, {ExternalID: "v1", Fields: doc{"shop": "s1"}, Links: map[string][]object.Link{"shops": {{Value: "s1"}, {Value: "s2"}}}},
		{ExternalID: "v3", Fields: doc{"before": "v4"}}, {ExternalID: "v4", Fields: doc{"shop": "s9"}},
	})
	require.NoError(t, err)
	require.Equal(t, object.Created, out[0].Outcome, "what it refers to is made in the same call: %v", out[0].Err)
	require.Equal(t, object.Created, out[1].Outcome)
	require.Equal(t, object.ReasonReference, out[2].Err.Reason, "what it refers to failed")
	require.Equal(t, object.ReasonReference, out[3].Err.Reason)
	to, err := f.LinkedTo(t.Context(), ws, out[1].Record, "shops")
	require.NoError(t, err)
	require.Len(t, to, 2)
}
