package template

import (
	"regexp"
	"strings"
)

// place is where in the markup an output stands.
type place uint8

const (
	placeText      place = iota
	placeAttribute       // a quoted attribute that is only text
	placeLink            // the beginning of an attribute that holds a link
	placeStyle           // a style
	placeNever           // where nothing makes an output safe
)

// markup follows HTML just far enough to know where an output stands. Branches are
// read one after the other, as if all were written.
type markup struct {
	state state
	quote byte
	tag   string
	attr  string
	begun bool   // the attribute's value has begun; of text: a < stands at its end
	until string // what ends a script or a style
}

type state uint8

const (
	inText  state = iota
	inTag         // after the name of a tag, outside of values
	inValue       // of an attribute, quoted
	inBare        // of an attribute, without quotes
	inRaw         // of script or style
)

var (
	tagName   = regexp.MustCompile(`^</?([a-zA-Z][a-zA-Z0-9:-]*)`)
	attrName  = regexp.MustCompile(`^[^\s"'>/=]+`)
	linkAttrs = map[string]bool{"href": true, "src": true, "action": true, "formaction": true, "background": true, "poster": true, "cite": true, "srcset": true, "xlink:href": true}
)

// read follows a stretch of text.
func (m *markup) read(s string) {
	for i := 0; i < len(s); {
		rest := s[i:]
		switch m.state {
		case inText:
			m.begun = false
			at := strings.IndexByte(rest, '<')
			if at < 0 {
				return
			}
			i += at
			if name := tagName.FindStringSubmatch(s[i:]); name != nil {
				m.state, m.tag, m.attr = inTag, strings.ToLower(name[1]), ""
				if s[i+1] == '/' {
					m.tag = "/" + m.tag
				}
				i += len(name[0])
			} else {
				m.begun = strings.Trim(s[i+1:], "/") == "" // the name is yet to come
				i++                                        // a comment, also one of Outlook's conditions, is read as text
			}
		case inTag:
			i += m.readTag(rest)
		case inValue:
			at := strings.IndexByte(rest, m.quote)
			if at < 0 {
				m.begun = m.begun || strings.TrimSpace(rest) != ""
				return
			}
			m.state, m.attr, i = inTag, "", i+at+1
		case inBare:
			at := strings.IndexAny(rest, " \t\r\n>")
			if at < 0 {
				return
			}
			m.state, m.attr, i = inTag, "", i+at
		case inRaw:
			at := strings.Index(strings.ToLower(rest), m.until)
			if at < 0 {
				return
			}
			m.state, m.begun, i = inText, false, i+at
		}
	}
}

// readTag reads one thing inside a tag and returns how many bytes it took.
func (m *markup) readTag(s string) int {
	switch c := s[0]; {
	case c == '>':
		m.state, m.begun = inText, false
		if m.tag == "script" || m.tag == "style" {
			m.state, m.until = inRaw, "</"+m.tag
		}
	case c == '=':
		value := strings.TrimLeft(s[1:], " \t\r\n")
		taken := len(s) - len(value)
		m.begun = false
		switch {
		case value == "":
			m.state = inBare // what comes next is an output
		case value[0] == '"' || value[0] == '\'':
			m.state, m.quote = inValue, value[0]
			return taken + 1
		default:
			m.state = inBare
		}
		return taken
	case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '/' || c == '"' || c == '\'':
	default:
		if name := attrName.FindString(s); name != "" {
			m.attr = strings.ToLower(name)
			return len(name)
		}
	}
	return 1
}

// here returns where an output stands that comes next.
func (m *markup) here() place {
	switch m.state {
	case inText:
		if !m.begun {
			return placeText
		}
	case inRaw:
		if m.until == "</style" {
			return placeStyle
		}
	case inValue:
		switch {
		case strings.HasPrefix(m.attr, "on") || m.attr == "srcdoc" || m.attr == "http-equiv":
		case m.attr == "style":
			return placeStyle
		case linkAttrs[m.attr] && !m.begun:
			return placeLink
		default:
			return placeAttribute
		}
	}
	return placeNever
}

// why says why nothing may be written here.
func (m *markup) why() string {
	switch {
	case m.state == inRaw:
		return "it is inside a script"
	case m.state == inValue:
		return "the attribute " + m.attr + " is code"
	case m.state == inBare:
		return "the attribute has no quotes; write " + m.attr + `="{{ … }}"`
	}
	return "it is inside a tag; write it in a quoted attribute or between tags"
}

// wrote notes that an output was written.
func (m *markup) wrote() {
	if m.state == inValue {
		m.begun = true
	}
}
