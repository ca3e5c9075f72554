package salesforce_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// ids are the records' ids in order, those of deleted ones with a minus sign.
func ids(records []sdk.Record) []string {
	var out []string
	for _, r := range records {
		if r.Deleted {
			out = append(out, "-"+r.ID)
			continue
		}
		out = append(out, r.ID)
	}
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
		if !slices.Contains(s.Keys, "Headwater_Id__c") || !strings.Contains(string(s.Schema), `"format":"date-time"`) {
			t.Errorf("%s: keys %v, schema %s", s.Name, s.Keys, s.Schema)
		}
	}
	if want := []string{"Subscription__c", "accounts", "contacts", "leads", "opportunities"}; !slices.Equal(names, want) {
		t.Errorf("streams are %v, want %v", names, want)
	}
	if got := streams[2].Relations["AccountId"]; got != "accounts" || !streams[2].Person {
		t.Errorf("contacts: %+v", streams[2].Relations)
	}
}

func TestChangesAndDeletionsComeOnce(t *testing.T) {
	r := start(t)
	made := r.upsert("contacts", contact("a", "Email", "a@example.com"), contact("b"), contact("c"), contact("d"))
	r.e.Desk.Clock.Advance(10 * time.Minute)
	records, cursor := r.mustPull("contacts", nil)
	if len(records) != 4 || records[0].Fields["Email"] != "a@example.com" || records[0].UpdatedAt.IsZero() || !records[0].UpdatedAt.Equal(made[0].UpdatedAt) {
		t.Fatalf("first load: %+v", records)
	}
	if _, err := time.Parse(time.RFC3339, fmt.Sprint(records[0].Fields["CreatedDate"])); err != nil {
		t.Error(err)
	}
	if records, cursor = r.mustPull("contacts", cursor); len(records) != 0 {
		t.Errorf("nothing changed, and %v came", ids(records))
	}
	// One is changed, one deleted, one merged, one deleted and gone from the bin too.
	r.upsert("contacts", contact("a", "Title", "CTO"))
	r.upsert("contacts", sdk.Item{ID: made[1].ID, Delete: true})
	r.control("POST", "merge", map[string]any{"object": "Contact", "winner": made[0].ID, "losers": []string{made[2].ID}})
	r.e.Desk.Clock.Advance(5 * time.Second)
	records, cursor = r.mustPull("contacts", cursor)
	got := ids(records)
	slices.Sort(got)
	if want := []string{"-" + made[1].ID, "-" + made[2].ID, made[0].ID}; !slices.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
	for _, one := range records {
		if one.ID == made[2].ID && one.Merged != made[0].ID {
			t.Errorf("merged into %q", one.Merged)
		}
	}
	// Looking again within the overlap brings nothing twice, but for what changed in the
	// same second as we looked: it could have changed once more in it.
	if records, _ = r.mustPull("contacts", cursor); len(records) != 0 {
		t.Errorf("again: %v", ids(records))
	}
	r.upsert("contacts", contact("a", "Title", "CEO"))
	_, cursor = r.mustPull("contacts", cursor)
	r.upsert("contacts", contact("a", "Title", "COO"))
	if records, _ = r.mustPull("contacts", cursor); len(records) != 1 || records[0].Fields["Title"] != "COO" {
		t.Errorf("a second change in the same second was passed over: %v", ids(records))
	}
}

func TestWhatLeftTheRecycleBinIsToldToo(t *testing.T) {
	r := start(t)
	made := r.upsert("contacts", contact("a"))
	_, cursor := r.mustPull("contacts", nil)
	r.control("POST", "purge", map[string]any{"object": "Contact", "id": made[0].ID})
	r.e.Desk.Clock.Advance(5 * time.Minute)
	records, cursor := r.mustPull("contacts", cursor)
	if got := ids(records); !slices.Equal(got, []string{"-" + made[0].ID}) {
		t.Errorf("got %v", got)
	}
	if records, _ = r.mustPull("contacts", cursor); len(records) != 0 {
		t.Errorf("again: %v", ids(records))
	}
}

// Thousands share a second; a pull that is cut off anywhere goes on without a gap.
func TestAPullThatIsCutOffGoesOn(t *testing.T) {
	r := start(t)
	if err := r.e.Seed(4600); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	var all []sdk.Record
	var cursor []byte
	for pages := 1; ; pages++ {
		left := pages
		err := r.conn.Pull(t.Context(), sdk.PullRequest{Stream: "contacts", Cursor: cursor, Fields: []string{"Email"}}, func(p sdk.Page) error {
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
	if len(all) != 4600 || distinct(all) != 4600 || len(all[0].Fields) != 1 {
		t.Errorf("%d records, %d distinct, fields %v", len(all), distinct(all), all[0].Fields)
	}
	if len(cursor) > 64<<10 {
		t.Errorf("the cursor has %d bytes", len(cursor))
	}
}

func TestAPullSurvivesTheVendorsBadDays(t *testing.T) {
	r := start(t)
	const many = 2100
	if err := r.e.Seed(many); err != nil {
		t.Fatal(err)
	}
	elsewhere := "http://127.0.0.2:1/services/data/v62.0/query/01g-1"
	for name, c := range map[string]struct {
		fault  sandbox.Fault
		kind   sdk.FaultKind
		reason string
	}{
		"busy":       {sandbox.Fault{Kind: sandbox.RateLimited}, sdk.FaultRetry, "CONCURRENT_LIMIT"},
		"quota":      {sandbox.Fault{Kind: sandbox.QuotaSpent}, sdk.FaultQuota, "DAILY_LIMIT"},
		"503":        {sandbox.Fault{Kind: sandbox.ServerError}, sdk.FaultRetry, "BUSY"},
		"500":        {sandbox.Fault{Kind: sandbox.ServerError, Status: 500}, sdk.FaultRetry, "VENDOR_FAILED"},
		"page":       {sandbox.Fault{Kind: sandbox.ServerError, Variant: "html"}, sdk.FaultRetry, "BUSY"},
		"truncated":  {sandbox.Fault{Kind: sandbox.Truncated}, sdk.FaultRetry, "BROKEN_ANSWER"},
		"lost":       {sandbox.Fault{Kind: sandbox.ReplyLost}, sdk.FaultRetry, "UNREACHABLE"},
		"redirected": {sandbox.Fault{Kind: sandbox.Redirected, To: elsewhere}, sdk.FaultInvalidConfig, "REDIRECTED"},
	} {
		t.Run(name, func(t *testing.T) {
			// The second answer of the result is spoilt; what came before is kept.
			c.fault.Path, c.fault.After, c.fault.Times = "/services/data/v62.0/query", 2, 1
			r.fault(c.fault)
			if c.fault.Kind == sandbox.ReplyLost {
				c.fault.Times = 0 // Go's client asks again by itself when a kept connection breaks
				r.fault(c.fault)
			}
			first, cursor, err := r.pull("contacts", nil)
			r.fault()
			f := want(t, err, c.kind, c.reason)
			if c.kind == sdk.FaultQuota && time.Until(f.Until) < 30*time.Minute {
				t.Errorf("parked only until %s", f.Until)
			}
			rest, _ := r.mustPull("contacts", cursor)
			if n := distinct(append(first, rest...)); n != many {
				t.Errorf("%d of %d came", n, many)
			}
		})
	}
	r.fault(sandbox.Fault{Kind: sandbox.TokenExpired, Path: "/services/data", Times: 1})
	if records, _ := r.mustPull("leads", nil); len(records) != many/100 {
		t.Errorf("after the session ended: %d leads", len(records))
	}
	r.fault(sandbox.Fault{Kind: sandbox.TokenExpired, Path: "/services/data"})
	_, _, err := r.pull("leads", nil)
	want(t, err, sdk.FaultUnauthorized, "INVALID_SESSION")
}

func TestAFirstLoadOfManyIsABulkQuery(t *testing.T) {
	r := start(t)
	const many = 20_100
	if err := r.e.Seed(many); err != nil {
		t.Fatal(err)
	}
	// A cut in the middle of the result, then on from there.
	r.fault(sandbox.Fault{Kind: sandbox.Truncated, Path: "/services/data/v62.0/jobs/query/", After: 3, Times: 1})
	first, cursor, err := r.pull("contacts", nil)
	want(t, err, sdk.FaultRetry, "BROKEN_ANSWER")
	if len(first) < 10_000 {
		t.Errorf("%d records before the cut", len(first))
	}
	r.e.Desk.Journal.Clear()
	rest, after := r.mustPull("contacts", cursor)
	if n := distinct(append(first, rest...)); n != many {
		t.Errorf("%d of %d came", n, many)
	}
	for _, q := range r.e.Desk.Journal.List() {
		if q.Method == http.MethodPost && strings.HasSuffix(q.Path, "/jobs/query") {
			t.Error("the query was made anew")
		}
	}
	r.upsert("contacts", contact("new"))
	if records, _ := r.mustPull("contacts", after); !slices.ContainsFunc(records, func(r sdk.Record) bool { return r.Fields["Headwater_Id__c"] == "new" }) {
		t.Errorf("the change after the load did not come: %d records", len(records))
	}
	r.control("POST", "expire", map[string]any{"jobs": true})
	_, _, err = r.pull("contacts", cursor)
	want(t, err, sdk.FaultCursorLost, "JOB_GONE")
}

func TestAPullKeepsMemoryFlat(t *testing.T) {
	if os.Getenv("HEADWATER_TEST_LONG") == "" {
		t.Skip("long: set HEADWATER_TEST_LONG=1")
	}
	r := start(t)
	const many = 100_000
	if err := r.e.Seed(many); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	most, n, begun := uint64(0), 0, time.Now()
	err := r.conn.Pull(t.Context(), sdk.PullRequest{Stream: "contacts", Fields: []string{"Email", "FirstName", "LastName"}}, func(p sdk.Page) error {
		if n += len(p.Records); n%20_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || n != many {
		t.Fatalf("%d records, %v", n, err)
	}
	// The emulator holds the job's result in the same heap: about a line of text each.
	grown := (int64(most) - int64(before.HeapAlloc)) >> 20
	t.Logf("100,000 contacts in %s, heap grew by %d MiB with the emulator in it", time.Since(begun).Round(time.Millisecond), grown)
	if grown > 96 {
		t.Errorf("the heap grew by %d MiB", grown)
	}
}

func TestCursorsThatAreNoneAreLost(t *testing.T) {
	r := start(t)
	for _, cursor := range []string{"", "x", `{"v":2}`, `{"v":1,"from":"2020-01-01T00:00:00Z"}`, `{"v":1,"job":"../../x","from":"2020-01-01T00:00:00Z"}`} {
		_, _, err := r.pull("contacts", []byte(cursor))
		if f := sdk.AsFault(err); f == nil || f.Kind != sdk.FaultCursorLost {
			t.Errorf("%q: %v", cursor, err)
		}
	}
	_, _, err := r.pull("shoes", nil)
	want(t, err, sdk.FaultSchemaChanged, "UNKNOWN_STREAM")
	err = r.conn.Pull(t.Context(), sdk.PullRequest{Stream: "contacts", Fields: []string{"Shoe__c"}}, func(sdk.Page) error { return nil })
	if f := want(t, err, sdk.FaultSchemaChanged, ""); f.Path != "Shoe__c" {
		t.Errorf("the path is %q", f.Path)
	}
}

func TestSinceLeavesOutWhatIsOlder(t *testing.T) {
	r := start(t)
	r.upsert("contacts", contact("old"))
	r.e.Desk.Clock.Advance(time.Hour)
	r.upsert("contacts", contact("new"))
	var got []string
	err := r.conn.Pull(t.Context(), sdk.PullRequest{Stream: "contacts", Since: time.Now().Add(30 * time.Minute)}, func(p sdk.Page) error {
		for _, one := range p.Records {
			got = append(got, fmt.Sprint(one.Fields["Headwater_Id__c"]))
		}
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"new"}) {
		t.Errorf("%v, %v", got, err)
	}
}
