package audit

import (
	"bytes"
	"strconv"
	"time"
)

// scanBody reads a body in the form that appendBody writes, several times as fast as
// encoding/json does: each entry is read once more when it goes into the log. It reports
// false for any other form, such as a text with an escape in it, or details, which are
// nobody's hot path.
func scanBody(raw []byte, e *body) bool {
	rest, ok := bytes.CutPrefix(raw, []byte(`{"v":1`))
	if !ok {
		return false
	}
	e.V = 1
	for len(rest) > 0 && rest[0] == ',' {
		var name string
		if name, rest, ok = scanText(rest[1:]); !ok || len(rest) == 0 || rest[0] != ':' {
			return false
		}
		rest = rest[1:]
		if text := e.text(name); text != nil {
			*text, rest, ok = scanText(rest)
		} else if list := e.list(name); list != nil {
			*list, rest, ok = scanList(rest)
		} else if name == "at" {
			var at string
			if at, rest, ok = scanText(rest); ok {
				var err error
				e.At, err = time.Parse(timeFormat, at)
				ok = err == nil
			}
		} else if name == "subjectCount" {
			digits := 0
			for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
				digits++
			}
			var err error
			e.SubjectCount, err = strconv.Atoi(string(rest[:digits]))
			rest, ok = rest[digits:], err == nil
		} else {
			return false
		}
		if !ok {
			return false
		}
	}
	return len(rest) == 1 && rest[0] == '}'
}

// text returns where a member that is a text stands, nil for another.
func (e *body) text(name string) *string {
	switch name {
	case "id":
		return &e.ID
	case "workspace":
		return &e.Workspace
	case "actor":
		return &e.Actor
	case "action":
		return &e.Action
	case "resource":
		return &e.Resource
	case "purpose":
		return &e.Purpose
	case "reason":
		return &e.Reason
	case "decision":
		return &e.Decision
	case "requestId":
		return &e.RequestID
	}
	return nil
}

// list returns where a member that is a list of texts stands, nil for another.
func (e *body) list(name string) *[]string {
	switch name {
	case "fields":
		return &e.Fields
	case "subjects":
		return &e.Subjects
	case "subjectSet":
		return &e.SubjectSet
	case "identifiers":
		return &e.Identifiers
	}
	return nil
}

// scanText reads a text without escapes, and returns what follows it.
func scanText(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return "", nil, false
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 || bytes.IndexByte(b[1:1+end], '\\') >= 0 {
		return "", nil, false
	}
	return string(b[1 : 1+end]), b[2+end:], true
}

// scanList reads a list of texts, which has one at least.
func scanList(b []byte) (list []string, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '[' {
		return nil, nil, false
	}
	for rest = b; len(rest) > 0 && (rest[0] == ',' || len(list) == 0); {
		var text string
		if text, rest, ok = scanText(rest[1:]); !ok {
			return nil, nil, false
		}
		list = append(list, text)
	}
	if len(rest) == 0 || rest[0] != ']' {
		return nil, nil, false
	}
	return list, rest[1:], true
}
