package event

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
)

// The limits of single fields, in bytes.
const (
	MaxID   = 512 // of userId, anonymousId, groupId, previousId
	MaxName = 512 // of an event's name
)

// The members of a message that are read; others are ignored.
const (
	fType = iota
	fMessageID
	fUserID
	fAnonymousID
	fGroupID
	fPreviousID
	fEvent
	fName
	fCategory
	fTimestamp
	fOriginal
	fSentAt
	fProperties
	fTraits
	fContext
	fIntegrations
	nFields
)

var fieldNames = [nFields]string{
	"type", "messageId", "userId", "anonymousId", "groupId", "previousId", "event", "name", "category",
	"timestamp", "originalTimestamp", "sentAt", "properties", "traits", "context", "integrations",
}

// fieldOf returns the member with a name, or -1.
func fieldOf(key []byte) int {
	if n := len(key); n < len("type") || n > len("originalTimestamp") {
		return -1
	}
	for f := range fieldNames {
		if name := &fieldNames[f]; len(*name) == len(key) && *name == string(key) {
			return f
		}
	}
	return -1
}

// DecodeMessage reads one message of Segment's tracking protocol, a JSON object.
// It never fails: a message that cannot be taken is an Input with Err. raw is kept
// in the result and must not be changed afterwards.
func DecodeMessage(raw []byte, d Defaults) Input { return decodeMessage(raw, &d) }

// message is a message being read.
type message struct {
	*scanner
	in     Input
	d      *Defaults
	fields [nFields][]byte // the JSON text of each member; nil when absent or null
}

func decodeMessage(raw []byte, d *Defaults) Input {
	m := message{scanner: newScanner(raw), d: d, in: Input{Raw: raw, Type: d.Type, Defaults: d}}
	defer m.free()
	if err := m.members(); err != nil {
		m.in.Err = err
		return m.in
	}
	if len(raw) > MaxMessage {
		m.fail(invalid(ReasonMessageTooLarge, "a message may have %d bytes, this one has %d", MaxMessage, len(raw)))
	}
	m.identity()
	m.names()
	sent := m.times()
	if m.in.Err != nil {
		return m.in // its documents may be of any size and shape
	}
	m.documents()
	m.required()
	if m.in.Err == nil {
		m.in.Sum = m.sum(&m.in, sent.asSent())
	}
	return m.in
}

// fail keeps the first reason for which the message cannot be taken.
func (m *message) fail(err *core.Error) {
	if m.in.Err == nil && err != nil {
		m.in.Err = err
	}
}

// members finds the text of each member. The last of several with the same name
// counts.
func (m *message) members() *core.Error {
	if m.space() != '{' {
		if err := m.skip(); err != nil {
			return err
		}
		if err := m.end(); err != nil {
			return err
		}
		return invalid(ReasonNotAnObject, "a message is a JSON object")
	}
	err := m.eachMember(func(key []byte, from, to int) {
		if f := fieldOf(key); f >= 0 {
			m.fields[f] = m.src[from:to]
			if m.src[from] == 'n' {
				m.fields[f] = nil // null is absent
			}
		}
	})
	if err != nil {
		return err
	}
	if err := m.end(); err != nil {
		return err
	}
	if !utf8.Valid(m.src) {
		m.fail(m.badText())
	}
	return nil
}

// badText says in which member bytes stand that are not UTF-8.
func (m *message) badText() *core.Error {
	err := invalid(ReasonInvalidUTF8, "the text of a message must be UTF-8")
	for i, text := range m.fields {
		if !utf8.Valid(text) {
			return err.At(fieldNames[i])
		}
	}
	return err
}

// eachMember calls f with the key and the place of the value of each member of
// the object at the cursor.
func (s *scanner) eachMember(f func(key []byte, from, to int)) *core.Error {
	s.pos++
	if s.space() == '}' {
		s.pos++
		return nil
	}
	for {
		s.space()
		key, escaped, err := s.text()
		if err != nil {
			return err
		}
		if escaped {
			key, _ = unescape(nil, key)
		}
		if err := s.colon(); err != nil {
			return err
		}
		s.space()
		from := s.pos
		if err := s.skip(); err != nil {
			return err
		}
		f(key, from, s.pos)
		switch s.space() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return s.syntax("a comma or a closing brace")
		}
	}
}

func (m *message) identity() {
	in := &m.in
	if in.Type == "" {
		in.Type = m.messageType()
	}
	in.MessageID = m.id(fMessageID)
	if utf8.RuneCountInString(in.MessageID) > MaxMessageID {
		in.MessageID = ""
		m.fail(invalid(ReasonMessageIDTooLong, "a messageId has at most %d characters", MaxMessageID).At("messageId"))
	}
	for _, f := range [...]struct {
		field int
		to    *string
	}{{fUserID, &in.UserID}, {fAnonymousID, &in.AnonymousID}, {fGroupID, &in.GroupID}, {fPreviousID, &in.PreviousID}} {
		id := m.id(f.field)
		if len(id) > MaxID {
			m.fail(invalid(ReasonIDTooLong, "an id has at most %d bytes", MaxID).At(fieldNames[f.field]))
			continue
		}
		*f.to = id
	}
	if in.MessageID == "" && in.Err == nil {
		if in.MessageID = m.d.MessageID; in.MessageID == "" {
			in.MessageID = newMessageID(m.d.ReceivedAt)
		}
	}
}

func newMessageID(at time.Time) string { return core.NewID(core.PrefixMessageID, at) }

func (m *message) messageType() Type {
	text := m.fields[fType]
	if len(text) > 2 && text[0] == '"' {
		for _, t := range [...]Type{Track, Page, Identify, Screen, Group, Alias} {
			if strings.EqualFold(string(text[1:len(text)-1]), string(t)) {
				return t
			}
		}
	}
	if m.string(fType) == "" {
		m.fail(invalid(ReasonTypeMissing, "a message in a batch says its type: identify, track, page, screen, group or alias").At("type"))
	} else {
		m.fail(invalid(ReasonTypeUnknown, "the type of a message is identify, track, page, screen, group or alias").At("type"))
	}
	return ""
}

// names sets the event's name.
func (m *message) names() {
	switch m.in.Type {
	case Identify:
		m.in.Name = NameIdentified
	case Page:
		m.in.Name = NamePageViewed
	case Screen:
		m.in.Name = NameScreenViewed
	case Group:
		m.in.Name = NameGrouped
	case Alias:
		m.in.Name = NameAliased
	case Track:
		name := m.string(fEvent)
		if len(name) > MaxName {
			m.fail(invalid(ReasonNameTooLong, "the name of an event has at most %d bytes", MaxName).At("event"))
			return
		}
		m.in.Name = name
	}
}

// required checks what each type must have.
func (m *message) required() {
	in := &m.in
	switch {
	case in.Type == Alias && in.PreviousID == "":
		m.fail(invalid(ReasonPreviousMissing, "alias needs previousId").At("previousId"))
	case in.Type == Alias && in.UserID == "":
		m.fail(invalid(ReasonUserIDMissing, "alias needs userId").At("userId"))
	case in.Type == Track && in.Name == "":
		m.fail(invalid(ReasonEventMissing, "track needs event, the name of what happened").At("event"))
	case in.Type == Group && in.GroupID == "":
		m.fail(invalid(ReasonGroupIDMissing, "group needs groupId").At("groupId"))
	case in.UserID == "" && in.AnonymousID == "":
		m.fail(invalid(ReasonUserMissing, "a message needs userId or anonymousId").At("userId"))
	}
}
