package hubspot_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func TestEachItemHasItsOwnResult(t *testing.T) {
	r := start(t)
	first := r.upsert("contacts", item("a", "email", "a@example.com"), item("gone"))
	gone := first[1].ID
	r.upsert("contacts", sdk.Item{ID: gone, Delete: true})
	results := r.upsert("contacts",
		item("a", "jobtitle", "CTO", "company", "ž \"quoted\" 😀"),
		item("b", "email", "private person"),
		item("c", "lifecyclestage", "moon"),
		item("d", "shoe", "44"),
		item("e", "createdate", "2026-01-01"),
		item("f", "email", "a@example.com"),
		sdk.Item{Match: "headwater_id", Fields: map[string]any{"city": "x"}},
		sdk.Item{Match: "city", Fields: map[string]any{"city": "x"}},
		sdk.Item{ID: first[0].ID, Fields: map[string]any{"email": nil}},
		sdk.Item{ID: gone, Fields: map[string]any{"city": "x"}},
		sdk.Item{ID: "1/../2", Fields: map[string]any{"city": "x"}},
		sdk.Item{Match: "email", Fields: map[string]any{"email": "g@example.com", "headwater_id": "g"}},
		sdk.Item{Fields: map[string]any{"headwater_id": "h", "loyalty_points": json.Number("12.5"), "hs_email_optout": true}},
		sdk.Item{Match: "headwater_id", Fields: map[string]any{"headwater_id": "nobody"}, Delete: true},
		sdk.Item{ID: gone, Delete: true},
		item("i", "loyalty_points", map[string]any{"a": 1}),
	)
	want := "UPDATED INVALID_RECORD@email INVALID_RECORD@lifecyclestage SCHEMA_CHANGED@shoe INVALID_RECORD@createdate INVALID_RECORD@email " +
		"INVALID_RECORD@headwater_id INVALID_CONFIG@city UPDATED RECORD_GONE RECORD_GONE CREATED CREATED DELETED DELETED INVALID_RECORD@loyalty_points"
	if got := outcomes(results); got != want {
		t.Errorf("outcomes are\n%s\nwant\n%s", got, want)
	}
	for _, one := range results {
		if one.Fault != nil && (strings.Contains(one.Fault.Error(), "private") || strings.Contains(one.Fault.Error(), "moon") || strings.Contains(one.Fault.Error(), "example.com")) {
			t.Errorf("a value stands in %q", one.Fault)
		}
	}
	have := r.all("contacts")
	if len(have) != 3 || have["a"].Fields["jobtitle"] != "CTO" || have["a"].Fields["email"] != nil || have["a"].Fields["company"] != "ž \"quoted\" 😀" {
		t.Errorf("the account has %d: %+v", len(have), have["a"])
	}
	if f := have["h"].Fields; f["loyalty_points"] != json.Number("12.5") || f["hs_email_optout"] != true {
		t.Errorf("h is %+v", f)
	}
	if results[0].UpdatedAt.Before(first[0].UpdatedAt) {
		t.Errorf("the time of the write is %s", results[0].UpdatedAt)
	}
}

func TestABatchIsCutIntoRequestsAndTheLastOfAKeyWins(t *testing.T) {
	r := start(t)
	var items []sdk.Item
	for i := range 250 {
		items = append(items, item(fmt.Sprint("k", i)))
	}
	items = slices.Insert(items, 50, item("K0", "city", "later")) // in the same request as k0
	for i, one := range r.upsert("contacts", items...) {
		if one.Fault != nil {
			t.Fatalf("%d: %v", i, one.Fault)
		}
	}
	have := r.all("contacts", "city")
	found := 0
	for key, one := range have {
		if strings.EqualFold(key, "k0") && one.Fields["city"] == "later" {
			found++
		}
	}
	if len(have) != 250 || found != 1 {
		t.Errorf("%d records, the last write won %d times", len(have), found)
	}
}

func TestWritesOnABadDay(t *testing.T) {
	r := start(t)
	r.upsert("contacts", item("warm"))
	for name, c := range map[string]struct {
		fault sandbox.Fault
		kind  sdk.FaultKind
	}{
		"limited":   {sandbox.Fault{Kind: sandbox.RateLimited}, sdk.FaultRetry},
		"quota":     {sandbox.Fault{Kind: sandbox.QuotaSpent}, sdk.FaultQuota},
		"503":       {sandbox.Fault{Kind: sandbox.ServerError, Status: 503}, sdk.FaultRetry},
		"502":       {sandbox.Fault{Kind: sandbox.ServerError}, sdk.FaultUnknownOutcome},
		"truncated": {sandbox.Fault{Kind: sandbox.Truncated}, sdk.FaultUnknownOutcome},
		"lost":      {sandbox.Fault{Kind: sandbox.ReplyLost}, sdk.FaultUnknownOutcome},
	} {
		c.fault.Path, c.fault.Times = "/crm/v3/objects/contacts/batch/upsert", 1
		r.fault(c.fault)
		_, err := r.conn.Upsert(t.Context(), sdk.Batch{Stream: "contacts", Items: []sdk.Item{item("x")}})
		if f := sdk.AsFault(err); f == nil || f.Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The second request fails: what the first wrote stays told.
	var items []sdk.Item
	for i := range 150 {
		items = append(items, item(fmt.Sprint("k", i)))
	}
	r.fault(sandbox.Fault{Kind: sandbox.QuotaSpent, Path: "/crm/v3/objects/contacts/batch/upsert", After: 1, Times: 1})
	results := r.upsert("contacts", items...)
	if results[99].Outcome != sdk.Created || results[100].Fault == nil || results[149].Fault.Kind != sdk.FaultQuota {
		t.Errorf("99: %+v, 100: %+v", results[99], results[100])
	}
	// Written twice there is one.
	r.upsert("contacts", items...)
	if n := len(r.all("contacts")); n != 152 {
		t.Errorf("%d records, want 152", n)
	}
}

func TestAssociationsAreWhatTheFieldSays(t *testing.T) {
	r := start(t)
	companies := r.upsert("companies", item("c1", "name", "One"), item("c2", "name", "Two"))
	one, two := companies[0].ID, companies[1].ID
	read := func() []any {
		list, _ := r.all("contacts", "associations.companies")["a"].Fields["associations.companies"].([]any)
		return list
	}
	r.upsert("contacts", item("a", "associations.companies", []any{one, two}))
	if got := read(); !slices.Equal(got, []any{one, two}) {
		t.Errorf("associated with %v", got)
	}
	r.upsert("contacts", item("a", "associations.companies", two))
	if got := read(); !slices.Equal(got, []any{two}) {
		t.Errorf("then with %v", got)
	}
	results := r.upsert("contacts", item("a", "city", "Graz", "associations.companies", []any{two, "999"}), item("b", "associations.companies", "x y"))
	if got := outcomes(results); got != "INVALID_RECORD@associations.companies INVALID_RECORD@associations.companies" {
		t.Errorf("outcomes %s", got)
	}
	r.upsert("contacts", item("a", "associations.companies", nil))
	if got := read(); len(got) != 0 {
		t.Errorf("still with %v", got)
	}
	// A custom object too, and nothing but what is named changes.
	r.upsert(custom, item("s", "title", "Plus", "plan", "plus"))
	if got := r.all(custom)["s"].Fields["plan"]; got != "plus" {
		t.Errorf("plan %v", got)
	}
}

func TestListsByNameAndID(t *testing.T) {
	r := start(t)
	people := r.upsert("contacts", item("a"), item("b", "email", "b@example.com"), item("c"))
	byEmail := sdk.Item{Match: "email", Fields: map[string]any{"email": "B@example.com"}}
	out, err := r.conn.Members(t.Context(), sdk.ListChange{Name: "VIPs & friends", Add: []sdk.Item{{ID: people[0].ID}, byEmail, item("new", "city", "Graz"), {ID: "999"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes(out.Results); got != "UPDATED UPDATED UPDATED RECORD_GONE" || out.List == "" {
		t.Errorf("outcomes %s, list %q", got, out.List)
	}
	if r.all("contacts")["new"].Fields["city"] != "Graz" {
		t.Error("who is no contact yet did not become one")
	}
	again, err := r.conn.Members(t.Context(), sdk.ListChange{Name: "vips & friends", Add: []sdk.Item{{ID: people[0].ID}}, Remove: []sdk.Item{byEmail, item("c"), item("nobody")}})
	if err != nil || again.List != out.List {
		t.Fatalf("another list: %+v, %v", again, err)
	}
	if got := outcomes(again.Results); got != "UNCHANGED UPDATED UNCHANGED UNCHANGED" {
		t.Errorf("outcomes %s", got)
	}
	members := string(r.api("GET", "/crm/v3/lists/"+out.List+"/memberships", nil))
	if !strings.Contains(members, `"`+people[0].ID+`"`) || strings.Contains(members, `"`+people[1].ID+`"`) {
		t.Errorf("members are %s", members)
	}
	r.api("DELETE", "/crm/v3/lists/"+out.List, nil)
	_, err = r.conn.Members(t.Context(), sdk.ListChange{List: out.List, Add: []sdk.Item{{ID: people[0].ID}}})
	want(t, err, sdk.FaultRecordGone, "LIST_GONE")
	var made struct{ List struct{ ListID string } }
	if err := json.Unmarshal(r.api("POST", "/crm/v3/lists", map[string]string{"name": "Dyn", "objectTypeId": "0-1", "processingType": "DYNAMIC"}), &made); err != nil {
		t.Fatal(err)
	}
	_, err = r.conn.Members(t.Context(), sdk.ListChange{List: made.List.ListID, Add: []sdk.Item{{ID: people[0].ID}}})
	want(t, err, sdk.FaultInvalidRecord, "DYNAMIC_LIST")
}

func TestErasureIsForGood(t *testing.T) {
	r := start(t)
	people := r.upsert("contacts", item("a", "email", "a@example.com"), item("b"))
	subject := sdk.Subject{Key: "e", IDs: map[string]string{"contacts": people[1].ID}, Identifiers: map[string]string{"email": "A@example.com"}}
	receipt, err := r.conn.Erase(t.Context(), subject)
	if err != nil || !receipt.Done || !receipt.Known || strings.Contains(receipt.Detail, "@") {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if have := r.all("contacts"); len(have) != 0 {
		t.Errorf("left: %d", len(have))
	}
	if text := string(r.api("GET", "/crm/v3/objects/contacts?archived=true", nil)); strings.Contains(text, people[0].ID) {
		t.Errorf("archived only: %s", text)
	}
	if receipt, err = r.conn.Erase(t.Context(), subject); err != nil || !receipt.Done || receipt.Known {
		t.Errorf("again: %+v, %v", receipt, err)
	}
}
