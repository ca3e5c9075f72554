package condition

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func rawValue(t testing.TB, v any) bson.RawValue {
	t.Helper()
	kind, data, err := bson.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: kind, Value: data}
}

func TestParseNumber(t *testing.T) {
	decimal128 := func(s string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		v    any
		want string // "" for none
	}{
		{int32(-5), "-5"}, {int64(math.MinInt64), "-9223372036854775808"}, {0.1, "0.1"}, {math.Copysign(0, -1), "0"}, {1e22, "10000000000000000000000"},
		{decimal128("0.10"), "0.1"}, {decimal128("-1234567890123456789012345678901234"), "-1234567890123456789012345678901234"},
		{decimal128("0E+6000"), "0"}, {9.9e99, "99" + zeros(98)}, {1e100, ""}, {1e-100, "0." + zeros(99) + "1"}, {9e-101, ""}, {5e-324, ""},
		{decimal128("1E+6144"), ""}, {decimal128("1E-6000"), ""}, {decimal128("NaN"), ""}, {decimal128("-Infinity"), ""},
		{math.NaN(), ""}, {math.Inf(1), ""}, {"5", ""}, {true, ""}, {bson.Null{}, ""},
	} {
		d, ok := ParseNumber(rawValue(t, c.v))
		if got := d.String(); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%v: %s %v, want %q", c.v, got, ok, c.want)
		}
	}
	for _, lit := range []string{"", "x", "1e9999999999", "1e100", "-1e-101", "1e-2147483647", "0x1p3", zeros(500)} {
		if d, ok := ParseDecimal(lit); ok {
			t.Errorf("%q is read as %s", lit, d)
		}
	}
	if d, ok := ParseDecimal("0e999999"); !ok || !d.IsZero() {
		t.Error("zero is zero")
	}
}

func zeros(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0'
	}
	return string(b)
}

// Comparing without allocating is comparing the exact rationals.
func TestCompareNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	literals := []string{"0", "-0.5", "0.1", "0.30000000000000004", "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775807.5",
		"9223372036854775808", "-9223372036854775808", "-9223372036854775808.5", "-9223372036854775809", "1e99", "-1e-99", "2.5", "12345678901234567890.123"}
	for range 20_000 {
		lit := literals[r.IntN(len(literals))]
		n, ok := newNumber(lit)
		if !ok {
			t.Fatal(lit)
		}
		operand, _ := new(big.Rat).SetString(lit)
		near, _ := operand.Float64()
		var v any
		var exact *big.Rat
		switch r.IntN(3) {
		case 0:
			i := int64(r.Uint64())
			if near > -9e18 && near < 9e18 && r.IntN(2) == 0 {
				i = int64(near) + int64(r.IntN(5)) - 2
			}
			v, exact = i, new(big.Rat).SetInt64(i)
		case 1:
			f := r.NormFloat64() * 1e10
			switch r.IntN(3) {
			case 0:
				f = near
			case 1:
				f = math.Nextafter(near, float64(r.IntN(3)-1)*math.MaxFloat64)
			}
			if a := math.Abs(f); a != 0 && (a < 1e-100 || a >= 1e100) {
				continue
			}
			v = f
			exact, _ = new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
		default:
			d, err := bson.ParseDecimal128(lit)
			if err != nil {
				continue
			}
			v, exact = d, operand
		}
		if got, ok := n.compare(rawValue(t, v)); !ok || got != exact.Cmp(operand) {
			t.Fatalf("%v with %s: %d %v, want %d", v, lit, got, ok, exact.Cmp(operand))
		}
	}
}

// No value costs more than microseconds.
func TestHostileNumbersAreCheap(t *testing.T) {
	n, _ := newNumber("12.5")
	var values []bson.RawValue
	for _, s := range []string{"1E+6144", "1E-6176", "9999999999999999999999999999999999E+6111", "1E+99", "1E-99"} {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, rawValue(t, d))
	}
	const rounds = 2000
	var sum Decimal
	began := time.Now()
	for range rounds {
		for _, v := range values {
			n.compare(v)
			if d, ok := ParseNumber(v); ok {
				sum = sum.Add(d)
			}
		}
	}
	if each := time.Since(began) / time.Duration(rounds*len(values)); each > 200*time.Microsecond {
		t.Errorf("each number cost %s", each)
	}
	if len(sum.String()) > 400 {
		t.Errorf("the sum has %d digits", len(sum.String()))
	}
}

func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		r      Range
		lo, hi int64
	}{
		{Range{Eq: "2"}, 2, 2}, {Range{Gte: "2"}, 2, plenty}, {Range{Gt: "2"}, 3, plenty}, {Range{Gt: "1.5"}, 2, plenty}, {Range{Lt: "2"}, -plenty, 1},
		{Range{Lt: "2.5"}, -plenty, 2}, {Range{Lte: "2.5", Gte: "0.5"}, 1, 2}, {Range{Eq: "1.5"}, 2, 1}, {Range{Gte: "1e50"}, plenty, plenty},
	} {
		s, err := newInterval(&c.r)
		if err != nil || s != (interval{c.lo, c.hi}) {
			t.Errorf("%+v: %+v %v", c.r, s, err)
		}
	}
	if s, _ := newInterval(nil); !s.has(1) || s.has(0) {
		t.Error("without a range it is at least one")
	}
	if _, err := newInterval(&Range{Eq: "x"}); err == nil {
		t.Error("x is a bound")
	}
}
