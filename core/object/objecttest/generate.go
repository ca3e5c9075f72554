package objecttest

import (
	"pgregory.net/rapid"
)

// eachPredicate calls f with every operator over every field with every value of its
// pool.
func eachPredicate(f func(map[string]any)) {
	ask := func(path, op string, operand any) {
		f(map[string]any{"field": map[string]any{"path": path, op: operand}})
	}
	for path, source := range sources {
		for _, v := range pools[source] {
			for _, op := range []string{"eq", "gt", "gte", "lt", "lte", "startsWith"} {
				ask(path, op, v)
			}
			ask(path, "in", []any{v, pools[source][0]})
			ask(path, "between", []any{v, v})
			f(map[string]any{"field": map[string]any{"path": path, "gt": pools[source][0], "lt": v}})
		}
	}
	for _, path := range []string{"born", "seen"} {
		for _, at := range instants {
			ask(path, "before", at)
			ask(path, "after", at)
		}
		for _, period := range []string{"P7D", "P1M", "PT1H", "P2Y"} {
			ask(path, "within", map[string]any{"past": period})
			ask(path, "within", map[string]any{"next": period})
			ask(path, "olderThan", period)
		}
	}
}

// sources are the fields with the pool of each.
var sources = map[string]string{
	"name": "name", "notes": "notes", "size": "size", "weight": "weight", "price": "price", "sold": "sold", "born": "born",
	"seen": "seen", "state": "state", "tags": "name", "marks": "weight",
}

var instants = []string{
	"2026-03-29T12:00:00Z", "2026-03-29T12:00:00.001Z", "2026-03-29T11:59:59.9995Z", "2026-03-29T11:30:00.5Z", "2026-03-29T11:30:00.4999Z",
	"2026-03-28T00:00:00Z", "2026-03-27T23:59:59Z", "2025-06-01T00:00:00+02:00",
}

// conditions draws a tree of and, or, not and field.
func conditions(rt *rapid.T, depth int) map[string]any {
	kind := "field"
	if depth > 0 {
		kind = rapid.SampledFrom([]string{"field", "field", "and", "and", "or", "not"}).Draw(rt, "node")
	}
	switch kind {
	case "and", "or":
		var kids []any
		for range rapid.IntRange(1, 3).Draw(rt, "kids") {
			kids = append(kids, conditions(rt, depth-1))
		}
		return map[string]any{kind: kids}
	case "not":
		return map[string]any{"not": conditions(rt, depth-1)}
	}
	return map[string]any{"field": predicate(rt)}
}

// predicate draws one or two operators over a field, with operands of its own type
// more often than not.
func predicate(rt *rapid.T) map[string]any {
	fields := []string{"name", "notes", "size", "weight", "price", "sold", "born", "seen", "state", "tags", "marks", "extra"}
	path := rapid.SampledFrom(fields).Draw(rt, "field")
	source := sources[path]
	if source == "" {
		source = path
	}
	if rapid.IntRange(0, 9).Draw(rt, "stranger") == 0 {
		source = rapid.SampledFrom(fields[:9]).Draw(rt, "other")
	}
	operand := func() any { return rapid.SampledFrom(pools[source]).Draw(rt, "operand") }
	p := map[string]any{"path": path}
	for range rapid.IntRange(1, 2).Draw(rt, "operators") {
		op := rapid.SampledFrom([]string{
			"eq", "eq", "neq", "in", "notIn", "gt", "gte", "lt", "lte", "between", "startsWith", "contains", "exists", "before", "after", "within", "olderThan",
		}).Draw(rt, "op")
		switch op {
		case "in", "notIn":
			p[op] = []any{operand(), operand(), operand()}
		case "between":
			p[op] = []any{operand(), operand()}
		case "exists":
			p[op] = rapid.Bool().Draw(rt, "exists")
		case "before", "after":
			p[op] = rapid.SampledFrom(instants).Draw(rt, "time")
		case "within":
			p[op] = map[string]any{rapid.SampledFrom([]string{"past", "next"}).Draw(rt, "side"): rapid.SampledFrom([]string{"P7D", "P1M", "PT1H", "P2Y"}).Draw(rt, "period")}
		case "olderThan":
			p[op] = rapid.SampledFrom([]string{"P7D", "P1M", "P1Y"}).Draw(rt, "period")
		case "startsWith", "contains":
			text, ok := operand().(string)
			if !ok || text == "" {
				text = "a"
			}
			p[op] = text
		default:
			p[op] = operand()
		}
	}
	if rapid.IntRange(0, 9).Draw(rt, "missing") == 0 {
		p["missing"] = "INCLUDE"
	}
	return p
}
