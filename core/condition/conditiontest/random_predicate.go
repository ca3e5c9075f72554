package conditiontest

import (
	"encoding/json"
	"time"
)

var paths = []string{"x", "x", "y", "y.x", "y.y", "list", "list.x", "list.y", "list.x.y", "at", "at", "price", "price.amount", "price.currency", `d\.t`, "nowhere", "place"}

// kindOf says what a predicate may ask.
type kindOf struct {
	lists bool // of the elements of an array
	now   bool // how a time lies to now
}

func (r *Random) predicate(kind kindOf) object {
	p := object{"path": paths[r.IntN(len(paths))]}
	switch {
	case kind.lists && r.chance(5):
		p["path"] = r.one("list", "list", "list.x", "x", "at", "price")
		p[r.one("any", "all", "none")] = r.inner(kind)
		if r.chance(4) {
			p[r.one("any", "all", "none")] = r.inner(kind)
		}
	case kind.lists && r.chance(8):
		p["path"] = r.one("list", "list", "list.x", "x", "at")
		p["size"] = r.bounds(3)
	default:
		r.operator(p, kind)
		if r.chance(4) {
			r.operator(p, kind)
		}
	}
	if r.chance(6) {
		p["missing"] = r.one("INCLUDE", "EXCLUDE")
	}
	return p
}

func (r *Random) inner(kind kindOf) []any {
	p := object{"path": r.one("", "", "x", "y", "x.y", "amount", "currency")}
	r.operator(p, kind)
	out := []any{p}
	if r.chance(3) {
		q := object{"path": r.one("x", "y", "")}
		r.operator(q, kind)
		out = append(out, q)
	}
	if r.chance(8) {
		out = []any{object{"path": r.one("", "x"), "any": []any{p}}}
	}
	return out
}

func (r *Random) operator(p object, kind kindOf) {
	dated := p["path"] == "at" || r.chance(12)
	if dated && !r.chance(4) {
		n := 6
		if !kind.now {
			n = 2
		}
		switch r.IntN(n) {
		case 0:
			p["before"] = r.instant().Format(time.RFC3339Nano)
		case 1:
			p["after"] = r.instant().Format(time.RFC3339Nano)
		case 2, 3:
			p["within"] = object{r.one("past", "next"): r.period()}
		case 4:
			p["olderThan"] = r.period()
		case 5:
			p["anniversary"] = object{r.one("past", "next"): r.one("P1D", "P2D", "P7D", "P1M", "P30D", "P1Y")}
		}
		return
	}
	switch r.IntN(16) {
	case 0, 1:
		p["eq"] = r.operand()
	case 2:
		p["neq"] = r.operand()
	case 3:
		p["in"] = []any{r.operand(), r.operand(), r.operand()}
	case 4:
		p["notIn"] = []any{r.operand(), r.operand()}
	case 5:
		p["gt"] = r.operand()
	case 6:
		p["gte"] = r.operand()
	case 7:
		p["lt"] = r.operand()
	case 8:
		p["lte"] = r.operand()
	case 9:
		p["between"] = []any{r.operand(), r.operand()}
	case 10:
		p["contains"] = r.operand()
	case 11:
		p["startsWith"] = r.one("a", "2026", "B")
	case 12:
		p["endsWith"] = r.one("b", "Z", "ă")
	case 13:
		p["matches"] = r.one("a", "^a.?$", "(?i)B", "^$", "[0-9]+")
	default:
		p["exists"] = r.chance(2)
	}
}

func (r *Random) operand() any {
	if r.chance(8) {
		return object{"amount": json.Number(r.one("1", "2.5", "1.0")), "currency": r.one("EUR", "RON")}
	}
	if r.chance(12) {
		return r.instant().Format(time.RFC3339Nano)
	}
	if r.chance(8) {
		return json.Number(edgeLiterals[r.IntN(len(edgeLiterals))])
	}
	switch r.IntN(14) {
	case 0, 1:
		return json.Number("1")
	case 2:
		return json.Number("1.0")
	case 3:
		return json.Number("2")
	case 4:
		return json.Number("2.5")
	case 5:
		return json.Number("0")
	case 6:
		return json.Number("9007199254740993")
	case 7:
		return "1"
	case 8:
		return "a"
	case 9:
		return "ab"
	case 10:
		return "b"
	case 11:
		return r.chance(2)
	case 12:
		return json.Number("-3")
	}
	return ""
}
