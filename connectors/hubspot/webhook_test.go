package hubspot_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// hooked receives what the emulator sends.
type hooked struct {
	*rig
	server *httptest.Server
	got    chan sdk.Webhook
}

func hook(t *testing.T, kinds ...string) *hooked {
	t.Helper()
	h := &hooked{rig: start(t), got: make(chan sdk.Webhook, 100)}
	h.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		h.got <- sdk.Webhook{Method: q.Method, URL: h.server.URL + q.URL.RequestURI(), Header: q.Header, Body: body, At: time.Now()}
	}))
	t.Cleanup(h.server.Close)
	h.control("PUT", "webhook", map[string]any{"url": h.server.URL + "/hooks/conn_1?a=1"})
	for _, kind := range kinds {
		in := map[string]any{"eventType": kind, "active": true}
		if strings.HasSuffix(kind, "propertyChange") {
			in["propertyName"] = "city"
		}
		if strings.HasPrefix(kind, "object") {
			in["objectTypeId"] = "2-1001"
		}
		raw, _ := json.Marshal(in)
		res, err := http.Post(h.url+"/webhooks/v3/"+h.e.Credentials["appId"]+"/subscriptions?hapikey="+h.e.Credentials["developerKey"], "application/json", strings.NewReader(string(raw)))
		if err != nil || res.StatusCode != http.StatusCreated {
			t.Fatal(res.Status, err)
		}
		res.Body.Close()
	}
	return h
}

// arrived waits until all is delivered and returns what came.
func (h *hooked) arrived() []sdk.Webhook {
	h.e.Desk.Outbox.Flush()
	var out []sdk.Webhook
	for len(h.got) > 0 {
		out = append(out, <-h.got)
	}
	return out
}

func TestWebhooksSayWhatToLookAt(t *testing.T) {
	h := hook(t, "contact.propertyChange", "contact.deletion", "contact.privacyDeletion", "contact.merge", "company.creation", "object.creation")
	if err := h.conn.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	people := h.upsert("contacts", item("a", "city", "ours"), item("b"), item("c"), item("d"))
	h.control("POST", "edit", map[string]any{"objectType": "contacts", "id": people[0].ID, "properties": map[string]any{"city": "theirs"}})
	h.control("POST", "remove", map[string]any{"objectType": "contacts", "id": people[1].ID})
	h.merge(people[0].ID, people[2].ID)
	h.control("POST", "edit", map[string]any{"objectType": custom, "properties": map[string]any{"title": "x"}})
	var told []string
	for _, w := range h.arrived() {
		got, err := h.conn.Receive(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, got.Pull...)
		for _, one := range got.Records {
			if one.Key == "" || !one.Record.Deleted {
				t.Errorf("%+v", one)
			}
			told = append(told, fmt.Sprintf("-%s>%s", one.Record.ID, one.Record.Merged))
		}
	}
	slices.Sort(told)
	if want := []string{"-" + people[1].ID + ">", "-" + people[2].ID + ">" + people[0].ID, "contacts", custom}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestAWebhookThatIsNotTheVendors(t *testing.T) {
	h := hook(t, "contact.creation")
	for _, c := range []struct {
		fault  sandbox.Kind
		kind   sdk.FaultKind
		reason string
	}{{sandbox.WebhookForged, sdk.FaultUnauthorized, "BAD_SIGNATURE"}, {sandbox.WebhookStale, sdk.FaultStale, ""}} {
		h.fault(sandbox.Fault{Kind: c.fault, Times: 1})
		h.control("POST", "edit", map[string]any{"objectType": "contacts", "properties": map[string]any{"city": "x"}})
		w := h.arrived()[0]
		_, err := h.conn.Receive(t.Context(), w)
		want(t, err, c.kind, c.reason)
	}
	h.fault(sandbox.Fault{Kind: sandbox.WebhookTwice, Times: 1})
	h.control("POST", "edit", map[string]any{"objectType": "contacts", "properties": map[string]any{"city": "x"}})
	both := h.arrived()
	if len(both) != 2 {
		t.Fatalf("%d came", len(both))
	}
	good := both[0]
	for name, change := range map[string]func(w *sdk.Webhook){
		"method":    func(w *sdk.Webhook) { w.Method = "PUT" },
		"address":   func(w *sdk.Webhook) { w.URL += "&b=2" },
		"timestamp": func(w *sdk.Webhook) { w.Header.Set("X-HubSpot-Request-Timestamp", "1") },
		"none":      func(w *sdk.Webhook) { w.Header.Del("X-HubSpot-Signature-v3") },
	} {
		w := good
		w.Header = good.Header.Clone()
		change(&w)
		if _, err := h.conn.Receive(t.Context(), w); sdk.AsFault(err) == nil || sdk.AsFault(err).Kind != sdk.FaultUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.At = good.At.Add(-10 * time.Minute)
	_, err := h.conn.Receive(t.Context(), good)
	want(t, err, sdk.FaultStale, "")
}

func TestEventsAreDefinedAndSentOnce(t *testing.T) {
	r := start(t)
	event := func(key, name string, properties map[string]any) sdk.Event {
		return sdk.Event{Key: key, Name: name, At: time.Now(), Identifiers: map[string]string{"email": "a@example.com"}, Properties: properties}
	}
	nobody := event("3", "Order Completed", nil)
	nobody.Identifiers = nil
	events := []sdk.Event{
		event("1", "Order Completed", map[string]any{"Order Total": json.Number("9.90"), "items": []any{map[string]any{"sku": "x"}}}), event("2", "Ω", nil), nobody,
	}
	for range 2 {
		results, err := r.conn.Forward(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomes(results); got != "ACCEPTED INVALID_RECORD INVALID_RECORD" {
			t.Errorf("outcomes %s", got)
		}
	}
	var sent []struct {
		EventName  string
		Properties map[string]string
	}
	if err := json.Unmarshal(r.control("GET", "events", nil), &sent); err != nil {
		t.Fatal(err)
	}
	if len(sent) != 1 || sent[0].EventName != "pe26487001_order_completed" || sent[0].Properties["order_total"] != "9.90" || sent[0].Properties["items"] != `[{"sku":"x"}]` {
		t.Errorf("sent %+v", sent)
	}
	r.fault(sandbox.Fault{Kind: sandbox.ReplyLost, Path: "/events/v3/send", Times: 1})
	_, err := r.conn.Forward(t.Context(), events[:1])
	want(t, err, sdk.FaultUnknownOutcome, "")
}
