package resolver

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
)

// masked names the fields whose values the domain masks by itself, leaf by leaf: the
// category of @data is not the one that decides. Every other field that is not NONE is
// refused whole where its category may not be read in clear.
var masked = map[string]bool{
	"Profile.identifiers": true, // the namespaces are shown
	"Identifier.value":    true, // as Gate.Show left it: an address is CONTACT
	"Profile.traits":      true, // by the registry's category of each trait
	"Profile.trait":       true,
	"Trait.value":         true,
	"Event.properties":    true, // by the registry's category of each property
	"Event.traits":        true,
	"Event.context":       true,
	"Event.userId":        true, // a pseudonym may stand there
	"Event.anonymousId":   true,
	"Event.groupId":       true,

	"FieldDefinition.sampleValues": true, // by the category of the field
	"Record.fields":                true, // by core/object's own gate, as the next ones
	"Record.externalId":            true,
	"Record.links":                 true,
	"Record.related":               true,
	"RecordLink.identifier":        true,
	"RecordLink.externalId":        true,
	"RecordResult.externalId":      true, // what the caller wrote himself
	"Profile.objects":              true,
	"DeadLetter.payload":           true, // by the category of each mapped field, as the next ones
	"FieldMapPreviewRow.from":      true,
	"FieldMapPreviewRow.to":        true,
	"ExplanationNode.decidedBy":    true, // by core/segment's own gate
	"TemplatePreview.content":      true, // made of what core/profile's and core/object's gates show, as the next ones
	"RenderedTemplate.subject":     true,
	"RenderedTemplate.fromName":    true,
	"RenderedTemplate.html":        true,
	"RenderedTemplate.text":        true,
	"RenderedTemplate.title":       true,
	"RenderedTemplate.url":         true,
}

// Masked reports whether the domain masks a field, "Profile.traits", by itself.
func Masked(field string) bool { return masked[field] }

// guard enforces @data on the fields of answers, generically: what may not be read in
// clear is null, or where it cannot be null, FORBIDDEN.
type guard map[*ast.FieldDefinition]guarded

type guarded struct {
	category core.Category
	nullable bool
}

// newGuard reads the categories of a schema.
func newGuard(s *ast.Schema) guard {
	g := guard{}
	for _, def := range s.Types {
		if def.Kind != ast.Object && def.Kind != ast.Interface {
			continue
		}
		for _, f := range def.Fields {
			if c := dataCategory(f); c != core.None && c != "" && !masked[def.Name+"."+f.Name] {
				g[f] = guarded{c, !f.Type.NonNull}
			}
		}
	}
	return g
}

// dataCategory returns what @data says of a field; "" for GraphQL's own.
func dataCategory(f *ast.FieldDefinition) core.Category {
	if d := f.Directives.ForName("data"); d != nil {
		if a := d.Arguments.ForName("category"); a != nil && a.Value != nil {
			return core.Category(a.Value.Raw)
		}
	}
	return ""
}

// guarded is called for every field of an answer. The view is that of the answer: a
// stream's next event has its own.
func (r *Resolver) guarded(ctx context.Context, next graphql.Resolver) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	if fc == nil || fc.Field.Field == nil {
		return next(ctx)
	}
	rule, ok := r.guard[fc.Field.Definition]
	if !ok {
		return next(ctx)
	}
	gate, err := r.gateFor(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case gate.Category(rule.category).Allowed():
		return next(ctx)
	case rule.nullable:
		return nil, nil
	}
	return nil, core.Errorf(core.Forbidden, "PROTECTED_FIELD", "%s holds %s data, which this key may not read for this purpose", fc.Field.Name, rule.category)
}

// Fields returns what stands around every field of an operation, nil where the actor
// may read everything. A stream outlives its view, so that it always has it.
func (r *Resolver) Fields(ctx context.Context, kind ast.Operation) graphql.FieldMiddleware {
	if kind != ast.Subscription {
		if v, err := access.ViewOf(ctx); err == nil && readsAll(v) {
			return nil
		}
	}
	return r.guarded
}

func readsAll(v *core.View) bool {
	for _, c := range core.Categories {
		if !v.Reads(c).Allowed() {
			return false
		}
	}
	return true
}

// gateFor is gateOf also where a subscription begins, before its first answer.
func (r *Resolver) gateFor(ctx context.Context) (*profile.Gate, error) {
	if scopeOf(ctx) == nil {
		return r.Profiles.Gate(ctx, workspace(ctx))
	}
	return gateOf(ctx)
}

// gateOf returns what the actor of an answer may see, the same for all its fields.
func gateOf(ctx context.Context) (*profile.Gate, error) {
	if s := scopeOf(ctx); s != nil {
		return s.gate()
	}
	return nil, core.Errorf(core.Internal, "INTERNAL", "internal error")
}
