package salesforce

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// run evaluates a query over rows. Without ORDER BY they come by id.
func (q *soql) run(rows []*row) []*row {
	if q.where != nil {
		rows = slices.DeleteFunc(rows, func(r *row) bool { return !q.where(r) })
	}
	if q.order != nil {
		slices.SortStableFunc(rows, func(a, b *row) int {
			for _, o := range q.order {
				if c := o.compare(a.get(o.field.name), b.get(o.field.name)); c != 0 {
					return c
				}
			}
			return 0
		})
	}
	rows = rows[min(q.offset, len(rows)):]
	if q.limit >= 0 {
		rows = rows[:min(q.limit, len(rows))]
	}
	return rows
}

func (o order) compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		if (a == nil) != o.nullsLast {
			return -1
		}
		return 1
	}
	c := weigh(a, b)
	if o.descending {
		return -c
	}
	return c
}

// fold makes two values that the vendor takes for the same equal: it does not mind
// the case of text, but that of ids.
func fold(v any) any {
	switch v := v.(type) {
	case string:
		if id15(v) != "" && len(v) == 18 {
			return v
		}
		return strings.ToLower(v)
	case time.Time:
		return v.UnixNano()
	}
	return v
}

// weigh compares two values of the same type.
func weigh(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			if id15(a) != "" && id15(b) != "" {
				return cmp.Compare(a, b)
			}
			return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b)
		}
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b)
		}
	case bool:
		if b, ok := b.(bool); ok && a != b {
			if a {
				return 1
			}
			return -1
		}
	}
	return 0
}

// compare makes the condition of one operator. Nothing is less or greater than
// null; it equals itself.
func compare(f field, op string, want any) expr {
	return func(r *row) bool {
		got := r.get(f.name)
		if got == nil || want == nil {
			same := got == nil && want == nil
			switch op {
			case "=":
				return same
			case "!=", "<>":
				return !same
			}
			return false
		}
		c := weigh(got, want)
		switch op {
		case "=":
			return c == 0
		case "!=", "<>":
			return c != 0
		case "<":
			return c < 0
		case "<=":
			return c <= 0
		case ">":
			return c > 0
		}
		return c >= 0
	}
}

// like matches % (any text) and _ (one character), whatever the case; a backslash
// makes the next character plain.
func like(pattern, s string) bool {
	p, t := []rune(strings.ToLower(pattern)), []rune(strings.ToLower(s))
	// The last % that was met, and how far the text was then: where to try again.
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '%':
			star, mark = i, j
			i++
		case i+1 < len(p) && p[i] == '\\' && p[i+1] == t[j]:
			i, j = i+2, j+1
		case i < len(p) && p[i] != '\\' && (p[i] == '_' || p[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}
