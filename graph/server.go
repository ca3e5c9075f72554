package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/graphiql"
	"github.com/headwater-cdp/headwater/graph/limit"
	"github.com/headwater-cdp/headwater/graph/resolver"
	"github.com/headwater-cdp/headwater/graph/transport"
)

// Services are what the fields are answered from.
type Services = resolver.Services

// Observation is what metrics may know of an operation.
type Observation = engine.Observation

// Options make a Server.
type Options struct {
	Services
	Limits limit.Limits // the zero value means limit.Default
	// Trusted maps the hex SHA-256 of a document to its text: when it is not nil,
	// nothing else runs. See ReadTrusted.
	Trusted map[string]string
	// Origins are the web origins that may open websockets besides the server's own.
	Origins []string
	// Trails begins the trail of each answer instead of Services.Audit; who measures what
	// the log costs has one that writes nothing.
	Trails engine.Auditor
	// KeepAlive is how often a silent stream is proved alive; 15 s.
	KeepAlive time.Duration
	// Playground serves GraphiQL.
	Playground bool
	// Observe, if set, is told of every operation that ended.
	Observe func(ctx context.Context, o Observation)
	Logger  *slog.Logger
}

// Server is the GraphQL edge.
type Server struct {
	transport *transport.Server
	page      http.Handler
}

// New puts the edge together. Close it when the HTTP server stops.
func New(opt Options) *Server {
	if opt.Limits == (limit.Limits{}) {
		opt.Limits = limit.Default()
	}
	if opt.Clock == nil {
		opt.Clock = core.SystemClock{}
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Observe == nil {
		opt.Observe = func(context.Context, Observation) {}
	}
	if opt.Trails == nil {
		if opt.Audit == nil {
			panic("graph: nothing is shown without an audit log") // a programmer's mistake
		}
		opt.Trails = func(ctx context.Context, action, resource string) (context.Context, engine.Trail) {
			if access.IsGuest(core.ActorFrom(ctx)) {
				return ctx, untold{}
			}
			return opt.Audit.Begin(ctx, action, resource)
		}
	}
	root := resolver.New(opt.Services)
	e := engine.New(engine.Options{
		Schema: gen.NewExecutableSchema(gen.Config{
			Resolvers:  root,
			Directives: gen.DirectiveRoot{Can: resolver.Can},
		}),
		Limits:     opt.Limits,
		Trusted:    opt.Trusted,
		Introspect: func(ctx context.Context) bool { return access.Can(ctx, access.Read) },
		Each:       root.Each,
		Fields:     root.Fields,
		Audit:      opt.Trails,
		Observe:    opt.Observe,
		Logger:     opt.Logger,
	})
	s := &Server{page: http.NotFoundHandler()}
	s.transport = transport.New(transport.Options{
		Engine: e, Limits: opt.Limits, Admit: opt.Access.Admit, Live: opt.Access.Live,
		Origins: opt.Origins, KeepAlive: opt.KeepAlive, Clock: opt.Clock, Logger: opt.Logger,
	})
	if opt.Playground {
		s.page = graphiql.Handler()
	}
	return s
}

// untold is the trail of a guest, who has no workspace whose log could tell of them.
// Services find no trail in the context and so show nothing of anybody; what a guest
// does, the service writes down itself.
type untold struct{}

func (untold) Select([]string)                    {}
func (untold) Force()                             {}
func (untold) Intend(context.Context) error       { return nil }
func (untold) Asked(string, string)               {}
func (untold) Close(context.Context, error) error { return nil }
func (untold) Saw(context.Context, audit.Seen) error {
	return core.Errorf(core.Forbidden, "NOT_A_MEMBER", "who is no member sees nobody")
}

// Handler serves /graphql: POST, GET, websockets and server-sent events. It
// authenticates by itself, unless the request's context holds an actor already.
func (s *Server) Handler() http.Handler { return s.transport }

// GraphiQL serves the page at "/" and its files under "/graphiql/", or 404 when the
// playground is off.
func (s *Server) GraphiQL() http.Handler { return s.page }

// Close ends the live streams, which http.Server's Shutdown does not, and waits for
// them until ctx ends. Call it before Shutdown.
func (s *Server) Close(ctx context.Context) error { return s.transport.Close(ctx) }

// ReadTrusted reads a list of trusted documents: a JSON object of documents by the
// hex SHA-256 of their text, as the tools of Relay, Apollo and graphql-codegen
// write it.
func ReadTrusted(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read trusted documents: %w", err)
	}
	var given map[string]string
	if err := json.Unmarshal(text, &given); err != nil {
		return nil, fmt.Errorf("read trusted documents: %s: a JSON object of hash to document: %w", file, err)
	}
	trusted := make(map[string]string, len(given))
	for hash, document := range given {
		hash = strings.TrimPrefix(strings.ToLower(hash), "sha256:")
		if engine.Hash(document) != hash {
			return nil, fmt.Errorf("read trusted documents: %s: %s is not the SHA-256 of its document", file, hash)
		}
		trusted[hash] = document
	}
	return trusted, nil
}
