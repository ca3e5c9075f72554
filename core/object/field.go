package object

import (
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/core"
)

// maxPattern is the length of a pattern, in bytes.
const maxPattern = 256

func (t FieldType) valid() bool { return slices.Contains(FieldTypes, t) }

// family groups types whose values are stored and ordered alike: a field may go
// from one to another when its values allow it.
func (t FieldType) family() int {
	switch t {
	case Integer, Decimal:
		return 1
	case String, Text, Enum, Email, Phone, URL, Date, DateTime, Reference:
		return 2
	}
	return 0
}

func (t FieldType) number() bool  { return t == Integer || t == Decimal || t == Money }
func (t FieldType) instant() bool { return t == Date || t == DateTime }

// wordy types hold text whose length and form can be narrowed.
func (t FieldType) wordy() bool {
	return slices.Contains([]FieldType{String, Text, Email, Phone, URL, Reference}, t)
}

// canBeUnique excludes types without one written form and those that hardly differ.
func (t FieldType) canBeUnique() bool {
	return t.family() != 0 && t != Text && t != Enum
}

// check checks the definition of a field on its own.
func (f *Field) check(all *types, self string) *core.Error {
	if !f.Type.valid() {
		return invalid("TYPE", "a field's type is one of %v", FieldTypes).At("type")
	}
	if err := checkLabel("label", f.Label, false); err != nil {
		return err
	}
	if err := checkDescription(f.Description); err != nil {
		return err
	}
	if !f.Category.Valid() {
		return invalid("CATEGORY", "the category is one of %v", core.Categories).At("category")
	}
	switch {
	case f.Unique && (f.Many || !f.Type.canBeUnique()):
		return invalid("UNIQUE", "a field with a single short text, number or date can be unique").At("unique")
	case f.Unique && !f.Default.IsZero():
		return invalid("UNIQUE", "a unique field has no default, which several records would share").At("default")
	case f.Many && f.Type == JSON:
		return invalid("MANY", "a json field holds an array itself").At("many")
	case f.Type == Reference && f.Target == "":
		return invalid("TARGET", "a reference names the type that it leads to").At("target")
	case f.Type != Reference && f.Target != "":
		return invalid("TARGET", "only a reference has a target").At("target")
	case f.Type == Reference && f.Target != self && all.byKey[f.Target] == nil:
		return unknownType(all, f.Target).At("target")
	}
	if err := f.checkConstraints(); err != nil {
		return err.At("constraints")
	}
	if !f.Default.IsZero() {
		v, err := f.value(f.Default)
		if err != nil {
			return err.At("default")
		}
		f.Default = v
	}
	return nil
}

func (f *Field) checkConstraints() *core.Error {
	c := &f.Constraints
	none := func(given bool, member string) *core.Error {
		if given {
			return invalid("CONSTRAINT", "%s does not apply to a field of type %s", member, f.Type).At(member)
		}
		return nil
	}
	for _, err := range []*core.Error{
		none(!f.Type.number() && !f.Type.instant() && c.Min != "", "min"),
		none(!f.Type.number() && !f.Type.instant() && c.Max != "", "max"),
		none(!f.Type.wordy() && c.MinLength != 0, "minLength"),
		none(!f.Type.wordy() && c.MaxLength != 0, "maxLength"),
		none(!f.Type.wordy() && c.Pattern != "", "pattern"),
		none(f.Type != Enum && len(c.Values) > 0, "values"),
		none(f.Type != Decimal && f.Type != Money && c.Scale != nil, "scale"),
		none(!f.Many && c.MaxItems != 0, "maxItems"),
		f.checkBounds(), f.checkLengths(), f.checkValues(),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkBounds checks min and max and brings dates and times to their normal form.
func (f *Field) checkBounds() *core.Error {
	c := &f.Constraints
	for _, b := range []struct {
		member string
		bound  *string
	}{{"min", &c.Min}, {"max", &c.Max}} {
		if *b.bound == "" {
			continue
		}
		var ok bool
		switch f.Type {
		case Date:
			*b.bound, ok = normaliseDate(*b.bound)
		case DateTime:
			*b.bound, ok = normaliseStamp(*b.bound)
		default:
			_, ok = parseNum(*b.bound)
		}
		if !ok {
			return invalid("CONSTRAINT", "%s is %s, as text", b.member, f.boundWord()).At(b.member)
		}
	}
	low, okLow := parseNum(c.Min)
	high, okHigh := parseNum(c.Max)
	if okLow && okHigh && low.compare(high) > 0 || f.Type.instant() && c.Min != "" && c.Max != "" && c.Min > c.Max {
		return invalid("CONSTRAINT", "min is not above max").At("min")
	}
	if c.Scale != nil && (*c.Scale < 0 || *c.Scale > 34) {
		return invalid("CONSTRAINT", "scale is 0 to 34").At("scale")
	}
	return nil
}

func (f *Field) checkLengths() *core.Error {
	c, most := &f.Constraints, MaxString
	if f.Type == Text {
		most = MaxText
	}
	switch {
	case c.MinLength < 0 || c.MinLength > most:
		return invalid("CONSTRAINT", "minLength is 0 to %d", most).At("minLength")
	case c.MaxLength < 0 || c.MaxLength > most || c.MaxLength > 0 && c.MaxLength < c.MinLength:
		return invalid("CONSTRAINT", "maxLength is at least minLength and at most %d", most).At("maxLength")
	case c.MaxItems < 0 || c.MaxItems > MaxItems:
		return invalid("CONSTRAINT", "maxItems is 1 to %d", MaxItems).At("maxItems")
	case len(c.Pattern) > maxPattern:
		return invalid("CONSTRAINT", "a pattern has at most %d bytes", maxPattern).At("pattern")
	}
	if c.Pattern != "" {
		if _, err := pattern(c.Pattern); err != nil {
			return invalid("CONSTRAINT", "the pattern is not a regular expression of RE2").Wrap(err).At("pattern")
		}
	}
	return nil
}

func (f *Field) checkValues() *core.Error {
	values := f.Constraints.Values
	if f.Type == Enum && (len(values) == 0 || len(values) > MaxEnum) {
		return invalid("CONSTRAINT", "an enum has 1 to %d values", MaxEnum).At("values")
	}
	for i, v := range values {
		if !printable(v) || slices.Contains(values[:i], v) {
			return invalid("CONSTRAINT", "the values of an enum are different short texts").At("values", strconv.Itoa(i))
		}
	}
	return nil
}

func (f *Field) boundWord() string {
	if f.Type.instant() {
		return wants[f.Type]
	}
	return "a decimal number"
}
