package klaviyo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/klaviyo"
	"github.com/headwater-cdp/headwater/connectors/sandbox"
	vendor "github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest"
)

// The rules of every connector.
func TestConformance(t *testing.T) {
	main := "./cmd/klaviyo"
	if os.Getenv("HEADWATER_TEST_LONG") == "" {
		main = "" // in memory the rules are the same
	}
	sdktest.Run(t, sdktest.Kit{
		Connector: klaviyo.Connector{}, Main: main, Vendor: emulated,
		Except: map[string]string{
			"pull/deletions": "Klaviyo does not tell of profiles that were deleted",
			"trouble/spent":  "Klaviyo has no limit of a day",
		},
	})
}

// asks puts a question to the vendor past its faults.
func asks(t testing.TB, e sandbox.Emulator, path string) (out object) {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Header.Set("Authorization", "Klaviyo-API-Key "+vendor.Key)
	req.Header.Set("Revision", "2026-07-15")
	rec := httptest.NewRecorder()
	e.Handler.ServeHTTP(rec, req)
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return out
}

// all follows the pages of a question.
func all(t testing.TB, e sandbox.Emulator, path string) (data []object) {
	for path != "" {
		answer := asks(t, e, path)
		for _, each := range answer["data"].([]any) {
			data = append(data, each.(object))
		}
		next, _ := answer["links"].(object)["next"].(string)
		path = strings.TrimPrefix(next, "http://example.com")
	}
	return data
}

var faults = map[sdktest.Trouble]sandbox.Fault{
	sdktest.Busy: {Kind: sandbox.RateLimited, RetryAfter: 2}, sdktest.Down: {Kind: sandbox.ServerError},
	sdktest.Silent: {Kind: sandbox.Slow, DelayMS: 2000}, sdktest.Refusing: {Kind: sandbox.TokenExpired},
	sdktest.Losing: {Kind: sandbox.ReplyLost}, sdktest.Garbled: {Kind: sandbox.Truncated},
}

func emulated(t testing.TB) sdktest.Vendor {
	e := vendor.New()
	e.Desk.Limits.Off(true)
	server := httptest.NewServer(sandbox.Serve(e))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	// What the vendor took on is done by the time that anybody looks.
	settle := func() { e.Desk.Clock.Advance(time.Second) }
	const who = "consenting@example.com"
	return sdktest.Vendor{
		Config: map[string]any{"apiKey": vendor.Key, "webhookSecret": "secret-of-a-webhook", "baseUrl": server.URL},
		Trouble: func(trouble sdktest.Trouble) func() {
			fault, can := faults[trouble]
			if !can {
				return nil
			}
			_ = e.Desk.Faults.Add(fault) // of the table above: all are good
			return func() { _ = e.Desk.Faults.Replace() }
		},
		Stream: "profiles",
		Text:   "first_name",
		Seed: func(n int) []string {
			before := map[string]bool{}
			for _, p := range all(t, e, "/api/profiles?page[size]=100&sort=id") {
				before[p["id"].(string)] = true
			}
			if err := e.Seed(n); err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, p := range all(t, e, "/api/profiles?page[size]=100&sort=id") {
				if id := p["id"].(string); !before[id] {
					ids = append(ids, id)
				}
			}
			return ids
		},
		Records: func() map[string]map[string]any {
			settle()
			out := map[string]map[string]any{}
			for _, p := range all(t, e, "/api/profiles?page[size]=100&sort=id") {
				fields := p["attributes"].(object)
				delete(fields, "updated") // each write changes it
				out[p["id"].(string)] = fields
			}
			return out
		},
		Withdraw: func() string {
			const who = "person7@example.com"
			body := []byte(`{"email":"` + who + `","does":"unsubscribe"}`)
			res, err := http.Post(server.URL+"/_sandbox/person", "application/json", bytes.NewReader(body))
			if err != nil || res.StatusCode >= 300 {
				t.Fatal(err, res)
			}
			res.Body.Close()
			return who
		},
		Item: func(i int) sdk.Item {
			return person(fmt.Sprintf("item%d@example.com", i), "first_name", fmt.Sprint("Name ", i))
		},
		BadItem: func() sdk.Item { return person("an address that is none") },
		Subject: func(id string) sdk.Subject {
			return sdk.Subject{Key: "erase " + id, IDs: map[string]string{"profiles": id}}
		},
		List: "Kit",
		Members: func() (ids []string) {
			settle()
			for _, l := range all(t, e, "/api/lists") {
				for _, p := range all(t, e, "/api/lists/"+l["id"].(string)+"/relationships/profiles") {
					ids = append(ids, p["id"].(string))
				}
			}
			return ids
		},
		Event: func(i int) sdk.Event {
			return sdk.Event{Key: fmt.Sprint("event ", i), Name: "Order Completed", At: time.Now(), Identifiers: map[string]string{"email": "buyer@example.com"}}
		},
		Events: func() int { return len(all(t, e, "/api/events")) },
		Consent: func(granted, fresh bool) sdk.ConsentChange {
			settle()
			return sdk.ConsentChange{
				Key: "consent", Identifiers: map[string]string{"email": who}, Channel: "EMAIL", Granted: granted, Fresh: fresh, At: e.Desk.Clock.Now(),
			}
		},
		Granted: func() bool {
			settle()
			for _, p := range all(t, e, "/api/profiles?additional-fields[profile]=subscriptions&filter=equals(email,%22"+who+"%22)") {
				m := p["attributes"].(object)["subscriptions"].(object)["email"].(object)["marketing"].(object)
				return m["consent"] == "SUBSCRIBED" && m["can_receive_email_marketing"] == true
			}
			return false
		},
		Webhook: func(at time.Time) sdk.Webhook {
			body := []byte(`{"data":[{"external_id":"e1","topic":"event:klaviyo.unsubscribed_from_email_marketing","payload":{"data":{"type":"event","id":"e1",
"attributes":{"datetime":"2026-11-01T10:00:00+00:00","event_properties":{"email_address":"w@example.com"}}}}}],"meta":{"klaviyo_webhook_id":"w1"}}`)
			stamp := at.UTC().Format(http.TimeFormat)
			return sdk.Webhook{Method: http.MethodPost, URL: "https://h.example.com/hook", Body: body, Header: http.Header{
				"Klaviyo-Webhook-Id": {"w1"}, "Klaviyo-Timestamp": {stamp}, "Klaviyo-Signature": {vendor.Sign("secret-of-a-webhook", body, stamp)},
			}}
		},
	}
}
