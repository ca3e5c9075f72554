package salesforce_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/salesforce"
	"github.com/headwater-cdp/headwater/connectors/sandbox"
	emulator "github.com/headwater-cdp/headwater/connectors/sandbox/salesforce"
	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest"
)

// troubles are the kit's troubles as the emulator makes them. A session that has ended
// is met by the API, not where one signs in.
var troubles = map[sdktest.Trouble]sandbox.Fault{
	sdktest.Busy:     {Kind: sandbox.RateLimited, Path: "/services/data"},
	sdktest.Spent:    {Kind: sandbox.QuotaSpent, Path: "/services/data"},
	sdktest.Down:     {Kind: sandbox.ServerError},
	sdktest.Silent:   {Kind: sandbox.Slow, DelayMS: 60_000},
	sdktest.Refusing: {Kind: sandbox.TokenExpired, Path: "/services/data"},
	sdktest.Losing:   {Kind: sandbox.ReplyLost},
	sdktest.Garbled:  {Kind: sandbox.Truncated},
}

// vendor is a fresh emulator, as the kit commands it.
func vendor(t testing.TB) sdktest.Vendor {
	e := emulator.New()
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
	base := srv.URL + "/salesforce"
	token := ""
	api := func(method, path string, in, out any) {
		raw, _ := json.Marshal(in)
		req, err := http.NewRequest(method, inside.URL+path, bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if form, ok := in.(url.Values); ok {
			req.Body, req.ContentLength = io.NopCloser(bytes.NewBufferString(form.Encode())), int64(len(form.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		req.Header.Set("Authorization", "Bearer "+token)
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
	var signedIn struct {
		AccessToken string `json:"access_token"`
	}
	api("POST", "/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {e.Credentials["clientId"]}, "client_secret": {e.Credentials["clientSecret"]},
	}, &signedIn)
	token = signedIn.AccessToken
	const data = "/services/data/v62.0"
	all := func() map[string]map[string]any {
		out := map[string]map[string]any{}
		for path := data + "/query?q=" + url.QueryEscape("SELECT Id, Email, LastName, Description FROM Contact"); path != ""; {
			var a struct {
				Records []map[string]any
				Next    string `json:"nextRecordsUrl"`
			}
			api("GET", path, nil, &a)
			for _, one := range a.Records {
				delete(one, "attributes")
				out[one["Id"].(string)] = one
			}
			path = a.Next
		}
		return out
	}
	records, touch := remembering(&requests, all)
	seeded := 0
	return sdktest.Vendor{
		Config: map[string]any{
			"loginUrl": base, "grant": "client_credentials", "clientId": e.Credentials["clientId"], "clientSecret": e.Credentials["clientSecret"],
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
				var list []map[string]any
				for ; len(list) < 200 && seeded < begun+n; seeded++ {
					list = append(list, map[string]any{"attributes": map[string]string{"type": "Contact"}, "LastName": fmt.Sprint("Seed ", seeded), "Email": fmt.Sprintf("seed%d@example.com", seeded)})
				}
				var made []struct{ ID string }
				api("POST", data+"/composite/sobjects", map[string]any{"records": list}, &made)
				for _, one := range made {
					ids = append(ids, one.ID)
				}
			}
			// Changes of the last two seconds come again: let these be older.
			e.Desk.Clock.Advance(5 * time.Second)
			return ids
		},
		Records: records,
		Remove:  func(id string) { touch(); api("DELETE", data+"/sobjects/Contact/"+id, nil, nil) },
		Item: func(i int) sdk.Item {
			return sdk.Item{Match: "Headwater_Id__c", Fields: map[string]any{"Headwater_Id__c": fmt.Sprint("item-", i), "LastName": fmt.Sprint("Item ", i), "Description": fmt.Sprint("Text ", i)}}
		},
		BadItem: func() sdk.Item {
			return sdk.Item{Match: "Headwater_Id__c", Fields: map[string]any{"Headwater_Id__c": "bad", "LastName": "Bad", "Email": "no address at all"}}
		},
		Text:    "Description",
		Subject: func(id string) sdk.Subject { return sdk.Subject{IDs: map[string]string{"contacts": id}} },
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
	kit := sdktest.Kit{Connector: salesforce.Connector{}, Vendor: vendor}
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		kit.Main = "./cmd/salesforce"
	}
	sdktest.Run(t, kit)
}
