package condition

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxProgram bounds a compiled regular expression, in instructions: matching may
// cost as much for each byte of the text.
const maxProgram = 500

// operand reads what an operator compares with. False when it is wrong, which has
// been told then.
func (r *reader) operand(op Op, v any, s subject) (any, bool) {
	switch op {
	case Eq, Neq:
		return r.single(v)
	case In, NotIn:
		return r.choices(v)
	case Gt, Gte, Lt, Lte:
		return r.comparable(v)
	case Between:
		return r.ends(v)
	case Contains:
		val, ok := r.single(v)
		if ok && classOf(val) == classObject {
			r.fault(ReasonOperand, "contains takes a text, a number or a boolean; ask for objects in an array with any")
			return nil, false
		}
		if val == "" {
			r.fault(ReasonOperand, "every text contains the empty one; give at least one character")
			return nil, false
		}
		return val, ok
	case StartsWith, EndsWith:
		text, ok := r.text(v, MaxText)
		if ok && text == "" {
			r.fault(ReasonOperand, "every text starts and ends with the empty one; give at least one character")
			return nil, false
		}
		return text, ok
	case Matches:
		return r.pattern(v)
	case Exists:
		if _, ok := v.(bool); !ok {
			r.fault(ReasonOperand, "exists takes true or false")
			return nil, false
		}
		return v, true
	}
	return r.moment(op, v, s)
}

// moment reads the operand of an operator about times.
func (r *reader) moment(op Op, v any, s subject) (any, bool) {
	if op != Before && op != After && s.event {
		r.fault(ReasonRelative, "%s looks from now, but events are matched once, when they come; use before or after, or the event's window", op)
		return nil, false
	}
	switch op {
	case Before, After:
		return r.instantOf(v)
	case OlderThan:
		if p := r.periodOf(v); p != nil {
			return *p, true
		}
		return nil, false
	}
	rel, ok := r.relative(v)
	if ok && op == Anniversary {
		for _, p := range []*Period{rel.Past, rel.Next} {
			if p != nil && p.longest() > 367*oneDay {
				r.fault(ReasonDuration, "an anniversary is never further away than a year; give at most P1Y")
				return nil, false
			}
		}
	}
	return rel, ok
}

// single reads the operand of eq: any JSON that can equal one value.
func (r *reader) single(v any) (any, bool) {
	val, ok := r.jsonValue(v)
	if !ok {
		return nil, false
	}
	switch classOf(val) {
	case classArray:
		r.fault(ReasonOperand, "an array is asked for by its elements: use in for a choice, contains, any, all, none or size for what an array holds")
		return nil, false
	case classNull:
		r.fault(ReasonOperand, "no comparison with null is true; use exists")
		return nil, false
	}
	return val, true
}

// choices reads the operand of in.
func (r *reader) choices(v any) (any, bool) {
	in := items(v)
	switch {
	case len(in) == 0:
		r.fault(ReasonEmpty, "at least one value is expected; nothing is in an empty list")
		return nil, false
	case len(in) > MaxList:
		r.fault(ReasonTooLong, "a list has at most %d values; put more people into a static list and refer to it", MaxList)
		return nil, false
	}
	out, good := make([]any, 0, len(in)), true
	r.each(in, func(v any) {
		val, ok := r.single(v)
		out, good = append(out, val), good && ok
	})
	return out, good && !r.full
}

// comparable reads something that has an order: a number, a text or money.
func (r *reader) comparable(v any) (any, bool) {
	val, ok := r.jsonValue(v)
	if !ok {
		return nil, false
	}
	switch classOf(val) {
	case classNumber, classText:
		return val, true
	case classObject:
		if m, ok := money(val); ok {
			return m, true
		}
	}
	r.fault(ReasonOperand, `a number, a text or money is expected; money is an object with an amount and a currency of three capital letters, and nothing else`)
	return nil, false
}

// ends reads the operand of between.
func (r *reader) ends(v any) (any, bool) {
	in := items(v)
	if len(in) != 2 {
		r.fault(ReasonOperand, "between takes a list of two values, the lower one first; both are included")
		return nil, false
	}
	out, good := make([]any, 0, 2), true
	r.each(in, func(v any) {
		val, ok := r.comparable(v)
		out, good = append(out, val), good && ok
	})
	if !good || r.full {
		return nil, false
	}
	c, ok := order(out[0], out[1])
	switch {
	case !ok:
		r.fault(ReasonOperand, "the two ends of between must be of one kind: two numbers, two texts, or money in one currency")
	case c > 0:
		r.fault(ReasonRange, "nothing lies between these ends: the lower one comes first")
	}
	return out, ok && c <= 0
}

// order compares two comparables of one kind.
func order(a, b any) (int, bool) {
	if classOf(a) != classOf(b) {
		return 0, false
	}
	switch classOf(a) {
	case classNumber:
		x, _ := literal(a, false)
		y, _ := literal(b, false)
		return parsed(x).Cmp(parsed(y)), true
	case classText:
		return strings.Compare(a.(string), b.(string)), true
	case classObject:
		x, ok := money(a)
		y, also := money(b)
		if ok && also && x["currency"] == y["currency"] {
			return order(x["amount"], y["amount"])
		}
	}
	return 0, false
}

// pattern reads a regular expression and bounds what it can cost.
func (r *reader) pattern(v any) (any, bool) {
	text, ok := r.text(v, MaxRegexp)
	if !ok {
		return nil, false
	}
	if text == "" {
		r.fault(ReasonRegexp, "every text matches the empty pattern; give at least one character")
		return nil, false
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		r.fault(ReasonRegexp, "the pattern is not in RE2's syntax (%s); it knows no look-around and no back-references, and repeats at most 1000 times", faultOf(err))
		return nil, false
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil || len(program.Inst) > maxProgram {
		r.fault(ReasonRegexp, "the pattern is too costly: written out, its repetitions make more than %d steps; repeat less, or use * or +", maxProgram)
		return nil, false
	}
	if _, err := regexp.Compile(text); err != nil {
		r.fault(ReasonRegexp, "the pattern is not in RE2's syntax")
		return nil, false
	}
	return text, true
}

// faultOf says what is wrong with a pattern without repeating it.
func faultOf(err error) string {
	if e, ok := err.(*syntax.Error); ok { //nolint:errorlint // syntax.Parse returns nothing else
		return e.Code.String()
	}
	return "it cannot be read"
}
