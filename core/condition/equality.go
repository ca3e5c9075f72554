package condition

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// newEqual compiles the question whether a value is the operand: numbers by what
// they are worth, the rest only within one type and byte by byte. Objects are equal
// when they have the same keys with equal values, arrays element by element. What is
// beyond MaxExponent equals nothing.
func newEqual(operand any) equal {
	switch o := operand.(type) {
	case string:
		return func(v bson.RawValue) bool {
			t, ok := textOf(v)
			return ok && string(t) == o
		}
	case bool:
		return func(v bson.RawValue) bool {
			b, ok := v.BooleanOK()
			return ok && b == o
		}
	case nil:
		return isNull
	case []any:
		parts := make([]equal, len(o))
		for i := range o {
			parts[i] = newEqual(o[i])
		}
		return func(v bson.RawValue) bool {
			if v.Type != bson.TypeArray {
				return false
			}
			i, s := 0, scanOf(v.Value)
			for ; s.next(); i++ {
				if i >= len(parts) || !parts[i](s.value) {
					return false
				}
			}
			return i == len(parts)
		}
	case map[string]any:
		parts := make(map[string]equal, len(o))
		for k := range o {
			parts[k] = newEqual(o[k])
		}
		return func(v bson.RawValue) bool {
			if v.Type != bson.TypeEmbeddedDocument {
				return false
			}
			n := 0
			for s := scanOf(v.Value); s.next(); n++ {
				if part, ok := parts[string(s.key)]; !ok || !part(s.value) {
					return false
				}
			}
			return n == len(parts)
		}
	}
	if lit, ok := literalOf(operand); ok {
		if n, ok := newNumber(lit); ok {
			return func(v bson.RawValue) bool {
				c, ok := n.compare(v)
				return ok && c == 0
			}
		}
	}
	return func(bson.RawValue) bool { return false }
}

// fewChoices is how many values are compared one by one before a table pays.
const fewChoices = 8

// newChoice compiles the question whether a value is among the operands.
func newChoice(list []any) equal {
	texts, integers, numbers := map[string]bool{}, map[int64]bool{}, map[string]bool{}
	var others []equal
	for _, operand := range list {
		switch o := operand.(type) {
		case string:
			texts[o] = true
			continue
		case bool, nil, []any, map[string]any:
			others = append(others, newEqual(o))
			continue
		}
		if lit, ok := literalOf(operand); ok {
			if n, ok := newNumber(lit); ok {
				if n.whole {
					integers[n.floor] = true
				}
				numbers[n.exact.String()] = true
			}
		}
	}
	if len(list) <= fewChoices {
		others = others[:0]
		for _, operand := range list {
			others = append(others, newEqual(operand))
		}
		return anyOf(others)
	}
	rest := anyOf(others)
	return func(v bson.RawValue) bool {
		switch v.Type {
		case bson.TypeString:
			t, ok := textOf(v)
			return ok && texts[string(t)]
		case bson.TypeInt32, bson.TypeInt64:
			i, ok := intOf(v)
			return ok && integers[i]
		case bson.TypeDouble, bson.TypeDecimal128:
			if len(numbers) == 0 {
				return false
			}
			d, ok := ParseNumber(v)
			return ok && numbers[d.String()]
		}
		return rest(v)
	}
}

func anyOf(list []equal) equal {
	return func(v bson.RawValue) bool {
		for _, e := range list {
			if e(v) {
				return true
			}
		}
		return false
	}
}
