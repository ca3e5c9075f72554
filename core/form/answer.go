package form

import (
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// honeypot is a field that people do not see. Whoever fills it in is no person.
const honeypot = "website"

// Faults is everything that is wrong with what was submitted, each with the path of its
// field: "values", "email".
type Faults []*core.Error

// Error implements error.
func (f Faults) Error() string { return f[0].Error() }

// Unwrap gives the first.
func (f Faults) Unwrap() error { return f[0] }

// answers checks what was written into the fields, and returns it by key, and the traits
// that it makes.
func (d *Definition) answers(values map[string]string, agreed map[string]bool) (answers, traits bson.D, agreements []*Consent, faults Faults) {
	at := func(e *core.Error, key string) { faults = append(faults, e.At("values", key)) }
	known := map[string]bool{honeypot: true}
	tree := map[string]any{}
	for i := range d.Fields {
		f := &d.Fields[i]
		known[f.Key] = true
		text := strings.TrimSpace(values[f.Key])
		if f.Type == Hidden {
			text = f.Value
		}
		v, fault := f.read(text)
		switch {
		case fault != nil:
			at(fault, f.Key)
		case v != nil:
			answers = append(answers, bson.E{Key: f.Key, Value: v})
			if f.Trait != "" {
				plant(tree, strings.Split(f.Trait, "."), v)
			}
		}
	}
	for i := range d.Consents {
		c := &d.Consents[i]
		known[c.Key] = true
		switch {
		case agreed[c.Key]:
			agreements = append(agreements, c)
		case c.Required:
			faults = append(faults, core.Errorf(core.Invalid, "CONSENT_NEEDED", "the form cannot be sent without agreeing to this").At("consents", c.Key))
		}
	}
	for key := range values {
		if !known[key] {
			at(core.Errorf(core.Invalid, "FIELD_UNKNOWN", "the form has no such field; load it again"), "?")
			break
		}
	}
	return answers, branch(tree), agreements, faults
}

// read checks one answer; nil is none.
func (f *Field) read(text string) (any, *core.Error) {
	bound := maxAnswer
	if f.Type == LongText {
		bound = maxLong
	}
	if f.MaxLength > 0 {
		bound = f.MaxLength
	}
	switch {
	case text == "" && f.Required:
		return nil, core.Errorf(core.Invalid, "REQUIRED", "this field must be filled in")
	case text == "" && f.Type != Checkbox:
		return nil, nil
	case len(text) > bound:
		return nil, core.Errorf(core.Invalid, "TOO_LONG", "write at most %d characters", bound)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && (f.Type != LongText || r != '\n' && r != '\r' && r != '\t')
	}):
		return nil, core.Errorf(core.Invalid, "CHARACTERS", "this holds characters that are no text")
	}
	switch f.Type {
	case Email:
		a, err := mail.ParseAddress(text)
		if err != nil || a.Address != text || !strings.Contains(text[strings.LastIndex(text, "@"):], ".") {
			return nil, core.Errorf(core.Invalid, "EMAIL", "write an e-mail address, such as ana@example.com")
		}
	case Phone:
		digits := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" -()./", r) {
				return -1
			}
			return r
		}, text)
		if len(digits) < 8 || len(digits) > 16 || digits[0] != '+' || strings.Trim(digits[1:], "0123456789") != "" {
			return nil, core.Errorf(core.Invalid, "PHONE", "write a phone number with the code of the country, such as +40721234567")
		}
		return digits, nil
	case Number:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != n || n > 1e15 || n < -1e15 {
			return nil, core.Errorf(core.Invalid, "NUMBER", "write a number, such as 12 or 12.5")
		}
		return n, nil
	case Date:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return nil, core.Errorf(core.Invalid, "DATE", "write a date, such as 2026-03-01")
		}
	case Choice:
		if !slices.Contains(f.Options, text) {
			return nil, core.Errorf(core.Invalid, "CHOICE", "choose one of the options")
		}
	case Checkbox:
		return slices.Contains([]string{"true", "on", "1", "yes"}, text), nil
	}
	return text, nil
}

// plant sets a value at a path of a tree.
func plant(tree map[string]any, path []string, v any) {
	for len(path) > 1 {
		next, ok := tree[path[0]].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[path[0]] = next
		}
		tree, path = next, path[1:]
	}
	tree[path[0]] = v
}

// branch makes a document of a tree, its keys in order.
func branch(tree map[string]any) bson.D {
	var out bson.D
	for key, v := range tree {
		if t, ok := v.(map[string]any); ok {
			v = branch(t)
		}
		out = append(out, bson.E{Key: key, Value: v})
	}
	slices.SortFunc(out, func(a, b bson.E) int { return strings.Compare(a.Key, b.Key) })
	return out
}
