package journey

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLabel is how long a label of a drawing may be, in runes.
const maxLabel = 120

// Mermaid draws a definition as a flowchart in Mermaid's notation: a shape for each
// kind of node. Whatever people have called things is shown as such. names may be
// nil.
func Mermaid(d *Definition, names Names) string {
	s := speaker{names}
	index := map[string]int{}
	for i, n := range d.Nodes {
		index[n.ID] = i
	}
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for i, n := range d.Nodes {
		left, right := shape(&n.Step)
		fmt.Fprintf(&b, "  n%d%s\"%s\"%s\n", i, left, label(s.title(n)), right)
	}
	out := 0
	for i, n := range d.Nodes {
		ons, to := onsOf(d, n)
		for _, on := range ons {
			target := fmt.Sprintf("n%d", index[to[on]])
			if to[on] == "" {
				target = fmt.Sprintf("out%d", out)
				out++
				fmt.Fprintf(&b, "  %s([\"kept out\"])\n", target)
			}
			if words := s.armWords(n, on); words != OnNext {
				fmt.Fprintf(&b, "  n%d -->|\"%s\"| %s\n", i, label(words), target)
			} else {
				fmt.Fprintf(&b, "  n%d --> %s\n", i, target)
			}
		}
	}
	return b.String()
}

// shape returns what surrounds a node's label.
func shape(s *Step) (left, right string) {
	switch {
	case s.Entry != nil, s.Exit:
		return "([", "])"
	case s.Wait != nil, s.Approval != nil:
		return "[/", "/]"
	case s.Branch != nil, s.Split != nil, s.Holdout != nil:
		return "{", "}"
	case s.Goal != nil:
		return "[[", "]]"
	case s.Message != nil:
		return ">", "]"
	case s.SubJourney != "":
		return "[[", "]]"
	}
	return "[", "]"
}

// label writes a text so that Mermaid shows it and takes none of it for notation:
// entities for all that is neither a letter, a digit nor harmless.
func label(s string) string {
	s = clipRunes(strings.Join(strings.Fields(s), " "))
	var b strings.Builder
	for _, c := range s {
		switch {
		case unicode.IsLetter(c), unicode.IsDigit(c), strings.ContainsRune(" .,:-_/+%()", c):
			b.WriteRune(c)
		case unicode.IsControl(c), c == utf8.RuneError:
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, "#%d;", c)
		}
	}
	if b.Len() == 0 {
		return " "
	}
	return b.String()
}

func clipRunes(s string) string {
	if utf8.RuneCountInString(s) <= maxLabel {
		return s
	}
	return string([]rune(s)[:maxLabel-1]) + "…"
}

// Text draws a definition as indented lines, each node once; where paths come
// together the later ones refer to it by its id. names may be nil.
func Text(d *Definition, names Names) string {
	s := speaker{names}
	byID := map[string]*Node{}
	for _, n := range d.Nodes {
		byID[n.ID] = n
	}
	var b strings.Builder
	told := map[string]bool{}
	line := func(depth int, text string) {
		b.WriteString(strings.Repeat("  ", depth))
		b.WriteString(strings.Join(strings.Fields(text), " "))
		b.WriteByte('\n')
	}
	var walk func(id string, depth int)
	walk = func(id string, depth int) {
		for {
			n := byID[id]
			if told[id] {
				line(depth, "→ "+id)
				return
			}
			told[id] = true
			line(depth, id+": "+s.title(n))
			ons, to := onsOf(d, n)
			if len(ons) == 1 && ons[0] == OnNext {
				id = to[OnNext]
				continue
			}
			for _, on := range ons {
				line(depth+1, s.armWords(n, on))
				if to[on] == "" {
					line(depth+2, "kept out")
				} else {
					walk(to[on], depth+2)
				}
			}
			return
		}
	}
	for _, n := range d.Nodes {
		if n.Step.Entry != nil {
			walk(n.ID, 0)
		}
	}
	return b.String()
}
