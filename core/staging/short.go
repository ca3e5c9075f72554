package staging

import (
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Identifier is one by which a person is known.
type Identifier struct{ Namespace, Value string }

// shortValue is how long a value is that says nothing without what it is of: 7 is as
// likely how many of something, or somebody else's number in another register.
const shortValue = 4

// shorts are the short identifiers of a person, looked for by value and namespace.
type shorts []Identifier

// reading is how the job that a file is for reads it.
type reading struct {
	over    bool              // the job was given up: nobody reads the file any more
	targets map[string]string // of columns; nil: a column is what its header says
	comma   rune              // of a CSV file; 0: not known
}

// readingOf finds the job that a file is for. There is none while the file is uploaded.
func readingOf(ctx context.Context, r store.Reader, a *Area, ws, file string) (reading, error) {
	for _, status := range []work.Status{work.Queued, work.Running, work.Cancelled, work.Failed} {
		jobs, err := work.JobDocs.Find(ctx, r, store.Query{
			Workspace: ws, Where: []store.Cond{store.Eq("kind", a.Job), store.Eq("status", string(status))},
		}, 0)
		if err != nil {
			return reading{}, err
		}
		for _, j := range jobs {
			if id, ok := j.Input.Lookup("file").StringValueOK(); !ok || id != file {
				continue
			}
			if status == work.Cancelled || status == work.Failed {
				return reading{over: true}, nil
			}
			out := reading{comma: ','}
			var in struct {
				Comma   string `bson:"comma"`
				Mapping []struct {
					Column string `bson:"column"`
					Target string `bson:"target"`
				} `bson:"mapping"`
			}
			if err := bson.Unmarshal(j.Input, &in); err != nil {
				return reading{}, err
			}
			for _, c := range in.Comma {
				out.comma = c
			}
			for _, m := range in.Mapping {
				if out.targets == nil {
					out.targets = map[string]string{}
				}
				out.targets[m.Column] = m.Target
			}
			return out, nil
		}
	}
	return reading{}, nil
}

// plain makes of the names of members, columns and namespaces what they have in common:
// "user_id", "userId" and "traits.userID:string" are the same.
func plain(name string) string {
	name, _, _ = strings.Cut(name, ":")
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// named reports whether a value under a name is one of the identifiers.
func (s shorts) named(name, value string) bool {
	name = plain(name)
	return slices.ContainsFunc(s, func(id Identifier) bool {
		space := plain(id.Namespace)
		return strings.EqualFold(strings.TrimSpace(value), id.Value) &&
			(space == name || name == "previousid" && (space == "userid" || space == "anonymousid"))
	})
}

// is reports whether a value is that of one of them, of whichever namespace.
func (s shorts) is(value string) bool {
	return slices.ContainsFunc(s, func(id Identifier) bool { return strings.EqualFold(strings.TrimSpace(value), id.Value) })
}

// paired returns which of texts that stand side by side in one object are values whose
// namespace is another of them: {"type": "card", "id": "7"}.
func (s shorts) paired(texts map[string]string) (members []string) {
	for name, value := range texts {
		for _, id := range s {
			if !strings.EqualFold(strings.TrimSpace(value), id.Value) {
				continue
			}
			for other, space := range texts {
				if other != name && plain(space) == plain(id.Namespace) {
					members = append(members, name)
				}
			}
		}
	}
	return members
}

// inJSON reports whether a value of JSON, read with numbers as they are written, holds one
// of them.
func (s shorts) inJSON(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, s.inJSON)
	case map[string]any:
		texts := map[string]string{}
		for name, e := range v {
			switch e := e.(type) {
			case string:
				texts[name] = e
			case json.Number:
				texts[name] = e.String()
			default:
				if s.inJSON(e) {
					return true
				}
				continue
			}
			if s.named(name, texts[name]) {
				return true
			}
		}
		return len(s.paired(texts)) > 0
	}
	return false
}

// inLine reports whether a line of a CSV file holds one of them in a column that is of
// their namespace. Where the line has other columns than the header, as a part of a row
// with a line end in it has, any column counts.
func (f *redaction) inLine(line string) bool {
	if f.header == nil && f.how.comma == 0 {
		f.how.comma = ','
		for _, c := range []rune{';', '\t', '|'} {
			if strings.Count(line, string(c)) > strings.Count(line, string(f.how.comma)) {
				f.how.comma = c
			}
		}
	}
	fields, err := cells(line, f.how.comma)
	if err != nil {
		return false
	}
	if f.header == nil {
		f.header = fields
		f.header[0] = strings.TrimPrefix(f.header[0], "\ufeff")
		return false
	}
	if len(fields) != len(f.header) {
		return slices.ContainsFunc(fields, f.short.is)
	}
	for i, field := range fields {
		target := strings.TrimSpace(f.header[i])
		if f.how.targets != nil {
			target = f.how.targets[target]
		}
		if f.short.named(target, field) {
			return true
		}
	}
	return false
}

// places returns where the values of the identifiers stand in a BSON document, which
// begins at a place of the whole.
func (s shorts) places(doc bson.Raw, begin int) (out [][2]int) {
	elements, err := doc.Elements()
	if err != nil {
		return nil
	}
	texts, at := map[string]string{}, map[string][2]int{}
	next := begin + 4
	for _, e := range elements {
		value := next + len(e) - len(e.Value().Value)
		next += len(e)
		switch e.Value().Type {
		case bson.TypeString:
			text := e.Value().StringValue()
			texts[e.Key()], at[e.Key()] = text, [2]int{value + 4, value + 4 + len(text)}
			if s.named(e.Key(), text) {
				out = append(out, at[e.Key()])
			}
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			out = append(out, s.places(bson.Raw(e.Value().Value), value)...)
		default:
		}
	}
	for _, name := range s.paired(texts) {
		out = append(out, at[name])
	}
	return out
}

// isDocuments reports whether a file, which begins with data, is a row of BSON documents.
func isDocuments(data []byte) bool {
	return len(data) > 5 && data[3] == 0 && binary.LittleEndian.Uint32(data) < maxRow
}

// cells takes a line of a CSV file apart.
func cells(line string, comma rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
	return r.Read()
}
