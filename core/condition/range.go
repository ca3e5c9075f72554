package condition

import "github.com/shopspring/decimal"

// maxCount bounds the counts that a condition may ask for.
const maxCount = 1_000_000_000

// span is what numbers a range leaves.
type span struct {
	low, high             decimal.Decimal
	hasLow, hasHigh       bool
	lowStrict, highStrict bool // the end itself is out
}

func (s *span) above(d decimal.Decimal, strict bool) {
	if c := d.Cmp(s.low); !s.hasLow || c > 0 || c == 0 && strict {
		s.low, s.hasLow, s.lowStrict = d, true, strict
	}
}

func (s *span) below(d decimal.Decimal, strict bool) {
	if c := d.Cmp(s.high); !s.hasHigh || c < 0 || c == 0 && strict {
		s.high, s.hasHigh, s.highStrict = d, true, strict
	}
}

func (s *span) empty() bool {
	if !s.hasLow || !s.hasHigh {
		return false
	}
	c := s.low.Cmp(s.high)
	return c > 0 || c == 0 && (s.lowStrict || s.highStrict)
}

// ranged reads a range of numbers; of counts when whole says so.
func (r *reader) ranged(m map[string]any, key string, whole bool) *Range {
	if m[key] == nil {
		return nil
	}
	var out *Range
	r.at(key, func() { out = r.rangeOf(m[key], whole) })
	return out
}

func (r *reader) rangeOf(v any, whole bool) *Range {
	m, known := r.fields(v, "a range", "eq", "gte", "gt", "lte", "lt")
	if len(m) == 0 {
		if known {
			r.fault(ReasonEmpty, "a range has at least one of eq, gte, gt, lte and lt")
		}
		return nil
	}
	out, s := &Range{}, span{}
	if whole {
		s.above(decimal.Zero, false)
	}
	read := func(key string, to *string, narrow func(d decimal.Decimal)) {
		lit, d, ok := r.number(m, key)
		if !ok {
			return
		}
		if whole && (!d.IsInteger() || d.Sign() < 0 || d.GreaterThan(decimal.NewFromInt(maxCount))) {
			r.at(key, func() { r.fault(ReasonNumber, "a count is a whole number from 0 to %d", maxCount) })
			return
		}
		*to = lit
		narrow(d)
	}
	read("eq", &out.Eq, func(d decimal.Decimal) { s.above(d, false); s.below(d, false) })
	read("gte", &out.Gte, func(d decimal.Decimal) { s.above(d, false) })
	read("gt", &out.Gt, func(d decimal.Decimal) {
		if s.above(d, true); whole {
			s.above(d.Add(one), false)
		}
	})
	read("lte", &out.Lte, func(d decimal.Decimal) { s.below(d, false) })
	read("lt", &out.Lt, func(d decimal.Decimal) {
		if s.below(d, true); whole {
			s.below(d.Sub(one), false)
		}
	})
	if s.empty() {
		r.fault(ReasonRange, "no number lies in this range: the lower bound must be below the upper one")
	}
	return out
}

var one = decimal.NewFromInt(1)
