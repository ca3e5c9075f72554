package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"
)

// timeFormat is how a body writes times: UTC, milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// appendBody writes the body of an entry: the JSON whose hash is the leaf of the tree.
// What is empty is left out; members are in a fixed order, but nobody depends on it, as
// the bytes are kept as they are. subjects and identifiers are pseudonyms, sets the
// hex SHA-256 of the chunks of a larger set of subjects.
func appendBody(b []byte, e *Entry, subjects, sets, identifiers []string) []byte {
	b = append(b, `{"v":1`...)
	b = member(b, "id", e.ID)
	b = member(b, "workspace", e.Workspace)
	b = append(b, `,"at":"`...)
	b = e.At.AppendFormat(b, timeFormat)
	b = append(b, '"')
	b = member(b, "actor", e.Actor)
	b = member(b, "action", e.Action)
	b = member(b, "resource", e.Resource)
	b = list(b, "fields", e.Fields[:min(len(e.Fields), maxFields)])
	b = list(b, "subjects", subjects)
	b = list(b, "subjectSet", sets)
	b = list(b, "identifiers", identifiers)
	if e.SubjectCount > 0 {
		b = append(b, `,"subjectCount":`...)
		b = strconv.AppendInt(b, int64(e.SubjectCount), 10)
	}
	b = member(b, "purpose", e.Purpose)
	b = member(b, "reason", e.Reason)
	b = member(b, "decision", string(e.Decision))
	b = member(b, "requestId", e.RequestID)
	if len(e.Details) > 0 {
		b = append(b, `,"details":`...)
		sep := byte('{')
		for i, k := range slices.Sorted(maps.Keys(e.Details)) {
			if i == maxDetails {
				break
			}
			b = append(b, sep)
			b = quote(b, k)
			b = append(b, ':')
			b = quote(b, e.Details[k])
			sep = ','
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

func member(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return quote(b, value)
}

func list(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	sep := byte('[')
	for _, v := range values {
		b = append(b, sep)
		b = quote(b, v)
		sep = ','
	}
	return append(b, ']')
}

// quote writes a JSON string of at most maxText bytes.
func quote(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	if len(s) > maxText {
		s = s[:maxText]
	}
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // what is not UTF-8 becomes U+FFFD
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

// body is what a body says, read back.
type body struct {
	V            int               `json:"v"`
	ID           string            `json:"id"`
	Workspace    string            `json:"workspace"`
	At           time.Time         `json:"at"`
	Actor        string            `json:"actor"`
	Action       string            `json:"action"`
	Resource     string            `json:"resource"`
	Fields       []string          `json:"fields"`
	Subjects     []string          `json:"subjects"`
	SubjectSet   []string          `json:"subjectSet"`
	Identifiers  []string          `json:"identifiers"`
	SubjectCount int               `json:"subjectCount"`
	Purpose      string            `json:"purpose"`
	Reason       string            `json:"reason"`
	Decision     string            `json:"decision"`
	RequestID    string            `json:"requestId"`
	Details      map[string]string `json:"details"`
}

// parseBody reads a body back, and returns its leaf.
func parseBody(raw []byte) (*body, tlog.Hash, error) {
	var e body
	if scanBody(raw, &e) {
		return &e, tlog.RecordHash(raw), nil
	}
	e = body{}
	err := json.Unmarshal(raw, &e)
	return &e, tlog.RecordHash(raw), err
}
