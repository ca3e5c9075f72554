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

// predicate tells whether the predicate holds of what its path leads to.
func (v view) predicate(p *condition.Predicate, of any) bool {
	found := at(of, segments(p.Path))
	if p.IncludeNull && blank(found) {
		return true
	}
	return v.elements(p, found) && v.operators(p.Operators, opened(found))
}

// blank tells whether there is nothing, or null.
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
	var lists int
	var elements []any
	sized := false
	for _, x := range found {
		if list, ok := x.([]any); ok {
			lists++
			elements = append(elements, list...)
			sized = sized || p.Size != nil && within(p.Size, new(big.Rat).SetInt64(int64(len(list))))
		}
	}
	if p.Size != nil && !sized {
		return false
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
	return (p.Any == nil || meeting(p.Any) > 0) &&
		(p.All == nil || len(elements) > 0 && meeting(p.All) == len(elements)) &&
		(p.None == nil || lists > 0 && meeting(p.None) == 0)
}

// operators tells whether one of the values meets all operators, and all of them
// those that deny.
func (v view) operators(operators []condition.Operator, values []any) bool {
	if len(operators) == 0 {
		return true
	}
	present := 0
	for _, x := range values {
		if x != nil {
			present++
		}
	}
	var asking []condition.Operator
	for _, o := range operators {
		switch o.Op {
		case condition.Exists:
			if o.Value.(bool) != (present > 0) {
				return false
			}
		case condition.Neq, condition.NotIn:
			if present == 0 {
				return false
			}
			for _, x := range values {
				if x != nil && !v.holds(o, x) {
					return false
				}
			}
		default:
			asking = append(asking, o)
		}
	}
	if len(asking) == 0 {
		return true
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
	return false
}
