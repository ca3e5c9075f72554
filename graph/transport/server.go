package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/limit"
)

// Options make a Server.
type Options struct {
	Engine *engine.Engine
	Limits limit.Limits
	// Admit finds who makes a call; it checks what else the call says.
	Admit func(ctx context.Context, call access.Call) (*core.Actor, error)
	// Live returns a context that ends, with the cause, when the actor's credential
	// stops being good; stop when the stream ends.
	Live func(ctx context.Context) (live context.Context, stop context.CancelFunc)
	// Origins are the web origins that may open websockets besides the server's
	// own; "*" is all.
	Origins []string
	// KeepAlive is how often a silent stream is proved alive.
	KeepAlive time.Duration
	Clock     core.Clock
	Logger    *slog.Logger
}

// Server is the handler of /graphql. Close ends its streams.
type Server struct {
	Options
	closing context.Context
	close   context.CancelFunc
	mu      sync.Mutex // no stream begins while Close begins to wait
	streams sync.WaitGroup
}

// New makes a server.
func New(opt Options) *Server {
	if opt.KeepAlive <= 0 {
		opt.KeepAlive = 15 * time.Second
	}
	s := &Server{Options: opt}
	s.closing, s.close = context.WithCancel(context.Background())
	return s
}

// Close ends all live streams and waits for them, or for ctx.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.streams.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin counts a stream in, to be counted out with streams.Done. It is false when
// the server is stopping.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return false
	}
	s.streams.Add(1)
	return true
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if core.RequestID(ctx) == "" {
		ctx = core.WithRequestID(ctx, core.NewID(core.PrefixRequest, s.Clock.Now()))
		r = r.WithContext(ctx)
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		s.websocket(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodPost:
		s.request(w, r)
	case http.MethodOptions:
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		s.refuse(w, r, http.StatusMethodNotAllowed, core.Errorf(core.Invalid, "METHOD", "use POST, or GET for queries"))
	}
}

func (s *Server) request(w http.ResponseWriter, r *http.Request) {
	if err := crossSite(r); err != nil {
		s.refuse(w, r, 0, err)
		return
	}
	r, err := s.authenticate(r)
	if err != nil {
		s.refuse(w, r, 0, err)
		return
	}
	req, status, err := s.read(w, r)
	if err != nil {
		s.refuse(w, r, status, err)
		return
	}
	ctx := r.Context()
	op, list := s.Engine.Prepare(ctx, req)
	if list != nil {
		s.answerErrors(w, r, 0, list)
		return
	}
	s.run(w, r, op)
}

// authenticate puts the actor into the request's context, unless it is there.
func (s *Server) authenticate(r *http.Request) (*http.Request, error) {
	if core.ActorFrom(r.Context()) != nil {
		return r, nil
	}
	call := callOf(r)
	call.Stream, call.Guest = accepts(r).events > 0, true
	actor, err := s.Admit(r.Context(), call)
	if err != nil {
		return r, err
	}
	return r.WithContext(core.WithActor(r.Context(), actor)), nil
}

// callOf reads what the headers say of who makes a request, and why.
func callOf(r *http.Request) access.Call {
	return access.Call{
		Secret: bearer(r.Header.Get("Authorization")), Purpose: r.Header.Get("X-Purpose"), Reason: r.Header.Get("X-Reason"), Workspace: r.Header.Get("X-Workspace"),
	}
}

// bearer returns the credential of an Authorization header, "" when it holds none.
func bearer(header string) string {
	scheme, credential, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(credential)
}

// csrfHeaders are headers that no form and no plain link can send; any one of
// them, with any value, makes a browser ask first.
var csrfHeaders = []string{"X-Headwater-CSRF", "Apollo-Require-Preflight", "X-Apollo-Operation-Name", "GraphQL-Require-Preflight"}

// crossSite refuses what a browser sends without asking the server first.
func crossSite(r *http.Request) error {
	if r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return nil // no browser
	}
	if r.Header.Get("Authorization") != "" || r.Method == http.MethodPost && isJSON(r) {
		return nil
	}
	for _, h := range csrfHeaders {
		if _, ok := r.Header[http.CanonicalHeaderKey(h)]; ok {
			return nil
		}
	}
	return core.Errorf(core.Forbidden, "CSRF_HEADER_REQUIRED", "a browser's request needs a JSON body, an Authorization header or the header X-Headwater-CSRF")
}

// refuse answers an error that came before the engine.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	if errors.Is(err, context.Canceled) {
		status = http.StatusServiceUnavailable
	}
	s.answerErrors(w, r, status, s.Engine.Refuse(r.Context(), err))
}

func (s *Server) answerErrors(w http.ResponseWriter, r *http.Request, status int, list gqlerror.List) {
	write(w, r, status, list, nil, nil)
}
