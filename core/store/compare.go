package store

import (
	"cmp"
	"strings"
	"time"
)

// Compare orders two positions in the direction of the plan's walk.
func (p Plan) Compare(a, b Position) int {
	flip := 1
	if p.Reverse {
		flip = -1
	}
	for i, f := range p.Rest() {
		c := compareValues(a.Values[i], b.Values[i])
		if f.Desc {
			c = -c
		}
		if c != 0 {
			return c * flip
		}
	}
	return strings.Compare(a.ID, b.ID) * flip
}

// compareValues orders two values of one type; of two types the one that
// MongoDB puts first (numbers, strings, booleans, times).
func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case bool:
		if b, ok := b.(bool); ok {
			switch {
			case a == b:
				return 0
			case b:
				return -1
			}
			return 1
		}
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b)
		}
	}
	return cmp.Compare(rank(a), rank(b))
}

func rank(v any) int {
	switch v.(type) {
	case int64:
		return 1
	case string:
		return 2
	case bool:
		return 3
	}
	return 4
}
