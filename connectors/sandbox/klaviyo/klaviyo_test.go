package klaviyo_test

import (
	"bytes"
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

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/connectors/sandbox/spectest"
)

type object = map[string]any

// documents are those of the vendor that the emulator answers.
var documents = []string{
	"klaviyo/profiles.json", "klaviyo/lists.json", "klaviyo/events.json", "klaviyo/metrics.json",
	"klaviyo/data_privacy.json", "klaviyo/webhooks.json",
}

// client talks to an emulator as anybody could.
type client struct {
	t        *testing.T
	url      string
	key      string
	revision string
	emulator sandbox.Emulator
}

// start serves an emulator whose traffic is held to the vendor's documents, where they
// are here.
func start(t *testing.T) *client {
	e := klaviyo.New()
	handler := sandbox.Serve(e)
	if spectest.Here() {
		v := spectest.Load(t, documents...)
		v.BadRequests, v.Unspecified = true, []string{"/api/accounts"}
		handler = v.Handler(t, handler)
	} else {
		t.Log("without the vendor's documents: forms are not compared")
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &client{t: t, url: server.URL, key: klaviyo.Key, revision: "2026-07-15", emulator: e}
}

type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   object
}

func (c *client) do(method, path string, body any) answer {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(c.t, err)
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, c.url+path, in)
	require.NoError(c.t, err)
	if c.key != "" {
		req.Header.Set("Authorization", "Klaviyo-API-Key "+c.key)
	}
	if c.revision != "" {
		req.Header.Set("revision", c.revision)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/vnd.api+json")
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	a := answer{t: c.t, status: res.StatusCode, header: res.Header}
	raw, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	if len(raw) > 0 {
		require.NoError(c.t, json.Unmarshal(raw, &a.body), string(raw))
	}
	return a
}

// at reads a value of the answer: "data.0.attributes.email".
func (a answer) at(path string) any {
	var v any = a.body
	for _, step := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) is(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%v", a.body)
	return a
}

// profile is a resource.
func profile(id string, attributes object) object {
	p := object{"type": "profile", "attributes": attributes}
	if id != "" {
		p["id"] = id
	}
	return p
}

func (c *client) importProfile(attributes object) answer {
	c.t.Helper()
	return c.do("POST", "/api/profile-import", object{"data": profile("", attributes)})
}

// settle lets jobs that were taken on be done.
func (c *client) settle() { c.emulator.Desk.Clock.Advance(time.Second) }

func (c *client) subscribe(email string) answer {
	return c.do("POST", "/api/profile-subscription-bulk-create-jobs", subscription("create", "SUBSCRIBED", email))
}

func subscription(what, consent, email string) object {
	return object{"data": object{
		"type": "profile-subscription-bulk-" + what + "-job",
		"attributes": object{"profiles": object{"data": []object{profile("", object{
			"email": email, "subscriptions": object{"email": object{"marketing": object{"consent": consent}}},
		})}}},
	}}
}

func (c *client) subscriptions(email string) object {
	c.t.Helper()
	a := c.do("GET", `/api/profiles?additional-fields[profile]=subscriptions&filter=equals(email,"`+email+`")`, nil).is(200)
	marketing, is := a.at("data.0.attributes.subscriptions.email.marketing").(object)
	require.True(c.t, is, "%v", a.body)
	return marketing
}

func TestKeyAndRevisionAreAsked(t *testing.T) {
	c := start(t)
	c.key = ""
	assert.Equal(t, "not_authenticated", c.do("GET", "/api/profiles", nil).is(401).at("errors.0.code"))
	c.key = "pk_wrong"
	assert.Equal(t, "authentication_failed", c.do("GET", "/api/profiles", nil).is(401).at("errors.0.code"))
	c.key = klaviyo.ReadOnlyKey
	c.do("GET", "/api/profiles", nil).is(200)
	assert.Contains(t, c.importProfile(object{"email": "a@example.com"}).is(403).at("errors.0.detail"), "profiles:write")
	c.key, c.revision = klaviyo.Key, ""
	assert.Equal(t, "revision", c.do("GET", "/api/profiles", nil).is(400).at("errors.0.source.parameter"))
	c.revision = "2022-01-01"
	c.do("GET", "/api/profiles", nil).is(410)
	c.revision = "2026-07-15"
	a := c.do("GET", "/api/accounts", nil).is(200)
	assert.Equal(t, klaviyo.AccountID, a.at("data.0.id"))
}

func TestImportMakesThenUpdatesAndNullClears(t *testing.T) {
	c := start(t)
	a := c.importProfile(object{
		"email": "Ada@Example.com", "external_id": "c-1", "first_name": "Ada", "location": object{"city": "Turin"},
		"properties": object{"tier": "gold", "points": 5},
	}).is(201)
	id := a.at("data.id").(string)
	assert.Equal(t, "ada@example.com", a.at("data.attributes.email"))
	a = c.importProfile(object{"external_id": "c-1", "first_name": nil, "properties": object{"tier": nil}}).is(200)
	assert.Equal(t, id, a.at("data.id"))
	assert.Nil(t, a.at("data.attributes.first_name"))
	assert.Equal(t, object{"points": 5.0}, a.at("data.attributes.properties"))
	assert.Equal(t, "Turin", a.at("data.attributes.location.city"), "what is not named stays")

	a = c.do("PATCH", "/api/profiles/"+id, object{"data": profile(id, object{"last_name": "L"})}).is(200)
	assert.Equal(t, "L", a.at("data.attributes.last_name"))
	assert.Equal(t, "L", c.do("GET", "/api/profiles/"+id, nil).is(200).at("data.attributes.last_name"))
	assert.Equal(t, id, c.do("GET", `/api/profiles?filter=equals(external_id,"c-1")`, nil).is(200).at("data.0.id"))

	other := c.importProfile(object{"email": "b@example.com"}).is(201).at("data.id").(string)
	a = c.do("PATCH", "/api/profiles/"+other, object{"data": profile(other, object{"email": "ada@example.com"})}).is(409)
	assert.Equal(t, id, a.at("errors.0.meta.duplicate_profile_id"))
	assert.Equal(t, "/data/attributes/phone_number", c.importProfile(object{"phone_number": "123"}).is(400).at("errors.0.source.pointer"))
	c.importProfile(object{"first_name": "Nobody"}).is(400)
	c.do("POST", "/api/profiles", object{"data": profile("", object{"email": "b@example.com"})}).is(409)
	c.do("GET", "/api/profiles/none", nil).is(404)
}

func TestPagesFollowWhileOthersWrite(t *testing.T) {
	c := start(t)
	require.NoError(t, c.emulator.Seed(250))
	seen := map[string]bool{}
	path := "/api/profiles?page[size]=100&sort=updated"
	for path != "" {
		a := c.do("GET", path, nil).is(200)
		for _, each := range a.at("data").([]any) {
			seen[each.(object)["id"].(string)] = true
		}
		c.importProfile(object{"email": fmt.Sprintf("late%d@example.com", len(seen))}).is(201)
		next, _ := a.at("links.next").(string)
		path = strings.TrimPrefix(next, c.url)
	}
	assert.GreaterOrEqual(t, len(seen), 250)
	c.do("GET", "/api/profiles?page[size]=101", nil).is(400)
	c.do("GET", "/api/profiles?page[cursor]=nonsense", nil).is(400)
	c.do("GET", "/api/profiles?filter=contains(email,\"x\")", nil).is(400)
}

func TestBulkImportTellsWhatFailedApart(t *testing.T) {
	c := start(t)
	list := c.do("POST", "/api/lists", object{"data": object{"type": "list", "attributes": object{"name": "Imported"}}}).is(201).at("data.id").(string)
	job := c.do("POST", "/api/profile-bulk-import-jobs", object{"data": object{
		"type": "profile-bulk-import-job",
		"attributes": object{"profiles": object{"data": []object{
			profile("", object{"email": "one@example.com"}), profile("", object{"email": "broken", "external_id": "x-2"}),
			profile("", object{"phone_number": "+393331234567"}),
		}}},
		"relationships": object{"lists": object{"data": []object{{"type": "list", "id": list}}}},
	}}).is(202)
	id := job.at("data.id").(string)
	assert.Equal(t, "queued", job.at("data.attributes.status"))
	c.settle()
	done := c.do("GET", "/api/profile-bulk-import-jobs/"+id, nil).is(200)
	assert.Equal(t, "complete", done.at("data.attributes.status"))
	assert.Equal(t, []any{2.0, 1.0, 3.0}, []any{
		done.at("data.attributes.completed_count"), done.at("data.attributes.failed_count"), done.at("data.attributes.total_count"),
	})
	errs := c.do("GET", "/api/profile-bulk-import-jobs/"+id+"/import-errors?page[size]=1", nil).is(200)
	assert.Equal(t, "x-2", errs.at("data.0.attributes.original_payload.external_id"))
	assert.Equal(t, "/data/attributes/profiles/data/1/attributes/email", errs.at("data.0.attributes.source.pointer"))
	assert.Nil(t, errs.at("links.next"))
	members := c.do("GET", "/api/lists/"+list+"/relationships/profiles", nil).is(200)
	assert.Len(t, members.at("data"), 2)
	c.do("GET", "/api/profile-bulk-import-jobs?filter=equals(status,'complete')", nil).is(200)
}

func TestOnlyASubscriptionLiftsAnUnsubscribe(t *testing.T) {
	c := start(t)
	const who = "ada@example.com"
	c.subscribe(who).is(202)
	c.settle()
	assert.Equal(t, "SUBSCRIBED", c.subscriptions(who)["consent"])

	c.do("POST", "/_sandbox/person", object{"email": who, "does": "unsubscribe"}).is(200)
	assert.Equal(t, "UNSUBSCRIBED", c.subscriptions(who)["consent"])
	assert.Equal(t, false, c.subscriptions(who)["can_receive_email_marketing"])

	// Neither writing the profile nor unsuppressing it brings the person back …
	c.importProfile(object{"email": who, "first_name": "Ada"}).is(200)
	unsuppress := object{"data": object{"type": "profile-suppression-bulk-delete-job", "attributes": object{
		"profiles": object{"data": []object{profile("", object{"email": who})}},
	}}}
	job := c.do("POST", "/api/profile-suppression-bulk-delete-jobs", unsuppress).is(202)
	c.settle()
	job = c.do("GET", "/api/profile-suppression-bulk-delete-jobs/"+job.at("data.id").(string), nil).is(200)
	assert.Equal(t, 1.0, job.at("data.attributes.skipped_count"))
	assert.Equal(t, false, c.subscriptions(who)["can_receive_email_marketing"])
	found := c.do("GET", `/api/profiles?filter=equals(subscriptions.email.marketing.suppression.reason,"UNSUBSCRIBE")`, nil).is(200)
	assert.Len(t, found.at("data"), 1)

	// … but a subscription does.
	c.subscribe(who).is(202)
	c.settle()
	assert.Equal(t, true, c.subscriptions(who)["can_receive_email_marketing"])

	// A bounce outlives even that.
	c.do("POST", "/_sandbox/person", object{"email": who, "does": "bounce"}).is(200)
	c.subscribe(who).is(202)
	c.settle()
	assert.Equal(t, false, c.subscriptions(who)["can_receive_email_marketing"])

	c.do("POST", "/api/profile-subscription-bulk-delete-jobs", subscription("delete", "UNSUBSCRIBED", who)).is(202)
	c.settle()
	assert.Equal(t, "UNSUBSCRIBED", c.subscriptions(who)["consent"])
	c.do("POST", "/api/profile-subscription-bulk-create-jobs", subscription("create", "UNSUBSCRIBED", who)).is(400)
}

func TestSuppressionsByHand(t *testing.T) {
	c := start(t)
	body := func(what string) object {
		return object{"data": object{"type": "profile-suppression-bulk-" + what + "-job", "attributes": object{
			"profiles": object{"data": []object{profile("", object{"email": "s@example.com"})}},
		}}}
	}
	c.do("POST", "/api/profile-suppression-bulk-create-jobs", body("create")).is(202)
	c.settle()
	assert.Equal(t, false, c.subscriptions("s@example.com")["can_receive_email_marketing"])
	c.do("POST", "/api/profile-suppression-bulk-delete-jobs", body("delete")).is(202)
	c.settle()
	assert.Equal(t, true, c.subscriptions("s@example.com")["can_receive_email_marketing"])
}

func TestListsAreNoConsent(t *testing.T) {
	c := start(t)
	list := c.do("POST", "/api/lists", object{"data": object{"type": "list", "attributes": object{"name": "VIP"}}}).is(201).at("data.id").(string)
	assert.Equal(t, list, c.do("GET", `/api/lists?filter=equals(name,"VIP")`, nil).is(200).at("data.0.id"))
	id := c.importProfile(object{"email": "m@example.com"}).is(201).at("data.id").(string)
	members := object{"data": []object{{"type": "profile", "id": id}}}
	c.do("POST", "/api/lists/"+list+"/relationships/profiles", members).is(204)
	assert.Equal(t, id, c.do("GET", "/api/lists/"+list+"/profiles", nil).is(200).at("data.0.id"))
	assert.Equal(t, "NEVER_SUBSCRIBED", c.subscriptions("m@example.com")["consent"])
	c.do("DELETE", "/api/lists/"+list+"/relationships/profiles", members).is(204)
	assert.Empty(t, c.do("GET", "/api/lists/"+list+"/relationships/profiles", nil).is(200).at("data"))
	c.do("POST", "/api/lists/"+list+"/relationships/profiles", object{"data": []object{{"type": "profile", "id": "gone"}}}).is(404)
	many := make([]object, 1001)
	for i := range many {
		many[i] = object{"type": "profile", "id": id}
	}
	c.do("POST", "/api/lists/"+list+"/relationships/profiles", object{"data": many}).is(400)
	c.do("PATCH", "/api/lists/"+list, object{"data": object{"type": "list", "id": list, "attributes": object{"name": "V"}}}).is(200)
	c.do("DELETE", "/api/lists/"+list, nil).is(204)
	c.do("GET", "/api/lists/"+list, nil).is(404)
}

func event(unique string) object {
	return object{
		"properties": object{"total": 12.5}, "unique_id": unique, "time": "2026-11-01T10:00:00Z", "value": 12.5, "value_currency": "EUR",
		"metric": object{"data": object{"type": "metric", "attributes": object{"name": "Order Completed"}}},
	}
}

func TestEventsAreKeptOncePerUniqueID(t *testing.T) {
	c := start(t)
	one, later := event("o-1"), event("o-2")
	later["time"] = "2026-11-02T10:00:00Z"
	one["profile"] = object{"data": profile("", object{"email": "e@example.com"})}
	for range 2 {
		c.do("POST", "/api/events", object{"data": object{"type": "event", "attributes": one}}).is(202)
	}
	c.do("POST", "/api/event-bulk-create-jobs", object{"data": object{
		"type": "event-bulk-create-job", "attributes": object{"events-bulk-create": object{"data": []object{{
			"type": "event-bulk-create", "attributes": object{
				"profile": object{"data": profile("", object{"email": "e@example.com"})},
				"events":  object{"data": []object{{"type": "event", "attributes": event("o-1")}, {"type": "event", "attributes": later}}},
			},
		}}}},
	}}).is(202)
	c.settle()
	found := c.do("GET", "/api/events?include=metric,profile&sort=datetime", nil).is(200)
	require.Len(t, found.at("data"), 2)
	assert.Equal(t, "o-1", found.at("data.0.attributes.event_properties.$event_id"))
	assert.Len(t, found.at("included"), 2)
	c.do("GET", "/api/events/"+found.at("data.0.id").(string), nil).is(200)
	metrics := c.do("GET", "/api/metrics", nil).is(200)
	assert.Equal(t, "Order Completed", metrics.at("data.0.attributes.name"))
	c.do("GET", "/api/metrics/"+metrics.at("data.0.id").(string), nil).is(200)
	delete(one, "properties")
	c.do("POST", "/api/events", object{"data": object{"type": "event", "attributes": one}}).is(400)
}

func TestDeletionForgets(t *testing.T) {
	c := start(t)
	id := c.importProfile(object{"email": "gone@example.com", "phone_number": "+393330000000"}).is(201).at("data.id").(string)
	ask := func(p object) answer {
		return c.do("POST", "/api/data-privacy-deletion-jobs", object{"data": object{
			"type": "data-privacy-deletion-job", "attributes": object{"profile": object{"data": p}},
		}})
	}
	ask(profile("", object{"email": "gone@example.com", "phone_number": "+393330000000"})).is(400)
	ask(profile("", object{"email": "gone@example.com"})).is(202)
	c.settle()
	c.do("GET", "/api/profiles/"+id, nil).is(404)
	ask(profile("", object{"email": "gone@example.com"})).is(202)
}

func TestLimitsAreOfTheEndpoint(t *testing.T) {
	c := start(t)
	a := c.do("GET", "/api/profiles", nil).is(200)
	assert.Equal(t, "750, 75;w=1, 750;w=60", a.header.Get("RateLimit-Limit"))
	assert.Equal(t, "749", a.header.Get("RateLimit-Remaining"))
	assert.NotEmpty(t, a.header.Get("RateLimit-Reset"))
	c.do("GET", "/api/webhooks", nil).is(200)
	a = c.do("GET", "/api/webhooks", nil)
	if a.status == http.StatusOK { // a second began in between
		a = c.do("GET", "/api/webhooks", nil)
	}
	a.is(429)
	assert.Equal(t, "throttled", a.at("errors.0.code"))
	assert.Equal(t, "1", a.header.Get("Retry-After"))
	assert.Empty(t, a.header.Get("RateLimit-Limit"), "a 429 says only when to come back")
	c.do("PUT", "/_sandbox/limits", object{"off": true}).is(200)
	for range 5 {
		c.do("GET", "/api/webhooks", nil).is(200)
	}
}

func TestFaultsHaveTheVendorsForm(t *testing.T) {
	c := start(t)
	require.NoError(t, c.emulator.Desk.Faults.Add(
		sandbox.Fault{Kind: sandbox.RateLimited, Times: 1, RetryAfter: 7}, sandbox.Fault{Kind: sandbox.ServerError, Times: 1, Status: 504, After: 1},
	))
	a := c.do("GET", "/api/profiles", nil).is(429)
	assert.Equal(t, "7", a.header.Get("Retry-After"))
	c.do("GET", "/api/profiles", nil).is(504)
	c.do("GET", "/api/profiles", nil).is(200)
}

func TestWebhooksAreSigned(t *testing.T) {
	c := start(t)
	type call struct {
		header http.Header
		body   []byte
	}
	calls := make(chan call, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.Header, body}
	}))
	defer hook.Close()
	c.do("PUT", "/_sandbox/limits", object{"off": true}).is(200)
	const topic = "event:klaviyo.unsubscribed_from_email_marketing"
	create := func(url string) answer {
		return c.do("POST", "/api/webhooks", object{"data": object{
			"type": "webhook", "attributes": object{"name": "h", "endpoint_url": url, "secret_key": "s3cret-of-a-webhook"},
			"relationships": object{"webhook-topics": object{"data": []object{{"type": "webhook-topic", "id": topic}}}},
		}})
	}
	create("http://shop.example.com/hook").is(400)
	id := create(hook.URL).is(201).at("data.id").(string)
	assert.Nil(t, c.do("GET", "/api/webhooks/"+id, nil).is(200).at("data.attributes.secret_key"))
	c.do("GET", "/api/webhooks", nil).is(200)
	c.do("GET", "/api/webhook-topics", nil).is(200)
	c.importProfile(object{"email": "w@example.com"}).is(201)
	c.do("POST", "/_sandbox/person", object{"email": "w@example.com", "does": "unsubscribe"}).is(200)
	c.emulator.Desk.Outbox.Flush()
	got := <-calls
	assert.Equal(t, id, got.header.Get("Klaviyo-Webhook-Id"))
	at := got.header.Get("Klaviyo-Timestamp")
	_, err := time.Parse(http.TimeFormat, at)
	require.NoError(t, err)
	assert.Equal(t, klaviyo.Sign("s3cret-of-a-webhook", got.body, at), got.header.Get("Klaviyo-Signature"))
	var body object
	require.NoError(t, json.Unmarshal(got.body, &body))
	a := answer{t: t, body: body}
	assert.Equal(t, id, a.at("meta.klaviyo_webhook_id"))
	assert.Equal(t, topic, a.at("data.0.topic"))
	assert.Equal(t, a.at("data.0.external_id"), a.at("data.0.payload.data.id"))

	disable := object{"data": object{"type": "webhook", "id": id, "attributes": object{"enabled": false}}}
	c.do("PATCH", "/api/webhooks/"+id, disable).is(200)
	c.subscribe("w@example.com").is(202)
	c.settle()
	c.do("POST", "/_sandbox/person", object{"email": "w@example.com", "does": "unsubscribe"}).is(200)
	c.emulator.Desk.Outbox.Flush()
	assert.Empty(t, calls)
	c.do("DELETE", "/api/webhooks/"+id, nil).is(204)
}

func TestResetForgets(t *testing.T) {
	c := start(t)
	c.importProfile(object{"email": "r@example.com"}).is(201)
	c.do("POST", "/_sandbox/reset", object{}).is(200)
	assert.Equal(t, 0.0, c.do("GET", "/_sandbox/state", nil).is(200).at("profiles"))
}
