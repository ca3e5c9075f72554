package salesforce_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// all returns what the organisation has, by the external id.
func (r *rig) all(stream string) map[string]sdk.Record {
	r.t.Helper()
	records, _ := r.mustPull(stream, nil)
	out := map[string]sdk.Record{}
	for _, one := range records {
		out[fmt.Sprint(one.Fields["Headwater_Id__c"])] = one
	}
	return out
}

func outcomes(results []sdk.Result) string {
	var out []string
	for _, r := range results {
		switch {
		case r.Fault != nil && r.Fault.Path != "":
			out = append(out, string(r.Fault.Kind)+"@"+r.Fault.Path)
		case r.Fault != nil:
			out = append(out, string(r.Fault.Kind))
		default:
			out = append(out, string(r.Outcome))
		}
	}
	return strings.Join(out, " ")
}

func TestEachItemHasItsOwnResult(t *testing.T) {
	r := start(t)
	first := r.upsert("contacts", contact("a", "Email", "a@example.com"))
	gone := r.upsert("contacts", contact("gone"))[0].ID
	r.upsert("contacts", sdk.Item{ID: gone, Delete: true})
	results := r.upsert("contacts",
		contact("a", "Title", "CTO", "Description", "ž \"quoted\", \n😀"),
		contact("b", "Email", "private person"),
		contact("c", "LeadSource", "Moon"),
		contact("d", "Shoe__c", "44"),
		contact("e", "Name", "computed"),
		sdk.Item{Match: "Headwater_Id__c", Fields: map[string]any{"LastName": "x"}},
		sdk.Item{Match: "Email", Fields: map[string]any{"LastName": "x", "Email": "e@example.com"}},
		sdk.Item{ID: first[0].ID, Fields: map[string]any{"Email": nil}},
		sdk.Item{ID: gone, Fields: map[string]any{"Title": "x"}},
		sdk.Item{ID: "nonsense", Fields: map[string]any{"Title": "x"}},
		sdk.Item{Key: "f", Fields: map[string]any{"Headwater_Id__c": "f", "LastName": "F", "DoNotCall": true, "Loyalty_Points__c": json.Number("12.5")}},
		sdk.Item{Match: "Headwater_Id__c", Fields: map[string]any{"Headwater_Id__c": "nobody"}, Delete: true},
		sdk.Item{ID: gone, Delete: true},
	)
	want := "UPDATED INVALID_RECORD@Email INVALID_RECORD SCHEMA_CHANGED@Shoe__c INVALID_RECORD@Name INVALID_RECORD@Headwater_Id__c INVALID_CONFIG@Email " +
		"UPDATED RECORD_GONE RECORD_GONE CREATED DELETED DELETED"
	want = strings.Replace(want, "INVALID_RECORD SCHEMA", "INVALID_RECORD@LeadSource SCHEMA", 1)
	if got := outcomes(results); got != want {
		t.Errorf("outcomes are\n%s\nwant\n%s", got, want)
	}
	for _, one := range results {
		if one.Fault != nil && (strings.Contains(one.Fault.Error(), "private") || strings.Contains(one.Fault.Error(), "Moon")) {
			t.Errorf("a value stands in %q", one.Fault)
		}
	}
	if results[0].ID != first[0].ID || results[0].UpdatedAt.IsZero() {
		t.Errorf("the first result is %+v", results[0])
	}
	have := r.all("contacts")
	if len(have) != 2 || have["a"].Fields["Title"] != "CTO" || have["a"].Fields["Email"] != nil || have["a"].Fields["Description"] != "ž \"quoted\", \n😀" {
		t.Errorf("the organisation has %+v", have)
	}
	if f := have["f"].Fields; f["DoNotCall"] != true || f["Loyalty_Points__c"] != json.Number("12.5") {
		t.Errorf("f is %+v", f)
	}
}

func TestABatchIsCutIntoRequestsAndTheLastOfAKeyWins(t *testing.T) {
	r := start(t)
	var items []sdk.Item
	for i := range 450 {
		items = append(items, contact(fmt.Sprint("k", i)))
	}
	items = slices.Insert(items, 50, contact("K0", "Title", "later")) // in the same request as k0
	for i, one := range r.upsert("contacts", items...) {
		if one.Fault != nil {
			t.Fatalf("%d: %v", i, one.Fault)
		}
	}
	have := r.all("contacts")
	if len(have) != 450 {
		t.Errorf("%d records", len(have))
	}
	found := false
	for key, one := range have {
		found = found || strings.EqualFold(key, "k0") && one.Fields["Title"] == "later"
	}
	if !found {
		t.Error("the first write won")
	}
}

func TestManyGoByABulkJob(t *testing.T) {
	r := start(t)
	r.upsert("contacts", contact("k7", "Email", "k7@example.com", "Title", "old"))
	var items []sdk.Item
	for i := range 1200 {
		item := contact(fmt.Sprint("k", i), "FirstName", "a \"b\",\nc")
		switch i {
		case 3:
			item.Fields["Email"] = "not one"
		case 7:
			item.Fields["Email"] = nil
		}
		items = append(items, item)
	}
	r.fault(sandbox.Fault{Kind: sandbox.Slow, DelayMS: 20, Path: "/services/data/v62.0/jobs/ingest", Times: 3})
	results, err := r.conn.Upsert(t.Context(), sdk.Batch{Stream: "contacts", Items: items, Bulk: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes([]sdk.Result{results[3], results[7], results[8]}); got != "INVALID_RECORD@Email UPDATED CREATED" {
		t.Errorf("outcomes are %s", got)
	}
	have := r.all("contacts")
	if len(have) != 1199 {
		t.Errorf("%d records", len(have))
	}
	if f := have["k7"].Fields; f["Email"] != nil || f["Title"] != "old" || f["FirstName"] != "a \"b\",\nc" {
		t.Errorf("k7 is %+v", f)
	}
}

func TestABulkJobWhoseEndIsNotKnownIsUnknown(t *testing.T) {
	r := start(t)
	var items []sdk.Item
	for i := range 1000 {
		items = append(items, contact(fmt.Sprint("k", i)))
	}
	for name, c := range map[string]struct {
		fault sandbox.Fault
		kind  sdk.FaultKind
	}{
		"upload":  {sandbox.Fault{Kind: sandbox.ServerError, Method: "PUT", Times: 1}, sdk.FaultRetry},
		"close":   {sandbox.Fault{Kind: sandbox.ReplyLost, Method: "PATCH", Times: 1}, sdk.FaultUnknownOutcome},
		"results": {sandbox.Fault{Kind: sandbox.ServerError, Status: 500, Path: "/services/data/v62.0/jobs/ingest/750", After: 6, Times: 1}, sdk.FaultUnknownOutcome},
	} {
		r.fault(c.fault)
		_, err := r.conn.Upsert(t.Context(), sdk.Batch{Stream: "contacts", Items: items, Bulk: true})
		if f := sdk.AsFault(err); f == nil || f.Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
		if left := r.e.Desk.Faults.List(); len(left) > 0 {
			t.Errorf("%s: the fault did not happen: %+v", name, left)
		}
	}
	// Written again with the same keys there is one of each.
	r.fault()
	if _, err := r.conn.Upsert(t.Context(), sdk.Batch{Stream: "contacts", Items: items, Bulk: true}); err != nil {
		t.Fatal(err)
	}
	if have := r.all("contacts"); len(have) != 1000 {
		t.Errorf("%d records", len(have))
	}
}

func TestWritesOnABadDay(t *testing.T) {
	r := start(t)
	r.upsert("contacts", contact("warm"))
	for name, c := range map[string]struct {
		fault sandbox.Fault
		kind  sdk.FaultKind
	}{
		"busy":      {sandbox.Fault{Kind: sandbox.RateLimited}, sdk.FaultRetry},
		"quota":     {sandbox.Fault{Kind: sandbox.QuotaSpent}, sdk.FaultQuota},
		"503":       {sandbox.Fault{Kind: sandbox.ServerError}, sdk.FaultRetry},
		"500":       {sandbox.Fault{Kind: sandbox.ServerError, Status: 500}, sdk.FaultUnknownOutcome},
		"truncated": {sandbox.Fault{Kind: sandbox.Truncated}, sdk.FaultUnknownOutcome},
		"lost":      {sandbox.Fault{Kind: sandbox.ReplyLost}, sdk.FaultUnknownOutcome},
	} {
		c.fault.Method, c.fault.Times = "PATCH", 1
		r.fault(c.fault)
		_, err := r.conn.Upsert(t.Context(), sdk.Batch{Stream: "contacts", Items: []sdk.Item{contact("x")}})
		if f := sdk.AsFault(err); f == nil || f.Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The second request fails: what the first wrote stays told.
	var items []sdk.Item
	for i := range 250 {
		items = append(items, contact(fmt.Sprint("k", i)))
	}
	r.fault(sandbox.Fault{Kind: sandbox.QuotaSpent, Method: "PATCH", After: 1, Times: 1})
	results := r.upsert("contacts", items...)
	if results[199].Outcome != sdk.Created || results[200].Fault == nil || results[249].Fault.Kind != sdk.FaultQuota {
		t.Errorf("199: %+v, 200: %+v, 249: %+v", results[199], results[200], results[249])
	}
	// The end of a session in the middle costs a sign-in.
	r.fault(sandbox.Fault{Kind: sandbox.TokenExpired, Method: "PATCH", Times: 1})
	if got := outcomes(r.upsert("contacts", contact("x"))); got != "UPDATED" && got != "CREATED" {
		t.Errorf("after the session ended: %s", got)
	}
}

func TestOurOwnWritesAreKnownByTheirTime(t *testing.T) {
	r := start(t)
	results := r.upsert("contacts", contact("a"), contact("b"))
	records, _ := r.mustPull("contacts", nil)
	for i := range records {
		if !records[i].UpdatedAt.Equal(results[i].UpdatedAt) {
			t.Errorf("%d: written %s, read %s", i, results[i].UpdatedAt, records[i].UpdatedAt)
		}
	}
	// Somebody else's change right after ours is not taken for ours.
	r.fault(sandbox.Fault{Kind: sandbox.ServerError, Path: "/services/data/v62.0/query", Times: 1})
	if got := r.upsert("contacts", contact("a", "Title", "x")); got[0].Fault != nil || !got[0].UpdatedAt.IsZero() {
		t.Errorf("without the time: %+v", got)
	}
}

func TestCustomObjectsAndDeletion(t *testing.T) {
	r := start(t)
	item := func(key string) sdk.Item {
		return sdk.Item{Match: "Headwater_Id__c", Fields: map[string]any{"Headwater_Id__c": key, "Plan__c": "Plus", "Starts_On__c": "2026-03-01", "Is_Active__c": true}}
	}
	r.upsert("Subscription__c", item("s1"), item("s2"))
	drop := item("s1")
	drop.Delete = true
	if got := outcomes(r.upsert("Subscription__c", drop)); got != "DELETED" {
		t.Errorf("outcome %s", got)
	}
	have := r.all("Subscription__c")
	if len(have) != 1 || have["s2"].Fields["Starts_On__c"] != "2026-03-01" {
		t.Errorf("left: %+v", have)
	}
}

func TestErasureLeavesNothingInTheRecycleBin(t *testing.T) {
	r := start(t)
	r.upsert("contacts", contact("p1", "Email", "p@example.com", "FirstName", "Secret", "Description", "Secret"), contact("p2", "Email", "q@example.com"))
	r.upsert("leads", sdk.Item{Match: "Headwater_Id__c", Fields: map[string]any{"Headwater_Id__c": "l1", "LastName": "Secret", "Company": "Secret", "Email": "p@example.com"}})
	_, cursor := r.mustPull("contacts", nil)
	subject := sdk.Subject{Key: "e1", Identifiers: map[string]string{"email": "p@example.com"}}
	r.fault(sandbox.Fault{Kind: sandbox.ServerError, Method: "DELETE", Times: 1})
	if _, err := r.conn.Erase(t.Context(), subject); err == nil {
		t.Fatal("done in spite of the fault")
	}
	// The contact is empty by now, so that nothing of the person finds it.
	receipt, err := r.conn.Erase(t.Context(), subject)
	if err != nil || !receipt.Done || !receipt.Known || strings.Contains(receipt.Detail, "@") {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if have := r.all("contacts"); len(have) != 1 || have["p2"].ID == "" {
		t.Errorf("left: %+v", have)
	}
	records, _ := r.mustPull("contacts", cursor)
	told := false
	for _, one := range records {
		told = told || one.Deleted
	}
	if !told {
		t.Error("the deletion was not told")
	}
	bin := r.query("SELECT FirstName, LastName, Email, Description, Headwater_Id__c FROM Contact WHERE IsDeleted = true")
	lead := r.query("SELECT LastName, Company, Email FROM Lead WHERE IsDeleted = true")
	if strings.Contains(bin+lead, "Secret") || strings.Contains(bin+lead, "example.com") || !strings.Contains(bin+lead, "Erased") {
		t.Errorf("the recycle bin holds %s %s", bin, lead)
	}
	receipt, err = r.conn.Erase(t.Context(), sdk.Subject{Key: "e2", Identifiers: map[string]string{"email": "nobody@example.com"}})
	if err != nil || !receipt.Done || receipt.Known {
		t.Errorf("nobody: %+v, %v", receipt, err)
	}
}

func TestRatesAreReported(t *testing.T) {
	r := start(t)
	ctx, rates := sdk.WithRates(t.Context())
	if err := r.conn.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if h := rates.Last(); h == nil || h.Limit != 100_000 || h.Remaining != 99_999 || h.Window != 24*time.Hour {
		t.Errorf("hint %+v", h)
	}
}
