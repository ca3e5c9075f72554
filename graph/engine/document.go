package engine

import (
	"errors"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/headwater-cdp/headwater/core"
)

// document is a query's text, parsed, bounded and valid. It is shared by every
// request that sends the same text and never changes.
type document struct {
	*ast.QueryDocument
	constants map[string]any // see numbers
	told      map[*ast.OperationDefinition]*told
}

// The reasons of GraphQL's own errors, the words that other servers use.
const (
	reasonParse    = "GRAPHQL_PARSE_FAILED"
	reasonValidate = "GRAPHQL_VALIDATION_FAILED"
)

// maxErrors is how many faults of one document are told.
const maxErrors = 10

// compile returns the document of a text, from the cache where it is known.
func (e *Engine) compile(text string) (*document, []error) {
	if doc, ok := e.documents.Get(text); ok {
		return doc, nil
	}
	if len(text) > e.opt.Limits.Query {
		return nil, []error{core.Errorf(core.TooComplex, "QUERY_TOO_LARGE", "the text of a query may have at most %d bytes; put values into variables", e.opt.Limits.Query)}
	}
	parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, e.opt.Limits.Tokens)
	if err != nil {
		return nil, []error{e.parseError(err)}
	}
	if len(parsed.Operations) == 0 {
		return nil, []error{core.Errorf(core.Invalid, reasonValidate, "the document holds no operation")}
	}
	if err := e.opt.Limits.Shape(parsed); err != nil {
		return nil, []error{err}
	}
	exact := findNumbers(e.opt.Schema.Schema(), parsed)
	if list := validator.ValidateWithRules(e.opt.Schema.Schema(), parsed, e.rules); len(list) > 0 {
		var errs []error
		for _, fault := range list[:min(len(list), maxErrors)] {
			errs = append(errs, located(core.Errorf(core.Invalid, reasonValidate, "%s", clip(unquoted(fault.Message))), fault.Locations))
		}
		return nil, errs
	}
	doc := &document{QueryDocument: parsed, constants: exact.lift(), told: map[*ast.OperationDefinition]*told{}}
	for _, op := range parsed.Operations {
		doc.told[op] = tell(op)
	}
	e.documents.Add(text, doc)
	return doc, nil
}

func (e *Engine) parseError(err error) error {
	if strings.Contains(err.Error(), "token limit") {
		return core.Errorf(core.TooComplex, "TOO_MANY_TOKENS", "a query may have at most %d tokens", e.opt.Limits.Tokens)
	}
	var g *gqlerror.Error
	if errors.As(err, &g) {
		return located(core.Errorf(core.Invalid, reasonParse, "%s", clip(unquoted(g.Message))), g.Locations)
	}
	return core.Errorf(core.Invalid, reasonParse, "%s", clip(unquoted(err.Error())))
}

// located keeps where in the query's text an error is.
func located(err *core.Error, at []gqlerror.Location) error {
	return &gqlerror.Error{Err: err, Message: err.Message, Locations: at}
}

// clip shortens a message that quotes what was sent.
func clip(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
