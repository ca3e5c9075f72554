// Package salesforce is an emulator of the Salesforce Platform: OAuth, REST API with
// SOQL, composite collections, Bulk API 2.0, deleted records and the daily limit.
//
// Its organisation has accounts, contacts, leads, opportunities and one custom
// object, Subscription__c; each has the external id Headwater_Id__c. Times are kept
// to the second, as the vendor does, so that many records share a SystemModstamp.
//
// Controls beside the common ones:
//
//	PUT /_sandbox/oauth   {"rotateRefreshTokens":true,"certificate":"-----BEGIN …","scopes":"api"}
//	PUT /_sandbox/bulk    {"polls":2}   how often a job says that it is not done yet
//	POST /_sandbox/merge  {"object":"Contact","winner":ID,"losers":[ID]}
//	POST /_sandbox/purge  {"object":"Contact","id":ID}  deleted, and gone from the recycle bin
//	POST /_sandbox/expire {"tokens":true,"locators":true,"jobs":true}
package salesforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// Daily is how many requests a day the organisation has.
const Daily = 100_000

// The organisation and its only user.
const (
	orgID    = "00D5g000004XkzAEAS"
	userID   = "0055g00000GkPqYAAV"
	username = "integration@headwater.example"
)

// server is the organisation. mu guards all of it.
type server struct {
	desk *sandbox.Desk

	mu       sync.Mutex
	store    *store
	auth     auth
	locators map[string]*cursor
	jobs     map[string]*job
	made     int // jobs and locators
	polls    int
}

// New returns an organisation without records.
func New() sandbox.Emulator {
	s := &server{desk: sandbox.NewDesk(sandbox.Window{Name: "day", Limit: Daily, Every: 24 * time.Hour})}
	s.reset()
	mux := http.NewServeMux()
	s.routes(mux)
	return sandbox.Emulator{
		Name:    "salesforce",
		Desk:    s.desk,
		Handler: mux,
		Roots:   []string{"/services/"},
		Credentials: map[string]string{
			"clientId": clientID, "clientSecret": clientSecret, "refreshToken": firstRefresh, "username": username,
		},
		Faults: answers,
		Controls: map[string]http.HandlerFunc{
			"PUT oauth": s.controlOAuth, "PUT bulk": s.controlBulk, "POST merge": s.controlMerge, "POST purge": s.controlPurge, "POST expire": s.controlExpire,
		},
		Seed:  s.seed,
		Reset: s.reset,
	}
}

func (s *server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store = newStore(s.desk.Clock.Now)
	s.auth = newAuth()
	s.locators, s.jobs, s.made, s.polls = map[string]*cursor{}, map[string]*job{}, 0, 1
}

// routes are the vendor's paths. {v} is any version, as the vendor keeps old ones.
func (s *server) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /services/oauth2/token", s.token)
	mux.HandleFunc("GET /services/oauth2/authorize", s.authorize)
	mux.HandleFunc("POST /services/oauth2/revoke", s.revoke)
	mux.HandleFunc("GET /services/oauth2/userinfo", s.signedIn(s.userInfo))
	mux.HandleFunc("GET /id/{org}/{user}", s.signedIn(s.userInfo))
	mux.HandleFunc("GET /services/data", s.versions)
	mux.HandleFunc("GET /services/data/{$}", s.versions)

	api := func(pattern string, do handler) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /services/data/{v}"+path, s.signedIn(s.counted(do)))
	}
	api("GET ", s.resources)
	api("GET /limits", s.limits)
	api("GET /query", s.query)
	api("GET /queryAll", s.query)
	api("GET /query/{locator}", s.more)
	api("GET /sobjects", s.describeGlobal)
	api("GET /sobjects/{type}", s.describeBasic)
	api("GET /sobjects/{type}/describe", s.describe)
	api("GET /sobjects/{type}/deleted", s.deleted)
	api("GET /sobjects/{type}/deleted/{$}", s.deleted)
	api("GET /sobjects/{type}/updated", s.updated)
	api("GET /sobjects/{type}/updated/{$}", s.updated)
	api("POST /sobjects/{type}", s.create)
	api("GET /sobjects/{type}/{id}", s.retrieve)
	api("PATCH /sobjects/{type}/{id}", s.update)
	api("DELETE /sobjects/{type}/{id}", s.remove)
	api("GET /sobjects/{type}/{field}/{key}", s.retrieveExternal)
	api("PATCH /sobjects/{type}/{field}/{key}", s.upsert)
	api("DELETE /sobjects/{type}/{field}/{key}", s.removeExternal)
	api("POST /composite/sobjects", s.createMany)
	api("PATCH /composite/sobjects", s.updateMany)
	api("DELETE /composite/sobjects", s.removeMany)
	api("POST /composite/sobjects/{type}", s.retrieveMany)
	api("PATCH /composite/sobjects/{type}/{field}", s.upsertMany)
	s.bulkRoutes(api)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound().write(w) })
}

// handler answers a request or says what is wrong with it.
type handler func(w http.ResponseWriter, r *http.Request) *fault

var versionForm = regexp.MustCompile(`^v([2-9]\d)\.0$`)

// counted counts a request against the day and tells of the count in each answer.
func (s *server) counted(do handler) handler {
	return func(w http.ResponseWriter, r *http.Request) *fault {
		if !versionForm.MatchString(r.PathValue("v")) {
			return notFound()
		}
		v := s.desk.Limits.Take(orgID, s.desk.Clock.Now())
		day := v.States[0]
		w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", day.Limit-day.Remaining, day.Limit))
		if v.Spent != "" {
			return failed(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
		}
		return do(w, r)
	}
}

// base is the path of the version that was called, which links in answers begin with.
func base(r *http.Request) string { return "/services/data/" + r.PathValue("v") }

func (s *server) versions(w http.ResponseWriter, _ *http.Request) {
	sandbox.WriteJSON(w, http.StatusOK, []map[string]string{
		{"label": "Summer '24", "url": "/services/data/v61.0", "version": "61.0"},
		{"label": "Winter '25", "url": "/services/data/v62.0", "version": "62.0"},
	})
}

func (s *server) resources(w http.ResponseWriter, r *http.Request) *fault {
	b := base(r)
	sandbox.WriteJSON(w, http.StatusOK, map[string]string{
		"sobjects": b + "/sobjects", "query": b + "/query", "queryAll": b + "/queryAll", "limits": b + "/limits",
		"composite": b + "/composite", "jobs": b + "/jobs", "identity": s.identity(r),
	})
	return nil
}

func (s *server) limits(w http.ResponseWriter, _ *http.Request) *fault {
	var used, limit int
	if _, err := fmt.Sscanf(w.Header().Get("Sforce-Limit-Info"), "api-usage=%d/%d", &used, &limit); err != nil {
		return failed(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", err.Error())
	}
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"DailyApiRequests":     map[string]int{"Max": limit, "Remaining": limit - used},
		"DailyBulkV2QueryJobs": map[string]int{"Max": 10000, "Remaining": 10000 - len(s.jobs)},
	})
	return nil
}

// table finds the records of an object by its name.
func (s *server) table(name string) (*table, *fault) {
	t := s.store.tables[strings.ToLower(name)]
	if t == nil {
		return nil, notFound()
	}
	return t, nil
}

// body reads a JSON object; numbers stay exact.
func body[T any](r *http.Request) (T, *fault) {
	var in T
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		if errors.Is(err, io.EOF) {
			return in, failed(http.StatusBadRequest, "JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
		}
		return in, failed(http.StatusBadRequest, "JSON_PARSER_ERROR", fmt.Sprintf("Unexpected character or end of input (%v) at [line:1, column:1]", err))
	}
	return in, nil
}
