package condition

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Further limits, in bytes where they bound text.
const (
	MaxName    = 200     // of a name, a path, an id
	MaxText    = 1000    // of the operand of startsWith and its like
	MaxValue   = 4096    // of one operand
	MaxBytes   = 1 << 18 // of all names and operands together
	MaxNesting = 3       // predicates under any, all and none
	maxKey     = 60      // of a key as faults repeat it
)

// clip bounds what a fault repeats of the input.
func clip(key string) string {
	if len(key) <= maxKey {
		return key
	}
	return strings.ToValidUTF8(key[:maxKey], "") + "…"
}

// fields reads v as an object that has no other keys than those allowed. A key
// that is null counts as not given, as in GraphQL. known is false when some key is
// unknown, which has been told then.
func (r *reader) fields(v any, what string, allowed ...string) (m map[string]any, known bool) {
	in, ok := v.(map[string]any)
	if !ok {
		r.fault(ReasonType, "%s is an object with the keys %s", what, list(allowed, "and"))
		return nil, false
	}
	m, known = make(map[string]any, len(in)), true
	for _, key := range slices.Sorted(maps.Keys(in)) {
		switch {
		case slices.Contains(allowed, key):
			if in[key] != nil {
				m[key] = in[key]
			}
		case r.full:
			return nil, false
		default:
			known = false
			r.at(key, func() {
				r.fault(ReasonUnknownKey, "%s has no key %q%s; its keys are %s", what, clip(key), didYouMean(key, allowed), list(allowed, "and"))
			})
		}
	}
	return m, known
}

// required tells whether a key is given and says so when it is not.
func (r *reader) required(m map[string]any, key string) bool {
	if m[key] != nil {
		return true
	}
	if m != nil { // else its absence is not what is wrong
		r.at(key, func() { r.fault(ReasonRequired, "%q is required", key) })
	}
	return false
}

// items reads a list. One value stands for a list of it, as in GraphQL.
func items(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case []map[string]any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	}
	return []any{v}
}

// each reads the items of a list.
func (r *reader) each(v any, read func(v any)) {
	for i, item := range items(v) {
		if r.full {
			return
		}
		r.at(strconv.Itoa(i), func() { read(item) })
	}
}

// text reads a text of at most max bytes.
func (r *reader) text(v any, most int) (string, bool) {
	s, ok := v.(string)
	switch {
	case !ok:
		r.fault(ReasonType, "a text is expected")
	case !utf8.ValidString(s):
		r.fault(ReasonType, "the text is not UTF-8")
		ok = false
	case len(s) > most:
		r.fault(ReasonTooLong, "the text may have at most %d bytes", most)
		ok = false
	default:
		r.weigh(len(s))
	}
	return s, ok
}

// name reads a text that is not empty.
func (r *reader) name(m map[string]any, key string) string {
	var s string
	if !r.required(m, key) {
		return ""
	}
	r.at(key, func() { s = r.nameOf(m[key]) })
	return s
}

// optionalName reads a text that is not empty where it is given.
func (r *reader) optionalName(m map[string]any, key string) string {
	if m[key] == nil {
		return ""
	}
	return r.name(m, key)
}

func (r *reader) nameOf(v any) string {
	s, ok := r.text(v, MaxName)
	if ok && strings.TrimSpace(s) == "" {
		r.fault(ReasonName, "a name of 1 to %d bytes is expected", MaxName)
		return ""
	}
	return s
}

// enum reads one of some words.
func (r *reader) enum(m map[string]any, key string, words ...string) string {
	var s string
	if m[key] == nil {
		return ""
	}
	r.at(key, func() {
		var ok bool
		if s, ok = r.text(m[key], MaxName); ok && !slices.Contains(words, s) {
			r.fault(ReasonEnum, "%s is expected%s", list(words, "or"), didYouMean(s, words))
			s = ""
		}
	})
	return s
}

// weigh bounds the size of the whole condition.
func (r *reader) weigh(n int) {
	if r.bytes += n; r.bytes > MaxBytes && !r.full {
		r.full = true
		r.fault(ReasonTooLong, "the names and operands of a condition may have at most %d bytes together", MaxBytes)
	}
}

// count bounds the number of nodes and predicates. False says to read no further.
func (r *reader) count() bool {
	if r.full {
		return false
	}
	if r.nodes++; r.nodes > MaxNodes {
		r.full = true
		r.fault(ReasonTooMany, "a condition has at most %d nodes and predicates; move parts of it to segments and refer to them", MaxNodes)
		return false
	}
	return true
}

// list writes words as "a, b and c".
func list(words []string, last string) string {
	switch n := len(words); n {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}
}
