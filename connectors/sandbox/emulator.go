package sandbox

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Desk is what stands beside an emulator's state: its time, its limits, what goes
// wrong with it, and what it sends.
type Desk struct {
	Clock   *Clock
	Limits  *Limiter
	Faults  *Faults
	Outbox  *Outbox
	Journal *Journal
}

// NewDesk returns a desk whose limiter has these windows.
func NewDesk(windows ...Window) *Desk {
	d := &Desk{Clock: &Clock{}, Limits: NewLimiter(windows...), Faults: &Faults{}, Journal: &Journal{}}
	d.Outbox = newOutbox(d.Clock, d.Faults)
	return d
}

// Emulator is one vendor.
type Emulator struct {
	// Name is the vendor's, in lower case; [Mount] puts it before the paths.
	Name string
	// Desk is shared with the handler.
	Desk *Desk
	// Handler answers the vendor's paths as from the root of its host.
	Handler http.Handler
	// Roots are beginnings of paths, "/services/", that the vendor's SDK calls from the
	// root of the host whatever its base URL says; [Mount] answers them there too.
	Roots []string
	// Credentials are what a client needs, named as the connector's config names them.
	Credentials map[string]string
	// Faults has the vendor's form of [RateLimited], [QuotaSpent], [TokenExpired] and
	// [ServerError]; one that is missing is answered by a bare status.
	Faults map[Kind]Answer
	// Controls are further control endpoints, by method and name: "POST inbound".
	Controls map[string]http.HandlerFunc
	// Seed makes up n more records, the same ones each time.
	Seed func(n int) error
	// Reset makes the state what it was at the start.
	Reset func()
}

// Serve returns the emulator's handler with its faults before it and its control
// API beside it.
func Serve(e Emulator) http.Handler {
	control := controls(e)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_sandbox/") {
			control.ServeHTTP(w, r)
			return
		}
		// A client takes the vendor's time from here.
		w.Header().Set("Date", e.Desk.Clock.Now().Format(http.TimeFormat))
		seen := &recorder{ResponseWriter: w}
		defer func() {
			e.Desk.Journal.add(Request{At: e.Desk.Clock.Now(), Method: r.Method, Path: r.URL.Path, Status: seen.status})
		}()
		answer(e, seen, r, e.Desk.Faults.request(r.Method, r.URL.Path))
	})
}

// answer lets a request meet its faults: the first that replaces the answer ends it.
func answer(e Emulator, w http.ResponseWriter, r *http.Request, faults []Fault) {
	var lost, cut bool
	for _, f := range faults {
		switch f.Kind {
		case Slow:
			// The server only notices that a client has gone once the request is read.
			var read bytes.Buffer
			_, _ = io.Copy(&read, io.LimitReader(r.Body, 1<<20)) // a broken body is the handler's to meet
			r.Body = io.NopCloser(io.MultiReader(&read, r.Body))
			select {
			case <-time.After(time.Duration(f.DelayMS) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		case Truncated:
			cut = true
		case ReplyLost:
			lost = true
		case Redirected:
			w.Header().Set("Location", f.To)
			w.WriteHeader(http.StatusFound)
			return
		default:
			if form := e.Faults[f.Kind]; form != nil {
				form(w, r, f)
			} else {
				bare(w, f)
			}
			return
		}
	}
	if !lost && !cut {
		e.Handler.ServeHTTP(w, r)
		return
	}
	whole := &held{header: http.Header{}, status: http.StatusOK}
	e.Handler.ServeHTTP(whole, r)
	if lost {
		panic(http.ErrAbortHandler)
	}
	whole.send(w, whole.body.Len()/2)
	_ = http.NewResponseController(w).Flush() // else the half is lost with the connection
	panic(http.ErrAbortHandler)
}

// bare is a fault in no vendor's form.
func bare(w http.ResponseWriter, f Fault) {
	switch f.Kind {
	case RateLimited, QuotaSpent:
		w.Header().Set("Retry-After", strconv.Itoa(max(f.RetryAfter, 1)))
		w.WriteHeader(http.StatusTooManyRequests)
	case TokenExpired:
		w.WriteHeader(http.StatusUnauthorized)
	default:
		status := f.Status
		if status == 0 {
			status = http.StatusServiceUnavailable
		}
		w.WriteHeader(status)
	}
}

// Mount returns a handler with each emulator beneath its name: /hubspot/crm/v3/….
func Mount(emulators ...Emulator) http.Handler {
	mux := http.NewServeMux()
	for _, e := range emulators {
		served := Serve(e)
		mux.Handle("/"+e.Name+"/", mounted("/"+e.Name, served))
		for _, root := range e.Roots {
			mux.Handle(root, served)
		}
	}
	return mux
}

type prefixKey struct{}

func mounted(prefix string, next http.Handler) http.Handler {
	return http.StripPrefix(prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix)))
	}))
}

// BaseURL is the address of the emulator as the client called it, without a slash
// at the end: links in answers begin with it.
func BaseURL(r *http.Request) string {
	prefix, _ := r.Context().Value(prefixKey{}).(string)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + prefix
}

// recorder keeps the status for the journal.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// held is an answer that has not gone out yet.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *held) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter.
func (h *held) WriteHeader(status int) { h.status = status }

// Write implements http.ResponseWriter.
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) send(w http.ResponseWriter, n int) {
	for name, values := range h.header {
		w.Header()[name] = values
	}
	if h.body.Len() > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(h.body.Len()))
	}
	w.WriteHeader(h.status)
	w.Write(h.body.Bytes()[:n])
}

// Hold runs do with a ResponseWriter that keeps the answer, and sends it afterwards:
// an emulator that holds a lock in do does not hold it while a client reads slowly.
func Hold(w http.ResponseWriter, do func(w http.ResponseWriter)) {
	whole := &held{header: http.Header{}, status: http.StatusOK}
	do(whole)
	whole.send(w, whole.body.Len())
}
