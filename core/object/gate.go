package object

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// Gate tells what the actor of a call may read. *profile.Gate, which stands on a higher
// floor, is one.
type Gate interface {
	// Open reports whether everything may be read: for a part of the system.
	Open() bool
	// Category returns the decision on reading data of a category.
	Category(core.Category) core.Decision
	// MaskValue returns what stands for a single value, null for nothing. kind is what
	// pseudonyms are of: a namespace of identifiers, or a category.
	MaskValue(d core.Decision, kind string, v bson.RawValue) bson.RawValue
	// MaskText is MaskValue for text; "" where nothing may be shown.
	MaskText(d core.Decision, kind, s string) string
	// Everyone reports whether there is nobody who may not be seen.
	Everyone(ctx context.Context) (bool, error)
	// Whose returns of people, each named by an identifier (in ProfileNamespace by a
	// profile's id), who they are and whether they may be seen, in their order.
	Whose(ctx context.Context, ids []event.Identifier) ([]core.Whose, error)
	// Note tells the audit that people were shown, by their profile ids. After an error
	// they must not be.
	Note(ctx context.Context, resource string, ids ...string) error
}

// Gates returns what the actor of ctx may read of a workspace now.
type Gates func(ctx context.Context, ws string) (Gate, error)

// SetGate sets Options.Gate: what decides stands on a higher floor. Call it before the
// service is used.
func (s *Service) SetGate(f Gates) { s.o.Gate = f }

// closed is the gate where nobody decides: parts of the system see everything, and
// nobody else anything.
type closed struct{ open bool }

func (c closed) Open() bool { return c.open }

func (c closed) Category(cat core.Category) core.Decision {
	if c.open || cat == core.None {
		return core.Decision{Effect: core.Allow}
	}
	return core.Decision{Effect: core.Deny, Withheld: core.WithheldRole}
}

func (closed) MaskValue(d core.Decision, _ string, v bson.RawValue) bson.RawValue {
	if d.Allowed() {
		return v
	}
	return bson.RawValue{Type: bson.TypeNull}
}

func (closed) MaskText(d core.Decision, _, s string) string {
	if d.Allowed() {
		return s
	}
	return ""
}

func (c closed) Everyone(context.Context) (bool, error) { return c.open, nil }

func (c closed) Whose(_ context.Context, ids []event.Identifier) ([]core.Whose, error) {
	out := make([]core.Whose, len(ids))
	for i := range out {
		out[i].Seen = c.open
	}
	return out, nil
}

func (closed) Note(context.Context, string, ...string) error { return nil }

func (s *Service) gate(ctx context.Context, ws string) (Gate, error) {
	if s.o.Gate != nil {
		g, err := s.o.Gate(ctx, ws)
		return g, outward(err)
	}
	return closed{core.ActorFrom(ctx).IsSystem()}, nil
}

// protected is the refusal to let fields be asked about. It names their keys, never
// values.
func protected(keys []string, categories []core.Category) *core.Error {
	names := make([]string, len(categories))
	for i, c := range categories {
		names[i] = string(c)
	}
	return core.Errorf(core.Forbidden, "PROTECTED_FIELD", "%s may not be asked about: this key may not read %s data in clear for this purpose",
		strings.Join(keys[:min(len(keys), 5)], ", "), strings.Join(names, ", "))
}

// askable refuses a condition on fields that may not be read in clear.
func (t *Type) askable(g Gate, where *condition.Node) error {
	if where == nil || g.Open() {
		return nil
	}
	var keys []string
	var categories []core.Category
	var visit func(n *condition.Node)
	visit = func(n *condition.Node) {
		if n == nil {
			return
		}
		for _, below := range [][]*condition.Node{n.And, n.Or, {n.Not}} {
			for _, b := range below {
				visit(b)
			}
		}
		if n.Field == nil {
			return
		}
		key, c := condition.SplitPath(n.Field.Path)[0], core.Unclassified
		if f := t.Field(key); f != nil {
			key, c = f.Key, f.Category
		} else {
			key = "a field that the type does not have"
		}
		if !g.Category(c).Allowed() {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
			if !slices.Contains(categories, c) {
				categories = append(categories, c)
			}
		}
	}
	visit(where)
	if len(keys) == 0 {
		return nil
	}
	return protected(keys, categories).At("where")
}

// hidden lists the categories that a gate does not let be read in clear.
func hidden(g Gate) []core.Category {
	if g.Open() {
		return nil
	}
	var out []core.Category
	for _, c := range core.Categories {
		if !g.Category(c).Allowed() {
			out = append(out, c)
		}
	}
	return out
}

// hidden reports whether a field's values are among categories.
func (f *Field) hidden(from []core.Category) bool {
	c := f.Category
	if c == "" {
		c = core.Unclassified
	}
	return slices.Contains(from, c)
}

// guard refuses a change of a type that would tell of values that the actor may not
// read: to narrow a field counts those in the way, and to say that it holds something
// else may open it.
func (p *plan) guard(t *Type, from []core.Category) *core.Error {
	if len(from) == 0 {
		return nil
	}
	refuse := func(f *Field, path ...string) *core.Error {
		return protected([]string{f.Key}, []core.Category{f.Category}).At(path...)
	}
	for _, n := range p.narrowed {
		id := n.id
		if n.field != nil {
			id = n.field.ID
		}
		if f := fieldByID(t.Fields, id); f != nil && f.hidden(from) {
			return refuse(f, n.path...)
		}
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if next := fieldByID(p.next.Fields, f.ID); next != nil && next.Category != f.Category && f.hidden(from) {
			return refuse(f, "changeFields")
		}
	}
	return nil
}

// hides reports whether a field of the type is among categories.
func (t *Type) hides(from []core.Category) bool {
	return slices.ContainsFunc(t.Fields, func(f Field) bool { return f.hidden(from) })
}
