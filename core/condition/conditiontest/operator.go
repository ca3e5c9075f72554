package conditiontest

import (
	"math/big"
	"regexp"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// holds tells whether a value that is no array and not null meets an operator.
func (v view) holds(o condition.Operator, x any) bool {
	switch o.Op {
	case condition.Eq:
		return same(x, operand(o.Value))
	case condition.In:
		return has(operand(o.Value).([]any), x)
	case condition.Gt:
		c, ok := order(x, operand(o.Value))
		return ok && c > 0
	case condition.Gte:
		c, ok := order(x, operand(o.Value))
		return ok && c >= 0
	case condition.Lt:
		c, ok := order(x, operand(o.Value))
		return ok && c < 0
	case condition.Lte:
		c, ok := order(x, operand(o.Value))
		return ok && c <= 0
	case condition.Between:
		ends := operand(o.Value).([]any)
		low, ok := order(x, ends[0])
		high, also := order(x, ends[1])
		return ok && also && low >= 0 && high <= 0
	case condition.Contains:
		text, ok := x.(string)
		part, also := o.Value.(string)
		return ok && also && strings.Contains(text, part) || same(x, operand(o.Value))
	case condition.StartsWith:
		text, ok := x.(string)
		return ok && strings.HasPrefix(text, o.Value.(string))
	case condition.EndsWith:
		text, ok := x.(string)
		return ok && strings.HasSuffix(text, o.Value.(string))
	case condition.Matches:
		text, ok := x.(string)
		return ok && regexp.MustCompile(o.Value.(string)).MatchString(text)
	}
	d, ok := dateOf(x)
	if !ok {
		return false
	}
	switch o.Op {
	case condition.Before:
		return v.first(d).Before(o.Value.(time.Time))
	case condition.After:
		return v.first(d).After(o.Value.(time.Time))
	case condition.OlderThan:
		return !v.first(d).After(v.ago(o.Value.(condition.Period)))
	case condition.Within:
		return v.nextToNow(o.Value.(condition.Relative), v.first(d))
	case condition.Anniversary:
		return v.anniversary(o.Value.(condition.Relative), d)
	}
	panic("an operator without a meaning: " + string(o.Op))
}

// order compares two numbers, two texts or two sums of one currency.
func order(a, b any) (int, bool) {
	switch a := a.(type) {
	case *big.Rat:
		if b, ok := b.(*big.Rat); ok {
			return a.Cmp(b), true
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b), true
		}
	case map[string]any:
		x, currency, ok := money(a)
		y, other, also := money(b)
		if ok && also && currency == other {
			return x.Cmp(y), true
		}
	}
	return 0, false
}
