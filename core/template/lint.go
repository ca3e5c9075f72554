package template

import (
	"fmt"
	"slices"
	"strings"
)

// Vocabulary tells Lint what data there is.
type Vocabulary interface {
	// Field reports whether anything was ever seen, or is declared, at the path or below.
	Field(r Read) bool
	// Type reports whether there is an object type of that key.
	Type(key string) bool
}

// Lint returns what is wrong with the template besides its syntax: names that are no
// data, fields that nobody knows, and, unless the template skips (skips), outputs
// that may say nothing. vocabulary may be nil: then fields are not looked at.
func (t *Template) Lint(vocabulary Vocabulary, skips bool) []Finding {
	out := slices.Clone(t.found)
	for _, r := range t.reads {
		f := Finding{Line: 1, Column: 1, Level: LevelError}
		if at, ok := t.roots[r.Root]; ok {
			f.Block, f.Line, f.Column = at.Block, at.Line, at.Column
		}
		switch {
		case r.Root == "object":
			if vocabulary != nil && vocabulary.Type(r.Type) && !vocabulary.Field(r) {
				f.Level, f.Code = LevelWarning, CodeUnknownField
				f.Message = fmt.Sprintf("%s: records of this type have no such field", r)
				out = append(out, f)
			}
		case !slices.Contains(Roots, r.Root):
			f.Code, f.Message = CodeUnknownRoot, fmt.Sprintf("there is no %q: templates are given %s, and what they assign or look up%s", r.Root, strings.Join(Roots, ", "), nearest(r.Root, Roots))
			out = append(out, f)
		case vocabulary != nil && !vocabulary.Field(r):
			f.Level, f.Code = LevelWarning, CodeUnknownField
			f.Message = fmt.Sprintf("%s: nothing was ever seen there", r)
			out = append(out, f)
		}
	}
	for _, l := range t.lookups {
		if vocabulary != nil && !vocabulary.Type(l.Type) {
			out = append(out, Finding{Line: 1, Column: 1, Level: LevelError, Code: CodeUnknownType, Message: fmt.Sprintf("there is no object type %q", l.Type)})
		}
	}
	if !skips {
		out = append(out, t.unsure...)
	}
	return out
}

func suggest(filter string) string {
	names := make([]string, 0, len(knownFilters))
	for n := range knownFilters {
		names = append(names, n)
	}
	slices.Sort(names)
	return nearest(filter, names)
}

// nearest returns "; did you mean …?" when a known name is close to a wrong one.
func nearest(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least && d < len(k) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is Levenshtein's, of short names.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, last+cost)
			last, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
