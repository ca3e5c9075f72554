package segment

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/staging"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	NDJSON Format = "NDJSON" // a JSON value a line
	CSV    Format = "CSV"    // RFC 4180, the first record is the header
)

// maxLine is how long a line of an uploaded file may be, in bytes.
const maxLine = 64 << 10

// row is one line of an uploaded list. A line that cannot be read has a Fault.
type row struct {
	Line       int64              `bson:"l"`
	ProfileID  string             `bson:"p,omitempty"`
	Identifier []event.Identifier `bson:"i,omitempty"` // the first one that somebody has counts
	Fault      string             `bson:"f,omitempty"` // a reason
}

// The reasons of lines that cannot be read.
const (
	faultLine  = "LINE"      // not of the format
	faultEmpty = "NO_PERSON" // names nobody
)

// rows reads the lines of an uploaded list one after the other; io.EOF ends it.
type rows interface{ next() (row, error) }

// openRows reads a file. Of CSV the header says which column holds what: "id" or
// "profileId" profile ids, any other name the identifiers of that namespace. With a
// namespace the first column, whatever it is called, holds its values.
func openRows(r io.Reader, in UploadInput) (rows, error) {
	bound := staging.Bound(bufio.NewReaderSize(r, maxLine), staging.Limits{Bytes: MaxListBytes, Line: maxLine})
	if in.Format == NDJSON {
		return &jsonRows{r: bufio.NewReader(bound), bound: bound, namespace: in.Namespace}, nil
	}
	c := csv.NewReader(bound)
	c.ReuseRecord, c.FieldsPerRecord, c.LazyQuotes = true, -1, true
	if in.Comma != 0 {
		c.Comma = rune(in.Comma)
	}
	header, err := c.Read()
	var bad *csv.ParseError
	switch {
	case errors.Is(err, io.EOF), errors.As(err, &bad):
		return nil, invalid("HEADER", "the first line of a CSV file names its columns").At("file").Wrap(err)
	case err != nil:
		return nil, unread(err)
	}
	out := &csvRows{r: c, bound: bound}
	for i, name := range header {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		if in.Namespace != "" {
			name = in.Namespace
			if i > 0 {
				name = ""
			}
		}
		out.columns = append(out.columns, name)
	}
	return out, nil
}

// unread is the error of a file that cannot be read to its end.
func unread(err error) error { return core.AsError(staging.Broken(err)).At("file") }

type csvRows struct {
	r       *csv.Reader
	bound   *staging.Bounded
	columns []string
}

func (c *csvRows) next() (row, error) {
	c.bound.Begin()
	record, err := c.r.Read()
	var out row
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad):
		out.Line, out.Fault = int64(bad.StartLine), faultLine
		return out, nil
	case err != nil:
		return out, err
	}
	line, _ := c.r.FieldPos(0)
	out.Line = int64(line)
	for i, value := range record {
		if i < len(c.columns) {
			out.name(c.columns[i], value)
		}
	}
	out.check()
	return out, nil
}

type jsonRows struct {
	r         *bufio.Reader
	bound     *staging.Bounded
	namespace string
	line      int64
}

func (j *jsonRows) next() (row, error) {
	for {
		j.bound.Begin()
		text, err := j.r.ReadBytes('\n')
		if err != nil && (len(text) == 0 || !errors.Is(err, io.EOF)) {
			return row{}, err
		}
		j.line++
		if len(strings.TrimSpace(string(text))) == 0 {
			continue
		}
		return j.read(text), nil
	}
}

// read reads a line: a text (an identifier of the file's namespace, or a profile's
// id), {"namespace", "value"}, or an object whose keys are namespaces.
func (j *jsonRows) read(text []byte) row {
	out := row{Line: j.line}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		out.Fault = faultLine
		return out
	}
	switch v := v.(type) {
	case string:
		if j.namespace == "" {
			out.name("id", v)
		} else {
			out.name(j.namespace, v)
		}
	case map[string]any:
		namespace, nok := v["namespace"].(string)
		value, vok := v["value"].(string)
		if nok && vok {
			out.name(namespace, value)
			break
		}
		for key, value := range v {
			if text, ok := value.(string); ok {
				out.name(key, text)
			}
		}
	default:
		out.Fault = faultLine
		return out
	}
	out.check()
	return out
}

// name notes a value of a column.
func (r *row) name(column, value string) {
	value = strings.TrimSpace(value)
	switch {
	case column == "" || value == "" || len(value) > 512 || strings.ContainsRune(value, 0):
	case column == "id" || column == "profileId":
		r.ProfileID = value
	case len(r.Identifier) < 10:
		r.Identifier = append(r.Identifier, event.Identifier{Namespace: column, Value: value})
	}
}

func (r *row) check() {
	if r.ProfileID == "" && len(r.Identifier) == 0 {
		r.Fault = faultEmpty
	}
}
