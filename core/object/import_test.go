package object_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func defineOrders(t *testing.T, f *fixture) {
	f.define(t, object.TypeInput{Key: "shop"})
	f.define(t, object.TypeInput{Key: "order", Fields: []object.FieldInput{
		{Key: "n", Type: object.Integer}, {Key: "price", Type: object.Money}, {Key: "tags", Type: object.String, Many: true}, {Key: "note", Type: object.Text},
	}, Relations: []object.RelationInput{{Key: "buyer"}, {Key: "shop", Target: "shop"}}})
	f.put(t, "shop", object.Item{ExternalID: "s1"})
}

func TestImportCSV(t *testing.T) {
	f := setup(t)
	defineOrders(t, f)
	file := "\ufeffid;n;price.amount;price.currency;tags;note;link.buyer.email;link.shop;junk\n" +
		"o1;5;12.50;EUR;a|b;\"two\nlines\";ana@example.com;s1;x\n" +
		"o2;five;;;;;;;\n" +
		"o3;7;;;;;;s9;\n" +
		"o4;7\n" +
		"o5;\"7;;;;;;;\n"
	file = strings.ReplaceAll(file, "a|b", `"a;b"`)
	o := object.ImportOptions{Type: "order", Format: object.CSV, Comma: ';', Mapping: map[string]string{
		"id": "externalId", "n": "n", "price.amount": "price.amount", "price.currency": "price.currency", "tags": "tags", "note": "note", "link.buyer.email": "link.buyer.email", "link.shop": "link.shop"}}
	rows, err := f.PreviewImport(t.Context(), ws, o, strings.NewReader(file), 3)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, object.Created, rows[0].Outcome, "%v", rows[0].Err)
	require.EqualValues(t, 2, rows[0].Line)
	require.EqualValues(t, 4, rows[1].Line)
	require.Equal(t, []string{"fields", "n"}, rows[1].Err.Path)
	none, err := f.Get(t.Context(), ws, "order", "o1")
	require.NoError(t, err)
	require.Nil(t, none, "a preview writes nothing")

	job, err := f.StageImport(t.Context(), ws, o, strings.NewReader(file))
	require.NoError(t, err)
	job = f.run(t, job)
	require.Equal(t, work.Succeeded, job.Status, "%+v", job.Error)
	var n object.ImportCounts
	require.NoError(t, job.DecodeResult(&n))
	require.EqualValues(t, 5, n.Rows)
	require.EqualValues(t, 1, n.Created)
	require.EqualValues(t, 4, n.Failed)
	var reasons []string
	for _, e := range n.Errors {
		reasons = append(reasons, fmt.Sprint(e.Line, " ", e.Reason))
	}
	require.Equal(t, []string{"4 FIELD_TYPE", "5 REFERENCE_UNKNOWN", "6 LINE_CELLS", "7 LINE_SYNTAX"}, reasons)
	r, err := f.Get(t.Context(), ws, "order", "o1")
	require.NoError(t, err)
	require.JSONEq(t, `{"n":5,"price":{"amount":12.5,"currency":"EUR"},"tags":["a","b"],"note":"two\nlines"}`, shown(t, r))
	require.Len(t, r.Links, 2)
	left, err := object.Files.Chunks.Count(t.Context(), f.db, store.Query{Workspace: ws})
	require.NoError(t, err)
	require.Zero(t, left)

	_, err = f.StageImport(t.Context(), ws, object.ImportOptions{Type: "order", Format: object.CSV}, strings.NewReader("externalId,nope\n"))
	require.Equal(t, object.ReasonFieldUnknown, core.AsError(err).Reason)
	_, err = f.StageImport(t.Context(), ws, object.ImportOptions{Type: "order", Format: object.CSV}, strings.NewReader("n\n"))
	require.Equal(t, "MAPPING", core.AsError(err).Reason)
}

func TestImportNDJSONGoesOnAfterAStop(t *testing.T) {
	f := setup(t)
	defineOrders(t, f)
	var b strings.Builder
	for i := range 1700 {
		fmt.Fprintf(&b, `{"externalId":"o%d","fields":{"n":%d,"note":%q},"links":[{"relation":"buyer","to":[{"identifier":{"namespace":"email","value":"p%d@example.com"}}]},{"relation":"shop","to":[{"externalId":"s1"}]}]}`+"\n", i, i, strings.Repeat("x", 900), i)
		if i%500 == 0 {
			b.WriteString("\n{\"externalId\":\"bad\",\"surprise\":1}\n")
		}
	}
	b.WriteString(strings.Repeat("y", 1<<20))
	job, err := f.StageImport(t.Context(), ws, object.ImportOptions{Type: "order", Format: object.NDJSON}, strings.NewReader(b.String()))
	require.NoError(t, err)
	commits := 0
	f.commit.Before = func([]store.Op) {
		if commits++; commits == 9 {
			panic("the process dies here")
		}
	}
	job = f.run(t, job)
	require.Equal(t, work.Succeeded, job.Status, "%+v", job.Error)
	var n object.ImportCounts
	require.NoError(t, job.DecodeResult(&n))
	require.EqualValues(t, 1705, n.Rows)
	require.EqualValues(t, 1700, n.Created+n.Unchanged)
	require.EqualValues(t, 5, n.Failed)
	require.Equal(t, "LINE_SYNTAX", n.Errors[0].Reason)
	require.Equal(t, "LINE_TOO_LONG", n.Errors[4].Reason)
	count, err := f.Count(t.Context(), ws, "order", nil)
	require.NoError(t, err)
	require.Equal(t, object.Count{Value: 1700, Exact: true}, count)

	// Importing the file once more changes nothing; then the type goes with all of it.
	f.commit.Take()
	del := object.TypeDeletion{Key: "order"}
	_, err = f.DeleteType(t.Context(), ws, del)
	require.Equal(t, "TYPE_HAS_RECORDS", core.AsError(err).Reason)
	del.Records, del.DryRun = true, true
	f.people.set("email", "p5@example.com", "prof_5")
	f.uses["order"] = []string{"segment seg_1"}
	got, err := f.DeleteType(t.Context(), ws, del)
	require.NoError(t, err)
	require.EqualValues(t, 1700, got.Records)
	require.Equal(t, []string{"segment seg_1"}, got.UsedBy)
	del.DryRun = false
	_, err = f.DeleteType(t.Context(), ws, del)
	require.Equal(t, "IN_USE", core.AsError(err).Reason)
	_, err = f.DeleteType(t.Context(), ws, object.TypeDeletion{Key: "shop", Records: true})
	require.Contains(t, err.Error(), "oty_order")
	delete(f.uses, "order")
	got, err = f.DeleteType(t.Context(), ws, del)
	require.NoError(t, err)
	require.Equal(t, "TYPE_DELETING", f.put(t, "order", object.Item{ExternalID: "late"}).Err.Reason)
	job = f.run(t, got.Job)
	require.Equal(t, work.Succeeded, job.Status, "%+v", job.Error)
	require.EqualValues(t, 1700, job.Done)
	require.Equal(t, []string{"prof_5 DELETED"}, f.told(t))
	_, err = f.Type(t.Context(), ws, "order")
	require.Equal(t, core.NotFound, core.CodeOf(err))
	defineAgain := f.define(t, object.TypeInput{Key: "order"})
	require.EqualValues(t, 1, defineAgain.Version)
	require.Equal(t, object.Created, f.put(t, "order", object.Item{ExternalID: "o1"}).Outcome)
}
