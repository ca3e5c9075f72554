package engine

import (
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// quietRules are GraphQL's rules of validation without suggestions: comparing a
// long wrong name with every right one is work that only an attacker needs.
func quietRules() *rules.Rules {
	r := rules.NewDefaultRules()
	for _, quiet := range []validator.Rule{
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions, rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRuleWithoutSuggestions, rules.ScalarLeafsRuleWithoutSuggestions,
		rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
	} {
		r.RemoveRule(strings.TrimSuffix(quiet.Name, "WithoutSuggestions"))
		r.AddRule(quiet.Name, quiet.RuleFunc)
	}
	r.RemoveRule(rules.SingleFieldSubscriptionsRule.Name)
	r.AddRule(rules.SingleFieldSubscriptionsRule.Name, oneRootField)
	return r
}

// oneRootField lets a subscription select one root field. The library's own rule
// counts names, so that one field under two aliases passes it, and does not see
// that @skip may leave no field at all; both fail only when they run.
func oneRootField(observers *validator.Events, addError validator.AddErrFunc) {
	observers.OnOperation(func(_ *validator.Walker, op *ast.OperationDefinition) {
		if op.Operation != ast.Subscription {
			return
		}
		var first string
		var wrong string
		var at *ast.Position
		refuse := func(why string, where *ast.Position) {
			if wrong == "" {
				wrong, at = why, where
			}
		}
		eachRoot(op.SelectionSet, map[string]bool{}, func(list ast.DirectiveList, f *ast.Field, where *ast.Position) {
			if list.ForName("skip") != nil || list.ForName("include") != nil {
				refuse("A subscription cannot skip its root field.", where)
			}
			switch {
			case f == nil:
			case strings.HasPrefix(f.Name, "__"):
				refuse("A subscription must not select an introspection root field.", where)
			case first == "":
				first = f.Alias
			case first != f.Alias:
				refuse("A subscription must select one root field only.", where)
			}
		})
		if wrong != "" {
			addError(func(err *gqlerror.Error) {
				err.Message = wrong
				err.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
			})
		}
	})
}

// eachRoot calls f with every selection at the root, those in fragments among them;
// the field is nil for a fragment itself.
func eachRoot(set ast.SelectionSet, seen map[string]bool, f func(ast.DirectiveList, *ast.Field, *ast.Position)) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			f(sel.Directives, sel, sel.Position)
		case *ast.InlineFragment:
			f(sel.Directives, nil, sel.Position)
			eachRoot(sel.SelectionSet, seen, f)
		case *ast.FragmentSpread:
			f(sel.Directives, nil, sel.Position)
			if sel.Definition != nil && !seen[sel.Name] {
				seen[sel.Name] = true
				eachRoot(sel.Definition.SelectionSet, seen, f)
			}
		}
	}
}

// The places where the library's messages quote a literal. Names of types, fields
// and arguments come before them.
var (
	wrongValue  = regexp.MustCompile(`(?s)^(Expected value of type "[^"]*"), found .*$|^(.* cannot represent .*?value): .*$`)
	wrongEnum   = regexp.MustCompile(`(?s)^Value ".*" does not exist in ("[^"]*" enum\.)$`)
	wrongToken  = regexp.MustCompile(`(?s)\b(String|BlockString|Int|Float|Comment) ".*$`)
	wrongEscape = regexp.MustCompile(`(?s)^(Invalid character escape sequence).*$`)
)

// unquoted leaves out of a message of the library what it quotes of values: they
// may be somebody's, and errors end up in the logs of clients.
func unquoted(message string) string {
	message = wrongValue.ReplaceAllString(message, "$1$2.")
	message = wrongEnum.ReplaceAllString(message, "The value does not exist in $1")
	message = wrongToken.ReplaceAllString(message, "$1")
	return wrongEscape.ReplaceAllString(message, "$1.")
}
