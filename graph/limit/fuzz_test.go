package limit

import (
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// FuzzShape gives whatever passes Shape to validation, which must then be quick.
func FuzzShape(f *testing.F) {
	for _, seed := range []string{
		`{me{id}}`, `{a:me{id tags{name}} ...F} fragment F on Query{users(first:3){edges{node{id}}}}`,
		`{...A} fragment A on Query{...B ...B} fragment B on Query{me{id}}`, `{...A} fragment A on Query{...A}`,
		`query($n:Int=[[[1]]]){users(first:$n){totalCount}}`, `{me{id @include(if:true) @skip(if:false)}}`, `{me{me{me{me{id}}}}}`, `{`, `#`,
		`{...{...{...{me{id}}}}}`, `mutation{x} subscription{y} query{z}`,
	} {
		f.Add(seed)
	}
	l := Default()
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > l.Query {
			return
		}
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, l.Tokens)
		if err != nil {
			return
		}
		start := time.Now()
		if l.Shape(doc) != nil {
			return
		}
		if errs := validator.ValidateWithRules(schema, doc, nil); len(errs) == 0 {
			for _, op := range doc.Operations {
				_, _ = l.CostOf(op, nil)
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("%v for %d bytes", took, len(query))
		}
	})
}
