package journey

import (
	"regexp"
	"strings"
	"time"
)

// A placeholder names a value: {{ event.cartId }} of the entering event's
// properties, {{ profile.firstName }} of the person's traits, {{ coupon.code }} of the
// latest coupon that the enrollment brought, {{ enrollment.id }} and {{ now }}. There is
// nothing else to it; texts for people are templates.
var placeholder = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

// placeholders returns what the placeholders of a JSON tree name, in its keys too.
func placeholders(tree any) []string {
	var out []string
	texts(tree, func(s string) {
		for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
			out = append(out, m[1])
		}
	})
	return out
}

// texts calls f with each text of a JSON tree.
func texts(tree any, f func(string)) {
	switch v := tree.(type) {
	case string:
		f(v)
	case []any:
		for _, item := range v {
			texts(item, f)
		}
	case map[string]any:
		for _, item := range v {
			texts(item, f)
		}
	case map[string]string:
		for _, item := range v {
			f(item)
		}
	}
}

// knownPlaceholder tells whether a placeholder names something that there is.
func knownPlaceholder(name string) bool {
	for _, prefix := range []string{"event.", "profile."} {
		if path, ok := strings.CutPrefix(name, prefix); ok {
			return goodPath(path)
		}
	}
	return name == "coupon.code" || name == "enrollment.id" || name == "now"
}

// filler fills the placeholders of one node, for one run.
type filler struct {
	r    *run
	size int // bytes of the values so far
}

// maxFilled is how many bytes the values of one node's placeholders may come to: a text that
// names a long one many times must not grow without bounds.
const maxFilled = 64 << 10

// over tells whether the values are too much.
func (f *filler) over() bool { return f.size > maxFilled }

// value returns what a placeholder stands for; nil for nothing.
func (f *filler) value(name string) any {
	if f.over() {
		return nil
	}
	v, size := f.find(name)
	if f.size += size; f.over() {
		return nil
	}
	return v
}

// find looks a value up, and says how many bytes it has.
func (f *filler) find(name string) (v any, size int) {
	if path, ok := strings.CutPrefix(name, "event."); ok {
		if f.r.in.Event != nil {
			if v, ok := lookup(f.r.in.Event.Properties, path); ok {
				return plain(v), len(v.Value)
			}
		}
		return nil, 0
	}
	if path, ok := strings.CutPrefix(name, "profile."); ok {
		if v, ok := f.r.in.Facts.Trait(path); ok {
			return plain(v), len(v.Value)
		}
		return nil, 0
	}
	switch name {
	case "coupon.code":
		if h := f.r.held(); h != nil {
			f.r.st.Coupons[len(f.r.st.Coupons)-1].Out = true // where it goes from here nobody knows
			return h.Code, len(h.Code)
		}
	case "enrollment.id":
		if id := f.r.in.Enrollment; id != "" {
			return id, len(id)
		}
	case "now":
		now := f.r.now.Format(time.RFC3339)
		return now, len(now)
	}
	return nil, 0
}

// text fills a text. False when one of its placeholders has no value.
func (f *filler) text(s string) (string, bool) {
	whole := true
	out := placeholder.ReplaceAllStringFunc(s, func(m string) string {
		v := f.value(placeholder.FindStringSubmatch(m)[1])
		whole = whole && v != nil
		return text(v)
	})
	return out, whole
}

// tree fills a JSON tree. A text that is one placeholder becomes the value itself,
// with its type, or nil.
func (f *filler) tree(tree any) any {
	switch v := tree.(type) {
	case string:
		if m := placeholder.FindStringSubmatch(v); m != nil && m[0] == strings.TrimSpace(v) {
			return f.value(m[1])
		}
		out, _ := f.text(v)
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = f.tree(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = f.tree(v[k])
		}
		return out
	}
	return tree
}
