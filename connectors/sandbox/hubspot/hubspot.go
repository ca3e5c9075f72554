// Package hubspot is an emulator of HubSpot: CRM objects one by one and in batches,
// search, merges and privacy deletions, associations, properties and custom types,
// lists, behavioural events, webhooks v3 and OAuth.
//
// Its account has contacts, companies, deals and the custom type subscription
// (2-1001); each has the unique property headwater_id. Its midnight is Vienna's.
//
// Controls beside the common ones:
//
//	POST /_sandbox/edit    {"objectType":"contacts","id":"101","properties":{…}}  as somebody in the vendor's pages
//	POST /_sandbox/remove  {"objectType":"contacts","id":"101"}
//	POST /_sandbox/expire  {"tokens":true}
//	PUT /_sandbox/oauth    {"scopes":"oauth crm.objects.contacts.read"}
//	GET /_sandbox/events   the behavioural events that were sent
package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// portal is the account's number, appID the app's.
const (
	portal = "26487001"
	appID  = "3019287"
)

// vienna is where the account is.
var vienna = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		return time.FixedZone("CET", 3600)
	}
	return zone
}()

// server is the account. mu guards all of it.
type server struct {
	desk   *sandbox.Desk
	search *sandbox.Limiter // of its own: five a second

	mu     sync.Mutex
	store  *store
	auth   auth
	links  links
	lists  map[string]*list
	events []sentEvent
	uuids  map[string]bool
	kinds  map[string]eventKind // by fully qualified name
	hooks  hooks
	made   int // ids of lists, subscriptions, events
}

// New returns an account without records.
func New() sandbox.Emulator {
	s := &server{
		desk: sandbox.NewDesk(
			sandbox.Window{Name: "ten", Limit: 190, Every: 10 * time.Second, Rolling: true},
			sandbox.Window{Name: "day", Limit: 650_000, Every: 24 * time.Hour, Zone: vienna}),
		search: sandbox.NewLimiter(sandbox.Window{Name: "secondly", Limit: 5, Every: time.Second, Rolling: true}),
	}
	s.reset()
	mux := http.NewServeMux()
	s.routes(mux)
	return sandbox.Emulator{
		Name:    "hubspot",
		Desk:    s.desk,
		Handler: mux,
		Credentials: map[string]string{
			"accessToken": privateToken, "clientId": clientID, "clientSecret": clientSecret, "refreshToken": firstRefresh, "appId": appID,
			"developerKey": developerKey,
		},
		Faults: answers,
		Controls: map[string]http.HandlerFunc{
			"POST edit": s.controlEdit, "POST remove": s.controlRemove, "POST expire": s.controlExpire,
			"PUT oauth": s.controlOAuth, "GET events": s.controlEvents,
		},
		Seed:  s.seed,
		Reset: s.reset,
	}
}

func (s *server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store = newStore(s.desk.Clock.Now, s.emit)
	s.auth = newAuth()
	s.links, s.lists, s.made = links{}, map[string]*list{}, 0
	s.kinds, s.events, s.uuids = map[string]eventKind{}, nil, map[string]bool{}
	s.hooks = hooks{subscriptions: map[string]*subscription{}}
}

// handler answers a request or says what is wrong with it.
type handler func(w http.ResponseWriter, r *http.Request) *fault

func (s *server) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /oauth/v1/token", s.token)
	mux.HandleFunc("GET /oauth/authorize", s.authorize)
	mux.HandleFunc("GET /oauth/v1/access-tokens/{token}", s.tokenInfo)
	mux.HandleFunc("DELETE /oauth/v1/refresh-tokens/{token}", s.deleteRefresh)
	mux.HandleFunc("POST /oauth/v2/private-apps/get/access-token-info", s.privateInfo)

	api := func(pattern, scope string, do handler) { mux.HandleFunc(pattern, s.signedIn(scope, s.counted(do))) }
	api("GET /account-info/v3/details", "oauth", s.account)
	api("GET /crm/v3/objects/{type}", "read", s.listObjects)
	api("POST /crm/v3/objects/{type}", "write", s.createObject)
	api("GET /crm/v3/objects/{type}/{id}", "read", s.getObject)
	api("PATCH /crm/v3/objects/{type}/{id}", "write", s.updateObject)
	api("DELETE /crm/v3/objects/{type}/{id}", "write", s.archiveObject)
	api("POST /crm/v3/objects/{type}/search", "read", s.searchObjects)
	api("POST /crm/v3/objects/{type}/merge", "write", s.mergeObjects)
	api("POST /crm/v3/objects/{type}/gdpr-delete", "write", s.gdprDelete)
	api("POST /crm/v3/objects/{type}/batch/create", "write", s.batchCreate)
	api("POST /crm/v3/objects/{type}/batch/read", "read", s.batchRead)
	api("POST /crm/v3/objects/{type}/batch/update", "write", s.batchUpdate)
	api("POST /crm/v3/objects/{type}/batch/upsert", "write", s.batchUpsert)
	api("POST /crm/v3/objects/{type}/batch/archive", "write", s.batchArchive)
	s.associationRoutes(api)
	api("GET /crm/v3/properties/{type}", "schema", s.listProperties)
	api("POST /crm/v3/properties/{type}", "schema", s.createProperty)
	api("GET /crm/v3/properties/{type}/{name}", "schema", s.getProperty)
	api("DELETE /crm/v3/properties/{type}/{name}", "schema", s.archiveProperty)
	api("GET /crm-object-schemas/v3/schemas", "custom", s.listSchemas)
	api("POST /crm-object-schemas/v3/schemas", "custom", s.createSchema)
	api("GET /crm-object-schemas/v3/schemas/{type}", "custom", s.getSchema)
	s.listRoutes(api)
	api("POST /events/v3/send", "events", s.sendEvent)
	api("POST /events/v3/send/batch", "events", s.sendEvents)
	api("GET /events/v3/event-definitions", "events", s.listEventKinds)
	api("POST /events/v3/event-definitions", "events", s.createEventKind)
	api("POST /events/v3/event-definitions/{name}/property", "events", s.createEventProperty)
	s.hookRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "resource not found").write(w)
	})
}

// counted counts a request and tells of the limits in each answer.
func (s *server) counted(do handler) handler {
	return func(w http.ResponseWriter, r *http.Request) *fault {
		now := s.desk.Clock.Now()
		v := s.desk.Limits.Take(portal, now)
		ten, day := v.States[0], v.States[1]
		h := w.Header()
		h.Set("X-HubSpot-RateLimit-Interval-Milliseconds", strconv.FormatInt(ten.Every.Milliseconds(), 10))
		h.Set("X-HubSpot-RateLimit-Max", strconv.Itoa(ten.Limit))
		h.Set("X-HubSpot-RateLimit-Remaining", strconv.Itoa(ten.Remaining))
		h.Set("X-HubSpot-RateLimit-Daily", strconv.Itoa(day.Limit))
		h.Set("X-HubSpot-RateLimit-Daily-Remaining", strconv.Itoa(day.Remaining))
		if v.Spent != "" {
			limited(w, v.Spent)
			return nil
		}
		// Who switches the limits off means this one too.
		if strings.HasSuffix(r.URL.Path, "/search") && !s.desk.Limits.IsOff() && s.search.Take(portal, now).Spent != "" {
			limited(w, "secondly")
			return nil
		}
		return do(w, r)
	}
}

func (s *server) account(w http.ResponseWriter, _ *http.Request) *fault {
	id, _ := strconv.Atoi(portal)
	_, offset := s.desk.Clock.Now().In(vienna).Zone()
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"portalId": id, "accountType": "STANDARD", "timeZone": "Europe/Vienna", "companyCurrency": "EUR", "additionalCurrencies": []string{},
		"utcOffset": fmt.Sprintf("%+03d:00", offset/3600), "utcOffsetMilliseconds": offset * 1000, "uiDomain": "app-eu1.hubspot.com", "dataHostingLocation": "eu1",
	})
	return nil
}

// body reads a JSON object. What a batch does not name stays empty.
func body[T any](r *http.Request) (T, *fault) {
	var in T
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return in, invalid("Invalid input JSON on line 1, column 1: %v", err)
	}
	return in, nil
}

// stamp is how the API writes a time.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
