package condition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// test asks something of one value that is neither null nor an array. It also says
// when the answer can next change by itself.
type test func(v bson.RawValue, c clock) (bool, int64)

// equal asks whether a value is one.
type equal func(v bson.RawValue) bool

// static makes a test of what no clock changes.
func static(holds func(v bson.RawValue) bool) test {
	return func(v bson.RawValue, _ clock) (bool, int64) { return holds(v), never }
}

func operandFault(op Op) error {
	return core.Errorf(core.Invalid, "BAD_OPERAND", "the operand of %s has the wrong type", op)
}

// newTest compiles an operator other than neq, notIn and exists.
func newTest(o Operator) (test, error) {
	switch o.Op {
	case Eq:
		return static(newEqual(o.Value)), nil
	case In:
		list, ok := o.Value.([]any)
		if !ok {
			return nil, operandFault(o.Op)
		}
		return static(newChoice(list)), nil
	case Gt, Gte, Lt, Lte:
		holds, ok := newOrder(o.Op, o.Value)
		if !ok {
			return nil, operandFault(o.Op)
		}
		return static(holds), nil
	case Between:
		ends, ok := o.Value.([]any)
		if !ok || len(ends) != 2 {
			return nil, operandFault(o.Op)
		}
		low, ok := newOrder(Gte, ends[0])
		high, also := newOrder(Lte, ends[1])
		if !ok || !also {
			return nil, operandFault(o.Op)
		}
		return static(func(v bson.RawValue) bool { return low(v) && high(v) }), nil
	case Contains, StartsWith, EndsWith, Matches:
		return newTextTest(o)
	case Before, After, Within, OlderThan, Anniversary:
		return newDateTest(o)
	}
	return nil, core.Errorf(core.Invalid, "UNKNOWN_KEY", "%q is no operator", o.Op)
}

func newTextTest(o Operator) (test, error) {
	text, ok := o.Value.(string)
	if !ok {
		if o.Op == Contains { // of an array: it has the element
			return static(newEqual(o.Value)), nil
		}
		return nil, operandFault(o.Op)
	}
	part := []byte(text)
	var holds func(text []byte) bool
	switch o.Op {
	case Contains:
		holds = func(t []byte) bool { return bytes.Contains(t, part) }
	case StartsWith:
		holds = func(t []byte) bool { return bytes.HasPrefix(t, part) }
	case EndsWith:
		holds = func(t []byte) bool { return bytes.HasSuffix(t, part) }
	default:
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, core.Errorf(core.Invalid, "BAD_REGEXP", "the pattern is not in RE2's syntax")
		}
		holds = re.Match
	}
	return static(func(v bson.RawValue) bool {
		t, ok := textOf(v)
		return ok && holds(t)
	}), nil
}

func newDateTest(o Operator) (test, error) {
	var ask func(m moment, c clock) (bool, int64)
	switch operand := o.Value.(type) {
	case time.Time:
		switch o.Op {
		case Before:
			ask = func(m moment, c clock) (bool, int64) { return m.instant(c.loc).Before(operand), never }
		case After:
			ask = func(m moment, c clock) (bool, int64) { return m.instant(c.loc).After(operand), never }
		}
	case Period:
		if o.Op == OlderThan {
			ask = func(m moment, c clock) (bool, int64) { return operand.olderThan(milli(m.instant(c.loc)), c) }
		}
	case Relative:
		switch {
		case (operand.Past == nil) == (operand.Next == nil):
		case o.Op == Within:
			ask = func(m moment, c clock) (bool, int64) { return operand.within(milli(m.instant(c.loc)), c) }
		case o.Op == Anniversary:
			ask = func(m moment, c clock) (bool, int64) {
				month, day := m.day(c.loc)
				return operand.anniversary(month, day, c)
			}
		}
	}
	if ask == nil {
		return nil, operandFault(o.Op)
	}
	return func(v bson.RawValue, c clock) (bool, int64) {
		m, ok := momentOf(v)
		if !ok {
			return false, never
		}
		return ask(m, c)
	}, nil
}

// newOrder compiles gt, gte, lt or lte; false when the operand has no order.
func newOrder(op Op, operand any) (equal, bool) {
	meets := func(c int) bool { return c > 0 }
	switch op {
	case Gte:
		meets = func(c int) bool { return c >= 0 }
	case Lt:
		meets = func(c int) bool { return c < 0 }
	case Lte:
		meets = func(c int) bool { return c <= 0 }
	}
	if text, ok := operand.(string); ok {
		b := []byte(text)
		return func(v bson.RawValue) bool {
			t, ok := textOf(v)
			return ok && meets(bytes.Compare(t, b))
		}, true
	}
	if m, ok := operand.(map[string]any); ok {
		currency, ok := m["currency"].(string)
		lit, also := literalOf(m["amount"])
		if !ok || !also {
			return nil, false
		}
		n, good := newNumber(lit)
		return func(v bson.RawValue) bool {
			amount, unit, ok := moneyOf(v)
			if !ok || !good || string(unit) != currency {
				return false
			}
			c, ok := n.compare(amount)
			return ok && meets(c)
		}, true
	}
	lit, ok := literalOf(operand)
	if !ok {
		return nil, false
	}
	n, good := newNumber(lit)
	return func(v bson.RawValue) bool {
		if !good {
			return false
		}
		c, ok := n.compare(v)
		return ok && meets(c)
	}, true
}

// literalOf returns the decimal literal of a number.
func literalOf(v any) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), true
	case int, int32, int64, float64:
		return fmt.Sprint(v), true
	}
	return "", false
}
