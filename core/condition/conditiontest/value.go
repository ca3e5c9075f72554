package conditiontest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A value is nil, bool, *big.Rat, string, []any, map[string]any or a monster.

// monster is a number that is none to conditions, for it is too great or too small.
type monster struct{}

// document takes a BSON document apart. A nil document is an empty one.
func document(doc bson.Raw) map[string]any {
	out := map[string]any{}
	if len(doc) == 0 {
		return out
	}
	elements, err := doc.Elements()
	if err != nil {
		panic(fmt.Sprintf("a history holds a document that is none: %v", err))
	}
	for _, e := range elements {
		out[e.Key()] = decoded(e.Value())
	}
	return out
}

func decoded(v bson.RawValue) any {
	switch v.Type {
	case bson.TypeBoolean:
		return v.Boolean()
	case bson.TypeInt32:
		return new(big.Rat).SetInt64(int64(v.Int32()))
	case bson.TypeInt64:
		return new(big.Rat).SetInt64(v.Int64())
	case bson.TypeDouble:
		return bounded(strconv.FormatFloat(v.Double(), 'g', -1, 64))
	case bson.TypeDecimal128:
		return bounded(v.Decimal128().String())
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeArray:
		elements, err := v.Array().Values()
		if err != nil {
			panic(fmt.Sprintf("a history holds an array that is none: %v", err))
		}
		out := []any{}
		for _, e := range elements {
			out = append(out, decoded(e))
		}
		return out
	case bson.TypeEmbeddedDocument:
		return document(v.Document())
	}
	return nil
}

var least, most = number("1e-100"), number("1e100")

// bounded reads a decimal literal; of magnitudes only those from 10^-100 on and
// below 10^100 are numbers, and zero.
func bounded(lit string) any {
	r, ok := new(big.Rat).SetString(lit)
	if !ok { // infinite, or not a number
		return monster{}
	}
	size := new(big.Rat).Abs(r)
	if r.Sign() != 0 && (size.Cmp(least) < 0 || size.Cmp(most) >= 0) {
		return monster{}
	}
	return r
}

// number reads a decimal literal exactly.
func number(lit string) *big.Rat {
	r, ok := new(big.Rat).SetString(lit)
	if !ok {
		panic(fmt.Sprintf("%q is no number", lit))
	}
	return r
}

// operand turns an operand of a condition into a value.
func operand(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, operand(e))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = operand(e)
		}
		return out
	}
	return v
}

// same tells whether two values are equal: numbers by what they are worth, the
// rest only within one type.
func same(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case *big.Rat:
		b, ok := b.(*big.Rat)
		return ok && a.Cmp(b) == 0
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !same(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// money takes {amount, currency} apart.
func money(v any) (amount *big.Rat, currency string, ok bool) {
	m, _ := v.(map[string]any)
	amount, isNumber := m["amount"].(*big.Rat)
	currency, isText := m["currency"].(string)
	return amount, currency, isNumber && isText
}

// segments splits a path at its dots; "\." is a dot inside a key, "\\" a
// backslash. The empty path has none.
func segments(path string) []string {
	if path == "" {
		return nil
	}
	keys := []string{""}
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			keys[len(keys)-1] += path[i : i+1]
		case path[i] == '.':
			keys = append(keys, "")
		default:
			keys[len(keys)-1] += path[i : i+1]
		}
	}
	return keys
}

// at returns every value that the path leads to: through each element where there
// is an array on the way. Where it leads nowhere there is none.
func at(v any, keys []string) []any {
	if len(keys) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case map[string]any:
		if e, ok := v[keys[0]]; ok {
			return at(e, keys[1:])
		}
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, at(e, keys)...)
		}
		return out
	}
	return nil
}

// opened opens arrays, and arrays in arrays, into their elements.
func opened(values []any) []any {
	var out []any
	for _, v := range values {
		if list, ok := v.([]any); ok {
			out = append(out, opened(list)...)
		} else {
			out = append(out, v)
		}
	}
	return out
}
