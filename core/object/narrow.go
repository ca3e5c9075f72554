package object

import (
	"slices"

	"github.com/headwater-cdp/headwater/core"
)

// changeField makes a change of a field, and notes whether records may be in its
// way.
func (p *plan) changeField(c FieldChange, all *types, path []string) *core.Error {
	f := p.next.exactly(c.Key)
	if f == nil {
		return unknownField(p.next, c.Key).At("key")
	}
	old := *f
	set(&f.Label, c.Label)
	set(&f.Description, c.Description)
	set(&f.Type, c.Type)
	set(&f.Many, c.Many)
	set(&f.Required, c.Required)
	set(&f.Unique, c.Unique)
	set(&f.Deprecated, c.Deprecated)
	set(&f.Category, c.Category)
	set(&f.Constraints, c.Constraints)
	set(&f.Target, c.Target)
	if f.Target != old.Target && old.Type == Reference && f.Type == Reference {
		return invalid("TARGET", "the target of a reference stays what it is; add another field").At("target")
	}
	if f.Type != old.Type && (f.Type.family() == 0 || f.Type.family() != old.Type.family()) {
		return invalid("TYPE", "a field of type %s cannot become %s; add another field", old.Type, f.Type).At("type")
	}
	if f.Type != old.Type && old.Type == Reference {
		f.Target = ""
	}
	if c.NoDefault {
		f.Default = unset
	} else if c.Default != nil {
		if err := f.setDefault(c.Default); err != nil {
			return err
		}
	}
	// Records from before the field go on having the default that they were given.
	if !sameValue(f.Default, old.Default) && old.Since > 0 && !old.Default.IsZero() {
		return invalid("DEFAULT", "records from before the field have its default: it stays what it is").At("default")
	}
	if old.Default.IsZero() && !f.Default.IsZero() {
		f.Since = 0 // a new default is for new records
	}
	if err := f.check(all, p.next.Key); err != nil {
		return err
	}
	if f.Unique != old.Unique {
		if old.Claim != "" {
			p.released = append(p.released, old.Claim)
		}
		f.claim()
	}
	if narrows(&old, f) {
		now := *f
		p.narrowed = append(p.narrowed, narrowing{path: path, field: &now})
	}
	return nil
}

func set[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

// narrows reports whether a value, or its absence, that was good under the old
// definition may be bad under the new one.
func narrows(old, f *Field) bool {
	a, b := &old.Constraints, &f.Constraints
	mandatory := func(f *Field) bool { return f.Required && !f.Deprecated }
	return !widens(old, f) ||
		old.Many && !f.Many ||
		mandatory(f) && !mandatory(old) ||
		f.Unique && !old.Unique ||
		tighter(f.Type, a.Min, b.Min, 1) || tighter(f.Type, a.Max, b.Max, -1) ||
		b.MinLength > a.MinLength ||
		b.MaxLength != 0 && (a.MaxLength == 0 || b.MaxLength < a.MaxLength) ||
		orElse(b.MaxItems, MaxItems) < orElse(a.MaxItems, MaxItems) ||
		b.Pattern != "" && b.Pattern != a.Pattern ||
		b.Scale != nil && (a.Scale == nil || *b.Scale < *a.Scale) ||
		f.Type == Enum && slices.ContainsFunc(a.Values, func(v string) bool { return !slices.Contains(b.Values, v) })
}

// widens reports whether each value of the old type is one of the new.
func widens(old, f *Field) bool {
	switch {
	case old.Type == f.Type:
		return true
	case old.Type == Integer && f.Type == Decimal:
		return true
	case f.Type == Text:
		return true
	case f.Type == String:
		return old.Type != Text
	}
	return false
}

// tighter reports whether a bound moved inwards; sign is 1 for a lower bound.
func tighter(t FieldType, old, now string, sign int) bool {
	if now == "" || now == old {
		return false
	}
	if old == "" {
		return true
	}
	if t.instant() {
		return (now > old) == (sign > 0)
	}
	a, _ := parseNum(old)
	b, _ := parseNum(now)
	return b.compare(a)*sign > 0
}
