package httpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
)

// Gate lets senders in; *access.Service implements it.
type Gate interface {
	Admit(ctx context.Context, call access.Call) (*core.Actor, error)
	Spend(ctx context.Context, events int) error
	// Live returns a context that ends when the actor's key stops being good.
	Live(ctx context.Context) (live context.Context, stop context.CancelFunc)
}

// Options are what the server is made of. What says nothing else is required.
type Options struct {
	Access      Gate
	Events      event.Committer
	Segments    Exporter      // nil: nothing to export
	Downloads   Downloader    // nil: nothing to fetch
	Forms       Forms         // nil: no forms
	Consent     Pages         // nil: no preference centre, no policy documents
	Vendors     Vendors       // nil: no webhooks, no way back from OAuth
	Messages    Letters       // nil: no links of messages
	Assets      Assets        // nil: no uploads, no files
	URL         func() string // of this server as vendors reach it; required with Vendors
	Audit       *audit.Log    // required with Segments
	GraphQL     http.Handler
	GraphiQL    http.Handler                // at /; nil: nothing there
	Metrics     http.Handler                // at /metrics; nil: not served
	Ready       func(context.Context) error // nil error: can take requests
	CORSOrigins []string                    // browsers' origins that may use /graphql; "*" for any
	Observe     func(route, method string, status int, d time.Duration)
	Tracing     bool
	Clock       core.Clock
	Logger      *slog.Logger
}

// Server serves HTTP until it is shut down.
type Server struct {
	o       Options
	http    *http.Server
	tracker *tracker
	clicks  *clicks
	hooks   hooksNow
	visits  *visits
}

// New makes a server.
func New(o Options) *Server {
	s := &Server{o: o, tracker: &tracker{o: o}, clicks: newClicks(), visits: newVisits()}
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Handler returns the whole tree of routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.o.Metrics != nil {
		mux.Handle("GET /metrics", s.o.Metrics)
	}
	graphql := cors.New(cors.Options{
		AllowedOrigins: s.o.CORSOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"X-Request-Id", "Retry-After"},
		MaxAge:         600,
	})
	export := http.Handler(http.HandlerFunc(s.export))
	// Without an origin to allow, rs/cors would allow all of them.
	if len(s.o.CORSOrigins) > 0 {
		mux.Handle("/graphql", graphql.Handler(s.o.GraphQL))
		export = graphql.Handler(export)
	} else {
		mux.Handle("/graphql", s.o.GraphQL)
	}
	if s.o.GraphiQL != nil {
		mux.Handle("/", s.o.GraphiQL)
	}
	// Write keys are public and no cookie is read, so any page may send events.
	tracking := cors.New(cors.Options{
		AllowedOrigins: []string{"*"},
		AllowedMethods: []string{http.MethodPost},
		AllowedHeaders: []string{"*"},
		MaxAge:         600,
	}).Handler(s.tracker)

	// The mux would answer //v1/track with a redirect, which SDKs count as
	// delivered: tracking is routed before it.
	routes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := exported(r.URL.Path); ok && s.o.Segments != nil {
			export.ServeHTTP(w, r)
			return
		}
		if _, ok := downloadToken(r.URL.Path); ok && s.o.Downloads != nil {
			s.download(w, r)
			return
		}
		if page, token, ok := personal(r.URL.Path); ok && s.o.Consent != nil {
			s.personal(w, r, page, token)
			return
		}
		if path, token, ok := letterLink(r.URL.Path); ok && s.o.Messages != nil {
			s.letter(w, r, path, token)
			return
		}
		if id, kind, ok := formPath(r.URL.Path); ok && s.o.Forms != nil {
			s.form(w, r, id, kind)
			return
		}
		if hash, ok := policyHash(r.URL.Path); ok && s.o.Consent != nil {
			s.policy(w, r, hash)
			return
		}
		if ws, hash, ok := assetPath(r.URL.Path); ok && s.o.Assets != nil {
			if ws == "" {
				s.upload(w, r)
			} else {
				s.asset(w, r, ws, hash)
			}
			return
		}
		if token, ok := hookToken(r.URL.Path); ok && s.o.Vendors != nil {
			s.hook(w, r, token)
			return
		}
		if callback(r.URL.Path) && s.o.Vendors != nil {
			s.callback(w, r)
			return
		}
		if strings.HasPrefix(strings.TrimLeft(r.URL.Path, "/"), "v1/") {
			tracking.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
	h := s.observed(routes)
	if s.o.Tracing {
		h = otelhttp.NewHandler(h, "http", otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			return r.Method + " " + route(r.URL.Path)
		}))
	}
	return h
}

// Serve answers connections of l until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// Shutdown stops listening and waits for the requests in flight; when ctx ends it
// cuts what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}
