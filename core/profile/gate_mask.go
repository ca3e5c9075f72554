package profile

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// hidden stands for the part of a text that is not shown, however long it is.
const hidden = "•••"

// MaskText returns what stands for a text; "" where nothing may be shown. kind is
// what pseudonyms are of: a namespace of identifiers, or a category.
func (g *Gate) MaskText(d core.Decision, kind, s string) string {
	switch {
	case d.Allowed():
		return s
	case d.Effect == core.Mask && d.Form == core.Pseudonym:
		if g.pseudo == nil {
			return ""
		}
		return g.pseudo(kind, s)
	case d.Effect == core.Mask && d.Form == core.Partial && kind != string(core.Location):
		return partial(s)
	}
	return ""
}

// MaskValue returns what stands for a single value, null where nothing may be shown:
// a pseudonym of a text or a number, a part of a text. An array, a document and a
// boolean, which would be guessed, are nothing.
func (g *Gate) MaskValue(d core.Decision, kind string, v bson.RawValue) bson.RawValue {
	if d.Allowed() {
		return v
	}
	text, ok := v.StringValueOK()
	if !ok && d.Form == core.Pseudonym {
		switch v.Type {
		case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128, bson.TypeDateTime:
			if json, err := event.ValueToJSON(v); err == nil {
				text, ok = string(json), true
			}
		}
	}
	if !ok {
		return null
	}
	if text = g.MaskText(d, kind, text); text == "" {
		return null
	}
	return stringValue(text)
}

func stringValue(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: bc.AppendString(nil, s)}
}

// partial shows enough of a text to recognise it by: of an address of mail the first
// letter and the domain, of a telephone number the last two digits, else the first
// letter. How long it is cannot be seen.
func partial(s string) string {
	s = strings.TrimSpace(s)
	if at := strings.LastIndexByte(s, '@'); at > 0 && at < len(s)-1 && !strings.ContainsAny(s, " \t\n") {
		return first(s) + hidden + s[at:]
	}
	if digits, phone := digitsOf(s); phone {
		return hidden + digits[len(digits)-2:]
	}
	return first(s) + hidden
}

// first returns the first letter, with what is written onto it.
func first(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || !unicode.IsLetter(r) {
		return "" // a digit would be a part of a number
	}
	return s[:n]
}

// digitsOf returns the digits of what looks like a telephone number.
func digitsOf(s string) (string, bool) {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case !strings.ContainsRune("+-()/. ", r):
			return "", false
		}
	}
	return b.String(), b.Len() >= 5
}

// masker masks the values of one owner leaf by leaf, and collects what is hidden.
type masker struct {
	g        *Gate
	owner    string
	prefix   string                          // of the paths in withheld
	category func(path string) core.Category // nil: the registry's of owner
	withheld []core.Withheld
}

func (m *masker) decide(path string) (core.Decision, core.Category) {
	if m.category == nil {
		c := m.g.CategoryOf(m.owner, path)
		return m.g.Category(c), c
	}
	c := m.category(path)
	return m.g.Category(c), c
}

// value returns what stands for the value at a path; false where nothing does.
func (m *masker) value(path string, v bson.RawValue) (bson.RawValue, bool) {
	if doc, ok := v.DocumentOK(); ok {
		if elems, err := doc.Elements(); err == nil && len(elems) > 0 {
			raw := m.document(doc, path)
			return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, len(raw) > 5
		}
	}
	d, c := m.decide(path)
	if c == core.Unclassified && ofDocuments(v) {
		// Nobody said what the list as a whole holds: what is in its members says it.
		raw := m.array(path, v)
		return raw, len(raw.Value) > 5
	}
	if !d.Allowed() {
		m.hide(path, d)
		if v.Type == bson.TypeArray && d.Effect == core.Mask && d.Form == core.Pseudonym {
			return m.array(path, v), true
		}
		out := m.g.MaskValue(d, string(c), v)
		if c == core.Location && d.Effect == core.Mask && d.Form == core.Partial && isCountry(path) {
			out = v
		}
		return out, out.Type != bson.TypeNull
	}
	if v.Type == bson.TypeArray {
		return m.array(path, v), true
	}
	return v, true
}

// ofDocuments reports whether a value is a list that holds documents and nothing else.
func ofDocuments(v bson.RawValue) bool {
	list, ok := v.ArrayOK()
	if !ok {
		return false
	}
	values, err := list.Values()
	for _, one := range values {
		if one.Type != bson.TypeEmbeddedDocument {
			return false
		}
	}
	return err == nil && len(values) > 0
}

// isCountry reports whether a path of a place says the country.
func isCountry(path string) bool {
	segs := segments(path)
	switch strings.ToLower(segs[len(segs)-1]) {
	case "country", "countrycode", "country_code":
		return true
	}
	return false
}

func (m *masker) hide(path string, d core.Decision) {
	m.withheld = append(m.withheld, core.Withheld{Path: m.prefix + path, Reason: reasonOf(d)})
}

// array masks each element: what is in an array has the path of the array.
func (m *masker) array(path string, v bson.RawValue) bson.RawValue {
	list, ok := v.ArrayOK()
	if !ok {
		return null
	}
	values, err := list.Values()
	if err != nil {
		return null
	}
	start, b := bc.AppendArrayStart(nil)
	n := 0
	for _, one := range values {
		if out, ok := m.element(path, one); ok {
			b = bc.AppendValueElement(b, ordinal(n), bc.Value{Type: bc.Type(out.Type), Data: out.Value})
			n++
		}
	}
	b, _ = bc.AppendArrayEnd(b, start)
	return bson.RawValue{Type: bson.TypeArray, Value: b}
}

func (m *masker) element(path string, v bson.RawValue) (bson.RawValue, bool) {
	if doc, ok := v.DocumentOK(); ok {
		raw := m.document(doc, path)
		return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, len(raw) > 5
	}
	if v.Type == bson.TypeArray {
		return m.array(path, v), true
	}
	d, c := m.decide(path)
	out := m.g.MaskValue(d, string(c), v)
	return out, d.Allowed() || out.Type != bson.TypeNull
}

// document masks the members of a document at a path, "" for the whole.
func (m *masker) document(doc bson.Raw, path string) bson.Raw {
	start, b := bc.AppendDocumentStart(nil)
	elems, err := doc.Elements()
	if err != nil {
		elems = nil
	}
	for _, e := range elems {
		key := escape(e.Key())
		if path != "" {
			key = path + "." + key
		}
		if v, ok := m.value(key, e.Value()); ok {
			b = bc.AppendValueElement(b, e.Key(), bc.Value{Type: bc.Type(v.Type), Data: v.Value})
		}
	}
	b, _ = bc.AppendDocumentEnd(b, start)
	return bson.Raw(b)
}
