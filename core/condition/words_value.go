package condition

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxQuoted = 80 // characters of a text, in words
	maxListed = 5  // values of a list, in words
)

func quote(s string) string {
	if r := []rune(s); len(r) > maxQuoted {
		s = string(r[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}

// pathWords reads "shippingAddress.zip_code" as "shipping address zip code".
func pathWords(path string) string {
	var b strings.Builder
	for i, key := range SplitPath(path) {
		if i > 0 {
			b.WriteByte(' ')
		}
		runes := []rune(strings.NewReplacer("_", " ", "-", " ").Replace(key))
		for j, c := range runes {
			if j > 0 && unicode.IsUpper(c) && unicode.IsLower(runes[j-1]) {
				b.WriteByte(' ')
				if j+1 == len(runes) || !unicode.IsUpper(runes[j+1]) {
					c = unicode.ToLower(c)
				}
			}
			b.WriteRune(c)
		}
	}
	return b.String()
}

// predicate says what is asked of the value at a path.
func (s speaker) predicate(p *Predicate) phrase {
	asked := s.asked(p)
	if p.Path == "" {
		return phrase{"it " + asked.text, asked.ends}
	}
	return phrase{pathWords(p.Path) + " " + asked.text, asked.ends}
}

func (s speaker) asked(p *Predicate) phrase {
	var parts []phrase
	for _, o := range betweenAgo(p.Operators) {
		p := phrase{text: operatorWords(o)}
		if vs, ok := o.Value.([]any); ok && len(vs) > 1 {
			p.ends = trailing // in "or" or "and"
		}
		parts = append(parts, p)
	}
	for _, q := range []struct {
		begin string
		ps    []*Predicate
	}{{"has an element where ", p.Any}, {"has only elements where ", p.All}, {"has no element where ", p.None}} {
		if len(q.ps) > 0 {
			parts = append(parts, phrase{q.begin + s.predicates(q.ps), trailing})
		}
	}
	if p.Size != nil {
		parts = append(parts, phrase{text: "has " + countOf(p.Size).things("element", "elements")})
	}
	if len(parts) == 0 {
		return phrase{text: "is anything"}
	}
	all := joinPhrases(parts, "and")
	if all.ends == joined {
		all.ends = trailing // its subject comes first
	}
	if p.IncludeNull {
		all = phrase{text: all.text + " (or is not known)"}
	}
	return all
}

// betweenAgo makes one operator of "within the past 30 days" and "older than 7": a
// window.
func betweenAgo(ops []Operator) []Operator {
	var out []Operator
	for _, o := range ops {
		if older, ok := o.Value.(Period); ok {
			if i := slices.IndexFunc(out, func(o Operator) bool { return o.Op == Within && o.Value.(Relative).Past != nil }); i >= 0 {
				out[i].Value = &Window{AgoFrom: out[i].Value.(Relative).Past, AgoTo: &older}
				continue
			}
		}
		out = append(out, o)
	}
	return out
}

func operatorWords(o Operator) string {
	switch v := o.Value.(type) {
	case *Window:
		return "is " + windowWords(v)
	case time.Time:
		return fmt.Sprintf("is %s %s", o.Op, timeWords(v))
	case Period:
		return "is at least " + periodWords(v) + " ago"
	case Relative:
		var when string
		if v.Past != nil {
			when = "the last " + unitWords(*v.Past)
		} else {
			when = "the next " + unitWords(*v.Next)
		}
		if o.Op == Anniversary {
			return "has its anniversary in " + when
		}
		return "is within " + when
	case []any:
		return listOperator(o.Op, v)
	}
	val := valueWords(o.Value)
	switch o.Op {
	case Eq:
		return "is " + val
	case Neq:
		return "is not " + val
	case Gt:
		return "is more than " + val
	case Gte:
		return "is at least " + val
	case Lt:
		return "is less than " + val
	case Lte:
		return "is at most " + val
	case StartsWith:
		return "starts with " + val
	case EndsWith:
		return "ends with " + val
	case Matches:
		return "matches the pattern " + val
	case Exists:
		if o.Value == false {
			return "is not known"
		}
		return "is known"
	}
	return string(o.Op) + " " + val
}

func listOperator(op Op, vs []any) string {
	words := make([]string, 0, len(vs))
	for _, v := range vs {
		words = append(words, valueWords(v))
	}
	if op == Between && len(words) == 2 {
		return "is between " + words[0] + " and " + words[1]
	}
	if n := len(words); n > maxListed {
		words = append(words[:maxListed:maxListed], fmt.Sprintf("%d more", n-maxListed))
	}
	if op == NotIn {
		if len(words) == 1 {
			return "is not " + words[0]
		}
		return "is neither " + list(words, "nor")
	}
	return "is " + list(words, "or")
}

func valueWords(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case json.Number:
		return v.String()
	case map[string]any:
		if m, ok := money(v); ok {
			return fmt.Sprintf("%s %s", m["amount"], m["currency"])
		}
	}
	w := &writer{}
	w.json(v)
	if text, err := w.result(); err == nil {
		return string(text)
	}
	return "?"
}

// timeWords writes an instant; at midnight in UTC the date alone.
func timeWords(t time.Time) string {
	t = t.UTC()
	switch {
	case t.Equal(t.Truncate(oneDay)):
		return t.Format("2 January 2006 (UTC)")
	case t.Second() == 0 && t.Nanosecond() == 0:
		return t.Format("2 January 2006 15:04 (UTC)")
	}
	return t.Format("2 January 2006 15:04:05.999999999 (UTC)")
}

// periodParts takes a period apart: its figures and their units.
func periodParts(p Period) (ns []int, units []string) {
	add := func(n int, unit string) {
		if n > 0 {
			ns, units = append(ns, n), append(units, unit)
		}
	}
	add(p.Months/12, "year")
	add(p.Months%12, "month")
	days, rest := int(p.Elapsed/oneDay), p.Elapsed%oneDay
	if days == 1 { // "the last day" could be yesterday
		days, rest = 0, p.Elapsed
	}
	add(days, "day")
	add(int(rest/time.Hour), "hour")
	add(int(rest%time.Hour/time.Minute), "minute")
	add(int(rest%time.Minute/time.Second), "second")
	add(int(rest%time.Second/time.Millisecond), "millisecond")
	return ns, units
}

// periodWords writes "30 days", "1 month", "1 hour and 30 minutes".
func periodWords(p Period) string {
	ns, units := periodParts(p)
	words := make([]string, len(ns))
	for i, n := range ns {
		words[i] = plural(n, units[i])
	}
	return list(words, "and")
}

// unitWords is periodWords after "the last": "month" for one month.
func unitWords(p Period) string {
	if ns, units := periodParts(p); len(ns) == 1 && ns[0] == 1 {
		return units[0]
	}
	return periodWords(p)
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

var calendarWords = map[Calendar]string{Day: "today", Week: "this week", Month: "this month", Quarter: "this quarter", Year: "this year"}

// windowWords says when; "" for all time.
func windowWords(w *Window) string {
	switch {
	case w == nil:
		return ""
	case w.Last != nil:
		return "in the last " + unitWords(*w.Last)
	case w.AgoFrom != nil && w.AgoTo != nil:
		from, units := periodParts(*w.AgoFrom)
		to, others := periodParts(*w.AgoTo)
		if len(from) == 1 && len(to) == 1 && units[0] == others[0] {
			return fmt.Sprintf("between %d and %s ago", to[0], plural(from[0], units[0]))
		}
		return "between " + periodWords(*w.AgoTo) + " and " + periodWords(*w.AgoFrom) + " ago"
	case w.Calendar != "":
		return calendarWords[w.Calendar]
	}
	return "from " + timeWords(w.From) + " until " + timeWords(w.To)
}
