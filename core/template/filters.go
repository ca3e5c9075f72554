package template

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/osteele/liquid/expressions"
	"github.com/osteele/liquid/filters"
	"github.com/osteele/liquid/values"
	"github.com/osteele/tuesday"
)

// filterSet is the library's filters, with ours for those that could make much of
// little, answer otherwise on another machine, or tell of Go.
var (
	textFilters, knownFilters = makeFilters(false)
	htmlFilters, _            = makeFilters(true)
)

var errTooLarge = errors.New("the result is too large")

// bounded returns s unless it is too large to keep.
func bounded(s string) (string, error) {
	if len(s) > MaxValue {
		return "", errTooLarge
	}
	return s, nil
}

// dictionary notes the names of filters as they are added.
type dictionary struct {
	expressions.Config
	names map[string]bool
}

// AddFilter implements the library's dictionary.
func (d *dictionary) AddFilter(name string, f any) {
	d.Config.AddFilter(name, f)
	d.names[name] = true
}

func makeFilters(html bool) (expressions.Config, map[string]bool) {
	d := &dictionary{Config: expressions.NewConfig(), names: map[string]bool{}}
	filters.AddStandardFilters(d)
	delete(d.names, "type")    // tells names of Go
	delete(d.names, "inspect") // json, under another name
	addTextFilters(d, html)
	addListFilters(d)
	addValueFilters(d)
	d.Config.AddFilter("_blank", blank) // not for templates: blanks writes them
	d.Config.AddFilter("_empty", empty)
	return d.Config, d.names
}

func addTextFilters(d *dictionary, markup bool) {
	d.AddFilter("append", func(s, more string) (string, error) { return bounded(s + more) })
	d.AddFilter("prepend", func(s, more string) (string, error) { return bounded(more + s) })
	d.AddFilter("replace", func(s, old, with string) (string, error) {
		if len(s)+strings.Count(s, old)*(len(with)-len(old)) > MaxValue {
			return "", errTooLarge
		}
		return strings.ReplaceAll(s, old, with), nil
	})
	d.AddFilter("replace_first", func(s, old, with string) (string, error) { return bounded(strings.Replace(s, old, with, 1)) })
	d.AddFilter("replace_last", func(s, old, with string) (string, error) {
		if i := strings.LastIndex(s, old); i >= 0 {
			s = s[:i] + with + s[i+len(old):]
		}
		return bounded(s)
	})
	addMarkupFilters(d, markup)
	d.AddFilter("strip_html", stripHTML)
	d.AddFilter("strip_newlines", func(s string) string { return strings.NewReplacer("\r\n", "", "\n", "").Replace(s) })
	d.AddFilter("url_encode", func(s string) (string, error) { return bounded(url.QueryEscape(s)) })
	d.AddFilter("base64_encode", func(s string) (string, error) { return bounded(base64.StdEncoding.EncodeToString([]byte(s))) })
	d.AddFilter("base64_url_safe_encode", func(s string) (string, error) { return bounded(base64.URLEncoding.EncodeToString([]byte(s))) })
	d.AddFilter("base64_decode", func(s string) (string, error) { return decoded(base64.StdEncoding, s) })
	d.AddFilter("base64_url_safe_decode", func(s string) (string, error) { return decoded(base64.URLEncoding, s) })
	d.AddFilter("json", func(v any) (string, error) {
		raw, err := json.Marshal(v)
		if err != nil {
			return "", errors.New("not plain")
		}
		return bounded(string(raw))
	})
	d.AddFilter("split", func(s, by string) ([]any, error) {
		if strings.Count(s, by) >= MaxElements {
			return nil, errTooLarge
		}
		parts := strings.Split(s, by)
		if by == " " {
			parts = strings.Fields(s)
		}
		for len(parts) > 0 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		out := make([]any, len(parts))
		for i := range parts {
			out[i] = parts[i]
		}
		return out, nil
	})
}

func decoded(e *base64.Encoding, s string) (string, error) {
	raw, err := e.DecodeString(s)
	if err != nil || !utf8.Valid(raw) {
		return "", errors.New("not base64 of a text")
	}
	return bounded(string(raw))
}

// addMarkupFilters adds those that escape. In HTML every output is escaped anyhow, and
// twice would be seen.
func addMarkupFilters(d *dictionary, markup bool) {
	br := func(s string) (string, error) {
		return bounded(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "<br />\n"))
	}
	if !markup {
		d.AddFilter("escape", func(s string) (string, error) { return bounded(html.EscapeString(s)) })
		d.AddFilter("escape_once", func(s string) (string, error) { return bounded(html.EscapeString(html.UnescapeString(s))) })
		d.AddFilter("newline_to_br", br)
		return
	}
	d.AddFilter("escape", func(v any) any { return v })
	d.AddFilter("escape_once", html.UnescapeString)
	d.AddFilter("newline_to_br", func(s string) (any, error) {
		s, err := br(escaper.Replace(s))
		return markupText(s), err
	})
}

var markupRE = regexp.MustCompile(`(?is)<script.*?</script>|<!--.*?-->|<style.*?</style>|<.*?>`)

func stripHTML(s string) string { return markupRE.ReplaceAllString(s, "") }

func addListFilters(d *dictionary) {
	d.AddFilter("join", func(v []any, by func(string) string) (string, error) {
		sep := by(" ")
		n := 0
		parts := make([]string, 0, min(len(v), MaxElements))
		for _, e := range v {
			s := display(e)
			if n += len(s) + len(sep); n > MaxValue+len(sep) {
				return "", errTooLarge
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, sep), nil
	})
	d.AddFilter("concat", func(a, b []any) ([]any, error) {
		if len(a)+len(b) > MaxElements {
			return nil, errTooLarge
		}
		return slices.Concat(a, b), nil
	})
	d.AddFilter("compact", func(v []any, key func(any) any) []any {
		by := key(nil)
		return slices.DeleteFunc(slices.Clone(v), func(e any) bool {
			if m, ok := e.(map[string]any); ok && by != nil {
				e = m[display(by)]
			}
			return e == nil
		})
	})
	d.AddFilter("uniq", func(v []any, key func(any) any) ([]any, error) {
		by, seen := key(nil), map[string]bool{}
		out := make([]any, 0, len(v))
		for _, e := range v {
			of := e
			if m, ok := e.(map[string]any); ok && by != nil {
				of = m[fmt.Sprint(by)]
			}
			raw, err := json.Marshal(of)
			if err != nil {
				return nil, errors.New("not plain")
			}
			if !seen[string(raw)] {
				seen[string(raw)] = true
				out = append(out, e)
			}
		}
		return out, nil
	})
	d.AddFilter("find", func(v []any, key string, want func(any) any) any {
		for _, e := range v {
			if matches(e, key, want(absent)) {
				return e
			}
		}
		return nil
	})
	d.AddFilter("find_index", func(v []any, key string, want func(any) any) any {
		for i, e := range v {
			if matches(e, key, want(absent)) {
				return i
			}
		}
		return nil
	})
	d.AddFilter("has", func(v []any, key string, want func(any) any) bool {
		return slices.ContainsFunc(v, func(e any) bool { return matches(e, key, want(absent)) })
	})
	d.AddFilter("reject", func(v []any, key string, want func(any) any) []any {
		return slices.DeleteFunc(slices.Clone(v), func(e any) bool { return matches(e, key, want(absent)) })
	})
}

// absent stands for an argument that was not given.
var absent any = &struct{ byte }{}

// matches reports whether an element has a value at key: the one wanted, or any that is
// neither nil nor false.
func matches(e any, key string, want any) bool {
	m, ok := e.(map[string]any)
	switch {
	case !ok && want == absent:
		return values.Equal(e, key)
	case want == absent:
		return m[key] != nil && m[key] != false
	}
	return values.Equal(m[key], want)
}

func addValueFilters(d *dictionary) {
	d.AddFilter("date", func(v any, format, zone func(string) string) (any, error) {
		at, ok := when(v)
		if !ok {
			return v, nil
		}
		if name := zone(""); name != "" {
			loc, err := time.LoadLocation(name)
			if err != nil || name == "Local" {
				return nil, errors.New("no such time zone")
			}
			at = at.In(loc)
		}
		f := format("%a, %b %d, %y")
		if f == "" {
			return v, nil
		}
		if len(f) > 200 || wideDate.MatchString(f) {
			return nil, errTooLarge
		}
		return tuesday.Strftime(f, at)
	})
	d.AddFilter("fixed", func(v any, places func(int) int) (string, error) {
		n := places(2)
		if n < 0 || n > 10 {
			return "", errors.New("from 0 to 10 places")
		}
		if m, ok := v.(map[string]any); ok { // money
			v = m["amount"]
		}
		switch v := v.(type) {
		case nil:
			return "", nil
		case int:
			return strconv.FormatFloat(float64(v), 'f', n, 64), nil
		case int64:
			return strconv.FormatFloat(float64(v), 'f', n, 64), nil
		case float64:
			return strconv.FormatFloat(v, 'f', n, 64), nil
		case string:
			f, err := strconv.ParseFloat(v, 64)
			return strconv.FormatFloat(f, 'f', n, 64), err
		}
		return "", errors.New("not a number")
	})
}

// wideDate is a width in a format of dates that would make pages of it.
var wideDate = regexp.MustCompile(`%[-_0^#]*[0-9]{3,}`)

// when reads a moment: RFC 3339 and the forms that the library reads, in UTC where they
// name no zone; or seconds since 1970. "now" is data, not a moment of this machine's.
func when(v any) (time.Time, bool) {
	switch v := v.(type) {
	case int:
		return time.Unix(int64(v), 0).UTC(), true
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at, true
		}
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return time.Unix(n, 0).UTC(), true
		}
		if v == "now" || v == "today" {
			return time.Time{}, false
		}
		for _, layout := range dateForms {
			if at, err := time.Parse(layout, v); err == nil {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

var dateForms = []string{
	"2006-01-02", "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02 15:04",
	"January 2, 2006", "January 2 2006", "Jan 2, 2006", "Jan 2 2006", "2 January 2006", "2 Jan 2006",
	time.RFC1123, time.RFC1123Z, time.RFC850, time.RFC822, time.RFC822Z, time.ANSIC, time.UnixDate, time.RubyDate,
}
