package twilio

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // the vendor's choice
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// Credentials of the emulator, made up.
const (
	AccountSID = "AC5a0d3c1e8f7b4a69925a0d3c1e8f7b4a"
	AuthToken  = "7c1e90b4d2f84a5f96c37c1e90b4d2f8"
	// Number is the account's own number.
	Number = "+15550100100"
	// ServiceSID is a messaging service that sends from Number.
	ServiceSID = "MG1d5c7e9f0a2b4c6d8e1d5c7e9f0a2b4c"
	// VerifySID is a service of Verify that is there from the start.
	VerifySID = "VA2f4b6d8e0c1a3f5b7d2f4b6d8e0c1a3f"
)

// step is how long a message stays in a state.
const step = 15 * time.Millisecond

type object = map[string]any

// Server is the emulator's state.
type Server struct {
	desk *sandbox.Desk

	mu            sync.Mutex
	messages      map[string]*message
	order         []*message // as they were made
	optedOut      map[string]bool
	services      map[string]*service
	verifications map[string]*verification
	asJSON        bool
	life          int // rises with each reset, so that a step of before does nothing
}

// New returns the emulator with its account and nothing sent.
func New() sandbox.Emulator {
	s := &Server{desk: sandbox.NewDesk(sandbox.Window{Name: "burst", Limit: 100, Every: time.Second})}
	s.reset()
	return sandbox.Emulator{
		Name:    "twilio",
		Desk:    s.desk,
		Handler: s.routes(),
		Credentials: map[string]string{
			"accountSid": AccountSID, "authToken": AuthToken, "from": Number,
		},
		Faults: map[sandbox.Kind]sandbox.Answer{
			sandbox.RateLimited:  func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) { tooMany(f.RetryAfter).write(w) },
			sandbox.QuotaSpent:   func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) { dailyLimit().write(w) },
			sandbox.TokenExpired: func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) { unauthorised().write(w) },
			sandbox.ServerError: func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) {
				status := f.Status
				if status == 0 {
					status = http.StatusServiceUnavailable
				}
				(&fault{Status: status, Code: 20500, Message: "An internal server error has occurred"}).write(w)
			},
		},
		Controls: map[string]http.HandlerFunc{
			"POST inbound": s.inbound, "PUT callbacks": s.callbacks, "GET code": s.code,
		},
		Reset: s.reset,
	}
}

func (s *Server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages, s.order, s.optedOut = map[string]*message{}, nil, map[string]bool{}
	s.services = map[string]*service{VerifySID: {sid: VerifySID, name: "Sandbox", length: 6, created: s.now()}}
	s.verifications = map[string]*verification{}
	s.asJSON = false
	s.life++
}

func (s *Server) now() time.Time { return s.desk.Clock.Now() }

// endpoint answers a request whose form was read.
type endpoint func(r *http.Request) (int, any, *fault)

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	const account = "/2010-04-01/Accounts/{account}"
	for pattern, do := range map[string]endpoint{
		"GET /2010-04-01/Accounts/{file}":     s.account,
		"POST " + account + "/Messages.json":  s.create,
		"GET " + account + "/Messages.json":   s.list,
		"GET " + account + "/Messages/{file}": s.get,
		// A POST to a message redacts or cancels it.
		"POST " + account + "/Messages/{file}":                     s.update,
		"DELETE " + account + "/Messages/{file}":                   s.remove,
		"POST /v2/Services":                                        s.createService,
		"GET /v2/Services/{service}":                               s.getService,
		"POST /v2/Services/{service}/Verifications":                s.start,
		"GET /v2/Services/{service}/Verifications/{verification}":  s.getVerification,
		"POST /v2/Services/{service}/Verifications/{verification}": s.updateVerification,
		"POST /v2/Services/{service}/VerificationCheck":            s.check,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, do) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { notFound(r).write(w) })
	return mux
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, do endpoint) {
	user, password, _ := r.BasicAuth()
	if user != AccountSID || password != AuthToken {
		unauthorised().write(w)
		return
	}
	if account := r.PathValue("account"); account != "" && account != AccountSID {
		notFound(r).write(w)
		return
	}
	if verdict := s.desk.Limits.Take(user, s.now()); verdict.Spent != "" {
		tooMany(int(math.Ceil(verdict.Retry.Seconds()))).write(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		(&fault{Status: http.StatusBadRequest, Code: 20001, Message: "The request body is not a form"}).write(w)
		return
	}
	status, answer, problem := s.answer(r, do)
	w.Header().Set("Twilio-Request-Id", "RQ"+token())
	switch {
	case problem != nil:
		problem.write(w)
	case answer == nil:
		w.WriteHeader(status)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(answer) // the client has gone
	}
}

func (s *Server) answer(r *http.Request, do endpoint) (int, []byte, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, answer, problem := do(r)
	if problem != nil || answer == nil {
		return status, nil, problem
	}
	out, err := json.Marshal(answer)
	if err != nil {
		return 0, nil, &fault{Status: http.StatusInternalServerError, Code: 20500, Message: err.Error()}
	}
	return status, out, nil
}

// fault is an error as the vendor tells it.
type fault struct {
	Status  int
	Code    int
	Message string
	Retry   int // Retry-After, in seconds
}

func (f *fault) write(w http.ResponseWriter) {
	if f.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.Retry))
	}
	if f.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
	}
	w.Header().Set("Content-Type", "application/json")
	sandbox.WriteJSON(w, f.Status, object{
		"code": f.Code, "message": f.Message, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", f.Code), "status": f.Status,
	})
}

func refused(code int, message string) *fault {
	return &fault{Status: http.StatusBadRequest, Code: code, Message: message}
}

func unauthorised() *fault {
	return &fault{Status: http.StatusUnauthorized, Code: 20003, Message: "Authenticate"}
}

func notFound(r *http.Request) *fault {
	return &fault{Status: http.StatusNotFound, Code: 20404, Message: "The requested resource " + r.URL.Path + " was not found"}
}

func tooMany(seconds int) *fault {
	return &fault{Status: http.StatusTooManyRequests, Code: 20429, Message: "Too Many Requests", Retry: seconds}
}

func dailyLimit() *fault {
	return &fault{Status: http.StatusTooManyRequests, Code: 63038, Message: "Account exceeded the daily messages limit"}
}

func (s *Server) account(r *http.Request) (int, any, *fault) {
	sid, is := strings.CutSuffix(r.PathValue("file"), ".json")
	if !is || sid != AccountSID {
		return 0, nil, notFound(r)
	}
	created := rfc2822(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	self := "/2010-04-01/Accounts/" + sid
	return http.StatusOK, object{
		"sid": sid, "owner_account_sid": sid, "friendly_name": "Sandbox", "status": "active", "type": "Full", "auth_token": AuthToken,
		"date_created": created, "date_updated": created, "uri": self + ".json",
		"subresource_uris": object{"messages": self + "/Messages.json"},
	}, nil
}

func rfc2822(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }

// token is 32 random hexadecimal digits.
func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Sign is the X-Twilio-Signature of a request to address: base64 HMAC-SHA1 over the
// address and, for a form, each name and value in order; a name with several values
// counts each value once, in order.
func Sign(secret, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			mac.Write([]byte(name + value))
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// send posts a webhook, as a form or, when that was switched on, as JSON whose hash
// stands in the address.
func (s *Server) send(address string, form url.Values) {
	if address == "" {
		return
	}
	asJSON := s.asJSON
	s.desk.Outbox.Send(func(time.Time) sandbox.Delivery {
		if !asJSON {
			return sandbox.Delivery{URL: address, Body: []byte(form.Encode()), Header: http.Header{
				"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}, "X-Twilio-Signature": {Sign(AuthToken, address, form)},
			}}
		}
		flat := map[string]string{}
		for name := range form {
			flat[name] = form.Get(name)
		}
		body, _ := json.Marshal(flat) // strings: cannot fail
		sum := sha256.Sum256(body)
		join := "?"
		if strings.Contains(address, "?") {
			join = "&"
		}
		full := address + join + "bodySHA256=" + hex.EncodeToString(sum[:])
		return sandbox.Delivery{URL: full, Body: body, Header: http.Header{
			"Content-Type": {"application/json"}, "X-Twilio-Signature": {Sign(AuthToken, full, nil)},
		}}
	})
}

// callbacks is the control that chooses the form of webhooks.
func (s *Server) callbacks(w http.ResponseWriter, r *http.Request) {
	var in struct {
		JSON bool `json:"json"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		sandbox.WriteJSON(w, http.StatusBadRequest, object{"error": `the body is {"json":true}`})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asJSON = in.JSON
	sandbox.WriteJSON(w, http.StatusOK, in)
}
