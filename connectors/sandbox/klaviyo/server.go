package klaviyo

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// Keys of the emulator, made up: the first may do anything, the second only read.
const (
	Key         = "pk_0c8a4e61f9d2b7350c8a4e61f9d2b7350c"
	ReadOnlyKey = "pk_11d73b0e52a94c6811d73b0e52a94c6811"
	// AccountID is the account's public id.
	AccountID = "SBX001"
)

// mediaType is what the vendor answers in.
const mediaType = "application/vnd.api+json"

// jobTime is how long a job takes: long enough that a client must ask twice.
const jobTime = 40 * time.Millisecond

// Server is the emulator's state.
type Server struct {
	desk  *sandbox.Desk
	tiers map[tier]*sandbox.Limiter

	mu           sync.Mutex
	profiles     map[string]*profile
	byIdentifier map[string]*profile // "email:…", "phone_number:…", "external_id:…"
	order        []*profile          // as they were made
	version      int                 // rises with each change to a profile
	snapshots    snapshots
	lists        map[string]*list
	metrics      map[string]*metric // by name
	events       []*happening
	unique       map[string]bool // events that were told by unique_id
	jobs         map[string]*job
	pending      []*job // to be done, in order
	webhooks     map[string]*webhook
	deletions    int
	serial       uint64
}

// New returns the emulator, empty.
func New() sandbox.Emulator {
	s := &Server{desk: sandbox.NewDesk(
		sandbox.Window{Name: "burst", Limit: 75, Every: time.Second},
		sandbox.Window{Name: "steady", Limit: 750, Every: time.Minute},
	)}
	s.tiers = map[tier]*sandbox.Limiter{}
	for t, limits := range tierLimits {
		s.tiers[t] = sandbox.NewLimiter(
			sandbox.Window{Name: "burst", Limit: limits[0], Every: time.Second},
			sandbox.Window{Name: "steady", Limit: limits[1], Every: time.Minute},
		)
	}
	s.reset()
	return sandbox.Emulator{
		Name:        "klaviyo",
		Desk:        s.desk,
		Handler:     s.routes(),
		Credentials: map[string]string{"apiKey": Key},
		Faults: map[sandbox.Kind]sandbox.Answer{
			sandbox.RateLimited:  func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) { throttled(w, max(f.RetryAfter, 1)) },
			sandbox.QuotaSpent:   func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) { throttled(w, max(f.RetryAfter, 60)) },
			sandbox.TokenExpired: func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) { badKey().write(w) },
			sandbox.ServerError: func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) {
				status := f.Status
				if status == 0 {
					status = http.StatusServiceUnavailable
				}
				(&fault{Status: status, Code: "error", Title: "A server error occurred.", Detail: "Please try again later."}).write(w)
			},
		},
		Controls: map[string]http.HandlerFunc{"POST person": s.person, "GET state": s.state},
		Seed:     s.seed,
		Reset:    s.reset,
	}
}

func (s *Server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.profiles, s.byIdentifier, s.order = map[string]*profile{}, map[string]*profile{}, nil
	s.version, s.snapshots = 0, snapshots{}
	s.lists, s.metrics = map[string]*list{}, map[string]*metric{}
	s.events, s.unique = nil, map[string]bool{}
	s.jobs, s.pending, s.webhooks = map[string]*job{}, nil, map[string]*webhook{}
	s.deletions, s.serial = 0, 0
	for _, limiter := range s.tiers {
		limiter.Forget()
	}
}

// tier is a group of endpoints with the same limits.
type tier string

// Tiers, by the vendor's own names of its sizes. L is the desk's limiter, so that its
// controls reach it.
const (
	tierXS tier = "xs"
	tierS  tier = "s"
	tierM  tier = "m"
	tierL  tier = "l"
	tierXL tier = "xl"
)

// tierLimits are requests a second and a minute.
var tierLimits = map[tier][2]int{tierXS: {1, 15}, tierS: {3, 60}, tierM: {10, 150}, tierXL: {350, 3500}}

// endpoint is one route with what it asks for.
type endpoint struct {
	pattern string
	tier    tier
	scopes  []string
	do      func(r *http.Request, body []byte) (int, any, *fault)
}

// routes joins the endpoints. Each answers under the lock, after the jobs that are due.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, e := range s.endpoints() {
		method, path, _ := strings.Cut(e.pattern, " ")
		for _, pattern := range []string{method + " " + path + "/{$}", method + " " + path} {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e) })
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		notFound("The requested resource could not be found.", "").write(w)
	})
	return mux
}

var revisionForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$`)

func (s *Server) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	key, problem := authorise(r, e.scopes)
	if problem == nil {
		problem = revised(r)
	}
	if problem == nil {
		problem = s.limit(w, e, key)
	}
	if problem != nil {
		problem.write(w)
		return
	}
	var body []byte
	if r.Method != http.MethodGet {
		if body, problem = content(w, r); problem != nil {
			problem.write(w)
			return
		}
	}
	status, out, problem := s.answer(r, e, body)
	if problem != nil {
		problem.write(w)
		return
	}
	if out == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(out) // the client has gone; nobody is left to tell
}

// answer does what an endpoint does, and writes it down while nothing can change.
func (s *Server) answer(r *http.Request, e endpoint, body []byte) (int, []byte, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work()
	status, answer, problem := e.do(r, body)
	if problem != nil || answer == nil {
		return status, nil, problem
	}
	out, err := json.Marshal(answer)
	if err != nil {
		return 0, nil, &fault{Status: http.StatusInternalServerError, Code: "error", Title: "A server error occurred.", Detail: err.Error()}
	}
	return status, out, nil
}

// authorise answers the key of the request.
func authorise(r *http.Request, scopes []string) (string, *fault) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "Klaviyo-API-Key" && !strings.EqualFold(scheme, "Bearer") {
		return "", &fault{
			Status: http.StatusUnauthorized, Code: "not_authenticated", Title: "Authentication credentials were not provided.",
			Detail: "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.",
		}
	}
	switch key {
	case Key:
		return key, nil
	case ReadOnlyKey:
		for _, scope := range scopes {
			if strings.HasSuffix(scope, ":write") {
				return "", &fault{
					Status: http.StatusForbidden, Code: "permission_denied", Title: "You do not have permission to perform this action.",
					Detail: "You do not have the correct scopes to perform this action. Missing: " + scope,
				}
			}
		}
		return key, nil
	}
	return "", badKey()
}

func badKey() *fault {
	return &fault{
		Status: http.StatusUnauthorized, Code: "authentication_failed", Title: "Incorrect authentication credentials.",
		Detail: "Incorrect authentication credentials.",
	}
}

func revised(r *http.Request) *fault {
	revision := r.Header.Get("revision")
	if !revisionForm.MatchString(revision) {
		f := invalid("A `revision` header of the form YYYY-MM-DD is required.", "")
		f.Source = object{"parameter": "revision"}
		return f
	}
	if revision < "2024-10-15" {
		return &fault{
			Status: http.StatusGone, Code: "gone", Title: "The requested revision is no longer available.",
			Detail: "This revision has been retired. Use a newer one.",
		}
	}
	return nil
}

// limit counts the request and says how much is left, in the vendor's headers.
func (s *Server) limit(w http.ResponseWriter, e endpoint, key string) *fault {
	limiter := s.desk.Limits
	if e.tier != tierL {
		limiter = s.tiers[e.tier]
		limiter.Off(s.desk.Limits.IsOff())
	}
	verdict := limiter.Take(key+" "+e.pattern, s.desk.Clock.Now())
	if verdict.Spent != "" {
		return tooMany(int(math.Ceil(verdict.Retry.Seconds())))
	}
	burst, steady := verdict.States[0], verdict.States[1]
	w.Header().Set("RateLimit-Limit", fmt.Sprintf("%d, %d;w=1, %d;w=60", steady.Limit, burst.Limit, steady.Limit))
	w.Header().Set("RateLimit-Remaining", strconv.Itoa(steady.Remaining))
	w.Header().Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil(steady.Reset.Seconds()))))
	return nil
}

// maxBody is the vendor's 5 MB.
const maxBody = 5 << 20

func content(w http.ResponseWriter, r *http.Request) ([]byte, *fault) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.ContentLength != 0 && (err != nil || !slices.Contains([]string{mediaType, "application/json"}, kind)) {
		return nil, &fault{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Title: "Unsupported media type in request.",
			Detail: "Use application/vnd.api+json.",
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &fault{
			Status: http.StatusRequestEntityTooLarge, Code: "payload_too_large", Title: "Payload too large.",
			Detail: "The payload is larger than 5MB.",
		}
	case err != nil:
		return nil, &fault{Status: http.StatusBadRequest, Code: "parse_error", Title: "Malformed request.", Detail: "The body could not be read."}
	}
	return body, nil
}

// decode reads a request's document into v.
func decode(body []byte, v any) *fault {
	if err := json.Unmarshal(body, v); err != nil {
		return &fault{
			Status: http.StatusBadRequest, Code: "parse_error", Title: "Malformed request.",
			Detail: "JSON parse error: the document does not have the form of this endpoint.", Source: object{"pointer": "/data"},
		}
	}
	return nil
}

// fault is an error as the vendor tells it.
type fault struct {
	Status int
	Code   string
	Title  string
	Detail string
	Source object
	Meta   object
	Retry  int // Retry-After, in seconds
}

func (f *fault) write(w http.ResponseWriter) {
	if f.Retry > 0 {
		for _, name := range []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} {
			w.Header().Del(name)
		}
		w.Header().Set("Retry-After", strconv.Itoa(f.Retry))
	}
	w.Header().Set("Content-Type", mediaType)
	sandbox.WriteJSON(w, f.Status, object{"errors": []object{f.document()}})
}

func (f *fault) document() object {
	source := f.Source
	if source == nil {
		source = object{}
	}
	meta := f.Meta
	if meta == nil {
		meta = object{}
	}
	return object{
		"id": uuid(), "status": f.Status, "code": f.Code, "title": f.Title, "detail": f.Detail, "source": source, "links": object{}, "meta": meta,
	}
}

func invalid(detail, pointer string) *fault {
	if pointer == "" {
		pointer = "/data"
	}
	return &fault{Status: http.StatusBadRequest, Code: "invalid", Title: "Invalid input.", Detail: detail, Source: object{"pointer": pointer}}
}

func notFound(detail, pointer string) *fault {
	f := &fault{Status: http.StatusNotFound, Code: "not_found", Title: "Not found.", Detail: detail}
	if pointer != "" {
		f.Source = object{"pointer": pointer}
	}
	return f
}

func duplicate(id, pointer string) *fault {
	return &fault{
		Status: http.StatusConflict, Code: "duplicate_profile", Title: "Conflict.",
		Detail: "A profile already exists with one of these identifiers.", Source: object{"pointer": pointer},
		Meta: object{"duplicate_profile_id": id},
	}
}

func tooMany(seconds int) *fault {
	return &fault{
		Status: http.StatusTooManyRequests, Code: "throttled", Title: "Request was throttled.",
		Detail: fmt.Sprintf("Request was throttled. Expected available in %d seconds.", max(seconds, 1)), Retry: max(seconds, 1),
	}
}

func throttled(w http.ResponseWriter, seconds int) { tooMany(seconds).write(w) }

func (s *Server) now() time.Time { return s.desk.Clock.Now() }

// stamp writes a time as the vendor does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }

func maybe(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// ulid is an id that sorts by when it was made.
func (s *Server) ulid() string {
	s.serial++
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(s.now().UnixMilli())<<16)
	binary.BigEndian.PutUint64(raw[8:], s.serial)
	return crockford.EncodeToString(raw[:])
}

// short is an id of six letters and digits, as lists and metrics have.
func (s *Server) short() string {
	s.serial++
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
	id, n := make([]byte, 6), s.serial*2654435761
	for i := range id {
		id[i] = letters[n%uint64(len(letters))]
		n /= uint64(len(letters))
	}
	return string(id)
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
