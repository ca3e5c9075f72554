package hubspot_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func ids(records []sdk.Record) []string {
	var out []string
	for _, r := range records {
		if r.Deleted {
			out = append(out, "-"+r.ID)
			continue
		}
		out = append(out, r.ID)
	}
	slices.Sort(out)
	return out
}

func distinct(records []sdk.Record) int {
	seen := map[string]bool{}
	for _, r := range records {
		seen[r.ID] = true
	}
	return len(seen)
}

func TestDiscover(t *testing.T) {
	r := start(t)
	streams, err := r.conn.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range streams {
		names = append(names, s.Name)
		if !slices.Contains(s.Keys, "headwater_id") {
			t.Errorf("%s: keys %v", s.Name, s.Keys)
		}
	}
	if want := []string{"contacts", "companies", "deals", custom}; !slices.Equal(names, want) {
		t.Errorf("streams are %v, want %v", names, want)
	}
	if got := streams[0]; got.Relations["associations.companies"] != "companies" || !got.Person || !strings.Contains(string(got.Schema), `"format":"email"`) {
		t.Errorf("contacts: %+v %s", got.Relations, got.Schema)
	}
	// An edition without custom objects has none.
	r.control("PUT", "oauth", map[string]any{"scopes": "oauth crm.schemas.contacts.read"})
	if streams, err = r.conn.Discover(t.Context()); err != nil || len(streams) != 3 {
		t.Errorf("%d streams, %v", len(streams), err)
	}
}

func TestChangesDeletionsAndMergesComeOnce(t *testing.T) {
	r := start(t)
	made := r.upsert("contacts", item("a", "email", "A@example.com", "loyalty_points", json.Number("5"), "hs_email_optout", true), item("b"), item("c"))
	r.e.Desk.Clock.Advance(10 * time.Minute)
	records, cursor := r.mustPull("contacts", nil, "email", "loyalty_points", "hs_email_optout", "createdate", "city")
	if f := records[0].Fields; len(records) != 3 || f["email"] != "a@example.com" || f["loyalty_points"] != json.Number("5") || f["hs_email_optout"] != true || f["city"] != nil {
		t.Fatalf("first load: %+v", records)
	}
	if !records[0].UpdatedAt.Equal(made[0].UpdatedAt) {
		t.Errorf("written %s, read %s", made[0].UpdatedAt, records[0].UpdatedAt)
	}
	if records, cursor = r.mustPull("contacts", cursor); len(records) != 0 {
		t.Errorf("nothing changed, and %v came", ids(records))
	}
	r.control("POST", "edit", map[string]any{"objectType": "contacts", "id": made[0].ID, "properties": map[string]any{"city": "Graz"}})
	r.control("POST", "remove", map[string]any{"objectType": "contacts", "id": made[1].ID})
	r.e.Desk.Clock.Advance(5 * time.Second)
	records, cursor = r.mustPull("contacts", cursor)
	if want := []string{"-" + made[1].ID, made[0].ID}; !slices.Equal(ids(records), want) {
		t.Errorf("changes are %v, want %v", ids(records), want)
	}
	if records, cursor = r.mustPull("contacts", cursor); len(records) != 0 {
		t.Errorf("again: %v", ids(records))
	}
	// A merge is seen by the winner.
	r.merge(made[0].ID, made[2].ID)
	records, _ = r.mustPull("contacts", cursor)
	i := slices.IndexFunc(records, func(r sdk.Record) bool { return r.Deleted })
	if i < 0 || records[i].ID != made[2].ID || records[i].Merged != made[0].ID {
		t.Errorf("after the merge: %+v", records)
	}
}

// merge merges two contacts by the API, as another program would.
func (r *rig) merge(winner, loser string) {
	r.t.Helper()
	r.api("POST", "/crm/v3/objects/contacts/merge", map[string]string{"primaryObjectId": winner, "objectIdToMerge": loser})
}

func TestALoadThatIsCutOffGoesOn(t *testing.T) {
	r := start(t)
	if err := r.e.Seed(620); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	var all []sdk.Record
	var cursor []byte
	for pages := 1; ; pages++ {
		left := pages
		err := r.conn.Pull(t.Context(), sdk.PullRequest{Stream: "contacts", Cursor: cursor, Fields: []string{"email"}}, func(p sdk.Page) error {
			if left--; left < 0 {
				return stop
			}
			all, cursor = append(all, p.Records...), p.Cursor
			return nil
		})
		if err == nil {
			break
		}
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	if distinct(all) != 620 || len(cursor) > 64<<10 {
		t.Errorf("%d distinct of %d, the cursor has %d bytes", distinct(all), len(all), len(cursor))
	}
}

// Hundreds change in one millisecond, and some while they are read.
func TestManyChangesOfOneMomentAllCome(t *testing.T) {
	r := start(t)
	_, cursor := r.mustPull("contacts", nil)
	r.control("POST", "clock", map[string]any{"freeze": true})
	if err := r.e.Seed(450); err != nil {
		t.Fatal(err)
	}
	r.control("POST", "clock", map[string]any{"freeze": false})
	if err := r.e.Seed(350); err != nil {
		t.Fatal(err)
	}
	r.e.Desk.Clock.Advance(10 * time.Second)
	var all []sdk.Record
	touched := false
	err := r.conn.Pull(t.Context(), sdk.PullRequest{Stream: "contacts", Cursor: cursor, Fields: []string{"email"}}, func(p sdk.Page) error {
		all = append(all, p.Records...)
		if !touched && len(p.Records) > 0 {
			touched = true
			// It moves to the end: the others move up by one.
			r.control("POST", "edit", map[string]any{"objectType": "contacts", "id": p.Records[0].ID, "properties": map[string]any{"city": "Elsewhere"}})
		}
		return nil
	})
	if err != nil || distinct(all) != 800 {
		t.Errorf("%d distinct of %d, %v", distinct(all), len(all), err)
	}
}

func TestAPullSurvivesTheVendorsBadDays(t *testing.T) {
	r := start(t)
	if err := r.conn.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	const many = 250
	if err := r.e.Seed(many); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fault  sandbox.Fault
		kind   sdk.FaultKind
		reason string
	}{
		"limited":    {sandbox.Fault{Kind: sandbox.RateLimited}, sdk.FaultRetry, "TEN_SECONDLY_LIMIT"},
		"quota":      {sandbox.Fault{Kind: sandbox.QuotaSpent}, sdk.FaultQuota, "DAILY_LIMIT"},
		"502":        {sandbox.Fault{Kind: sandbox.ServerError}, sdk.FaultRetry, "VENDOR_FAILED"},
		"page":       {sandbox.Fault{Kind: sandbox.ServerError, Status: 503, Variant: "html"}, sdk.FaultRetry, "BUSY"},
		"truncated":  {sandbox.Fault{Kind: sandbox.Truncated}, sdk.FaultRetry, "BROKEN_ANSWER"},
		"redirected": {sandbox.Fault{Kind: sandbox.Redirected, To: "http://127.0.0.2:1/"}, sdk.FaultInvalidConfig, "REDIRECTED"},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.Path, c.fault.After, c.fault.Times = "/crm/v3/objects/contacts", 1, 1
			r.fault(c.fault)
			first, cursor, err := r.pull("contacts", nil, "email")
			f := want(t, err, c.kind, c.reason)
			if c.kind == sdk.FaultQuota {
				zone, _ := time.LoadLocation("Europe/Vienna")
				if at := f.Until.In(zone); at.Hour() != 0 || at.Minute() != 0 || time.Until(at) > 25*time.Hour {
					t.Errorf("parked until %s", at)
				}
			}
			rest, _ := r.mustPull("contacts", cursor, "email")
			if n := distinct(append(first, rest...)); n != many {
				t.Errorf("%d of %d came", n, many)
			}
		})
	}
	// The limit of a second is waited for here.
	r.fault(sandbox.Fault{Kind: sandbox.RateLimited, Variant: "secondly", Path: "/crm/v3/objects/contacts/search", Times: 1})
	if records, _ := r.mustPull("contacts", nil, "email"); distinct(records) != many {
		t.Errorf("%d records", distinct(records))
	}
}

func TestAPullSlowsDownBeforeTheLimit(t *testing.T) {
	r := start(t)
	r.control("PUT", "limits", map[string]any{"window": "ten", "limit": 12})
	ctx, rates := sdk.WithRates(t.Context())
	for range 3 {
		if err := r.conn.Check(ctx); err != nil {
			t.Fatal(err)
		}
		if h := rates.Last(); h == nil || h.Limit != 12 || h.Window != 10*time.Second {
			t.Fatalf("hint %+v", h)
		}
		if rates.Last().Remaining < 10 {
			break
		}
	}
	begun := time.Now()
	if err := r.conn.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < time.Second {
		t.Errorf("three calls took %s", took)
	}
}

func TestAssociationsComeWithTheirRecords(t *testing.T) {
	r := start(t)
	if err := r.e.Seed(30); err != nil {
		t.Fatal(err)
	}
	r.e.Desk.Clock.Advance(5 * time.Second) // so that the search after the list finds none again
	records, _ := r.mustPull("contacts", nil, "email", "associations.companies")
	with := 0
	for _, one := range records {
		if list := one.Fields["associations.companies"].([]any); len(list) == 1 {
			with++
		}
	}
	if with != 3 {
		t.Errorf("%d contacts have a company, want 3", with)
	}
}

func TestCursorsThatAreNoneAreLost(t *testing.T) {
	r := start(t)
	for _, cursor := range []string{"", "x", `{"v":2}`, `{"v":1,"from":1,"tie":"1 OR 1"}`, `{"v":1,"from":1,"swept":1}`} {
		_, _, err := r.pull("contacts", []byte(cursor))
		if f := sdk.AsFault(err); f == nil || f.Kind != sdk.FaultCursorLost {
			t.Errorf("%q: %v", cursor, err)
		}
	}
	_, _, err := r.pull("shoes", nil)
	want(t, err, sdk.FaultSchemaChanged, "UNKNOWN_STREAM")
	_, _, err = r.pull("p1_shoes", nil)
	if f := sdk.AsFault(err); f == nil || f.Kind != sdk.FaultSchemaChanged {
		t.Errorf("an object that is gone: %v", err)
	}
	_, _, err = r.pull("contacts", nil, "shoe")
	if f := want(t, err, sdk.FaultSchemaChanged, ""); f.Path != "shoe" {
		t.Errorf("the path is %q", f.Path)
	}
}
