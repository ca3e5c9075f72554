package segment

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// ExportInput asks for a segment's members as a stream.
type ExportInput struct {
	SegmentID string
	Format    Format
	// Fields are what is told of each member: "profileId", "enteredAt",
	// "identifiers" (all of them), "identifiers.email" (those of a namespace),
	// "traits" (all of them), "traits.address.city" (one). None means profileId
	// and enteredAt.
	Fields []string
	// After is the profile id of the last member that was received; "" begins.
	After string
}

// MaxExportFields is how many fields an export may have.
const MaxExportFields = 100

// exportPage is how many members are read at once.
const exportPage = 500

// Export writes a segment's members in the order of their ids, a line each, and
// returns how many. It reads them a page at a time, so that memory does not grow
// with the segment. write is called with whole lines; an error of it ends the
// export, and After goes on behind the last line that was taken. CSV begins with a
// header, on resumption too. Values that a spreadsheet would run as a formula are
// quoted by an apostrophe. Only those are told of who may be seen, asked anew for each
// page; a field that the caller may not read in clear is FORBIDDEN, reason
// PROTECTED_FIELD, where it is named, and left out of what names all of them.
func (s *Service) Export(ctx context.Context, ws string, in ExportInput, write func([]byte) error) (int64, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return 0, err
	}
	if _, err := by.among(in.SegmentID, "segmentId"); err != nil {
		return 0, err
	}
	if in.After != "" && core.IDPrefix(in.After) != core.PrefixProfile {
		return 0, invalid("AFTER", "after is the id of the last profile that was received").At("after")
	}
	x, err := newExporter(in)
	if err != nil {
		return 0, err
	}
	if err := by.exports(x.fields); err != nil {
		return 0, err
	}
	var n int64
	st := openMembers(ctx, s.db, ws, in.SegmentID, keyRange{from: in.After})
	if x.csv != nil {
		if err := write(x.header()); err != nil {
			return 0, err
		}
	}
	for {
		members, err := nextMembers(st, exportPage, in.After)
		if err != nil || len(members) == 0 {
			return n, fail(err)
		}
		members, people, err := s.exported(ctx, ws, in.SegmentID, members, x.reads)
		if err != nil {
			return n, err
		}
		ids := idsOf(members, func(m *Membership) string { return m.Profile })
		if err := audit.Note(ctx, audit.Seen{Resource: in.SegmentID, Fields: x.fields, Profiles: ids}); err != nil {
			return n, err
		}
		for i, m := range members {
			var p *profile.Profile
			if people != nil {
				p = people[i]
			}
			if err := x.line(m, p); err != nil {
				return n, fail(err)
			}
		}
		if err := write(x.take()); err != nil {
			return n, err
		}
		n += int64(len(members))
	}
}

// nextMembers reads on in a stream of members, past the one with the id after.
func nextMembers(st *keyStream, limit int, after string) ([]*Membership, error) {
	var out []*Membership
	for len(out) < limit {
		id, err := st.peek()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if id != after {
			m, err := Memberships.Decode(st.doc())
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
		st.next()
	}
	return out, nil
}

// exporter writes lines.
type exporter struct {
	fields []string
	csv    *csv.Writer // nil: NDJSON
	buf    bytes.Buffer
	reads  bool // profiles are needed
}

func newExporter(in ExportInput) (*exporter, error) {
	x := &exporter{fields: in.Fields}
	if len(x.fields) == 0 {
		x.fields = []string{"profileId", "enteredAt"}
	}
	if len(x.fields) > MaxExportFields {
		return nil, invalid("FIELDS", "an export has at most %d fields", MaxExportFields).At("fields")
	}
	for i, f := range x.fields {
		head, rest, below := strings.Cut(f, ".")
		switch {
		case (f == "profileId" || f == "enteredAt"):
		case (head == "identifiers" || head == "traits") && (!below || rest != ""):
			x.reads = true
		default:
			return nil, invalid("FIELD", "a field is profileId, enteredAt, identifiers, identifiers.NAMESPACE, traits or traits.PATH").At("fields", strconv.Itoa(i))
		}
	}
	switch in.Format {
	case CSV:
		x.csv = csv.NewWriter(&x.buf)
	case NDJSON:
	default:
		return nil, invalid("FORMAT", "the format is NDJSON or CSV").At("format")
	}
	return x, nil
}

func (x *exporter) header() []byte {
	_ = x.csv.Write(x.fields) // into memory
	return x.take()
}

// take returns what was written since.
func (x *exporter) take() []byte {
	if x.csv != nil {
		x.csv.Flush()
	}
	out := bytes.Clone(x.buf.Bytes())
	x.buf.Reset()
	return out
}

func (x *exporter) line(m *Membership, p *profile.Profile) error {
	cells := make([]string, 0, len(x.fields))
	object := []byte{'{'}
	for i, f := range x.fields {
		raw, err := value(f, m, p)
		if err != nil {
			return err
		}
		if x.csv != nil {
			cells = append(cells, cell(raw))
			continue
		}
		if i > 0 {
			object = append(object, ',')
		}
		key, err := json.Marshal(f)
		if err != nil {
			return err
		}
		object = append(append(append(object, key...), ':'), raw...)
	}
	if x.csv != nil {
		return x.csv.Write(cells)
	}
	x.buf.Write(append(object, "}\n"...))
	return nil
}

// value returns a field as JSON, null where there is none.
func value(field string, m *Membership, p *profile.Profile) ([]byte, error) {
	head, rest, _ := strings.Cut(field, ".")
	switch {
	case head == "profileId":
		return json.Marshal(m.Profile)
	case head == "enteredAt":
		return json.Marshal(m.Since.UTC().Format(time.RFC3339Nano))
	case p == nil:
		return []byte("null"), nil
	case head == "identifiers":
		return identifiers(p, rest)
	case rest == "":
		return profile.TraitsJSON(p, nil)
	}
	t := p.TraitAt(rest)
	if t == nil || t.Value.Type == bson.TypeNull {
		return []byte("null"), nil
	}
	return event.ValueToJSON(t.Value)
}

// identifiers lists a profile's identifiers as JSON, those of a namespace by their
// values.
func identifiers(p *profile.Profile, namespace string) ([]byte, error) {
	values := []string{}
	pairs := []event.Identifier{}
	for _, h := range p.Identifiers {
		if namespace == "" {
			pairs = append(pairs, event.Identifier{Namespace: h.Namespace, Value: h.Value})
		} else if h.Namespace == namespace {
			values = append(values, h.Value)
		}
	}
	if namespace != "" {
		return json.Marshal(values)
	}
	out := make([]map[string]string, len(pairs))
	for i, id := range pairs {
		out[i] = map[string]string{"namespace": id.Namespace, "value": id.Value}
	}
	return json.Marshal(out)
}

// cell writes a JSON value into a CSV cell: texts bare, null empty, a list of one
// text as that text, anything else as JSON.
func cell(raw []byte) string {
	var text string
	var list []string
	switch {
	case string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &text) == nil:
	case json.Unmarshal(raw, &list) == nil && len(list) <= 1:
		text = strings.Join(list, "")
	default:
		return string(raw)
	}
	// What begins so is a formula to a spreadsheet: see OWASP, CSV Injection. A sign
	// before digits is a number or a phone.
	if text != "" && strings.ContainsRune("=@\t\r", rune(text[0])) || len(text) > 1 && (text[0] == '-' || text[0] == '+') && strings.Trim(text[1:], "0123456789. ()-") != "" {
		return "'" + text
	}
	return text
}
