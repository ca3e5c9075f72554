package event

import (
	"bytes"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// string returns the text of a member, "" when it is absent.
func (m *message) string(field int) string {
	text := m.fields[field]
	if text == nil {
		return ""
	}
	if text[0] != '"' {
		m.fail(invalid(ReasonWrongType, "%s must be text", fieldNames[field]).At(fieldNames[field]))
		return ""
	}
	raw := text[1 : len(text)-1]
	if bytes.IndexByte(raw, '\\') >= 0 {
		var lone bool
		if raw, lone = unescape(nil, raw); lone {
			m.fail(invalid(ReasonInvalidUTF8, "%s holds half of a surrogate pair", fieldNames[field]).At(fieldNames[field]))
			return ""
		}
		if bytes.IndexByte(raw, 0) >= 0 {
			m.fail(invalid(ReasonNULByte, "%s may not hold a NUL character", fieldNames[field]).At(fieldNames[field]))
			return ""
		}
	}
	if !utf8.Valid(raw) {
		return "" // members has told
	}
	return string(raw)
}

// id returns the text of a member that may be a number too: clients with numeric
// user ids forget the quotes.
func (m *message) id(field int) string {
	text := m.fields[field]
	if text == nil || text[0] == '"' {
		return m.string(field)
	}
	if c := text[0]; c != '-' && (c < '0' || c > '9') {
		m.fail(invalid(ReasonWrongType, "%s must be text or a number", fieldNames[field]).At(fieldNames[field]))
		return ""
	}
	v, err := ValueFromJSON(text)
	if err != nil {
		m.fail(err.At(fieldNames[field]))
		return ""
	}
	out, _ := ValueToJSON(v)
	return string(out)
}

func (m *message) times() times {
	t := times{original: m.time(fOriginal), timestamp: m.time(fTimestamp), sent: m.time(fSentAt)}
	if !t.sent.ok {
		if m.d.SentAt != nil {
			t.sent = stamp{*m.d.SentAt, true}
		}
		m.fail(m.d.sentAtErr)
	}
	at, err := t.when(m.d)
	m.fail(err)
	m.in.Timestamp = at
	return t
}

func (m *message) time(field int) stamp {
	text := m.fields[field]
	if text == nil {
		return stamp{}
	}
	if text[0] != '"' {
		at, err := parseEpoch(string(text))
		if err != nil {
			m.fail(err.At(fieldNames[field]))
		}
		return stamp{at, err == nil}
	}
	at, ok := ParseTime(m.string(field))
	if !ok {
		m.fail(invalid(ReasonTimestamp, "%s must be RFC 3339 text or a number of milliseconds since 1970", fieldNames[field]).At(fieldNames[field]))
	}
	return stamp{at, ok}
}

// documents reads the objects of the message.
func (m *message) documents() {
	in := &m.in
	in.Properties = m.properties()
	in.Traits = m.document(fTraits)
	in.Context = MergeDocs(m.d.Context, m.document(fContext))
	if m.d.GPC && !Flag(in.Context, "gpc") {
		in.Context = MergeDocs(in.Context, gpcDoc)
	}
	in.Integrations = MergeDocs(m.d.Integrations, m.document(fIntegrations))
}

// encode writes a member's object to dst, from 0. False when there is none, or an
// empty one. An empty array is an empty object: that is how PHP writes it.
func (m *message) encode(field int) bool {
	text := m.fields[field]
	m.dst = m.dst[:0]
	if text == nil || text[0] == '[' && len(bytes.TrimSpace(text[1:len(text)-1])) == 0 {
		return false
	}
	if text[0] != '{' {
		m.fail(invalid(ReasonWrongType, "%s must be an object", fieldNames[field]).At(fieldNames[field]))
		return false
	}
	whole := m.src
	m.src, m.pos = text, 0
	err := m.object(1)
	m.src = whole
	if err != nil {
		m.elems = m.elems[:0]
		m.fail(err.At(fieldNames[field]))
		return false
	}
	return !empty(m.dst)
}

func (m *message) document(field int) bson.Raw {
	if !m.encode(field) {
		return nil
	}
	return bytes.Clone(m.dst)
}

// properties reads the properties; the name and category of a page or screen are
// two of them.
func (m *message) properties() bson.Raw {
	has := m.encode(fProperties)
	if m.in.Type != Page && m.in.Type != Screen {
		if !has {
			return nil
		}
		return bytes.Clone(m.dst)
	}
	if !has {
		m.dst = append(m.dst[:0], 5, 0, 0, 0, 0)
	}
	for _, field := range [...]int{fName, fCategory} {
		text := m.string(field)
		if text == "" {
			continue
		}
		if _, own := Lookup(m.dst, fieldNames[field]); !own {
			m.dst = m.dst[:len(m.dst)-1]
			m.textElement(fieldNames[field], text)
			m.closeDoc(0)
		}
	}
	if empty(m.dst) {
		return nil
	}
	return bytes.Clone(m.dst)
}
