package object

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// maxTokenText is how many bytes of a text its token holds. Longer texts share
// tokens: whoever looks by token asks the record itself.
const maxTokenText = 64

// tokenPrefix begins the tokens of a field.
func tokenPrefix(typeKey, fieldID string) string { return typeKey + linkSep + fieldID + linkSep }

// tokens returns the tokens of a record's values, sorted, each once.
func tokens(t *Type, vals map[string]bson.RawValue) []string {
	var out []string
	for i := range t.Fields {
		f := &t.Fields[i]
		v, ok := vals[f.ID]
		if !ok {
			continue
		}
		prefix := tokenPrefix(t.Key, f.ID)
		if !f.Many {
			if s, ok := f.token(v); ok {
				out = append(out, prefix+s)
			}
			continue
		}
		for it := event.Elements(asMany(v).Value); it.Next(); {
			if s, ok := f.token(it.Value()); ok {
				out = append(out, prefix+s)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// token returns the order-preserving text of a stored value; false for types that
// have no order and for values of another type.
func (f *Field) token(v bson.RawValue) (string, bool) {
	switch f.Type {
	case JSON, Geo:
		return "", false
	case Boolean:
		b, ok := v.BooleanOK()
		if b {
			return "1", ok
		}
		return "0", ok
	case Integer, Decimal:
		n, ok := numOf(v)
		return n.token(), ok
	case Money:
		n, currency, ok := moneyOf(v)
		return currency + n.token(), ok
	}
	s, ok := v.StringValueOK()
	return textToken(s), ok
}

// textToken cuts a text to what its token holds. For texts a ≤ b, textToken(a) ≤
// textToken(b): a character that is cut off half-way makes way for the greatest
// one, since it is longer, and so greater, than any that fits in its place.
func textToken(s string) string {
	if len(s) <= maxTokenText {
		return s
	}
	n := maxTokenText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	if n < maxTokenText {
		return s[:n] + string(utf8.MaxRune)
	}
	return strings.Clone(s[:n])
}
