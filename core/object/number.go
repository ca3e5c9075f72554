package object

import (
	"fmt"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// num is an exact decimal: digits × 10^exp, digits without zeros at either end;
// no digits is zero.
type num struct {
	neg    bool
	digits string
	exp    int
}

// maxExponent bounds the exponents that are read: those of Decimal128, with room.
const maxExponent = 7000

// parseNum reads a decimal literal as JSON writes numbers. False for other text,
// and for numbers beyond what Decimal128 holds.
func parseNum(lit string) (num, bool) {
	var n num
	s, neg := strings.CutPrefix(lit, "-")
	n.neg = neg
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
		if exponent == "" {
			return n, false
		}
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !digitsOnly(whole) || point && !digitsOnly(fraction) || len(lit) > 128 {
		return n, false
	}
	if exponent != "" {
		e, ok := smallInt(exponent)
		if !ok {
			return n, false
		}
		n.exp = e
	}
	n.exp -= len(fraction)
	n.digits = strings.TrimLeft(whole+fraction, "0")
	trimmed := strings.TrimRight(n.digits, "0")
	n.exp += len(n.digits) - len(trimmed)
	n.digits = trimmed
	if trimmed == "" {
		return num{}, true
	}
	m := n.magnitude()
	return n, len(trimmed) <= 34 && -maxExponent < m && m < maxExponent
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// smallInt reads an exponent.
func smallInt(s string) (int, bool) {
	s, neg := strings.CutPrefix(strings.TrimPrefix(s, "+"), "-")
	if !digitsOnly(s) {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		n = min(n*10+int(s[i]-'0'), 100_000)
	}
	if neg {
		n = -n
	}
	return n, true
}

// numOf reads a BSON number; false for other values, NaN and the infinities.
func numOf(v bson.RawValue) (num, bool) {
	switch v.Type {
	case bson.TypeInt64, bson.TypeInt32, bson.TypeDouble, bson.TypeDecimal128:
		text, err := event.ValueToJSON(v)
		if err != nil {
			return num{}, false
		}
		return parseNum(string(text))
	}
	return num{}, false
}

// magnitude is where the point stands: the number is 0.digits × 10^magnitude.
func (n num) magnitude() int { return n.exp + len(n.digits) }

// scale is how many digits stand after the point.
func (n num) scale() int { return max(0, -n.exp) }

// literal writes the number, whole ones of up to 19 digits plainly.
func (n num) literal() string {
	if n.digits == "" {
		return "0"
	}
	sign := ""
	if n.neg {
		sign = "-"
	}
	switch m := n.magnitude(); {
	case n.exp >= 0 && m <= 19:
		return sign + n.digits + strings.Repeat("0", n.exp)
	case n.exp < 0 && m > 0:
		return sign + n.digits[:m] + "." + n.digits[m:]
	}
	return fmt.Sprintf("%s%se%d", sign, n.digits, n.exp)
}

// value returns the number as BSON, the same for equal numbers: int64 where it is
// whole and fits, else a double where that is exact, else Decimal128.
func (n num) value() (bson.RawValue, bool) {
	v, err := event.ValueFromJSON([]byte(n.literal()))
	return v, err == nil
}

// integer reports whether the number is whole and fits 64 bits.
func (n num) integer() bool {
	if n.exp < 0 || n.magnitude() > 19 {
		return false
	}
	v, ok := n.value()
	return ok && v.Type == bson.TypeInt64
}

// sortExponent moves magnitudes to five digits without a sign.
const sortExponent = 10_000

// token writes the number as text whose order, byte by byte, is that of numbers:
// the sign, the magnitude, the digits. Those of a negative number are complemented,
// and end in a byte above all digits, so that -0.11 comes before -0.1.
func (n num) token() string {
	if n.digits == "" {
		return "1"
	}
	m := n.magnitude() + sortExponent
	if !n.neg {
		return fmt.Sprintf("2%05d%s", m, n.digits)
	}
	b := fmt.Appendf(nil, "0%05d%s", 99_999-m, n.digits)
	for i := 6; i < len(b); i++ {
		b[i] = '0' + '9' - b[i]
	}
	return string(append(b, '~'))
}

// compare orders two numbers.
func (n num) compare(o num) int { return strings.Compare(n.token(), o.token()) }

// float is the number as a double, for coordinates.
func (n num) float() float64 {
	var f float64
	if _, err := fmt.Sscan(n.literal(), &f); err != nil {
		return math.NaN()
	}
	return f
}
