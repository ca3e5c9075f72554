package template

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/osteele/liquid/parser"
)

// token is a piece of the source and where it stands.
type token struct {
	kind       parser.TokenType // text, object or tag
	name, args string           // of a tag; args of an object too
	source     string
	block      *origin
	offset     int // in the source of the block, or of the template
	trimLeft   bool
	trimRight  bool
}

// origin is a source: the template's (name "") or a block's.
type origin struct {
	name   string
	source string
}

// place returns the line and the column, from 1, of an offset.
func (o *origin) place(offset int) (line, column int) {
	before := o.source[:min(offset, len(o.source))]
	last := strings.LastIndexByte(before, '\n')
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[last+1:]) + 1
}

// argsAt returns the offset of the token's arguments.
func (t *token) argsAt() int {
	if i := strings.Index(t.source, t.args); i >= 0 && t.args != "" {
		if t.kind == parser.TagTokenType { // the name may hold the same letters
			after := strings.Index(t.source, t.name) + len(t.name)
			if j := strings.Index(t.source[after:], t.args); j >= 0 {
				return t.offset + after + j
			}
		}
		return t.offset + i
	}
	return t.offset
}

// scan cuts a source into tokens. The library's scanner decides where they end, so
// that both readings agree.
func scan(o *origin) []token {
	var out []token
	at := 0
	for _, tok := range parser.Scan(o.source, parser.SourceLoc{LineNo: 1}, nil) {
		if tok.Type == parser.TrimLeftTokenType || tok.Type == parser.TrimRightTokenType {
			continue
		}
		t := token{kind: tok.Type, name: tok.Name, args: strings.TrimSpace(tok.Args), source: tok.Source, block: o, offset: at}
		if tok.Type != parser.TextTokenType {
			t.trimLeft = len(tok.Source) > 2 && tok.Source[2] == '-'
			t.trimRight = len(tok.Source) > 4 && tok.Source[len(tok.Source)-3] == '-'
		}
		out = append(out, t)
		at += len(tok.Source)
	}
	return out
}

// blockName is the argument of a block tag.
var blockName = regexp.MustCompile(`^(?:"([a-z0-9][a-z0-9_-]{0,63})"|'([a-z0-9][a-z0-9_-]{0,63})')$`)

// verbatim tells, token by token, what is not to be read: the insides of raw and
// comment.
type verbatim struct{ until string }

// skips reports whether the token is inside raw or comment; it follows their ends.
func (v *verbatim) skips(t *token) bool {
	if v.until != "" {
		if t.kind == parser.TagTokenType && t.name == v.until {
			v.until = ""
			return false
		}
		return true
	}
	if t.kind == parser.TagTokenType && (t.name == "raw" || t.name == "comment") {
		v.until = "end" + t.name
	}
	return false
}

// splice puts the sources of blocks where the template names them. Blocks hold no
// blocks.
func (p *reading) splice(tokens []token) []token {
	out := make([]token, 0, len(tokens))
	var v verbatim
	for i := range tokens {
		t := &tokens[i]
		if v.skips(t) || t.kind != parser.TagTokenType || t.name != "block" {
			out = append(out, *t)
			continue
		}
		m := blockName.FindStringSubmatch(t.args)
		if m == nil {
			p.fault(t, t.offset, CodeSyntax, `a block is named by its key in quotes: {%% block "footer" %%}`)
			continue
		}
		key := m[1] + m[2]
		p.blocks = append(p.blocks, key)
		source, ok := "", false
		if p.find != nil {
			source, ok = p.find(key)
		}
		if !ok {
			p.fault(t, t.argsAt(), CodeUnknownBlock, "there is no block %q; make it first, or take the key of one that exists", key)
			continue
		}
		if p.size += len(source); p.size > MaxSource {
			p.fault(t, t.offset, CodeLimit, "with its blocks the template is larger than %d bytes", MaxSource)
			return out
		}
		inner := scan(&origin{name: key, source: source})
		if len(inner) > 0 && t.trimLeft {
			out = append(out, token{kind: parser.TagTokenType, name: tagStep, source: "{%- " + tagStep + " %}", block: t.block, offset: t.offset})
		}
		out = append(out, inner...)
		if t.trimRight {
			out = append(out, token{kind: parser.TagTokenType, name: tagStep, source: "{% " + tagStep + " -%}", block: t.block, offset: t.offset})
		}
	}
	return out
}
