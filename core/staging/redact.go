package staging

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// areas are those that Declare made, by the name of their collection.
var areas = map[string]*Area{}

// IsArea reports whether a collection holds staged files.
func IsArea(spec *store.Spec) bool { return areas[spec.Name] != nil }

// maxRow is how long a row of a file may be to be looked into; what is longer is no
// row that an import takes.
const maxRow = 2 << 20

// Redact returns the operations that overwrite, in staged files of an area, the rows
// that hold one of the identifiers, a few at a time; none when there is nothing left. Lines
// become blanks; of rows that are BSON documents the value is overwritten. Sizes and
// offsets stay, so that a job that reads the file goes on.
//
// A value of four bytes or more counts wherever it is all of a field. A shorter one counts
// in a field that is of its namespace: a member or column of that name, as the job's
// mapping has it, or a value beside the namespace's name. In a file whose job was given up
// it counts everywhere.
func Redact(ctx context.Context, r store.Reader, spec *store.Spec, ws string, ids []Identifier) ([]store.Op, error) {
	a := areas[spec.Name]
	c := a.Chunks
	set := make(map[string]bool, len(ids))
	var short shorts
	for _, id := range ids {
		switch {
		case id.Value == "":
		case len(id.Value) < shortValue:
			short = append(short, id)
		default:
			set[strings.ToLower(id.Value)] = true
		}
	}
	if len(set)+len(short) == 0 {
		return nil, nil
	}
	after := ""
	for {
		q := store.Query{Workspace: ws}
		if after != "" {
			q.Where = []store.Cond{store.Gt("_id", after)}
		}
		first, err := c.Find(ctx, r, q, 1)
		if err != nil || len(first) == 0 {
			return nil, err
		}
		file, _, _ := strings.Cut(store.Rest(first[0].ID), "/")
		f := &redaction{set: set, c: c, ws: ws}
		if len(short) > 0 {
			if f.how, err = readingOf(ctx, r, a, ws, file); err != nil {
				return nil, err
			}
			f.short = short
		}
		if err := f.file(ctx, r, file); err != nil {
			return nil, err
		}
		if len(f.ops) > 0 {
			return f.ops, nil
		}
		after = store.Key(ws, file+"0") // "0" follows "/"
	}
}

// redaction reads one file.
type redaction struct {
	set     map[string]bool
	c       *store.Collection[Chunk]
	ws      string
	held    []*Chunk // those that the current row lies in
	row     []byte   // read of it so far
	from    int      // where it begins in the first of held
	dirty   map[*Chunk]bool
	ops     []store.Op
	binary  bool
	begun   bool
	stopped bool

	short  shorts
	how    reading
	header []string // of a CSV file that a job reads
}

func (f *redaction) file(ctx context.Context, r store.Reader, file string) error {
	f.dirty = map[*Chunk]bool{}
	err := fewAtOnce{r, f.c}.each(ctx, f.ws, file, func(ch *Chunk) {
		if len(f.ops) >= perBatch-1 {
			f.stopped = true // the next call goes on with what is left
			return
		}
		if !f.begun {
			f.begun = true
			f.binary = isDocuments(ch.Data)
		}
		f.chunk(ch)
	})
	if err == nil && len(f.row) > 0 && !f.stopped {
		f.end(nil)
	}
	f.release(nil)
	return err
}

// fewAtOnce reads few documents at once: a chunk has a megabyte.
type fewAtOnce struct {
	r store.Reader
	c *store.Collection[Chunk]
}

func (f fewAtOnce) each(ctx context.Context, ws, file string, visit func(*Chunk)) error {
	after := store.Key(ws, file+"/")
	for {
		docs, err := f.c.Find(ctx, f.r, store.Query{Workspace: ws, Where: []store.Cond{store.Gt("_id", after), store.Lt("_id", store.Key(ws, file+"0"))}}, perBatch)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, d := range docs {
			visit(d)
			after = d.ID
		}
	}
}

func (f *redaction) chunk(ch *Chunk) {
	if len(f.row) == 0 {
		f.from = 0
	}
	f.held = append(f.held, ch)
	data := ch.Data
	for len(data) > 0 {
		n, whole := f.cut(data)
		f.row = append(f.row, data[:n]...)
		data = data[n:]
		if whole {
			f.end(ch)
			f.from = len(ch.Data) - len(data)
		} else if len(f.row) > maxRow {
			f.row = f.row[:0]
			f.release(ch)
			f.from = len(ch.Data) - len(data)
		}
	}
}

// cut returns how many bytes belong to the current row, and whether it ends there.
func (f *redaction) cut(data []byte) (n int, whole bool) {
	if !f.binary {
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return i + 1, true
		}
		return len(data), false
	}
	if need := 4 - len(f.row); need > 0 {
		if len(data) < need {
			return len(data), false
		}
		return need, false
	}
	left := int(binary.LittleEndian.Uint32(f.row)) - len(f.row)
	if left <= len(data) {
		return max(left, 0), true
	}
	return len(data), false
}

// end looks at a complete row.
func (f *redaction) end(at *Chunk) {
	switch {
	case f.binary:
		for _, place := range f.documentPlaces(f.row) {
			f.blank(place[0], place[1], 'x')
		}
	case f.lineMatches(f.row):
		n := len(bytes.TrimRight(f.row, "\r\n"))
		f.blank(0, n, ' ')
	}
	f.row = f.row[:0]
	f.release(at)
}

// blank overwrites bytes of the current row in its chunks.
func (f *redaction) blank(from, to int, with byte) {
	at := f.from
	for _, ch := range f.held {
		for i := at; i < len(ch.Data) && to > 0; i++ {
			if from <= 0 {
				ch.Data[i] = with
				f.dirty[ch] = true
			}
			from--
			to--
		}
		at = 0
	}
}

// release writes the chunks before the one that the next row begins in.
func (f *redaction) release(keep *Chunk) {
	for _, ch := range f.held {
		if ch != keep && f.dirty[ch] {
			f.ops = append(f.ops, f.c.Replace(ch))
			delete(f.dirty, ch)
		}
	}
	f.held = f.held[:0]
	if keep != nil {
		f.held = append(f.held, keep)
	}
}

// has reports whether a value is to go wherever it stands.
func (f *redaction) has(s string) bool {
	return f.set[strings.ToLower(strings.TrimSpace(s))] || f.how.over && f.short.is(s)
}

func (f *redaction) lineMatches(line []byte) bool {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return false
	}
	if line[0] == '{' {
		var v any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if d.Decode(&v) == nil && !d.More() {
			return f.inJSON(v) || len(f.short) > 0 && f.short.inJSON(v)
		}
	}
	if len(f.short) > 0 && f.inLine(string(line)) {
		return true
	}
	for _, comma := range []rune{',', ';', '\t', '|'} {
		fields, err := cells(string(line), comma)
		if err != nil {
			continue
		}
		for _, field := range fields {
			if f.has(field) {
				return true
			}
		}
	}
	return false
}

func (f *redaction) inJSON(v any) bool {
	switch v := v.(type) {
	case string:
		return f.has(v)
	case []any:
		for _, e := range v {
			if f.inJSON(e) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if f.inJSON(e) {
				return true
			}
		}
	}
	return false
}

// documentPlaces returns where the values stand in a BSON document.
func (f *redaction) documentPlaces(doc []byte) [][2]int {
	var out [][2]int
	for i := 0; i+5 < len(doc); i++ {
		if doc[i] != byte(bson.TypeString) {
			continue
		}
		key := bytes.IndexByte(doc[i+1:], 0)
		at := i + 1 + key + 1
		if key < 0 || at+4 > len(doc) {
			continue
		}
		n := int(binary.LittleEndian.Uint32(doc[at:]))
		if n < 1 || at+4+n > len(doc) || doc[at+4+n-1] != 0 {
			continue
		}
		if text := string(doc[at+4 : at+4+n-1]); strings.Trim(text, "x") != "" && f.has(text) {
			out = append(out, [2]int{at + 4, at + 4 + n - 1})
		}
	}
	if len(f.short) > 0 {
		for _, place := range f.short.places(doc, 0) {
			if strings.Trim(string(doc[place[0]:place[1]]), "x") != "" { // it was overwritten
				out = append(out, place)
			}
		}
	}
	return out
}
