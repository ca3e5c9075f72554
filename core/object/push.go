package object

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// span is a stretch of tokens.
type span struct {
	low, high         string
	lowOpen, highOpen bool // the bound itself is not in it
	equal             bool // low is the only token
}

func (p span) where() []store.Cond {
	if p.equal {
		return []store.Cond{store.Eq("tokens", p.low)}
	}
	low, high := store.Gte("tokens", p.low), store.Lte("tokens", p.high)
	if p.lowOpen {
		low = store.Gt("tokens", p.low)
	}
	if p.highOpen {
		high = store.Lt("tokens", p.high)
	}
	return []store.Cond{low, high}
}

// route is a way to all records that may meet a condition: those with a token in
// one of the spans. No span is no record.
type route struct {
	spans []span
	rank  int // the lower, the fewer records are to be expected
}

// The ranks.
const (
	rankUnique = iota
	rankEqual
	rankIn
	rankPrefix
	rankRange
)

// maxSpans is how many spans are walked side by side; a condition that would need
// more goes another way.
const maxSpans = 24

// slack is what a date's bound is moved outwards where calendar units are counted
// with less care than the evaluator takes.
const slack = 4 * 24 * time.Hour

// routes lists the ways to the records that may meet a condition; none when only a
// walk over all of them will do. The union of the spans of each holds them all.
func (t *Type) routes(n *condition.Node, now time.Time) []route {
	switch {
	case n == nil:
		return nil
	case n.Field != nil:
		if r, ok := t.route(n.Field, now); ok {
			return []route{r}
		}
	case n.And != nil:
		var out []route
		for _, kid := range n.And {
			out = append(out, t.routes(kid, now)...)
		}
		return out
	case n.Or != nil:
		sum := route{}
		for _, kid := range n.Or {
			ways := t.routes(kid, now)
			if len(ways) == 0 {
				return nil
			}
			best := ways[0]
			for _, w := range ways[1:] {
				if w.rank < best.rank {
					best = w
				}
			}
			sum.spans, sum.rank = append(sum.spans, best.spans...), max(sum.rank, best.rank)
		}
		if len(sum.spans) <= maxSpans {
			return []route{sum}
		}
	}
	return nil
}

// route finds the way that a predicate shows: all of its operators hold, so one of
// them is enough, and ranges may be cut with each other.
func (t *Type) route(p *condition.Predicate, now time.Time) (route, bool) {
	f := t.Field(p.Path)
	if f == nil || p.IncludeNull || f.Type == JSON || f.Type == Geo || f.Since > 0 && !f.Default.IsZero() {
		return route{}, false // the last: records from before the field have no token
	}
	prefix := tokenPrefix(t.Key, f.ID)
	all := span{low: prefix, high: strings.TrimSuffix(prefix, linkSep) + string(linkSep[0]+1), highOpen: true}
	cut, ranged := all, false
	rank := rankRange
	for _, o := range p.Operators {
		if spans, ok := f.points(prefix, o); ok {
			r := route{spans: spans, rank: rankEqual}
			switch {
			case f.Unique:
				r.rank = rankUnique
			case o.Op == condition.In:
				r.rank = rankIn
			}
			return r, len(spans) <= maxSpans
		}
		if s, ok := f.stretch(prefix, o, now); ok {
			if o.Op == condition.StartsWith {
				rank = rankPrefix
			}
			cut.cut(s)
			ranged = true
		}
	}
	if ranged && (cut.low > cut.high) {
		return route{rank: rankUnique}, !f.Many // no value is in both; of several values one may be in each
	}
	return route{spans: []span{cut}, rank: rank}, ranged
}

// cut leaves what both spans have; an empty bound of s is none.
func (p *span) cut(s span) {
	if s.low > p.low || s.low == p.low && s.lowOpen {
		p.low, p.lowOpen = s.low, s.lowOpen
	}
	if s.high != "" && (s.high < p.high || s.high == p.high && s.highOpen) {
		p.high, p.highOpen = s.high, s.highOpen
	}
}

// points returns the tokens of an equality: a value of another type equals nothing.
func (f *Field) points(prefix string, o condition.Operator) ([]span, bool) {
	values := []any{o.Value}
	switch o.Op {
	case condition.Eq:
	case condition.In:
		list, ok := o.Value.([]any)
		if !ok {
			return nil, false
		}
		values = list
	default:
		return nil, false
	}
	spans := []span{}
	seen := map[string]bool{}
	for _, v := range values {
		switch v.(type) {
		case nil, []any:
			return nil, false // what has no token may be asked for
		}
		if token, _, ok := f.operand(v); ok && !seen[token] {
			seen[token] = true
			spans = append(spans, span{low: prefix + token, equal: true})
		}
	}
	return spans, true
}

// operand returns the token of a condition's operand; exact says that no other value
// has it. False when no value of the field can be equal to it, or next to it.
func (f *Field) operand(v any) (token string, exact, ok bool) {
	switch f.Type {
	case Boolean:
		b, ok := v.(bool)
		return map[bool]string{false: "0", true: "1"}[b], true, ok
	case Integer, Decimal:
		n, ok := operandNumber(v)
		return n.token(), true, ok
	case Money:
		m, _ := v.(map[string]any)
		n, ok := operandNumber(m["amount"])
		currency, is := m["currency"].(string)
		_, good := normaliseCurrency(currency)
		return currency + n.token(), true, ok && is && good
	}
	s, ok := v.(string)
	return textToken(s), len(s) < maxTokenText, ok && plain(s)
}

func operandNumber(v any) (num, bool) {
	switch v := v.(type) {
	case json.Number:
		return parseNum(v.String())
	case int, int32, int64, float64:
		return parseNum(fmt.Sprint(v))
	}
	return num{}, false
}

// stretch returns the tokens of a range: all values in it have theirs there. An
// empty bound is none.
func (f *Field) stretch(prefix string, o condition.Operator, now time.Time) (span, bool) {
	switch o.Op {
	case condition.Gt, condition.Gte, condition.Lt, condition.Lte:
		return f.side(prefix, o.Op, o.Value)
	case condition.Between:
		ends, _ := o.Value.([]any)
		if len(ends) != 2 {
			return span{}, false
		}
		out, ok := f.side(prefix, condition.Gte, ends[0])
		high, also := f.side(prefix, condition.Lte, ends[1])
		out.high, out.highOpen = high.high, high.highOpen
		return out, ok && also
	case condition.StartsWith:
		s, ok := o.Value.(string)
		if !ok || f.Type.family() != 2 || !plain(s) {
			return span{}, false
		}
		// The greatest character, as often as a token has room for, bounds all that
		// begins with s.
		return span{low: prefix + textToken(s), high: prefix + textToken(s) + strings.Repeat(string(utf8.MaxRune), maxTokenText/4+1)}, true
	}
	return f.dates(prefix, o, now)
}

// side returns the tokens on one side of a value.
func (f *Field) side(prefix string, op condition.Op, v any) (span, bool) {
	token, exact, ok := f.operand(v)
	if !ok || f.Type == Boolean {
		return span{}, false
	}
	out := span{low: prefix}
	if f.Type == Money { // within one currency
		out = span{low: prefix + token[:3], high: prefix + token[:3] + "3"}
	}
	switch op {
	case condition.Gt, condition.Gte:
		out.low, out.lowOpen = prefix+token, exact && op == condition.Gt
	default:
		out.high, out.highOpen = prefix+token, exact && op == condition.Lt
	}
	return out, true
}

// dates returns the tokens of a question about a date, for fields that hold dates in
// the one form whose order is known. Times in other texts are the evaluator's.
func (f *Field) dates(prefix string, o condition.Operator, now time.Time) (span, bool) {
	if !f.Type.instant() {
		return span{}, false
	}
	var from, to time.Time // zero: none
	switch v := o.Value.(type) {
	case time.Time:
		switch o.Op {
		case condition.Before:
			to = v.Add(time.Millisecond)
		case condition.After:
			from = v.Add(-time.Millisecond)
		default:
			return span{}, false
		}
	case condition.Period:
		if o.Op != condition.OlderThan {
			return span{}, false
		}
		to = back(now, v).Add(slack)
	case condition.Relative:
		switch {
		case o.Op != condition.Within:
			return span{}, false
		case v.Past != nil:
			from, to = back(now, *v.Past).Add(-slack), now.Add(slack)
		case v.Next != nil:
			from, to = now.Add(-slack), now.AddDate(0, v.Next.Months, 0).Add(v.Next.Elapsed).Add(slack)
		}
	default:
		return span{}, false
	}
	out := span{low: prefix}
	if text, ok := f.moment(from); ok && !from.IsZero() {
		out.low = prefix + text
	}
	if text, ok := f.moment(to); ok && !to.IsZero() {
		out.high = prefix + text
	}
	return out, true
}

func back(now time.Time, p condition.Period) time.Time {
	return now.AddDate(0, -p.Months, 0).Add(-p.Elapsed)
}

// moment writes a time as the field stores it.
func (f *Field) moment(t time.Time) (string, bool) {
	text, ok := stampText(t)
	if ok && f.Type == Date {
		text = text[:len(dateLayout)]
	}
	return text, ok
}

// recordFacts are the facts of a condition about a record.
type recordFacts struct{ doc bson.Raw }

func (recordFacts) ProfileID() string                            { return "" }
func (recordFacts) Location() *time.Location                     { return nil }
func (recordFacts) Trait(string) (bson.RawValue, bool)           { return bson.RawValue{}, false }
func (recordFacts) Ledgers(string) []*condition.Ledger           { return nil }
func (recordFacts) Records(string, string) []bson.Raw            { return nil }
func (recordFacts) Member(string) (since time.Time, member bool) { return time.Time{}, false }
func (recordFacts) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return "UNKNOWN", time.Time{}
}
func (f recordFacts) Record() bson.Raw { return f.doc }

// fieldsOnly refuses a condition that asks for more than the record's own fields,
// and fields that the type does not have.
func (t *Type) fieldsOnly(n *condition.Node) error {
	switch {
	case n.Field != nil:
		keys := event.SplitPath(n.Field.Path)
		if t.Field(keys[0]) == nil {
			return unknownField(t, keys[0]).At("field", "path")
		}
		return nil
	case n.Not != nil:
		return t.fieldsOnly(n.Not)
	case n.And != nil, n.Or != nil:
		for _, kid := range append(n.And, n.Or...) {
			if err := t.fieldsOnly(kid); err != nil {
				return err
			}
		}
		return nil
	}
	return invalid("FIELDS_ONLY", "a condition over records has the nodes and, or, not and field")
}
