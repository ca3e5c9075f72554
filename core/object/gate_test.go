package object_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/object/objecttest"
)

var (
	denied    = core.Decision{Effect: core.Deny, Withheld: core.WithheldRole}
	pseudonym = core.Decision{Effect: core.Mask, Form: core.Pseudonym, Withheld: core.WithheldPurpose}
)

// guardedType has a field of each of some categories, one of them unique.
var guardedType = object.TypeInput{Key: "policy", Fields: []object.FieldInput{
	{Key: "email", Type: object.Email, Category: core.Contact, Unique: true},
	{Key: "illness", Type: object.String, Category: core.Special},
	{Key: "codes", Type: object.String, Many: true, Category: core.Special},
	{Key: "price", Type: object.Decimal, Category: core.Transaction},
	{Key: "unlooked", Type: object.String},
}}

// as makes the service answer through a gate.
func (f *fixture) as(g object.Gate) {
	f.SetGate(func(context.Context, string) (object.Gate, error) { return g, nil })
}

func guardedFixture(t *testing.T) *fixture {
	f := setup(t)
	f.define(t, guardedType)
	require.NoError(t, errOf(f.put(t, "policy", object.Item{ExternalID: "p1", Fields: map[string]any{
		"email": "canary@example.com", "illness": "canary illness", "codes": []any{"canary-b", "canary-a"}, "price": json.Number("12.5"), "unlooked": "canary unlooked",
	}})))
	return f
}

func errOf(r object.ItemResult) error {
	if r.Err != nil {
		return r.Err
	}
	return nil
}

func where(t *testing.T, text string) *condition.Node {
	n, err := condition.ParseJSON([]byte(text))
	require.NoError(t, err)
	return n
}

// TestConditionsOnRecordsAskTheGate compares every field, under every decision, with
// what the table says.
func TestConditionsOnRecordsAskTheGate(t *testing.T) {
	f := guardedFixture(t)
	fields := map[string]core.Category{
		"email": core.Contact, "illness": core.Special, "codes": core.Special, "price": core.Transaction, "unlooked": core.Unclassified,
	}
	for field, category := range fields {
		for name, d := range map[string]core.Decision{"allow": {Effect: core.Allow}, "mask": pseudonym, "deny": denied} {
			f.as(objecttest.Gate{category: d})
			for _, form := range []string{`{"field":{"path":"%","exists":true}}`, `{"not":{"field":{"path":"%","exists":false}}}`, `{"and":[{"or":[{"field":{"path":"%","exists":true}}]}]}`} {
				n := where(t, strings.ReplaceAll(form, "%", field))
				page, err := f.Page(t.Context(), ws, "policy", n, core.Window{Limit: 10})
				_, counted := f.Count(t.Context(), ws, "policy", n)
				if name == "allow" {
					require.NoError(t, err)
					require.NoError(t, counted)
					require.Len(t, page.Items, 1)
					continue
				}
				for _, err := range []error{err, counted} {
					e := core.AsError(err)
					require.NotNil(t, e, "%s %s", field, name)
					require.Equal(t, "PROTECTED_FIELD", e.Reason)
					require.Equal(t, core.Forbidden, e.Code)
					require.Contains(t, e.Message, field)
					require.NotContains(t, e.Error(), "canary")
				}
			}
		}
	}
}

// TestRecordsAreShownByCategory checks what stands for each field.
func TestRecordsAreShownByCategory(t *testing.T) {
	f := guardedFixture(t)
	typ, err := f.Type(t.Context(), ws, "policy")
	require.NoError(t, err)
	r, err := f.Get(t.Context(), ws, "policy", "p1")
	require.NoError(t, err)

	doc, withheld := object.Through(objecttest.Gate{}).Fields(typ, r)
	require.Empty(t, withheld)
	require.Equal(t, typ.Document(r), doc)

	g := objecttest.Gate{core.Contact: pseudonym, core.Special: denied, core.Unclassified: denied, core.IdentifierID: denied}
	see := object.Through(g)
	doc, _ = see.Fields(typ, r)
	require.Equal(t, "masked email", doc.Lookup("email").StringValue())
	require.NoError(t, doc.Lookup("price").Validate())
	for _, gone := range []string{"illness", "codes", "unlooked"} {
		_, err := doc.LookupErr(gone)
		require.Error(t, err, gone)
	}
	require.NotContains(t, string(doc), "canary")
	require.Empty(t, see.ExternalID(r))
	require.Equal(t, []core.Withheld{
		{Path: "externalId", Reason: core.WithheldRole}, {Path: "fields.codes", Reason: core.WithheldRole}, {Path: "fields.email", Reason: core.WithheldPurpose},
		{Path: "fields.illness", Reason: core.WithheldRole}, {Path: "fields.unlooked", Reason: core.WithheldRole},
	}, see.Withheld(typ, r))

	doc, _ = object.Through(objecttest.Gate{core.Special: pseudonym}).Fields(typ, r)
	require.Equal(t, "masked SPECIAL", doc.Lookup("codes", "0").StringValue(), "each value of several is masked")
}

// TestUniqueFieldsTellNothing tries to learn whether another record has a value.
func TestUniqueFieldsTellNothing(t *testing.T) {
	f := guardedFixture(t)
	f.as(objecttest.Gate{core.Contact: pseudonym})
	taken := f.put(t, "policy", object.Item{ExternalID: "p2", Fields: map[string]any{"email": "canary@example.com"}})
	free := f.put(t, "policy", object.Item{ExternalID: "p2", Fields: map[string]any{"email": "free@example.com"}})
	require.Equal(t, taken.Err, free.Err, "the same answer, whether it is taken or not")
	require.Equal(t, "PROTECTED_FIELD", taken.Err.Reason)
	require.NoError(t, errOf(f.put(t, "policy", object.Item{ExternalID: "p2", Fields: map[string]any{"price": json.Number("3")}})))

	lines := `{"externalId":"p3","fields":{"email":"canary@example.com"}}` + "\n" + `{"externalId":"p4","fields":{"email":"free@example.com"}}` + "\n" +
		`{"externalId":"p1","fields":{"illness":"canary illness"}}`
	f.as(objecttest.Gate{core.Contact: pseudonym, core.Special: denied})
	rows, err := f.PreviewImport(t.Context(), ws, object.ImportOptions{Type: "policy", Format: object.NDJSON}, strings.NewReader(lines), 10)
	require.NoError(t, err)
	require.Equal(t, rows[0].Err, rows[1].Err)
	require.Equal(t, "PROTECTED_FIELD", rows[0].Err.Reason)
	require.Equal(t, object.Updated, rows[2].Outcome, "that the value is the same is not told")

	f.as(objecttest.Gate(nil))
	same := f.put(t, "policy", object.Item{ExternalID: "p2", Fields: map[string]any{"email": "canary@example.com"}})
	require.Equal(t, object.ReasonFieldUnique, same.Err.Reason)
}

// TestTypesAreNotChangedToTell narrows and reclassifies fields that may not be read.
func TestTypesAreNotChangedToTell(t *testing.T) {
	f := guardedFixture(t)
	f.as(objecttest.Gate{core.Special: denied, core.Unclassified: denied})
	none, text := core.None, object.Constraints{MaxLength: 3}
	for name, u := range map[string]object.TypeUpdate{
		"narrow":     {ChangeFields: []object.FieldChange{{Key: "illness", Constraints: &text}}, DryRun: true},
		"remove":     {RemoveFields: []string{"illness"}, DryRun: true},
		"reclassify": {ChangeFields: []object.FieldChange{{Key: "illness", Category: &none}}},
		"classify":   {ChangeFields: []object.FieldChange{{Key: "unlooked", Category: &none}}},
	} {
		t.Run(name, func(t *testing.T) {
			u.Key = "policy"
			_, err := f.UpdateType(t.Context(), ws, u)
			require.Error(t, err)
			require.Equal(t, "PROTECTED_FIELD", core.AsError(err).Reason)
		})
	}
	_, err := f.UpdateType(t.Context(), ws, object.TypeUpdate{Key: "policy", ChangeFields: []object.FieldChange{{Key: "price", Category: &none}}})
	require.NoError(t, err)
}

// TestNobodyReadsWithoutAGate leaves the gate out.
func TestNobodyReadsWithoutAGate(t *testing.T) {
	f := guardedFixture(t)
	f.SetGate(nil)
	n := where(t, `{"field":{"path":"price","exists":true}}`)
	_, err := f.Page(t.Context(), ws, "policy", n, core.Window{Limit: 10})
	require.Equal(t, core.Forbidden, core.CodeOf(err))
	system := core.WithActor(t.Context(), &core.Actor{Workspace: ws, ID: "system:sweep"})
	page, err := f.Page(system, ws, "policy", n, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
}
