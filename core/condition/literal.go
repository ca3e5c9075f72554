package condition

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// MaxDigits bounds the text of a number in a condition.
const MaxDigits = 64

var numberForm = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?$`)

// literal writes a number of any Go type as JSON does, exactly. False when v is no
// number or is beyond the bounds. A text passes when texts says so.
func literal(v any, texts bool) (string, bool) {
	var s string
	switch v := v.(type) {
	case json.Number:
		s = v.String()
	case string:
		if !texts {
			return "", false
		}
		s = v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		b, _ := json.Marshal(v) // finite numbers always can
		s = string(b)
	case float32:
		return literal(float64(v), false)
	case int:
		s = strconv.Itoa(v)
	case int32:
		s = strconv.FormatInt(int64(v), 10)
	case int64:
		s = strconv.FormatInt(v, 10)
	case uint64:
		s = strconv.FormatUint(v, 10)
	default:
		return "", false
	}
	if len(s) > MaxDigits || !numberForm.MatchString(s) {
		return "", false
	}
	_, ok := ParseDecimal(s)
	return s, ok
}

// number reads a Decimal, in a text or as a number.
func (r *reader) number(m map[string]any, key string) (lit string, val Decimal, ok bool) {
	if m[key] == nil {
		return "", val, false
	}
	r.at(key, func() {
		if lit, ok = literal(m[key], true); !ok {
			r.fault(ReasonNumber, `a decimal number is expected, such as 12.5 or "12.5", of at most %d characters and below 10^%d`, MaxDigits, MaxExponent)
			return
		}
		val = parsed(lit)
		r.weigh(len(lit))
	})
	return lit, val, ok
}

// whole reads an integer within bounds.
func (r *reader) whole(m map[string]any, key string, least, most int) int {
	if !r.required(m, key) {
		return 0
	}
	n := 0
	r.at(key, func() {
		lit, ok := literal(m[key], false)
		d := parsed(lit)
		if !ok || !d.IsInteger() || d.LessThan(decimal.NewFromInt(int64(least))) || d.GreaterThan(decimal.NewFromInt(int64(most))) {
			r.fault(ReasonNumber, "a whole number from %d to %d is expected", least, most)
			return
		}
		n = int(d.IntPart())
	})
	return n
}

// parsed is the value of a literal that literal let pass.
func parsed(lit string) Decimal {
	d, _ := ParseDecimal(lit)
	return d
}

// sameNumber writes equal numbers alike: 50, 50.0 and 5e1.
func sameNumber(lit string) string {
	d := parsed(lit)
	if d.IsZero() {
		return "0"
	}
	all := d.Coefficient().String()
	digits := strings.TrimRight(all, "0")
	return digits + "e" + strconv.Itoa(int(d.Exponent())+len(all)-len(digits))
}
