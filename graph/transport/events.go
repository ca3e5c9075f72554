package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/graph/engine"
)

// slowest is how long one write to a client may take before it is given up.
const slowest = 10 * time.Second

// events answers with a stream in the "distinct connections" form of graphql-sse:
// an event "next" for each answer, then "complete".
func (s *Server) events(w http.ResponseWriter, r *http.Request, op *engine.Operation) {
	if !s.begin() {
		s.refuse(w, r, 0, errClosing)
		return
	}
	defer s.streams.Done()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)

	h := w.Header()
	h.Set("Content-Type", typeEvents+"; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	// The server's read deadline is for requests; it would end a stream half a
	// minute after it began.
	_ = out.control.SetReadDeadline(time.Time{})
	_ = out.write(":\n\n")

	watching := make(chan struct{})
	go func() {
		defer close(watching)
		s.watch(ctx, cancel, func() error { return out.write(":\n\n") })
	}()
	list := op.Run(ctx, func(resp *graphql.Response) error {
		err := out.event("next", encode(resp.Errors, resp.Data, resp.Extensions))
		if err != nil {
			cancel(err)
		}
		return err
	})
	var fault *core.Error
	if list == nil && errors.As(context.Cause(ctx), &fault) {
		list = s.Engine.Refuse(r.Context(), fault)
	}
	cancel(nil)
	<-watching
	if list != nil {
		_ = out.event("next", encode(list, nil, nil))
	}
	_ = out.event("complete", nil)
}

// errClosing ends the streams of a server that stops.
var errClosing = core.Errorf(core.Unavailable, "SHUTTING_DOWN", "the server is stopping; connect again").After(time.Second)

// watch cancels the stream when its credential ends or the server stops, and
// proves it alive in between. It returns when ctx ends.
func (s *Server) watch(ctx context.Context, cancel context.CancelCauseFunc, alive func() error) {
	tick := time.NewTicker(s.KeepAlive)
	defer tick.Stop()
	live, stop := s.Live(ctx)
	defer stop()
	for {
		select {
		case <-live.Done():
			cancel(context.Cause(live)) // no effect when ctx ended first
			return
		case <-s.closing.Done():
			cancel(errClosing)
			return
		case <-tick.C:
			if err := alive(); err != nil {
				cancel(err)
				return
			}
		}
	}
}

// eventWriter writes whole events, one at a time.
type eventWriter struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

func (e *eventWriter) event(name string, data []byte) error {
	return e.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}

func (e *eventWriter) write(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	// Not every ResponseWriter knows deadlines; then the connection's own hold.
	_ = e.control.SetWriteDeadline(time.Now().Add(slowest))
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.control.Flush()
}
