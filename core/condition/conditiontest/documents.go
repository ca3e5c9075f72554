package conditiontest

import (
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Document returns a document in which the paths of the conditions find values of
// every type, null and nothing.
func (r *Random) Document() bson.Raw {
	d := bson.D{}
	for _, key := range []string{"x", "y", "list", "at", "price", "place", "d.t"} {
		if r.chance(4) {
			continue
		}
		d = append(d, bson.E{Key: key, Value: r.under(key)})
	}
	return raw(d)
}

func raw(d bson.D) bson.Raw {
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}

func (r *Random) under(key string) any {
	switch key {
	case "list":
		return r.list(2)
	case "at":
		if r.chance(5) {
			return bson.A{r.date(), r.date()}
		}
		return r.date()
	case "price":
		if r.chance(5) {
			return bson.A{r.price(), r.price()}
		}
		return r.price()
	case "place":
		return r.place()
	case "y":
		if r.chance(2) {
			return bson.D{{Key: "x", Value: r.scalar()}, {Key: "y", Value: r.scalar()}}
		}
	}
	if r.chance(6) {
		return r.list(1)
	}
	return r.scalar()
}

func (r *Random) list(depth int) any {
	if r.chance(8) {
		return r.scalar()
	}
	out := bson.A{}
	for range r.IntN(4) {
		switch {
		case depth > 0 && r.chance(6):
			out = append(out, r.list(depth-1))
		case r.chance(2):
			e := bson.D{}
			for _, key := range []string{"x", "y"} {
				if r.chance(4) {
					continue
				}
				v := r.scalar()
				if depth > 0 && r.chance(4) {
					v = r.list(0)
				}
				e = append(e, bson.E{Key: key, Value: v})
			}
			out = append(out, e)
		default:
			out = append(out, r.scalar())
		}
	}
	return out
}

var scalars = []any{
	int64(0), int64(1), 1.0, int32(1), int64(2), 2.5, decimal128("2.50"), decimal128("1"), int64(9007199254740993), 9007199254740992.0,
	int64(-3), 0.1, decimal128("9007199254740993"), 1e300, decimal128("1E+6000"),
	"1", "a", "ab", "b", "B", "", "țară", true, false, nil,
}

// Numbers at the edges of their types; conditions compare with edgeLiterals.
var edges = []any{
	int64(math.MaxInt64), int64(math.MinInt64), 9223372036854775807.0, -9223372036854775808.0, decimal128("9223372036854775808"),
	int64(9007199254740993), 9007199254740992.0, decimal128("9007199254740992.5"), 0.1, 0.3, 0.30000000000000004, math.Copysign(0, -1),
	1e99, 1e100, -1e100, 1e-100, 1e-101, decimal128("9.999E+99"), decimal128("1E+100"), decimal128("0E+6000"), decimal128("0.1000"),
	math.NaN(), math.Inf(-1), decimal128("NaN"), decimal128("Infinity"), 5e-324, decimal128("0.30000000000000004"),
}

var edgeLiterals = []string{
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "9007199254740992", "9007199254740993",
	"9007199254740992.5", "0.1", "0.10000000000000000555", "0.3", "0.30000000000000004", "0", "-0", "1e99", "9.999e99", "1e-100", "0.5e-99",
}

func (r *Random) scalar() any {
	if r.chance(12) {
		return edges[r.IntN(len(edges))]
	}
	if r.chance(2) {
		return scalars[r.IntN(10)] // numbers that meet
	}
	if r.chance(10) {
		return r.date()
	}
	return scalars[r.IntN(len(scalars))]
}

// json returns a scalar that JSON knows, as all that comes from outside is.
func (r *Random) json() any {
	for {
		switch v := r.scalar().(type) {
		case float64:
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		case bson.Decimal128:
			if !v.IsNaN() && v.IsInf() == 0 {
				return v
			}
		default:
			return v
		}
	}
}

func decimal128(lit string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(lit)
	if err != nil {
		panic(err)
	}
	return d
}

func (r *Random) date() any {
	t := r.instant()
	switch r.IntN(12) {
	case 0:
		return t.Format(time.DateOnly)
	case 1:
		return nil
	case 2:
		return "2000-02-29T00:00:00Z"
	case 3:
		return t.In(r.Zone).AddDate(-10, 0, 0).Format(time.RFC3339)
	case 4:
		return "soon"
	case 5:
		return t.Add(time.Duration(r.IntN(3)*499_999+1) - time.Millisecond).Format(time.RFC3339Nano) // finer than the clock
	case 6, 7:
		return t.In(r.Zone).Format(time.RFC3339Nano)
	}
	return t.Format(time.RFC3339Nano)
}

func (r *Random) price() any {
	if r.chance(6) {
		return r.scalar()
	}
	return bson.D{{Key: "amount", Value: r.scalar()}, {Key: "currency", Value: r.one("EUR", "EUR", "RON")}}
}

func (r *Random) place() any {
	if r.chance(6) {
		return r.scalar()
	}
	lats := []any{44.4, int64(45), decimal128("44.40"), "44.4", nil, 91.0, -89.5}
	lons := []any{26.1, int64(26), 179.9, -179.9, true, int64(181)}
	return bson.D{{Key: "lat", Value: lats[r.IntN(len(lats))]}, {Key: "lon", Value: lons[r.IntN(len(lons))]}}
}
