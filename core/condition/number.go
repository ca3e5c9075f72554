package condition

import (
	"math"
	"strconv"

	"github.com/shopspring/decimal"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// Decimal is an exact decimal number.
type Decimal = decimal.Decimal

// MaxExponent bounds what is taken for a number: zero, and everything whose
// magnitude is at least 10^-100 and less than 10^100. What lies beyond (Decimal128
// reaches 10^6144) is not a number to conditions, nor are infinities and NaN: no
// comparison holds of it and no aggregate counts it. So no value, however hostile,
// costs more than arithmetic with some hundred digits.
const MaxExponent = 100

// maxLiteral bounds the length of a decimal literal.
const maxLiteral = 400

// ParseNumber reads a number exactly: int32, int64, a double by its shortest
// decimal form (0.1 is one tenth) or Decimal128. False when the value is none, or
// lies beyond MaxExponent.
func ParseNumber(v bson.RawValue) (Decimal, bool) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		if i, ok := intOf(v); ok {
			return decimal.NewFromInt(i), true
		}
	case bson.TypeDouble:
		if f, ok := v.DoubleOK(); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return ParseDecimal(strconv.FormatFloat(f, 'e', -1, 64))
		}
	case bson.TypeDecimal128:
		if d, ok := v.Decimal128OK(); ok {
			if big, exp, err := d.BigInt(); err == nil {
				return bounded(decimal.NewFromBigInt(big, int32(exp))) //nolint:gosec // between -6176 and 6111
			}
		}
	}
	return Decimal{}, false
}

// ParseDecimal reads a decimal literal, "-12.50" or "1e3". False when it is none,
// or lies beyond MaxExponent.
func ParseDecimal(lit string) (Decimal, bool) {
	if len(lit) > maxLiteral {
		return Decimal{}, false
	}
	d, err := decimal.NewFromString(lit)
	if err != nil {
		return Decimal{}, false
	}
	return bounded(d)
}

func bounded(d Decimal) (Decimal, bool) {
	if d.IsZero() {
		return Decimal{}, true
	}
	if e := d.NumDigits() - 1 + int(d.Exponent()); e < -MaxExponent || e >= MaxExponent {
		return Decimal{}, false
	}
	return d, true
}

func intOf(v bson.RawValue) (int64, bool) {
	if v.Type == bson.TypeInt32 {
		i, ok := v.Int32OK()
		return int64(i), ok
	}
	return v.Int64OK()
}

// number is an operand, prepared so that integers and doubles are compared with it
// without allocating.
type number struct {
	exact Decimal
	floor int64   // of exact, when it fits
	whole bool    // exact is floor
	side  int     // of the integers' range on which exact lies: -1, 0, 1
	near  float64 // the double nearest to exact
	at    int     // how the shortest form of near compares with exact
}

func newNumber(lit string) (*number, bool) {
	d, ok := ParseDecimal(lit)
	if !ok {
		return nil, false
	}
	n := &number{exact: d}
	floor := d.Floor()
	switch {
	case floor.Cmp(decimal.NewFromInt(math.MaxInt64)) > 0:
		n.side = 1
	case floor.Cmp(decimal.NewFromInt(math.MinInt64)) < 0:
		n.side = -1
	default:
		n.floor, n.whole = floor.IntPart(), floor.Equal(d)
	}
	n.near, _ = strconv.ParseFloat(d.String(), 64)
	if shortest, ok := ParseDecimal(strconv.FormatFloat(n.near, 'e', -1, 64)); ok {
		n.at = shortest.Cmp(d)
	}
	return n, true
}

// compare compares a value with the number; false when the value is none.
func (n *number) compare(v bson.RawValue) (int, bool) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		i, ok := intOf(v)
		return n.compareInt(i), ok
	case bson.TypeDouble:
		// Rounding to the nearest double keeps the order, so that only the double
		// next to the operand needs a closer look, which it had when n was made.
		f, ok := v.DoubleOK()
		if a := math.Abs(f); !ok || !(a == 0 || a >= 1e-100 && a < 1e100) {
			return 0, false
		}
		switch {
		case f < n.near:
			return -1, true
		case f > n.near:
			return 1, true
		}
		return n.at, true
	}
	d, ok := ParseNumber(v)
	if !ok {
		return 0, false
	}
	return d.Cmp(n.exact), true
}

func (n *number) compareInt(i int64) int {
	switch {
	case n.side != 0:
		return -n.side
	case i < n.floor, i == n.floor && !n.whole:
		return -1
	case i == n.floor:
		return 0
	}
	return 1
}

// bounds is a compiled Range.
type bounds struct{ eq, gte, gt, lte, lt *Decimal }

func newBounds(r *Range) (*bounds, error) {
	b := &bounds{}
	for _, side := range []struct {
		lit string
		to  **Decimal
	}{{r.Eq, &b.eq}, {r.Gte, &b.gte}, {r.Gt, &b.gt}, {r.Lte, &b.lte}, {r.Lt, &b.lt}} {
		if side.lit == "" {
			continue
		}
		d, ok := ParseDecimal(side.lit)
		if !ok {
			return nil, core.Errorf(core.Invalid, "BAD_NUMBER", "a bound is a decimal number below 1e%d", MaxExponent)
		}
		*side.to = &d
	}
	return b, nil
}

// has tells whether sum / n lies in the range; n is positive. Multiplying the bounds
// instead of dividing keeps averages exact.
func (b *bounds) has(sum Decimal, n int64) bool {
	test := func(bound *Decimal, meets func(c int) bool) bool {
		if bound == nil {
			return true
		}
		limit := *bound
		if n != 1 {
			limit = limit.Mul(decimal.NewFromInt(n))
		}
		return meets(sum.Cmp(limit))
	}
	return test(b.eq, func(c int) bool { return c == 0 }) &&
		test(b.gte, func(c int) bool { return c >= 0 }) && test(b.gt, func(c int) bool { return c > 0 }) &&
		test(b.lte, func(c int) bool { return c <= 0 }) && test(b.lt, func(c int) bool { return c < 0 })
}

// interval is a Range of counts: from lo to hi, both included.
type interval struct{ lo, hi int64 }

// newInterval compiles a range of counts; nil is at least one.
func newInterval(r *Range) (interval, error) {
	s := interval{lo: -plenty, hi: plenty}
	if r == nil {
		s.lo = 1
		return s, nil
	}
	b, err := newBounds(r)
	if err != nil {
		return s, err
	}
	one := decimal.NewFromInt(1)
	if b.eq != nil {
		s.atLeast(b.eq.Ceil())
		s.atMost(b.eq.Floor())
	}
	if b.gte != nil {
		s.atLeast(b.gte.Ceil())
	}
	if b.gt != nil {
		s.atLeast(b.gt.Floor().Add(one))
	}
	if b.lte != nil {
		s.atMost(b.lte.Floor())
	}
	if b.lt != nil {
		s.atMost(b.lt.Ceil().Sub(one))
	}
	return s, nil
}

// plenty is more than there can ever be of anything.
const plenty = 1 << 60

func clamp(d Decimal) int64 {
	if limit := decimal.NewFromInt(plenty); d.Cmp(limit) > 0 {
		return plenty
	} else if d.Cmp(limit.Neg()) < 0 {
		return -plenty
	}
	return d.IntPart()
}

func (s *interval) atLeast(d Decimal) { s.lo = max(s.lo, clamp(d)) }
func (s *interval) atMost(d Decimal)  { s.hi = min(s.hi, clamp(d)) }
func (s interval) has(n int64) bool   { return s.lo <= n && n <= s.hi }
