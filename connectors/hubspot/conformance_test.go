package hubspot_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/hubspot"
	"github.com/headwater-cdp/headwater/connectors/sandbox"
	emulator "github.com/headwater-cdp/headwater/connectors/sandbox/hubspot"
	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest"
)

// troubles are the kit's troubles as the emulator makes them.
var troubles = map[sdktest.Trouble]sandbox.Fault{
	sdktest.Busy:     {Kind: sandbox.RateLimited},
	sdktest.Spent:    {Kind: sandbox.QuotaSpent},
	sdktest.Down:     {Kind: sandbox.ServerError, Status: 503},
	sdktest.Silent:   {Kind: sandbox.Slow, DelayMS: 60_000},
	sdktest.Refusing: {Kind: sandbox.TokenExpired},
	sdktest.Losing:   {Kind: sandbox.ReplyLost},
	sdktest.Garbled:  {Kind: sandbox.Truncated},
}

// vendor is a fresh emulator, as the kit commands it.
func vendor(t testing.TB) sdktest.Vendor {
	e := emulator.New()
	e.Desk.Limits.Off(true)
	// The kit asks for all records after each; they only change by what is counted here.
	var requests atomic.Int64
	mounted := sandbox.Mount(e)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		mounted.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	// The kit's own hand in the vendor's data meets no trouble.
	inside := httptest.NewServer(e.Handler)
	t.Cleanup(inside.Close)
	base := srv.URL + "/hubspot"
	api := func(method, path string, in, out any) {
		raw, _ := json.Marshal(in)
		req, err := http.NewRequest(method, inside.URL+path, bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+e.Credentials["accessToken"])
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode/100 != 2 {
			t.Fatalf("%s: %d %s", path, res.StatusCode, text)
		}
		if out != nil {
			if err := json.Unmarshal(text, out); err != nil {
				t.Fatal(err)
			}
		}
	}
	type answer struct {
		Results []struct {
			ID         string             `json:"id"`
			Properties map[string]*string `json:"properties"`
		} `json:"results"`
		Paging struct{ Next struct{ After string } } `json:"paging"`
	}
	all := func() map[string]map[string]any {
		out := map[string]map[string]any{}
		for after := "0"; after != ""; {
			var a answer
			api("GET", "/crm/v3/objects/contacts?limit=100&properties=email,company&after="+after, nil, &a)
			for _, one := range a.Results {
				fields := map[string]any{}
				for _, name := range []string{"email", "company"} {
					if v := one.Properties[name]; v != nil {
						fields[name] = *v
					}
				}
				out[one.ID] = fields
			}
			after = a.Paging.Next.After
		}
		return out
	}
	records, touch := remembering(&requests, all)
	seeded := 0
	hookURL := "https://cdp.example.com/hooks/conn_1"
	return sdktest.Vendor{
		Config: map[string]any{
			"baseUrl": base, "grant": "private_app", "accessToken": e.Credentials["accessToken"], "clientSecret": e.Credentials["clientSecret"],
		},
		Trouble: func(kind sdktest.Trouble) func() {
			if err := e.Desk.Faults.Replace(troubles[kind]); err != nil {
				t.Fatal(err)
			}
			return func() { _ = e.Desk.Faults.Replace() }
		},
		Stream: "contacts",
		Seed: func(n int) []string {
			touch()
			var ids []string
			for begun := seeded; seeded < begun+n; {
				var inputs []map[string]any
				for ; len(inputs) < 100 && seeded < begun+n; seeded++ {
					inputs = append(inputs, map[string]any{"properties": map[string]string{"email": fmt.Sprintf("seed%d@example.com", seeded)}})
				}
				var a answer
				api("POST", "/crm/v3/objects/contacts/batch/create", map[string]any{"inputs": inputs}, &a)
				for _, one := range a.Results {
					ids = append(ids, one.ID)
				}
			}
			// Changes of the last two seconds come again: let these be older.
			e.Desk.Clock.Advance(5 * time.Second)
			return ids
		},
		Records: records,
		Remove:  func(id string) { touch(); api("DELETE", "/crm/v3/objects/contacts/"+id, nil, nil) },
		Item: func(i int) sdk.Item {
			return sdk.Item{Match: "email", Fields: map[string]any{"email": fmt.Sprintf("item%d@example.com", i), "company": fmt.Sprint("Company ", i)}}
		},
		BadItem: func() sdk.Item {
			return sdk.Item{Match: "email", Fields: map[string]any{"email": "bad@example.com", "lifecyclestage": "no such stage at all"}}
		},
		Text: "company",
		Subject: func(id string) sdk.Subject {
			email, _ := records()[id]["email"].(string)
			return sdk.Subject{IDs: map[string]string{"contacts": id}, Identifiers: map[string]string{"email": email}}
		},
		List: "People who buy",
		Members: func() []string {
			var found struct{ List struct{ ListID string } }
			api("GET", "/crm/v3/lists/object-type-id/0-1/name/People%20who%20buy", nil, &found)
			var a struct{ Results []struct{ RecordID string } }
			api("GET", "/crm/v3/lists/"+found.List.ListID+"/memberships", nil, &a)
			var ids []string
			for _, one := range a.Results {
				ids = append(ids, one.RecordID)
			}
			return ids
		},
		Event: func(i int) sdk.Event {
			return sdk.Event{Key: fmt.Sprint("event-", i), Name: "Order Completed", At: time.Now(), Identifiers: map[string]string{"email": "buyer@example.com"}, Properties: map[string]any{"total": json.Number("9.90")}}
		},
		Events: func() int {
			res, err := http.Get(base + "/_sandbox/events")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var sent []any
			if err := json.NewDecoder(res.Body).Decode(&sent); err != nil {
				t.Fatal(err)
			}
			return len(sent)
		},
		Webhook: func(at time.Time) sdk.Webhook {
			body := []byte(`[{"eventId":1,"subscriptionType":"contact.deletion","portalId":26487001,"objectId":5,"occurredAt":1767225600000}]`)
			stamp := strconv.FormatInt(at.UnixMilli(), 10)
			mac := hmac.New(sha256.New, []byte(e.Credentials["clientSecret"]))
			mac.Write([]byte("POST" + hookURL + string(body) + stamp))
			header := http.Header{}
			header.Set("X-HubSpot-Signature-v3", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
			header.Set("X-HubSpot-Request-Timestamp", stamp)
			return sdk.Webhook{Method: "POST", URL: hookURL, Header: header, Body: body}
		},
	}
}

// remembering asks once while no request comes and nothing is touched.
func remembering(requests *atomic.Int64, ask func() map[string]map[string]any) (get func() map[string]map[string]any, touch func()) {
	var known map[string]map[string]any
	at := int64(-1)
	return func() map[string]map[string]any {
		if n := requests.Load(); known == nil || n != at {
			known, at = ask(), n
		}
		return known
	}, func() { at = -1 }
}

func TestConformance(t *testing.T) {
	kit := sdktest.Kit{Connector: hubspot.Connector{}, Vendor: vendor}
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		kit.Main = "./cmd/hubspot"
	}
	sdktest.Run(t, kit)
}
