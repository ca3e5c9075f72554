package engine

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
)

// Operation is a request that may run.
type Operation struct {
	Kind    ast.Operation
	Cost    int64
	engine  *Engine
	context *graphql.OperationContext
	start   time.Time
	told    *told
	relay   *relay
	last    *unwritten // of a subscription: its newest answer, for who called for it
}

// Prepare checks a request. The errors are presented; none of them was caused by
// running anything.
func (e *Engine) Prepare(ctx context.Context, r *Request) (op *Operation, list gqlerror.List) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			op, list = nil, e.Refuse(ctx, e.recovered(ctx, p))
		}
		if list != nil {
			e.denied(ctx, "prepare", "", list)
			e.opt.Observe(ctx, Observation{Duration: time.Since(start), Code: codeOf(list)})
		}
	}()
	text, err := e.text(r)
	if err != nil {
		return nil, e.Refuse(ctx, err)
	}
	doc, errs := e.compile(text)
	if errs != nil {
		return nil, e.Refuse(ctx, errs...)
	}
	def := doc.Operations.ForName(r.OperationName)
	if def == nil {
		return nil, e.Refuse(ctx, core.Errorf(core.Invalid, "OPERATION_NOT_FOUND", "name one of the document's operations as operationName").At("operationName"))
	}
	introspect := e.opt.Introspect(ctx)
	if !introspect && asksForSchema(def.SelectionSet) {
		return nil, e.Refuse(ctx, core.Errorf(core.Forbidden, "INTROSPECTION", "this key may not ask for the schema; 'headwater schema' prints it"))
	}
	vars, err := e.coerce(def, r.Variables)
	if err != nil {
		return nil, e.Refuse(ctx, err)
	}
	cost, fault := e.opt.Limits.CostOf(def, vars)
	if fault != nil {
		return nil, e.Refuse(ctx, fault)
	}
	e.remember(r, text)
	maps.Copy(vars, doc.constants)
	return &Operation{Kind: def.Operation, Cost: cost, engine: e, start: start, told: doc.told[def], relay: &relay{}, context: &graphql.OperationContext{
		RawQuery: text, OperationName: r.OperationName, Variables: vars, Doc: doc.QueryDocument, Operation: def,
		DisableIntrospection:   !introspect,
		RecoverFunc:            e.recovered,
		ResolverMiddleware:     e.fields(ctx, def.Operation),
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}}, nil
}

// fields returns what stands around every field of an operation.
func (e *Engine) fields(ctx context.Context, kind ast.Operation) graphql.FieldMiddleware {
	if e.opt.Fields != nil {
		if around := e.opt.Fields(ctx, kind); around != nil {
			return around
		}
	}
	return func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) }
}

// asksForSchema reports whether a root selection asks for __schema or __type.
// Fragments at the root were bounded by Shape.
func asksForSchema(set ast.SelectionSet) bool {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if sel.Name == "__schema" || sel.Name == "__type" {
				return true
			}
		case *ast.InlineFragment:
			if asksForSchema(sel.SelectionSet) {
				return true
			}
		case *ast.FragmentSpread:
			if sel.Definition != nil && asksForSchema(sel.Definition.SelectionSet) {
				return true
			}
		}
	}
	return false
}

// Run executes the operation and calls send with each answer: once for a query
// or a mutation, for every event of a subscription until it ends or ctx does. It
// stops when send fails. The returned list is why a subscription ended, nil when
// it came to its end or was cancelled.
func (o *Operation) Run(ctx context.Context, send func(*graphql.Response) error) gqlerror.List {
	ctx = graphql.StartOperationTrace(ctx)
	if o.Kind != ast.Subscription {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.engine.opt.Limits.Timeout)
		defer cancel()
	}
	end := &streamEnd{}
	ctx = context.WithValue(ctx, endKey{}, end)
	ctx = audit.WithWitness(context.WithValue(ctx, operationKey{}, o), o.relay)
	responses, ctx := o.engine.exec.DispatchOperation(ctx, o.context)
	var code core.Code
	defer func() {
		o.engine.opt.Observe(ctx, Observation{Kind: string(o.Kind), Cost: o.Cost, Duration: time.Since(o.start), Code: code})
	}()
	if o.Kind == ast.Subscription {
		list := o.stream(ctx, responses, end, send)
		code = codeOf(list)
		return list
	}
	answer := responses(ctx)
	if answer == nil {
		list := o.engine.Refuse(ctx, context.Cause(ctx))
		code = codeOf(list)
		_ = send(&graphql.Response{Errors: list})
		return list
	}
	code = codeOf(answer.Errors)
	_ = send(tidy(answer))
	return nil
}

// tidy takes what is empty out of an answer.
func tidy(answer *graphql.Response) *graphql.Response {
	if len(answer.Extensions) == 0 {
		answer.Extensions = nil
	}
	return answer
}

// String names the operation for logs.
func (o *Operation) String() string { return fmt.Sprintf("%s cost %d", o.Kind, o.Cost) }
