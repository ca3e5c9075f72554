package klaviyo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/klaviyo"
	"github.com/headwater-cdp/headwater/connectors/sandbox"
	vendor "github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/connectors/sandbox/spectest"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

type object = map[string]any

// rig is a connection to an emulator.
type rig struct {
	t        testing.TB
	url      string
	emulator sandbox.Emulator
	sdk.Connection
}

// connect serves an emulator, whose traffic is held to the vendor's documents where
// they are here, and connects to it.
func connect(t testing.TB, more ...any) *rig {
	e := vendor.New()
	e.Desk.Limits.Off(true)
	handler := sandbox.Serve(e)
	if spectest.Here() {
		v := spectest.Load(t, "klaviyo/profiles.json", "klaviyo/lists.json", "klaviyo/events.json", "klaviyo/data_privacy.json")
		v.Unspecified = []string{"/api/accounts"}
		handler = v.Handler(t, handler)
	} else {
		t.Log("without the vendor's documents: forms are not compared")
	}
	return to(t, e, handler, more...)
}

func to(t testing.TB, e sandbox.Emulator, handler http.Handler, more ...any) *rig {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := object{"apiKey": vendor.Key, "baseUrl": server.URL, "webhookSecret": "secret-of-a-webhook"}
	for i := 0; i < len(more); i += 2 {
		config[more[i].(string)] = more[i+1]
	}
	raw, err := json.Marshal(config)
	require.NoError(t, err)
	conn, err := klaviyo.Connector{}.Open(t.Context(), sdk.Config(raw), nil)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &rig{t, server.URL, e, conn}
}

func (r *rig) upsert(bulk bool, items ...sdk.Item) []sdk.Result {
	r.t.Helper()
	results, err := r.Connection.(sdk.Upserter).Upsert(r.t.Context(), sdk.Batch{Stream: "profiles", Items: items, Bulk: bulk})
	require.NoError(r.t, err)
	require.Len(r.t, results, len(items))
	return results
}

func person(email string, more ...any) sdk.Item {
	item := sdk.Item{Key: email, Match: "email", Fields: map[string]any{"email": email}}
	for i := 0; i < len(more); i += 2 {
		item.Fields[more[i].(string)] = more[i+1]
	}
	return item
}

// settle lets what the vendor took on be done.
func (r *rig) settle() { r.emulator.Desk.Clock.Advance(time.Second) }

func (r *rig) fault(f sandbox.Fault) {
	r.t.Helper()
	require.NoError(r.t, r.emulator.Desk.Faults.Add(f))
}

// at asks the vendor itself.
func (r *rig) at(path string) object {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.url+path, nil)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Klaviyo-API-Key "+vendor.Key)
	req.Header.Set("Revision", "2026-07-15")
	res, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	defer res.Body.Close()
	var out object
	require.NoError(r.t, json.NewDecoder(res.Body).Decode(&out))
	return out
}

func (r *rig) profile(email string) object {
	r.t.Helper()
	data := r.at(`/api/profiles?additional-fields[profile]=subscriptions&filter=equals(email,"` + email + `")`)["data"].([]any)
	require.Len(r.t, data, 1)
	return data[0].(object)["attributes"].(object)
}

func (r *rig) marketing(email string) object {
	return r.profile(email)["subscriptions"].(object)["email"].(object)["marketing"].(object)
}

func (r *rig) does(email, what string) {
	r.t.Helper()
	body, _ := json.Marshal(object{"email": email, "does": what})
	res, err := http.Post(r.url+"/_sandbox/person", "application/json", bytes.NewReader(body))
	require.NoError(r.t, err)
	res.Body.Close()
	require.Equal(r.t, http.StatusOK, res.StatusCode)
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	require.NoError(t, connect(t).Check(t.Context()))
	fault := sdk.AsFault(connect(t, "apiKey", "pk_wrong_key").Check(t.Context()))
	assert.Equal(t, sdk.FaultUnauthorized, fault.Kind)
	assert.Equal(t, "BAD_KEY", fault.Reason)
	assert.NotContains(t, fault.Message, "pk_wrong")

	r := connect(t, "apiKey", vendor.ReadOnlyKey)
	require.NoError(t, r.Check(t.Context()))
	_, err := r.Connection.(sdk.Upserter).Upsert(t.Context(), sdk.Batch{Stream: "profiles", Items: []sdk.Item{person("a@example.com")}})
	fault = sdk.AsFault(err)
	assert.Equal(t, "MISSING_SCOPE", fault.Reason)
	assert.Contains(t, fault.Message, "profiles:write")

	for property, value := range map[string]any{"baseUrl": "http://api.example.com", "revision": "now", "bulkFrom": 0, "apiKey": ""} {
		config := object{"apiKey": "pk_12345678"}
		config[property] = value
		raw, _ := json.Marshal(config)
		_, err := klaviyo.Connector{}.Open(t.Context(), sdk.Config(raw), nil)
		assert.Equal(t, property, sdk.AsFault(err).Path)
	}
}

func TestAFewProfilesGoOneByOne(t *testing.T) {
	r := connect(t)
	results := r.upsert(false, person("ada@example.com", "first_name", "Ada", "location.city", "Turin", "properties.tier", "gold"))
	assert.Equal(t, sdk.Created, results[0].Outcome)
	assert.NotEmpty(t, results[0].ID)
	assert.False(t, results[0].UpdatedAt.IsZero())

	again := r.upsert(false, person("ada@example.com", "first_name", nil, "location.city", nil, "properties.tier", nil, "last_name", "L"))
	assert.Equal(t, sdk.Updated, again[0].Outcome)
	assert.Equal(t, results[0].ID, again[0].ID)
	p := r.profile("ada@example.com")
	assert.Nil(t, p["first_name"])
	assert.Nil(t, p["location"].(object)["city"])
	assert.Empty(t, p["properties"])
	assert.Equal(t, "L", p["last_name"])
	assert.Equal(t, "NEVER_SUBSCRIBED", r.marketing("ada@example.com")["consent"])
}

func TestWhatTheVendorRefusesIsToldByItem(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		t.Run(fmt.Sprint("bulk ", bulk), func(t *testing.T) {
			r := connect(t)
			results := r.upsert(bulk,
				person("one@example.com"), person("no address"), person("two@example.com", "phone_number", "12"),
				sdk.Item{Fields: map[string]any{"first_name": "Nobody"}}, person("three@example.com", "email_consent", "SUBSCRIBED"),
				sdk.Item{Fields: map[string]any{"email": 5}}, person("four@example.com"),
			)
			reasons := make([]string, len(results))
			for i, each := range results {
				if each.Fault != nil {
					reasons[i] = each.Fault.Reason
					assert.Equal(t, sdk.FaultInvalidRecord, each.Fault.Kind)
					assert.NotContains(t, each.Fault.Error(), "no address")
				}
			}
			assert.Equal(t, []string{"", "BAD_EMAIL", "BAD_PHONE", "NO_IDENTIFIER", "READ_ONLY", "NOT_TEXT", ""}, reasons)
			r.profile("one@example.com")
			r.profile("four@example.com")
		})
	}
}

func TestBulkClearsToo(t *testing.T) {
	r := connect(t)
	r.upsert(true, person("ada@example.com", "first_name", "Ada", "properties.tier", "gold", "properties.points", 3))
	r.upsert(true, person("ada@example.com", "first_name", nil, "properties.tier", nil))
	p := r.profile("ada@example.com")
	assert.Nil(t, p["first_name"])
	assert.Equal(t, object{"points": 3.0}, p["properties"])
}

func TestManyErrorsAreReadPageByPage(t *testing.T) {
	r := connect(t)
	var items []sdk.Item
	for i := range 500 {
		items = append(items, person([]string{fmt.Sprintf("p%d@example.com", i), fmt.Sprint("broken", i)}[i%2]))
	}
	for i, each := range r.upsert(true, items...) {
		assert.Equal(t, i%2 == 1, each.Fault != nil, i)
	}
}

func TestAnUpsertNeverSubscribesAgain(t *testing.T) {
	r := connect(t)
	const who = "ada@example.com"
	r.upsert(false, person(who))
	r.does(who, "unsubscribe")
	r.upsert(false, person(who, "first_name", "Ada"))
	r.upsert(true, person(who, "first_name", "Ada B"))
	_, err := r.Connection.(sdk.Lister).Members(t.Context(), sdk.ListChange{Name: "VIP", Add: []sdk.Item{person(who)}})
	require.NoError(t, err)
	_, err = r.Connection.(sdk.Forwarder).Forward(t.Context(), []sdk.Event{{Key: "e1", Name: "Seen", At: time.Now(), Identifiers: map[string]string{"email": who}}})
	require.NoError(t, err)
	r.settle()
	assert.Equal(t, "UNSUBSCRIBED", r.marketing(who)["consent"])
	assert.Equal(t, false, r.marketing(who)["can_receive_email_marketing"])
}

func TestConsentsGoOnlyWhenFresh(t *testing.T) {
	r := connect(t)
	const who = "ada@example.com"
	set := func(granted, fresh bool, at time.Time) sdk.Result {
		t.Helper()
		results, err := r.Connection.(sdk.ConsentSetter).SetConsents(t.Context(), []sdk.ConsentChange{{
			Key: "k", Identifiers: map[string]string{"email": who}, Channel: "EMAIL", Granted: granted, Fresh: fresh, At: at, Source: "form",
		}})
		require.NoError(t, err)
		r.settle()
		return results[0]
	}
	now := r.emulator.Desk.Clock.Now
	assert.Equal(t, sdk.Accepted, set(true, false, now()).Outcome, "nobody withdrew: nothing is lifted")
	assert.Equal(t, sdk.Unchanged, set(true, true, now()).Outcome)
	assert.Equal(t, sdk.Accepted, set(false, false, now()).Outcome)
	assert.Equal(t, "UNSUBSCRIBED", r.marketing(who)["consent"])
	assert.Equal(t, "NOT_FRESH", set(true, false, now()).Fault.Reason)
	assert.Equal(t, "WITHDRAWN_SINCE", set(true, true, now().Add(-time.Hour)).Fault.Reason)
	assert.Equal(t, false, r.marketing(who)["can_receive_email_marketing"])
	assert.Equal(t, sdk.Accepted, set(true, true, now()).Outcome)
	assert.Equal(t, true, r.marketing(who)["can_receive_email_marketing"])
	r.does(who, "bounce")
	assert.Equal(t, "BOUNCED", set(true, true, now()).Fault.Reason)

	results, err := r.Connection.(sdk.ConsentSetter).SetConsents(t.Context(), []sdk.ConsentChange{
		{Channel: "PUSH", Granted: true}, {Channel: "SMS", Granted: true}, {Channel: "EMAIL", Identifiers: map[string]string{"email": "no address"}},
		{Channel: "SMS", Identifiers: map[string]string{"phone": "+393331234567"}, Granted: true}, {Channel: "EMAIL", Identifiers: map[string]string{"email": "b@example.com"}},
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"CHANNEL", "NO_IDENTIFIER", "BAD_EMAIL"}, []string{results[0].Fault.Reason, results[1].Fault.Reason, results[2].Fault.Reason})
	assert.Equal(t, sdk.Accepted, results[3].Outcome)
	assert.Equal(t, sdk.Accepted, results[4].Outcome, "one that is spoilt does not hold up the others")
}

func TestListsEnterAndLeave(t *testing.T) {
	r := connect(t)
	ids := r.upsert(false, person("a@example.com"), person("b@example.com"))
	lister := r.Connection.(sdk.Lister)
	got, err := lister.Members(t.Context(), sdk.ListChange{Name: `"Quoted", list`, Add: []sdk.Item{
		{ID: ids[0].ID}, person("b@example.com"), person("new@example.com"), {ID: "01GONE"}, person("broken"),
	}})
	require.NoError(t, err)
	faults := 0
	for _, each := range got.Results {
		if each.Fault != nil {
			faults++
		}
	}
	assert.Equal(t, 2, faults)
	members := func() int {
		return len(r.at("/api/lists/" + got.List + "/relationships/profiles")["data"].([]any))
	}
	assert.Equal(t, 3, members())
	assert.Equal(t, sdk.FaultRecordGone, got.Results[3].Fault.Kind)

	again, err := lister.Members(t.Context(), sdk.ListChange{Name: `"Quoted", list`, Remove: []sdk.Item{person("b@example.com"), person("stranger@example.com"), {ID: ids[0].ID}}})
	require.NoError(t, err)
	assert.Equal(t, got.List, again.List, "found, not made again")
	assert.Equal(t, sdk.Unchanged, again.Results[1].Outcome)
	assert.Equal(t, 1, members())

	_, err = lister.Members(t.Context(), sdk.ListChange{List: "NoSuch", Add: []sdk.Item{{ID: ids[0].ID}}})
	assert.Equal(t, "LIST_GONE", sdk.AsFault(err).Reason)
}

func TestEventsGoOnce(t *testing.T) {
	r := connect(t)
	forward := r.Connection.(sdk.Forwarder)
	var all []sdk.Event
	for i := range 20 {
		all = append(all, sdk.Event{
			Key: fmt.Sprint("e", i), Name: "Order Completed", At: time.Now(), Identifiers: map[string]string{"email": fmt.Sprintf("p%d@example.com", i%3)},
			Properties: map[string]any{"value": 12.5, "currency": "EUR"},
		})
	}
	all[7].Identifiers = nil
	all[9].Identifiers = map[string]string{"email": "no address"}
	for range 2 {
		for _, some := range [][]sdk.Event{all, all[:2]} {
			results, err := forward.Forward(t.Context(), some)
			require.NoError(t, err)
			for i, each := range results {
				assert.Equal(t, i == 7 || i == 9, each.Fault != nil)
			}
		}
		r.settle()
	}
	got := r.at("/api/events")["data"].([]any)
	assert.Len(t, got, 18)
	properties := got[0].(object)["attributes"].(object)["event_properties"].(object)
	assert.Equal(t, []any{12.5, "EUR"}, []any{properties["$value"], properties["$value_currency"]})
}

func TestErasureIsDoneWhenNobodyIsLeft(t *testing.T) {
	r := connect(t)
	ids := r.upsert(false, person("gone@example.com", "phone_number", "+393331234567"), person("other@example.com"))
	subject := sdk.Subject{Key: "erasure-1", IDs: map[string]string{"profiles": ids[0].ID}, Identifiers: map[string]string{"email": "gone@example.com", "phone": "+393331234567"}}
	eraser := r.Connection.(sdk.Eraser)
	receipt, err := eraser.Erase(t.Context(), subject)
	require.NoError(t, err)
	assert.False(t, receipt.Done)
	assert.True(t, receipt.Known)
	assert.Positive(t, receipt.Retry)
	r.settle()
	receipt, err = eraser.Erase(t.Context(), subject)
	require.NoError(t, err)
	assert.True(t, receipt.Done && receipt.Known)
	assert.NotContains(t, receipt.Detail, "@")
	receipt, err = eraser.Erase(t.Context(), sdk.Subject{Key: "erasure-2", Identifiers: map[string]string{"email": "stranger@example.com"}})
	require.NoError(t, err)
	assert.True(t, receipt.Done && !receipt.Known)
	r.profile("other@example.com")
}

func (r *rig) pull(stream string, cursor []byte) (page sdk.Page) {
	r.t.Helper()
	page.Cursor = cursor
	err := r.Connection.(sdk.Puller).Pull(r.t.Context(), sdk.PullRequest{Stream: stream, Cursor: cursor}, func(p sdk.Page) error {
		page.Records, page.Events, page.Cursor = append(page.Records, p.Records...), append(page.Events, p.Events...), p.Cursor
		page.Consents = append(page.Consents, p.Consents...)
		return nil
	})
	require.NoError(r.t, err)
	return page
}

func TestPullGoesOnFromItsCursor(t *testing.T) {
	r := connect(t)
	require.NoError(t, r.emulator.Seed(250))
	first := r.pull("profiles", nil)
	assert.Len(t, first.Records, 250)
	assert.Empty(t, r.pull("profiles", first.Cursor).Records, "nothing comes again")
	r.upsert(false, person("person3@example.com", "first_name", "Changed"))
	next := r.pull("profiles", first.Cursor)
	require.Len(t, next.Records, 1)
	assert.Equal(t, "Changed", next.Records[0].Fields["first_name"])
	assert.Equal(t, json.Number("3"), next.Records[0].Fields["properties.points"])

	assert.Empty(t, r.pull("suppressions", nil).Records)
	r.does("person4@example.com", "unsubscribe")
	held := r.pull("suppressions", nil)
	require.Len(t, held.Records, 1)
	assert.Equal(t, []any{"UNSUBSCRIBE"}, held.Records[0].Fields["email_suppressions"])
	assert.Equal(t, "UNSUBSCRIBED", held.Records[0].Fields["email_consent"])
	for _, consents := range [][]sdk.ConsentChange{held.Consents, r.pull("profiles", next.Cursor).Consents} {
		require.Len(t, consents, 1, "whichever stream is pulled, the withdrawal is told")
		assert.Equal(t, []any{"EMAIL", false, sdk.ReasonUnsubscribe, "person4@example.com"},
			[]any{consents[0].Channel, consents[0].Granted, consents[0].Reason, consents[0].Identifiers["email"]})
		assert.False(t, consents[0].At.IsZero())
	}
	told := r.pull("events", nil)
	require.Len(t, told.Events, 1)
	assert.Equal(t, "Unsubscribed from Email Marketing", told.Events[0].Name)
	assert.Equal(t, "person4@example.com", told.Events[0].Identifiers["email"])

	puller := r.Connection.(sdk.Puller)
	err := puller.Pull(t.Context(), sdk.PullRequest{Stream: "profiles", Cursor: []byte("?")}, nil)
	assert.Equal(t, sdk.FaultCursorLost, sdk.AsFault(err).Kind)
	stop := fmt.Errorf("stop")
	err = puller.Pull(t.Context(), sdk.PullRequest{Stream: "profiles"}, func(sdk.Page) error { return stop })
	assert.ErrorIs(t, err, stop)
	streams, err := r.Connection.(sdk.Discoverer).Discover(t.Context())
	require.NoError(t, err)
	for _, s := range streams {
		assert.True(t, json.Valid(s.Schema))
	}
}

func TestFaultsOfTheVendorAreTyped(t *testing.T) {
	r := connect(t)
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed with the credential") }))
	defer thief.Close()
	for _, each := range []struct {
		fault  sandbox.Fault
		kind   sdk.FaultKind
		reason string
		after  time.Duration
	}{
		{sandbox.Fault{Kind: sandbox.RateLimited, RetryAfter: 7}, sdk.FaultRetry, "RATE_LIMITED", 7 * time.Second},
		{sandbox.Fault{Kind: sandbox.ServerError}, sdk.FaultRetry, "VENDOR_ERROR", 5 * time.Second},
		{sandbox.Fault{Kind: sandbox.TokenExpired}, sdk.FaultUnauthorized, "BAD_KEY", 0},
		{sandbox.Fault{Kind: sandbox.ReplyLost}, sdk.FaultRetry, "UNREACHABLE", 10 * time.Second},
		{sandbox.Fault{Kind: sandbox.Truncated}, sdk.FaultRetry, "BROKEN_ANSWER", 5 * time.Second},
		{sandbox.Fault{Kind: sandbox.Redirected, To: thief.URL}, sdk.FaultInvalidConfig, "REDIRECTED", 0},
	} {
		for _, bulk := range []bool{false, true} {
			r := to(t, r.emulator, sandbox.Serve(r.emulator))
			each.fault.Times = 1
			r.fault(each.fault)
			items := []sdk.Item{person("a@example.com"), person("b@example.com")}
			_, err := r.Connection.(sdk.Upserter).Upsert(t.Context(), sdk.Batch{Stream: "profiles", Items: items, Bulk: bulk})
			fault := sdk.AsFault(err)
			require.NotNil(t, fault, each.fault.Kind)
			assert.Equal(t, each.kind, fault.Kind, each.fault.Kind)
			assert.Equal(t, each.reason, fault.Reason)
			assert.Equal(t, each.after, fault.After)
			r.upsert(bulk, items...) // written again, nothing is twice
		}
	}
	assert.Len(t, r.at("/api/profiles")["data"], 2)
}

func TestAFaultInTheMiddleIsOfTheRest(t *testing.T) {
	r := connect(t)
	r.fault(sandbox.Fault{Kind: sandbox.RateLimited, After: 1, Times: 1})
	results := r.upsert(false, person("a@example.com"), person("b@example.com"), person("c@example.com"))
	assert.Equal(t, sdk.Created, results[0].Outcome)
	assert.Equal(t, sdk.FaultRetry, results[1].Fault.Kind)
	assert.Equal(t, sdk.FaultRetry, results[2].Fault.Kind)
}

func TestAForeignNextPageIsNotFollowed(t *testing.T) {
	e := vendor.New()
	require.NoError(t, e.Seed(150))
	inner := sandbox.Serve(e)
	r := to(t, e, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rec := httptest.NewRecorder()
		inner.ServeHTTP(rec, req)
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, strings.ReplaceAll(rec.Body.String(), "http://"+req.Host+"/api/profiles?", "http://169.254.169.254/api/profiles?"))
	}))
	err := r.Connection.(sdk.Puller).Pull(t.Context(), sdk.PullRequest{Stream: "profiles"}, func(sdk.Page) error { return nil })
	assert.Equal(t, "FOREIGN_LINK", sdk.AsFault(err).Reason)
}

func TestLimitsAreHeard(t *testing.T) {
	r := connect(t)
	r.emulator.Desk.Limits.Off(false)
	ctx, rates := sdk.WithRates(t.Context())
	_, err := r.Connection.(sdk.Upserter).Upsert(ctx, sdk.Batch{Stream: "profiles", Items: []sdk.Item{person("a@example.com")}})
	require.NoError(t, err)
	hint := rates.Last()
	require.NotNil(t, hint)
	assert.Equal(t, []any{750, 749, time.Minute}, []any{hint.Limit, hint.Remaining, hint.Window})
}

func TestAJobThatTakesLongIsAccepted(t *testing.T) {
	r := connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r.fault(sandbox.Fault{Kind: sandbox.Slow, Method: "GET", DelayMS: 500})
	results, err := r.Connection.(sdk.Upserter).Upsert(ctx, sdk.Batch{Stream: "profiles", Bulk: true, Items: []sdk.Item{person("a@example.com")}})
	require.NoError(t, err)
	assert.Equal(t, sdk.Accepted, results[0].Outcome)
}

// As it stands in a demo: beneath a name, beside others.
func TestBeneathAPath(t *testing.T) {
	e := vendor.New()
	e.Desk.Limits.Off(true)
	require.NoError(t, e.Seed(150))
	server := httptest.NewServer(sandbox.Mount(e))
	defer server.Close()
	raw, _ := json.Marshal(object{"apiKey": vendor.Key, "baseUrl": server.URL + "/klaviyo"})
	conn, err := klaviyo.Connector{}.Open(t.Context(), sdk.Config(raw), nil)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.Check(t.Context()))
	n := 0
	require.NoError(t, conn.(sdk.Puller).Pull(t.Context(), sdk.PullRequest{Stream: "profiles"}, func(p sdk.Page) error {
		n += len(p.Records)
		return nil
	}))
	assert.Equal(t, 150, n)
}
