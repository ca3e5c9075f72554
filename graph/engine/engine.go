package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/graph/limit"
)

// Options make an Engine.
type Options struct {
	Schema graphql.ExecutableSchema
	Limits limit.Limits
	// Trusted maps the hex SHA-256 of a document to its text. When it is not nil
	// nothing else runs.
	Trusted map[string]string
	// Introspect says whether the actor of ctx may ask for the schema.
	Introspect func(ctx context.Context) bool
	// Each is called for every answer of an operation, once for each event of a
	// subscription, and returns the context that its fields are resolved in.
	Each func(ctx context.Context) context.Context
	// Fields returns what stands around every field of an operation; nil: nothing.
	Fields func(ctx context.Context, kind ast.Operation) graphql.FieldMiddleware
	// Audit begins the trail of every answer: none goes out before it is closed.
	Audit Auditor
	// Observe is told of every operation that ended, and of every refused request.
	Observe func(ctx context.Context, o Observation)
	Logger  *slog.Logger
}

// Observation is what metrics may know of an operation: nothing that a caller
// chooses, so that labels stay few.
type Observation struct {
	Kind     string // query, mutation, subscription; "" for a request that was refused before
	Cost     int64
	Duration time.Duration
	Code     core.Code // of the first error, "" without one
}

// Engine runs operations. It is safe for concurrent use.
type Engine struct {
	opt       Options
	exec      *executor.Executor
	documents *lru.Cache[string, *document]
	persisted *lru.Cache[string, string]
	rules     *rules.Rules
}

// The bounds of the caches, in documents of at most Limits.Query bytes.
const (
	keptDocuments = 500
	keptPersisted = 500
)

// New makes an engine.
func New(opt Options) *Engine {
	e := &Engine{opt: opt, exec: executor.New(opt.Schema), rules: quietRules()}
	e.documents, _ = lru.New[string, *document](keptDocuments)
	e.persisted, _ = lru.New[string, string](keptPersisted)
	e.exec.SetErrorPresenter(e.present)
	e.exec.SetRecoverFunc(e.recovered)
	e.exec.AroundResponses(e.audited)
	return e
}
