package httpd

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
)

// routes are the last parts of the tracking routes: the server SDKs' names and
// the browser's letters. The empty type means a batch.
var routes = map[string]event.Type{
	"identify": event.Identify, "track": event.Track, "page": event.Page,
	"screen": event.Screen, "group": event.Group, "alias": event.Alias,
	"i": event.Identify, "t": event.Track, "p": event.Page,
	"s": event.Screen, "g": event.Group, "a": event.Alias,
	"batch": "", "b": "", "import": "",
}

// tracker speaks Segment's tracking protocol: 200 {"success":true} when every
// message is on disk or in quarantine, 400 for a body that cannot be read, 401
// for a bad write key, 429 and 503 with Retry-After when the client should send
// it again. The content type is not trusted, because SDKs are wrong about it.
type tracker struct{ o Options }

// ServeHTTP implements http.Handler.
func (t *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	received := t.o.Clock.Now()
	kind, known := routes[strings.TrimPrefix(strings.Trim(r.URL.Path, "/"), "v1/")]
	if !known {
		writeError(w, core.Errorf(core.NotFound, "UNKNOWN_ROUTE", "there is no such route; post to /v1/batch, identify, track, page, screen, group, alias or import"))
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use POST"))
		return
	}
	if err := t.track(r, kind, received); err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"success":true}`)
}

func (t *tracker) track(r *http.Request, kind event.Type, received time.Time) error {
	ctx := r.Context()
	key := writeKey(r)
	if key != "" { // who may not send costs no reading
		var err error
		if ctx, err = t.admit(ctx, key); err != nil {
			return err
		}
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	batch, bad := decode(body, event.Defaults{Type: kind, ReceivedAt: received, GPC: r.Header.Get("Sec-GPC") == "1"})
	if key == "" {
		if ctx, err = t.admit(ctx, batch.WriteKey); err != nil {
			return err
		}
	}
	if bad != nil {
		return bad
	}
	if err := t.o.Access.Spend(ctx, len(batch.Inputs)); err != nil {
		return err
	}
	actor := core.ActorFrom(ctx)
	_, err = t.o.Events.Ingest(ctx, actor.Workspace, actor.Source, batch.Inputs)
	return err
}

// admit returns ctx with the actor of a key that may send.
func (t *tracker) admit(ctx context.Context, key string) (context.Context, error) {
	actor, err := t.o.Access.Admit(ctx, access.Call{Secret: key})
	if err != nil {
		return ctx, err
	}
	ctx = core.WithActor(ctx, actor)
	return ctx, access.Allow(ctx, access.Ingest)
}

// decode reads the body of a route: a lone message where kind names its type, a
// batch where it does not. A lone message is refused only when it is too large or
// no JSON object; what else is wrong with it is quarantined with its reason.
func decode(body []byte, d event.Defaults) (event.Batch, *core.Error) {
	if d.Type == "" {
		return event.DecodeBatchWith(body, d)
	}
	batch := event.Batch{WriteKey: event.WriteKey(body), Inputs: []event.Input{event.DecodeMessage(body, d)}}
	switch e := batch.Inputs[0].Err; {
	case e == nil:
		return batch, nil
	case slices.Contains(unreadable, e.Reason):
		return batch, e
	}
	return batch, nil
}

// unreadable are the reasons for which a lone message is answered with 400.
var unreadable = []string{event.ReasonMessageTooLarge, event.ReasonNotAnObject, event.ReasonBadJSON}

// writeKey finds the key in the header: Basic with the key as the user's name, as
// SDKs send it, or Bearer.
func writeKey(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok {
		return user
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return strings.TrimSpace(token)
	}
	return ""
}

var errTooLarge = core.Errorf(core.Invalid, "BODY_TOO_LARGE",
	"the body is over %d KB; send smaller batches", event.MaxBatch>>10)

// readBody reads at most one batch, unpacking gzip by its magic number whatever
// the headers say.
func readBody(r *http.Request) ([]byte, error) {
	raw, err := readAtMost(r.Body)
	if err != nil {
		return nil, err
	}
	if len(raw) < 2 || raw[0] != 0x1f || raw[1] != 0x8b {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, core.Errorf(core.Invalid, "BAD_GZIP", "the body begins like gzip but cannot be unpacked").Wrap(err)
	}
	return readAtMost(z)
}

func readAtMost(from io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(from, event.MaxBatch+1))
	var tooLarge *http.MaxBytesError
	if len(b) > event.MaxBatch || errors.As(err, &tooLarge) {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, core.Errorf(core.Invalid, "BODY_UNREADABLE", "the body ended early or is damaged; send it again").Wrap(err)
	}
	return b, nil
}

// statuses are the HTTP status of each code.
var statuses = map[core.Code]int{
	core.Unauthenticated: http.StatusUnauthorized,
	core.Forbidden:       http.StatusForbidden,
	core.ConsentRequired: http.StatusForbidden,
	core.NotFound:        http.StatusNotFound,
	core.Invalid:         http.StatusBadRequest,
	core.Conflict:        http.StatusConflict,
	core.RateLimited:     http.StatusTooManyRequests,
	core.TooComplex:      http.StatusBadRequest,
	core.Unavailable:     http.StatusServiceUnavailable,
	core.Internal:        http.StatusInternalServerError,
	core.CursorExpired:   http.StatusGone,
}

type errorBody struct {
	Success bool `json:"success"`
	Error   struct {
		Code    core.Code `json:"code"`
		Reason  string    `json:"reason"`
		Message string    `json:"message"`
		Path    []string  `json:"path,omitempty"`
	} `json:"error"`
}

// writeError answers with what is wrong and, where it helps, when to try again.
func writeError(w http.ResponseWriter, err error) {
	e := core.AsError(err)
	status := statuses[e.Code]
	switch {
	case e.Reason == "METHOD_NOT_ALLOWED":
		status = http.StatusMethodNotAllowed
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		after := max(1, int(math.Ceil(e.RetryAfter.Seconds())))
		w.Header().Set("Retry-After", strconv.Itoa(after))
	}
	var b errorBody
	b.Error.Code, b.Error.Reason, b.Error.Message, b.Error.Path = e.Code, e.Reason, e.Message, e.Path
	writeJSON(w, status, b)
}
