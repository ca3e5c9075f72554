package conditiontest

import (
	"math/big"

	"github.com/headwater-cdp/headwater/core/condition"
)

// all tells whether every predicate holds of the value.
func (v view) all(ps []*condition.Predicate, of any) bool {
	for _, p := range ps {
		if !v.predicate(p, of) {
			return false
		}
	}
	return true
}

// predicate tells whether the predicate holds of what its path leads to. Where
// that is nothing but null, only exists is asked, and for the rest the predicate
// itself says what then.
func (v view) predicate(p *condition.Predicate, of any) bool {
	found := at(of, segments(p.Path))
	missing := blank(found)
	rest := false
	for _, o := range p.Operators {
		if o.Op == condition.Exists {
			if o.Value.(bool) == missing {
				return false
			}
		} else {
			rest = true
		}
	}
	if missing {
		rest = rest || p.Any != nil || p.All != nil || p.None != nil || p.Size != nil
		return p.IncludeNull || !rest
	}
	return v.elements(p, found) && v.operators(p.Operators, opened(found))
}

// blank tells whether there is nothing, or only null. An array is something.
func blank(found []any) bool {
	for _, x := range found {
		if x != nil {
			return false
		}
	}
	return true
}

// elements tells what Any, All, None and Size say; true when they say nothing.
func (v view) elements(p *condition.Predicate, found []any) bool {
	lists := 0
	sized := false
	var elements []any
	for _, x := range found {
		if list, ok := x.([]any); ok {
			lists++
			elements = append(elements, list...)
			sized = sized || p.Size != nil && within(p.Size, new(big.Rat).SetInt64(int64(len(list))))
		}
	}
	meeting := func(ps []*condition.Predicate) int {
		n := 0
		for _, e := range elements {
			if v.all(ps, e) {
				n++
			}
		}
		return n
	}
	return (p.Size == nil || sized) &&
		(p.Any == nil || meeting(p.Any) > 0) &&
		(p.All == nil || len(elements) > 0 && meeting(p.All) == len(elements)) &&
		(p.None == nil || lists > 0 && meeting(p.None) == 0)
}

// operators tells whether one of the values meets all the operators that ask, and
// none equals what the others rule out.
func (v view) operators(operators []condition.Operator, values []any) bool {
	var asking []condition.Operator
	for _, o := range operators {
		switch o.Op {
		case condition.Exists: // has been asked
		case condition.Neq:
			if has(values, operand(o.Value)) {
				return false
			}
		case condition.NotIn:
			for _, x := range operand(o.Value).([]any) {
				if has(values, x) {
					return false
				}
			}
		default:
			asking = append(asking, o)
		}
	}
	for _, x := range values {
		met := x != nil
		for _, o := range asking {
			met = met && v.holds(o, x)
		}
		if met {
			return true
		}
	}
	return len(asking) == 0
}
