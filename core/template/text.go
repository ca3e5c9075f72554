package template

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// TextOf makes the text part of an HTML mail: blocks are paragraphs, links are followed
// by where they lead, pictures stand for their descriptions, lists have dashes, cells
// of a table stand side by side. What is hidden is left out.
func TextOf(source string) string {
	t := &textWriter{}
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return t.text()
		case html.TextToken:
			if t.skip == 0 {
				t.write(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t.open(z.Token())
		case html.EndTagToken:
			t.close(z.Token())
		}
	}
}

// textWriter writes text with the white space that blocks ask for.
type textWriter struct {
	b     strings.Builder
	skip  int  // depth within what is not shown
	space bool // a space is due
	lines int  // line ends that are due
	links []string
	from  []int // where the text of each open link begins
}

// void elements have no end.
var void = map[atom.Atom]bool{
	atom.Area: true, atom.Base: true, atom.Br: true, atom.Col: true, atom.Embed: true, atom.Hr: true, atom.Img: true,
	atom.Input: true, atom.Link: true, atom.Meta: true, atom.Source: true, atom.Track: true, atom.Wbr: true,
}

func (t *textWriter) write(s string) {
	for _, c := range s {
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\u00a0' {
			t.space = true
			continue
		}
		if c == '\u200c' || c == '\u200b' || c == '\ufeff' {
			continue
		}
		t.flush()
		t.b.WriteRune(c)
	}
}

// flush writes the white space that is due.
func (t *textWriter) flush() {
	switch {
	case t.b.Len() == 0:
	case t.lines > 0:
		t.b.WriteString(strings.Repeat("\n", min(t.lines, 2)))
	case t.space:
		t.b.WriteByte(' ')
	}
	t.lines, t.space = 0, false
}

func (t *textWriter) line(n int) { t.lines = max(t.lines, n) }

func attr(tok html.Token, name string) string {
	for _, a := range tok.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hidden(tok html.Token) bool {
	switch tok.DataAtom {
	case atom.Head, atom.Script, atom.Style, atom.Title, atom.Template, atom.Noscript:
		return true
	}
	style := strings.ReplaceAll(strings.ToLower(attr(tok, "style")), " ", "")
	return strings.Contains(style, "display:none") || strings.Contains(style, "mso-hide:all")
}

func (t *textWriter) open(tok html.Token) {
	if t.skip > 0 || hidden(tok) {
		if !void[tok.DataAtom] && tok.Type == html.StartTagToken {
			t.skip++
		}
		return
	}
	switch tok.DataAtom {
	case atom.Br:
		t.lines++
	case atom.Hr:
		t.line(2)
		t.write("---")
		t.line(2)
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Ul, atom.Ol, atom.Blockquote, atom.Pre:
		t.line(2)
	case atom.Div, atom.Tr, atom.Section, atom.Header, atom.Footer, atom.Article, atom.Dt, atom.Dd:
		t.line(1)
	case atom.Li:
		t.line(1)
		t.write("-")
		t.space = true
	case atom.Td, atom.Th:
		t.space = true
	case atom.Img:
		if alt := strings.TrimSpace(attr(tok, "alt")); alt != "" {
			t.write(alt)
		}
	case atom.A:
		t.links = append(t.links, attr(tok, "href"))
		t.from = append(t.from, t.b.Len())
	}
}

func (t *textWriter) close(tok html.Token) {
	if t.skip > 0 {
		t.skip--
		return
	}
	switch tok.DataAtom {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Ul, atom.Ol, atom.Blockquote, atom.Pre:
		t.line(2)
	case atom.Div, atom.Tr, atom.Section, atom.Header, atom.Footer, atom.Article, atom.Dt, atom.Dd, atom.Li:
		t.line(1)
	case atom.Td, atom.Th:
		t.space = true
	case atom.A:
		t.endLink()
	}
}

// endLink writes where a link leads, unless its text says so.
func (t *textWriter) endLink() {
	n := len(t.links)
	if n == 0 {
		return
	}
	href, said := t.links[n-1], strings.TrimSpace(t.b.String()[t.from[n-1]:])
	t.links, t.from = t.links[:n-1], t.from[:n-1]
	href = strings.TrimSpace(href)
	if href == "" || strings.HasPrefix(href, "#") || said == href || said == strings.TrimPrefix(href, "mailto:") {
		return
	}
	if said != "" {
		t.space = true
		t.flush()
		t.b.WriteString("(" + href + ")")
		return
	}
	t.flush()
	t.b.WriteString(href)
}

func (t *textWriter) text() string {
	if t.b.Len() == 0 {
		return ""
	}
	return t.b.String() + "\n"
}
