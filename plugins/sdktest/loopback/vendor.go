package loopback

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest/check"
)

// Vendor is a small vendor with people, lists, events, consents and messages, served
// over HTTP on the loopback interface.
type Vendor struct {
	Server *httptest.Server
	Token  string // the bearer token
	Secret string // of its webhooks

	mu       sync.Mutex
	seq      int
	people   map[string]*person
	lists    map[string]map[string]bool
	events   map[string]bool
	consents map[string]bool
	messages map[string]string // id by key
	taken    int
	trouble  map[check.Trouble]int
	silence  chan struct{}
}

type person struct {
	ID      string         `json:"id"`
	Seq     int            `json:"seq"`
	Fields  map[string]any `json:"fields"`
	Deleted bool           `json:"deleted,omitempty"`
	Left    int            `json:"left,omitempty"` // when they withdrew
}

// NewVendor serves an empty vendor until Close.
func NewVendor() *Vendor {
	v := &Vendor{
		Token: "tok-" + rand.Text(), Secret: "whs-" + rand.Text(),
		people: map[string]*person{}, lists: map[string]map[string]bool{}, events: map[string]bool{},
		consents: map[string]bool{}, messages: map[string]string{}, trouble: map[check.Trouble]int{},
		silence: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/me", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"ok": true}) })
	mux.HandleFunc("GET /v1/people", v.changes)
	mux.HandleFunc("POST /v1/people", v.write)
	mux.HandleFunc("POST /v1/forget", v.forget)
	mux.HandleFunc("POST /v1/lists", v.members)
	mux.HandleFunc("POST /v1/events", v.take)
	mux.HandleFunc("POST /v1/consents", v.consent)
	mux.HandleFunc("POST /v1/messages", v.deliver)
	v.Server = httptest.NewServer(v.troubled(mux))
	return v
}

// Close ends the server.
func (v *Vendor) Close() {
	close(v.silence)
	v.Server.Close()
}

// Kit is this vendor as the conformance kit commands it.
func (v *Vendor) Kit() check.Vendor {
	return check.Vendor{
		Config:  map[string]any{"url": v.Server.URL, "token": v.Token, "webhookSecret": v.Secret},
		Trouble: v.Begin, Stream: "people", Text: "name", Seed: v.Seed, Records: v.Records, Remove: v.Remove, Withdraw: v.Withdraw,
		Item: func(i int) sdk.Item {
			return sdk.Item{Match: "email", Fields: map[string]any{
				"email": fmt.Sprintf("person-%d@example.org", i), "name": fmt.Sprint("Person ", i),
			}}
		},
		BadItem: func() sdk.Item {
			return sdk.Item{Match: "email", Fields: map[string]any{"email": "not an address at all", "name": "Bad Person Here"}}
		},
		Subject: func(id string) sdk.Subject { return sdk.Subject{IDs: map[string]string{"people": id}} },
		List:    "Customers", Members: func() []string { return v.Members("Customers") },
		Event: func(i int) sdk.Event {
			return sdk.Event{Key: fmt.Sprint("event-", i), Name: "Order Completed", At: time.Unix(1_700_000_000, 0)}
		},
		Events: func() int { return v.count(func() int { return len(v.events) }) },
		Consent: func(granted, fresh bool) sdk.ConsentChange {
			return sdk.ConsentChange{
				Key: fmt.Sprint(granted, fresh), Channel: "EMAIL", Granted: granted, Fresh: fresh,
				Identifiers: map[string]string{"email": "anna@example.org"},
			}
		},
		Granted: func() bool { return v.count(func() int { return btoi(v.consents["anna@example.org"]) }) == 1 },
		Message: func(i int) sdk.Message {
			return sdk.Message{Key: fmt.Sprint("message-", i), Channel: "SMS", To: "+4915112345678", Text: "Hello"}
		},
		Messages: func() int { return v.count(func() int { return v.taken }) },
		Webhook:  v.Webhook,
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (v *Vendor) count(f func() int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return f()
}

// Begin begins a trouble, and returns what ends it.
func (v *Vendor) Begin(t check.Trouble) func() {
	v.count(func() int { v.trouble[t]++; return 0 })
	return func() { v.count(func() int { v.trouble[t]--; return 0 }) }
}

func (v *Vendor) in(t check.Trouble) bool {
	return v.count(func() int { return v.trouble[t] }) > 0
}

// troubled lets a handler be met by what troubles the vendor.
func (v *Vendor) troubled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("RateLimit-Remaining", "99")
		switch {
		case v.in(check.Silent):
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-v.silence:
			}
			panic(http.ErrAbortHandler)
		case v.in(check.Busy):
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, "busy", "")
		case v.in(check.Spent):
			w.Header().Set("X-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
			refuse(w, http.StatusTooManyRequests, "quota", "")
		case v.in(check.Down):
			refuse(w, http.StatusServiceUnavailable, "down", "")
		case v.in(check.Refusing) || r.Header.Get("Authorization") != "Bearer "+v.Token:
			refuse(w, http.StatusUnauthorized, "who", "")
		case v.in(check.Losing), v.in(check.Garbled):
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			if v.in(check.Garbled) {
				w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
				w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
				w.(http.Flusher).Flush()
			}
			panic(http.ErrAbortHandler)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who does not listen is not answered
}

func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.WriteHeader(status)
	answer(w, map[string]string{"code": code, "detail": detail})
}

// read decodes what was sent; false when the request is refused.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		refuse(w, http.StatusBadRequest, "form", "it is not what is asked for")
		return false
	}
	return true
}

// Seed makes n people.
func (v *Vendor) Seed(n int) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids := make([]string, n)
	for i := range ids {
		p := v.put("", map[string]any{"email": fmt.Sprintf("seed-%d@example.org", v.seq), "name": fmt.Sprint("Seed ", v.seq)})
		ids[i] = p.ID
	}
	return ids
}

// put makes a person, or changes one; the caller holds the lock.
func (v *Vendor) put(id string, fields map[string]any) *person {
	v.seq++
	if id == "" {
		id = fmt.Sprint("p", v.seq)
	}
	p := v.people[id]
	if p == nil {
		p = &person{ID: id, Fields: map[string]any{}}
		v.people[id] = p
	}
	p.Seq = v.seq
	for k, value := range fields {
		if value == nil {
			delete(p.Fields, k)
		} else {
			p.Fields[k] = value
		}
	}
	return p
}

// Records are the people that are not deleted.
func (v *Vendor) Records() map[string]map[string]any {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[string]map[string]any{}
	for id, p := range v.people {
		if !p.Deleted {
			out[id] = maps.Clone(p.Fields)
		}
	}
	return out
}

// Remove deletes a person.
func (v *Vendor) Remove(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remove(id)
}

// Withdraw is one of the people who want no more; their address is returned.
func (v *Vendor) Withdraw() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(v.people)) {
		if p := v.people[id]; !p.Deleted {
			v.seq++
			p.Seq, p.Left = v.seq, v.seq
			return fmt.Sprint(p.Fields["email"])
		}
	}
	return ""
}

func (v *Vendor) remove(id string) bool {
	p := v.people[id]
	if p == nil || p.Deleted {
		return false
	}
	v.seq++
	p.Seq, p.Deleted, p.Fields = v.seq, true, nil
	return true
}

// Members are the people in a list.
func (v *Vendor) Members(name string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.lists[name]))
}

// Webhook is one that tells of a person, signed.
func (v *Vendor) Webhook(at time.Time) sdk.Webhook {
	stamp := strconv.FormatInt(at.Unix(), 10)
	body := []byte(`{"event":"evt-1","person":{"id":"p1","seq":1,"fields":{"name":"Anna"}}}`)
	return sdk.Webhook{
		Method: http.MethodPost, URL: "https://hooks.example.org/c/1", Body: body,
		Header: http.Header{"X-Timestamp": {stamp}, "X-Signature": {sign(v.Secret, stamp, body)}},
	}
}

func sign(secret, stamp string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(stamp))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

func (v *Vendor) changes(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	v.mu.Lock()
	defer v.mu.Unlock()
	var some []*person
	for _, p := range v.people {
		if p.Seq > after {
			some = append(some, p)
		}
	}
	slices.SortFunc(some, func(a, b *person) int { return a.Seq - b.Seq })
	more := limit > 0 && len(some) > limit
	if more {
		some = some[:limit]
	}
	answer(w, map[string]any{"people": some, "more": more})
}

// written is an item of POST /v1/people, and its answer.
type written struct {
	ID     string         `json:"id,omitempty"`
	Fields map[string]any `json:"fields,omitempty"`
	Delete bool           `json:"delete,omitempty"`
	Done   string         `json:"done,omitempty"`
	Wrong  string         `json:"wrong,omitempty"` // the field
}

func (v *Vendor) find(item written) string {
	if item.ID != "" {
		return item.ID
	}
	for id, p := range v.people {
		if !p.Deleted && p.Fields["email"] == item.Fields["email"] {
			return id
		}
	}
	return ""
}

func (v *Vendor) write(w http.ResponseWriter, r *http.Request) {
	var items []written
	if !read(w, r, &items) {
		return
	}
	if len(items) > 100 {
		refuse(w, http.StatusBadRequest, "form", "at most 100 items")
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]written, len(items))
	for i, item := range items {
		id := v.find(item)
		email, given := item.Fields["email"].(string)
		switch {
		case item.Delete && !v.remove(id):
			out[i] = written{ID: id, Wrong: "id"}
		case item.Delete:
			out[i] = written{ID: id, Done: "deleted"}
		case given && !strings.Contains(email, "@"):
			out[i] = written{Wrong: "email"}
		case id == "":
			out[i] = written{ID: v.put("", item.Fields).ID, Done: "created"}
		default:
			out[i] = written{ID: v.put(id, item.Fields).ID, Done: "updated"}
		}
	}
	answer(w, out)
}

func (v *Vendor) forget(w http.ResponseWriter, r *http.Request) {
	var q struct{ ID, Email string }
	if !read(w, r, &q) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	id := v.find(written{ID: q.ID, Fields: map[string]any{"email": q.Email}})
	known := v.remove(id)
	answer(w, map[string]any{"known": known})
}

func (v *Vendor) members(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Name        string
		Add, Remove []string
	}
	if !read(w, r, &q) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lists[q.Name] == nil {
		v.lists[q.Name] = map[string]bool{}
	}
	for _, m := range q.Add {
		v.lists[q.Name][m] = true
	}
	for _, m := range q.Remove {
		delete(v.lists[q.Name], m)
	}
	answer(w, map[string]any{"id": q.Name})
}

func (v *Vendor) take(w http.ResponseWriter, r *http.Request) {
	var keys []string
	if !read(w, r, &keys) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range keys {
		v.events[k] = true
	}
	answer(w, map[string]any{})
}

func (v *Vendor) consent(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Email   string
		Granted bool
	}
	if !read(w, r, &q) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.consents[q.Email] = q.Granted
	answer(w, map[string]any{})
}

func (v *Vendor) deliver(w http.ResponseWriter, r *http.Request) {
	var q struct{ Key, To, Text string }
	if !read(w, r, &q) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.taken++
	id := fmt.Sprint("m", v.taken)
	v.messages[q.Key] = id
	answer(w, map[string]any{"id": id})
}
