package object

import (
	"regexp"
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// patterns keeps compiled patterns: they are few and used for every record.
var patterns, _ = lru.New[string, *regexp.Regexp](1024) // fails for a size below 1 only

func pattern(p string) (*regexp.Regexp, error) {
	if re, ok := patterns.Get(p); ok {
		return re, nil
	}
	re, err := regexp.Compile(p)
	if err == nil {
		patterns.Add(p, re)
	}
	return re, err
}

// meets says why a normalised single value breaks the field's constraints; nil
// when it does not.
func (f *Field) meets(v bson.RawValue) *core.Error {
	switch f.Type {
	case Integer, Decimal:
		n, _ := numOf(v)
		return f.meetsNumber(n)
	case Money:
		n, _, _ := moneyOf(v)
		return f.meetsNumber(n)
	case JSON:
		if len(v.Value) > MaxJSON {
			return invalid(ReasonFieldLength, "the field %s holds at most %d bytes", f.Key, MaxJSON)
		}
		return nil
	case Date, DateTime:
		return f.meetsOrder(v.StringValue())
	case Boolean, Geo:
		return nil
	}
	return f.meetsText(v.StringValue())
}

func (f *Field) meetsNumber(n num) *core.Error {
	c := &f.Constraints
	if c.Scale != nil && n.scale() > *c.Scale {
		return invalid(ReasonFieldScale, "the field %s has at most %d digits after the point", f.Key, *c.Scale)
	}
	if low, ok := parseNum(c.Min); ok && n.compare(low) < 0 {
		return invalid(ReasonFieldRange, "the field %s is at least %s", f.Key, c.Min)
	}
	if high, ok := parseNum(c.Max); ok && n.compare(high) > 0 {
		return invalid(ReasonFieldRange, "the field %s is at most %s", f.Key, c.Max)
	}
	return nil
}

// meetsOrder compares dates and times, whose normal forms are ordered as texts.
func (f *Field) meetsOrder(s string) *core.Error {
	c := &f.Constraints
	if c.Min != "" && s < c.Min {
		return invalid(ReasonFieldRange, "the field %s is not before %s", f.Key, c.Min)
	}
	if c.Max != "" && s > c.Max {
		return invalid(ReasonFieldRange, "the field %s is not after %s", f.Key, c.Max)
	}
	return nil
}

func (f *Field) meetsText(s string) *core.Error {
	c, most := &f.Constraints, MaxString
	if f.Type == Text {
		most = MaxText
	}
	if n := length(s); n < c.MinLength || n > orElse(c.MaxLength, most) {
		return invalid(ReasonFieldLength, "the field %s has %d to %d characters, not %d", f.Key, c.MinLength, orElse(c.MaxLength, most), n)
	}
	if f.Type == Enum && !slices.Contains(c.Values, s) {
		some := c.Values[:min(len(c.Values), 20)]
		return invalid(ReasonFieldValues, "the field %s is one of its %d values, like %s", f.Key, len(c.Values), strings.Join(some, ", "))
	}
	if c.Pattern != "" {
		if re, err := pattern(c.Pattern); err != nil || !re.MatchString(s) {
			return invalid(ReasonFieldPattern, "the field %s matches %s", f.Key, c.Pattern)
		}
	}
	return nil
}
