package event

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// number writes the number at the cursor so that no digit is lost: as int64 when
// it is whole and fits; as a double when the shortest text of that double is the
// same number; else as Decimal128 (34 digits). Beyond that is NUMBER_RANGE.
func (s *scanner) number() (bson.Type, *core.Error) {
	lit, whole, err := s.literalNumber()
	if err != nil {
		return 0, err
	}
	if whole && len(lit) <= 18 { // cannot overflow
		s.dst = binary.LittleEndian.AppendUint64(s.dst, uint64(parseShort(lit)))
		return bson.TypeInt64, nil
	}
	if whole {
		if n, err := strconv.ParseInt(string(lit), 10, 64); err == nil {
			s.dst = binary.LittleEndian.AppendUint64(s.dst, uint64(n))
			return bson.TypeInt64, nil
		}
	}
	if f, ok := exactFloat(lit); ok {
		s.dst = binary.LittleEndian.AppendUint64(s.dst, math.Float64bits(f))
		return bson.TypeDouble, nil
	}
	if d, ok := exactDecimal(lit); ok {
		hi, lo := d.GetBytes()
		s.dst = binary.LittleEndian.AppendUint64(s.dst, lo)
		s.dst = binary.LittleEndian.AppendUint64(s.dst, hi)
		return bson.TypeDecimal128, nil
	}
	return 0, invalid(ReasonNumberRange, "a number has at most 34 significant digits and lies within ±9.99e6144; send longer ones as text")
}

func parseShort(lit []byte) int64 {
	var n int64
	neg := lit[0] == '-'
	if neg {
		lit = lit[1:]
	}
	for _, c := range lit {
		n = n*10 + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n
}

// decimal is a number as digits without leading and trailing zeros, times ten to
// the power of exp. No digits is zero.
type decimal struct {
	neg    bool
	digits []byte
	exp    int
}

// parseDecimal takes a valid JSON number apart, appending its digits to buf.
func parseDecimal(lit, buf []byte) decimal {
	var d decimal
	if lit[0] == '-' {
		d.neg, lit = true, lit[1:]
	}
	inFraction := false
	for i, c := range lit {
		if c == 'e' || c == 'E' {
			d.exp += parseExponent(lit[i+1:])
			break
		}
		if c == '.' {
			inFraction = true
			continue
		}
		if inFraction {
			d.exp--
		}
		if c != '0' || len(buf) > 0 {
			buf = append(buf, c)
		}
	}
	for len(buf) > 0 && buf[len(buf)-1] == '0' {
		buf = buf[:len(buf)-1]
		d.exp++
	}
	d.digits = buf
	return d
}

// parseExponent reads an exponent; beyond a million it is as good as a million.
func parseExponent(b []byte) int {
	neg := b[0] == '-'
	if neg || b[0] == '+' {
		b = b[1:]
	}
	n := 0
	for _, c := range b {
		n = min(n*10+int(c-'0'), 1_000_000)
	}
	if neg {
		n = -n
	}
	return n
}

// exactFloat returns the double whose shortest text is the number lit.
func exactFloat(lit []byte) (float64, bool) {
	var room, short [40]byte
	d := parseDecimal(lit, room[:0])
	f, err := strconv.ParseFloat(string(lit), 64)
	if len(d.digits) == 0 {
		return f, true
	}
	if err != nil || f == 0 {
		return 0, false
	}
	// A double tells any two numbers of 15 digits apart, within its normal range:
	// the shortest text that names it can then be no other number.
	if magnitude := d.exp + len(d.digits); len(d.digits) <= 15 && -290 < magnitude && magnitude < 290 {
		return f, true
	}
	var room2 [40]byte
	e := parseDecimal(strconv.AppendFloat(short[:0], f, 'e', -1, 64), room2[:0])
	return f, e.exp == d.exp && string(e.digits) == string(d.digits)
}

func exactDecimal(lit []byte) (bson.Decimal128, bool) {
	d := parseDecimal(lit, nil)
	if len(d.digits) == 0 || len(d.digits) > 34 {
		return bson.Decimal128{}, false
	}
	n, ok := new(big.Int).SetString(string(d.digits), 10)
	if !ok {
		return bson.Decimal128{}, false
	}
	if d.neg {
		n.Neg(n)
	}
	return bson.ParseDecimal128FromBigInt(n, d.exp)
}

// appendFloat writes a double as its shortest text, in the manner of JavaScript:
// plain between 1e-6 and 1e21.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...) // JSON has no word for them; the decoder never makes them
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

// appendDecimal writes a Decimal128 with all its digits, plainly where that takes
// no more than some forty characters.
func appendDecimal(dst []byte, d bson.Decimal128) []byte {
	n, exp, err := d.BigInt()
	if err != nil {
		return append(dst, "null"...) // NaN and the infinities
	}
	digits := new(big.Int).Abs(n).Append(nil, 10)
	if exp > 40-len(digits) || exp < -40 {
		return append(dst, d.String()...)
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	for ; exp > 0; exp-- {
		digits = append(digits, '0')
	}
	if point := len(digits) + exp; exp < 0 && point > 0 {
		return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
	} else if exp < 0 {
		dst = append(dst, "0."...)
		for ; point < 0; point++ {
			dst = append(dst, '0')
		}
	}
	return append(dst, digits...)
}
