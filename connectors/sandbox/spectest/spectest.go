// Package spectest holds traffic to a vendor's published OpenAPI documents, in both
// directions, in tests.
//
// The documents are not part of this repository. They are looked for in shared/specs
// beside it, or where HEADWATER_SHARED says; a test that does not find them is skipped
// and says so.
package spectest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Validator compares requests and answers with the documents of one vendor.
type Validator struct {
	routers []routers.Router
	// Unspecified lists beginnings of paths that the documents do not have.
	Unspecified []string
	// BadRequests allows requests that do not fit, as long as they are refused: for tests
	// of an emulator. A connector never makes one.
	BadRequests bool
	// Undescribed allows statuses of 400 and above that the documents leave out.
	Undescribed bool

	mu   sync.Mutex
	seen map[string]int
}

var decoders sync.Once

// read keeps the routers of documents that were read: they are large.
var read = struct {
	sync.Mutex
	routers map[string]routers.Router
}{routers: map[string]routers.Router{}}

func routes(path string) (routers.Router, error) {
	read.Lock()
	defer read.Unlock()
	if router, is := read.routers[path]; is {
		return router, nil
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // whatever host the emulator has
	for _, item := range doc.Paths.Map() {
		item.Servers = nil
	}
	router, err := gorillamux.NewRouter(doc)
	if err == nil {
		read.routers[path] = router
	}
	return router, err
}

// Load reads the documents at the paths within the shared folder of specifications,
// or skips the test.
func Load(t testing.TB, files ...string) *Validator {
	t.Helper()
	root := specs()
	if root == "" {
		t.Skip("the vendors' documents (shared/specs beside the repository, or in HEADWATER_SHARED) are not here")
	}
	decoders.Do(func() {
		openapi3filter.RegisterBodyDecoder("application/vnd.api+json", openapi3filter.JSONBodyDecoder)
	})
	v := &Validator{seen: map[string]int{}}
	for _, file := range files {
		router, err := routes(filepath.Join(root, file))
		if err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		v.routers = append(v.routers, router)
	}
	return v
}

// Here says whether the documents are here.
func Here() bool { return specs() != "" }

// specs is the folder of the documents, "" when there is none.
func specs() string {
	if given := os.Getenv("HEADWATER_SHARED"); given != "" {
		return folder(filepath.Join(given, "specs"))
	}
	at, err := os.Getwd()
	for err == nil && at != filepath.Dir(at) {
		if _, e := os.Stat(filepath.Join(at, "go.mod")); e == nil {
			return folder(filepath.Join(filepath.Dir(at), "shared", "specs"))
		}
		at = filepath.Dir(at)
	}
	return ""
}

func folder(path string) string {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return ""
	}
	return path
}

// Seen says how often each operation was called: "POST /api/profile-import" to a number.
func (v *Validator) Seen() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[string]int{}
	for name, n := range v.seen {
		out[name] = n
	}
	return out
}

// Handler passes requests on to next and tells the test what does not fit.
func (v *Validator) Handler(t testing.TB, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_sandbox/") {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("%s %s: read the request: %v", r.Method, r.URL.Path, err)
		}
		again := func() *http.Request {
			c := r.Clone(context.WithoutCancel(r.Context()))
			c.Body = io.NopCloser(bytes.NewReader(body))
			return c
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, again())
		v.check(t, again(), answer)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // the client has gone
	})
}

func (v *Validator) check(t testing.TB, r *http.Request, answer *httptest.ResponseRecorder) {
	name := r.Method + " " + r.URL.Path
	if slices.ContainsFunc(v.Unspecified, func(prefix string) bool { return strings.HasPrefix(r.URL.Path, prefix) }) {
		return
	}
	route, params, err := v.find(r)
	if err != nil {
		if !v.BadRequests || answer.Code < 400 {
			t.Errorf("%s: no document has this operation", name)
		}
		return
	}
	v.mu.Lock()
	v.seen[r.Method+" "+route.Path]++
	v.mu.Unlock()
	options := &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: false,
	}
	if r.Header.Get("Content-Type") == "application/json" {
		// Klaviyo's own packages send this where its documents have only the longer name.
		r.Header.Set("Content-Type", "application/vnd.api+json")
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil && (!v.BadRequests || answer.Code < 400) {
		t.Errorf("%s: the request does not fit, and was answered %d: %v", name, answer.Code, brief(err))
	}
	if v.Undescribed && answer.Code >= 400 && route.Operation.Responses.Status(answer.Code) == nil {
		return
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: answer.Code, Header: answer.Header(), Options: options,
	}
	out.SetBodyBytes(answer.Body.Bytes())
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		t.Errorf("%s: the answer %d does not fit: %v", name, answer.Code, brief(err))
	}
}

func (v *Validator) find(r *http.Request) (*routers.Route, map[string]string, error) {
	err := fmt.Errorf("no documents")
	for _, router := range v.routers {
		var route *routers.Route
		var params map[string]string
		if route, params, err = router.FindRoute(r); err == nil {
			return route, params, nil
		}
	}
	return nil, nil, err
}

// brief cuts an error that repeats a whole schema.
func brief(err error) string {
	text := err.Error()
	if len(text) > 900 {
		return text[:900] + " …"
	}
	return text
}
