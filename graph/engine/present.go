package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/headwater-cdp/headwater/core"
)

// Refuse presents errors that stop a request.
func (e *Engine) Refuse(ctx context.Context, errs ...error) gqlerror.List {
	list := make(gqlerror.List, 0, len(errs))
	for _, err := range errs {
		list = append(list, e.present(ctx, err))
	}
	return list
}

// present gives an error its one shape. What is not a core.Error, and what is
// INTERNAL, is logged and says nothing but the request's id.
func (e *Engine) present(ctx context.Context, err error) *gqlerror.Error {
	fault := core.AsError(err)
	out := &gqlerror.Error{Err: err, Message: fault.Message}
	var g *gqlerror.Error
	if errors.As(err, &g) {
		out.Path, out.Locations = g.Path, g.Locations
	}
	if at := pathOf(ctx); out.Path == nil {
		out.Path = at
	} else if n := len(at); n > 0 && len(out.Path) > n && slices.Equal(out.Path[:n], at) {
		// The library writes where in the arguments a value is behind the field's path.
		for i := len(out.Path) - 1; i >= n; i-- {
			fault = fault.At(fmt.Sprint(out.Path[i]))
		}
		out.Path = at
	}
	if fault.Code == core.Internal {
		out.Message = "internal error; the log knows more under the request's id"
		e.opt.Logger.ErrorContext(ctx, "graphql", "requestId", core.RequestID(ctx), "path", out.Path.String(), "error", fault.Error())
	}
	out.Extensions = extensions(ctx, fault)
	return out
}

func extensions(ctx context.Context, fault *core.Error) map[string]any {
	ext := map[string]any{"code": fault.Code, "reason": fault.Reason}
	if id := core.RequestID(ctx); id != "" {
		ext["requestId"] = id
	}
	if fault.RetryAfter > 0 {
		ext["retryAfterMs"] = fault.RetryAfter.Milliseconds()
	}
	if len(fault.Path) > 0 {
		ext["inputPath"] = fault.Path
	}
	return ext
}

// codeOf returns the code of the first error.
func codeOf(list gqlerror.List) core.Code {
	if len(list) == 0 {
		return ""
	}
	return Code(list[0])
}

// Code returns the code that present gave an error.
func Code(err *gqlerror.Error) core.Code {
	code, _ := err.Extensions["code"].(core.Code)
	return code
}

// recovered turns a panic into an error and logs where it happened.
func (e *Engine) recovered(ctx context.Context, p any) error {
	e.opt.Logger.ErrorContext(ctx, "graphql panic", "requestId", core.RequestID(ctx), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return &gqlerror.Error{Err: core.Errorf(core.Internal, "INTERNAL", "internal error"), Message: "internal error", Path: pathOf(ctx)}
}

func pathOf(ctx context.Context) ast.Path {
	if graphql.GetFieldContext(ctx) == nil {
		return nil
	}
	return graphql.GetFieldContext(ctx).Path()
}
