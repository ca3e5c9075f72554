package library

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/layout"
	"github.com/headwater-cdp/headwater/core/template"
)

// Problem is something that is wrong with what a template says, and where.
type Problem struct {
	Locale string
	Field  string
	template.Finding
}

// kindOf says how a field is rendered.
func kindOf(field string) template.Kind {
	switch field {
	case "html", "layout":
		return template.HTML
	case "text":
		return template.Text
	}
	return template.Line
}

// compiled is a content ready to be rendered: by locale and field.
type compiled struct {
	content *Content
	fields  map[string]map[string]*template.Template
	show    map[string]*condition.Node // parts of layouts, by the name under show
	of      map[string]string          // the languages of these, by name
}

// compile parses everything and lints it. The result is nil when something is an error.
func compile(channel string, c *Content, blocks map[string]Pinned, voc template.Vocabulary) (*compiled, []Problem) {
	out := &compiled{content: c, fields: map[string]map[string]*template.Template{}, show: map[string]*condition.Node{}, of: map[string]string{}}
	var problems []Problem
	failed := false
	for _, locale := range slices.Sorted(maps.Keys(c.Locales)) {
		text := c.Locales[locale]
		out.fields[locale] = map[string]*template.Template{}
		for _, field := range fieldsOf[channel] {
			source := *text.field(field)
			if source == "" {
				continue
			}
			note := func(found []template.Finding) {
				for _, f := range found {
					problems = append(problems, Problem{locale, field, f})
					failed = failed || f.Level == template.LevelError
				}
			}
			if field == "layout" {
				made, found := out.layout(locale, source)
				if note(found); made == "" {
					continue
				}
				source = made
			}
			kind := kindOf(field)
			t, found := template.Parse(source, kind, finder(blocks, kind))
			if t == nil {
				note(found)
				continue
			}
			note(t.Lint(voc, c.Skips))
			if field == "layout" {
				field = "html"
			}
			out.fields[locale][field] = t
		}
	}
	if failed {
		return nil, problems
	}
	return out, problems
}

// layout makes HTML of a layout, and keeps its conditions; "" when it has faults.
func (c *compiled) layout(locale, source string) (string, []template.Finding) {
	doc, faults := layout.Parse(source)
	if doc == nil {
		found := make([]template.Finding, len(faults))
		for i, f := range faults {
			message := f.Message
			if f.Path != "" {
				message = f.Path + ": " + message
			}
			found[i] = template.Finding{Line: 1, Column: 1, Level: template.LevelError, Code: template.CodeSyntax, Message: message}
		}
		return "", found
	}
	html, conditions := doc.Compile(locale)
	for name, n := range conditions { // each language has its own document
		own := showName(locale, name)
		html = strings.ReplaceAll(html, "{% if show."+name+" %}", "{% if show."+own+" %}")
		c.show[own], c.of[own] = n, locale
	}
	return html, nil
}

// showName is the name of a condition among those of all languages.
func showName(locale, name string) string {
	return strings.ToLower(strings.ReplaceAll(locale, "-", "_")) + "_" + name
}

// finder returns what finds the blocks of a kind.
func finder(blocks map[string]Pinned, kind template.Kind) func(string) (string, bool) {
	want := template.Text
	if kind == template.HTML {
		want = template.HTML
	}
	return func(key string) (string, bool) {
		b, ok := blocks[key]
		return b.Source, ok && b.Kind == string(want)
	}
}

// each calls f with every template that was compiled, in a fixed order.
func (c *compiled) each(f func(locale, field string, t *template.Template)) {
	for _, locale := range slices.Sorted(maps.Keys(c.fields)) {
		for _, field := range slices.Sorted(maps.Keys(c.fields[locale])) {
			f(locale, field, c.fields[locale][field])
		}
	}
}

// reads returns everything that any language reads, each once.
func (c *compiled) reads() []template.Read {
	var out []template.Read
	c.each(func(_, _ string, t *template.Template) {
		for _, r := range t.Paths() {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	})
	return out
}

// lookups returns the objects that a language asks for, by the names of variables.
// Fields that name a variable alike must mean the same.
func (c *compiled) lookups(locale string) map[string]template.Lookup {
	out := map[string]template.Lookup{}
	for _, t := range c.fields[locale] {
		for _, l := range t.Lookups() {
			out[l.Name] = l
		}
	}
	return out
}

// clashes tells of variables that fields of one language look up differently.
func (c *compiled) clashes() []Problem {
	var out []Problem
	seen := map[string]template.Lookup{}
	c.each(func(locale, field string, t *template.Template) {
		for _, l := range t.Lookups() {
			key := locale + "\x00" + l.Name
			if old, ok := seen[key]; ok && old != l {
				out = append(out, Problem{locale, field, template.Finding{Line: 1, Column: 1, Level: template.LevelError, Code: template.CodeLookup,
					Message: fmt.Sprintf("another field of this language looks up something else as %s", l.Name)}})
			}
			seen[key] = l
		}
	})
	return out
}
