package template

import (
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plain returns a value as templates see it: nil, bool, int, float64, string, []any and
// map[string]any. Numbers that no int or float64 holds exactly stay texts, times are
// RFC 3339. Anything else, or what is too deep, is INVALID (reason TEMPLATE_DATA). What
// is plain already is returned as it is, not copied.
func Plain(v any) (any, error) { return plain(v, maxDataDepth) }

func plain(v any, depth int) (any, error) {
	if depth == 0 {
		return nil, invalid(ReasonData, "the data is nested more than %d deep", maxDataDepth)
	}
	switch v := v.(type) {
	case nil, bool, int, float64, string:
		return v, nil
	case int64:
		return int(v), nil
	case int32:
		return int(v), nil
	case json.Number:
		return number(string(v)), nil
	case time.Time:
		return v.Format(time.RFC3339), nil
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out, nil
	case []any:
		return plainList(v, depth)
	case map[string]any:
		return plainMap(v, depth)
	}
	return nil, invalid(ReasonData, "templates are given plain data: maps, lists, texts, numbers, booleans")
}

func plainList(v []any, depth int) (any, error) {
	out := v
	for i, e := range v {
		p, err := plain(e, depth-1)
		if err != nil {
			return nil, err
		}
		if changed(e, p) {
			if &out[0] == &v[0] {
				out = slices.Clone(v)
			}
			out[i] = p
		}
	}
	return out, nil
}

func plainMap(v map[string]any, depth int) (any, error) {
	out, copied := v, false
	for k, e := range v {
		p, err := plain(e, depth-1)
		if err != nil {
			return nil, err
		}
		if changed(e, p) {
			if !copied {
				out, copied = maps.Clone(v), true
			}
			out[k] = p
		}
	}
	return out, nil
}

// changed reports whether plain made another value of e.
func changed(e, p any) bool {
	switch e := e.(type) {
	case nil, bool, int, float64, string:
		return false
	case []any:
		q, ok := p.([]any)
		return !ok || len(e) > 0 && &e[0] != &q[0]
	case map[string]any: // a copy of its own says so by what it holds
		q := p.(map[string]any)
		for k := range e {
			if changed(e[k], q[k]) {
				return true
			}
		}
		return false
	}
	return true
}

// number reads a JSON number.
func number(s string) any {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || !strings.ContainsAny(s, ".eE") {
		return s
	}
	return f
}

// empty reports whether a value is a text, a list or a map with nothing in it.
func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// blank reports whether a value says nothing.
func blank(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// display writes a value as text.
func display(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case markupText:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var b strings.Builder
		for _, e := range v {
			if b.WriteString(display(e)); b.Len() > MaxOutput {
				break
			}
		}
		return b.String()
	case []string:
		return strings.Join(v, "")
	case map[string]any:
		raw, _ := json.Marshal(v)
		return string(raw)
	case interface{ AsArray() []any }: // a range
		return ""
	}
	return ""
}

// put writes a value, escaped for its place.
func (p *part) put(r *run, w io.Writer, v any) error {
	s := display(v)
	if s == "" {
		return nil
	}
	if r.kind == HTML && !p.captured {
		switch p.where {
		case placeLink:
			s = safeLink(s)
		case placeStyle:
			s = safeStyle(s)
		}
		if m, ok := v.(markupText); ok && p.where == placeText {
			s = string(m)
		} else if strings.ContainsAny(s, `&<>"'`) {
			_, err := escaper.WriteString(w, s)
			return err
		}
	}
	_, err := io.WriteString(w, s)
	return err
}

// markupText is a text that a filter escaped already.
type markupText string

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// safeLink returns a link, or "#" when it does something else than lead somewhere.
func safeLink(s string) string {
	s = strings.TrimSpace(s)
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || strings.ContainsAny(scheme, "/?#") {
		return s
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "mailto", "tel", "sms":
		return s
	}
	return "#"
}

// safeStyle drops from a value of a style what could be more than a value.
func safeStyle(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("#%., -", c) {
			return c
		}
		return -1
	}, s)
}

// Escape escapes a text for HTML.
func Escape(s string) string { return escaper.Replace(s) }

// SafeLink returns a link that leads somewhere (http, https, mailto, tel, sms, or
// relative), or "#" for anything else.
func SafeLink(s string) string {
	if s == "" {
		return ""
	}
	return safeLink(s)
}
