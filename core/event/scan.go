package event

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
)

// scanner reads JSON text strictly (RFC 8259) and writes BSON in the same pass.
// The library's decoder would build maps first: on the hot path that is most of
// the cost of an event.
type scanner struct {
	src   []byte
	pos   int
	dst   []byte // the BSON written so far
	elems []elem // the elements of the objects that are open
	stack []byte // the brackets that skip has open
	canon []byte // scratch of the canonical form
	spans []span
}

func (s *scanner) syntax(what string) *core.Error {
	if s.pos >= len(s.src) {
		return invalid(ReasonBadJSON, "the JSON text ends early: %s expected", what)
	}
	return invalid(ReasonBadJSON, "not valid JSON at byte %d: %s expected", s.pos, what)
}

// space skips white space and returns the byte after it, 0 at the end.
func (s *scanner) space() byte {
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// end demands that nothing but white space follows.
func (s *scanner) end() *core.Error {
	if s.space(); s.pos < len(s.src) {
		return s.syntax("the end")
	}
	return nil
}

// text reads the string at the cursor and returns what stands between its
// quotes, and whether that holds escapes.
func (s *scanner) text() (raw []byte, escaped bool, err *core.Error) {
	if s.pos >= len(s.src) || s.src[s.pos] != '"' {
		return nil, false, s.syntax("a string")
	}
	i := s.pos + 1
	for i < len(s.src) {
		switch c := s.src[i]; {
		case c == '"':
			raw, s.pos = s.src[s.pos+1:i], i+1
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(s.src[i:])
			if n == 0 {
				s.pos = i
				return nil, false, s.syntax("an escape sequence")
			}
			i += n
		case c < ' ':
			s.pos = i
			return nil, false, s.syntax("no control character in a string")
		default:
			i++
		}
	}
	s.pos = len(s.src)
	return nil, false, s.syntax("the end of a string")
}

// escapeLen returns the length of the escape sequence that b begins with, or 0.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && hex4(b[2:6]) >= 0 {
			return 6
		}
	}
	return 0
}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescape appends the text that raw, checked by text, stands for. A surrogate
// without its other half has no UTF-8 form: it becomes U+FFFD and lone is true.
func unescape(dst, raw []byte) (out []byte, lone bool) {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...), lone
		}
		dst = append(dst, raw[:i]...)
		c := raw[i+1]
		if c != 'u' {
			dst, raw = append(dst, plainEscape(c)), raw[i+2:]
			continue
		}
		r := hex4(raw[i+2:])
		raw = raw[i+6:]
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
				low = hex4(raw[2:])
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				lone = true
			} else {
				raw = raw[6:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// skip passes over the value at the cursor, checking its syntax. It does not
// recurse: a body of nothing but brackets costs a byte each.
func (s *scanner) skip() *core.Error {
	s.stack = s.stack[:0]
value:
	for {
		switch c := s.space(); c {
		case '{', '[':
			s.pos++
			closing := c + 2 // '}' and ']' stand two after their opening
			if s.space() == closing {
				s.pos++
				break
			}
			s.stack = append(s.stack, closing)
			if c == '{' {
				if err := s.skipKey(); err != nil {
					return err
				}
			}
			continue value
		default:
			if err := s.skipScalar(c); err != nil {
				return err
			}
		}
		for len(s.stack) > 0 {
			top := s.stack[len(s.stack)-1]
			switch c := s.space(); {
			case c == ',':
				s.pos++
				if top == '}' {
					if err := s.skipKey(); err != nil {
						return err
					}
				}
				continue value
			case c == top:
				s.pos++
				s.stack = s.stack[:len(s.stack)-1]
			default:
				return s.syntax("a comma or a closing bracket")
			}
		}
		return nil
	}
}

func (s *scanner) skipKey() *core.Error {
	s.space()
	if _, _, err := s.text(); err != nil {
		return err
	}
	return s.colon()
}

func (s *scanner) colon() *core.Error {
	if s.space() != ':' {
		return s.syntax("a colon")
	}
	s.pos++
	return nil
}

func (s *scanner) skipScalar(c byte) *core.Error {
	switch {
	case c == '"':
		_, _, err := s.text()
		return err
	case c == '-' || '0' <= c && c <= '9':
		_, _, err := s.literalNumber()
		return err
	}
	return s.word(c)
}

// word reads true, false or null.
func (s *scanner) word(c byte) *core.Error {
	want := ""
	switch c {
	case 't':
		want = "true"
	case 'f':
		want = "false"
	case 'n':
		want = "null"
	}
	if want == "" || len(s.src)-s.pos < len(want) || string(s.src[s.pos:s.pos+len(want)]) != want {
		return s.syntax("a value")
	}
	s.pos += len(want)
	return nil
}

// literalNumber reads a number as it is written; whole is false when it has a
// fraction or an exponent.
func (s *scanner) literalNumber() (lit []byte, whole bool, err *core.Error) {
	i, src := s.pos, s.src
	digits := func() bool {
		from := i
		for i < len(src) && '0' <= src[i] && src[i] <= '9' {
			i++
		}
		return i > from
	}
	bad := func() ([]byte, bool, *core.Error) {
		s.pos = i
		return nil, false, s.syntax("a digit")
	}
	if i < len(src) && src[i] == '-' {
		i++
	}
	if i < len(src) && src[i] == '0' {
		i++
	} else if !digits() {
		return bad()
	}
	whole = true
	if i < len(src) && src[i] == '.' {
		i, whole = i+1, false
		if !digits() {
			return bad()
		}
	}
	if i < len(src) && (src[i] == 'e' || src[i] == 'E') {
		i, whole = i+1, false
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if !digits() {
			return bad()
		}
	}
	lit, s.pos = src[s.pos:i], i
	return lit, whole, nil
}
