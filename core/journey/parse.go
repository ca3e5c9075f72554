package journey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// MaxFaults is how many faults of one definition are told at once.
const MaxFaults = 50

// Faults is everything that is wrong with an input, each with its path. It is an
// error; errors.As finds its first one as a *core.Error.
type Faults []*core.Error

// Error implements error.
func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, e := range f {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the faults.
func (f Faults) Unwrap() []error {
	out := make([]error, len(f))
	for i, e := range f {
		out[i] = e
	}
	return out
}

// Parse reads a definition from a decoded JSON tree, or what a GraphQL server hands
// over for an input of that shape, without asking what the workspace knows. The error
// is Faults.
func Parse(v any) (*Definition, error) {
	d, faults, _ := Check(v, nil, Options{})
	if len(faults) > 0 {
		return nil, Faults(faults)
	}
	return d, nil
}

// ParseJSON reads a definition from JSON text, for example the canonical one.
func ParseJSON(text []byte) (*Definition, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if _, more := d.Token(); err == nil && !errors.Is(more, io.EOF) {
		err = errors.New("more than one value")
	}
	if err != nil {
		return nil, Faults{core.Errorf(core.Invalid, condition.ReasonJSON, "a definition is one JSON object").Wrap(err)}
	}
	return Parse(v)
}

// Check reads a definition and checks it against what the workspace knows (voc may be
// nil) and what it is for. It returns everything that is wrong at once, at most
// MaxFaults, each with its path and, where it is about a node, the node's id in its
// message; and the definition only when nothing is.
func Check(v any, voc Vocabulary, o Options) (*Definition, []*core.Error, []condition.Warning) {
	r := &reader{voc: voc, opt: o}
	d := r.definition(v)
	whole := func(e *core.Error) bool { return slices.Contains(ofVocabulary, e.Reason) }
	if !slices.ContainsFunc(r.faults, func(e *core.Error) bool { return !whole(e) }) { // a drawing with holes has no shape to judge
		r.graph(d)
	}
	if len(r.faults) > 0 {
		return nil, r.faults, r.warnings
	}
	return d, nil, r.warnings
}

// ofVocabulary are the reasons of faults that leave the drawing whole.
var ofVocabulary = []string{
	ReasonTemplate, ReasonUnpublished, ReasonChannel, ReasonFallback, ReasonPurpose, ReasonPool, ReasonRule, ReasonJourney, ReasonCycle,
	condition.ReasonSegment, condition.ReasonArchived, condition.ReasonNotAList, condition.ReasonUnknownType, condition.ReasonUnknownField,
}

// reader reads one definition. It never stops at a fault.
type reader struct {
	voc      Vocabulary
	opt      Options
	path     []string
	node     string // whose step is read
	faults   []*core.Error
	warnings []condition.Warning
}

func (r *reader) fault(reason, format string, args ...any) {
	r.tell(core.Errorf(core.Invalid, reason, format, args...))
}

// tell records a fault whose path is below the reader's.
func (r *reader) tell(e *core.Error) {
	if len(r.faults) >= MaxFaults {
		return
	}
	e = e.At(r.path...)
	if r.node != "" {
		e.Message = fmt.Sprintf("node %q: %s", r.node, e.Message)
	}
	r.faults = append(r.faults, e)
}

func (r *reader) warn(reason, message string, below ...string) {
	if len(r.warnings) >= MaxFaults {
		return
	}
	if r.node != "" {
		message = fmt.Sprintf("node %q: %s", r.node, message)
	}
	r.warnings = append(r.warnings, condition.Warning{Reason: reason, Message: message, Path: slices.Concat(r.path, below)})
}

func (r *reader) at(key string, read func()) {
	r.path = append(r.path, key)
	read()
	r.path = r.path[:len(r.path)-1]
}

// fields reads an object that has no other keys. A null key counts as not given.
func (r *reader) fields(v any, what string, allowed ...string) map[string]any {
	in, ok := v.(map[string]any)
	if !ok {
		r.fault(condition.ReasonType, "%s is an object with the keys %s", what, strings.Join(allowed, ", "))
		return nil
	}
	out := make(map[string]any, len(in))
	for _, key := range sortedKeys(in) {
		if !slices.Contains(allowed, key) {
			r.at(clip(key), func() {
				r.fault(condition.ReasonUnknownKey, "%s has no key %q; its keys are %s", what, clip(key), strings.Join(allowed, ", "))
			})
		} else if in[key] != nil {
			out[key] = in[key]
		}
	}
	return out
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// oneKey reads an object of which exactly one key is given.
func (r *reader) oneKey(v any, what string, allowed ...string) (key string, value any, ok bool) {
	before := len(r.faults)
	m := r.fields(v, what, allowed...)
	if len(m) == 1 && len(r.faults) == before {
		key = sortedKeys(m)[0]
		return key, m[key], true
	}
	if m != nil && len(r.faults) == before {
		given := "none is given"
		if len(m) > 1 {
			given = strings.Join(sortedKeys(m), " and ") + " are given"
		}
		r.fault(condition.ReasonOneKey, "%s has exactly one of the keys %s; %s", what, strings.Join(allowed, ", "), given)
	}
	return "", nil, false
}

// items reads a list; one value stands for a list of it, as in GraphQL.
func (r *reader) items(v any, most int, read func(i int, v any)) {
	var list []any
	switch v := v.(type) {
	case nil:
	case []any:
		list = v
	case []map[string]any:
		for i := range v {
			list = append(list, v[i])
		}
	default:
		list = []any{v}
	}
	if len(list) > most {
		r.fault(ReasonTooMany, "at most %d are possible, and there are %d", most, len(list))
		return
	}
	for i := range list {
		r.at(strconv.Itoa(i), func() { read(i, list[i]) })
	}
}

// text reads a text that is not blank. A missing one is "" and, if required, a fault.
func (r *reader) text(m map[string]any, key string, most int, required bool) string {
	v, given := m[key]
	var s string
	if !given && (!required || m == nil) {
		return ""
	}
	r.at(key, func() {
		var ok bool
		s, ok = v.(string)
		switch {
		case !given:
			r.fault(condition.ReasonRequired, "%q is required", key)
		case !ok:
			r.fault(condition.ReasonType, "a text is expected")
		case strings.TrimSpace(s) == "" || len(s) > most || strings.ContainsRune(s, 0):
			r.fault(condition.ReasonName, "a text of 1 to %d bytes is expected", most)
		}
	})
	return s
}

func (r *reader) enum(m map[string]any, key, otherwise string, words ...string) string {
	if m[key] == nil {
		if otherwise == "" && m != nil {
			r.at(key, func() { r.fault(condition.ReasonRequired, "%q is required: %s", key, strings.Join(words, " or ")) })
		}
		return otherwise
	}
	s := fmt.Sprint(m[key])
	if !slices.Contains(words, s) {
		r.at(key, func() { r.fault(condition.ReasonEnum, "%s is expected", strings.Join(words, " or ")) })
	}
	return s
}

func (r *reader) integer(m map[string]any, key string, least, most int64, required bool) int64 {
	v, given := m[key]
	if !given && (!required || m == nil) {
		return 0
	}
	n, isNumber := number(v)
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if !given || !isNumber || err != nil || i < least || i > most {
		r.at(key, func() { r.fault(condition.ReasonNumber, "a whole number from %d to %d is expected", least, most) })
		return 0
	}
	return i
}

func (r *reader) bool(v any) bool {
	if v != true {
		r.fault(condition.ReasonType, "only true makes sense here")
	}
	return true
}

// period reads a duration of up to five years.
func (r *reader) period(m map[string]any, key string, required bool) *condition.Period {
	if m[key] == nil {
		if required && m != nil {
			r.at(key, func() {
				r.fault(condition.ReasonRequired, `%q is required: an ISO 8601 duration, such as "PT1H" or "P3D"`, key)
			})
		}
		return nil
	}
	var out *condition.Period
	r.at(key, func() { out = r.periodOf(m[key]) })
	return out
}

func (r *reader) periodOf(v any) *condition.Period {
	s, _ := v.(string)
	p, ok := condition.ParsePeriod(s)
	if !ok || p.Longest() > MaxLongest {
		r.fault(condition.ReasonDuration, `an ISO 8601 duration is expected that is longer than nothing and at most five years, such as "PT1H" or "P3D"`)
		return nil
	}
	return &p
}

func (r *reader) instant(v any) time.Time {
	t, ok := v.(time.Time)
	if !ok {
		s, _ := v.(string)
		t, _ = time.Parse(time.RFC3339Nano, s)
	}
	if t.Year() < 1970 || t.Year() > 9999 {
		r.fault(condition.ReasonTime, `a time in the form of RFC 3339 is expected, with its zone, such as "2026-11-01T09:00:00Z"`)
		return time.Time{}
	}
	return t.UTC()
}
