package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
)

// CSVOptions say how a CSV file is read.
type CSVOptions struct {
	FileOptions
	// Mapping says what each column is: header → target. A target is a member of a
	// message ("userId", "event", "timestamp") or a path in one of its objects
	// ("traits.email", "properties.total"), with the type of its cells after a colon
	// where that is not text: "properties.total:number". Types are string, number,
	// integer, boolean, datetime and json. Columns that are not named are left out.
	// Without a mapping the headers themselves are targets.
	Mapping map[string]string
	Comma   byte // ',' when 0
}

// CSV reads a CSV file (RFC 4180) whose first record is its header.
type CSV struct {
	w       window
	o       CSVOptions
	header  []string
	columns *column // the tree of what is mapped
	fields  [][]byte
}

// NewCSV reads the header and checks the mapping against it. To go on from
// Start the reader must be at the beginning of the file too, for the header.
func NewCSV(r io.Reader, o CSVOptions) (*CSV, error) {
	if o.Comma == 0 {
		o.Comma = ','
	}
	c := &CSV{w: window{r: r}, o: o}
	if err := c.w.skipBOM(); err != nil {
		return nil, err
	}
	fields, fault, err := c.record()
	switch {
	case errors.Is(err, io.EOF):
		return nil, invalid(ReasonCSVSyntax, "the file is empty; its first line names the columns")
	case err != nil:
		return nil, err
	case fault != csvFine:
		return nil, invalid(ReasonCSVSyntax, "the header: %s", fault)
	}
	for _, f := range fields {
		c.header = append(c.header, strings.TrimSpace(string(f)))
	}
	columns, bad := mapColumns(c.header, o.Mapping)
	if bad != nil {
		return nil, bad
	}
	c.columns = columns
	if c.o.Type == "" && columns.child("type") == nil {
		c.o.Type = Identify
		if columns.child("event") != nil {
			c.o.Type = Track
		}
	}
	if o.Start.Offset > 0 {
		return c, c.w.seek(o.Start)
	}
	return c, nil
}

// Header returns the names of the columns.
func (c *CSV) Header() []string { return c.header }

// record reads the next record that is not an empty line. Its fields are good
// until the next call.
func (c *CSV) record() ([][]byte, csvFault, error) {
	for {
		fields, n, fault := csvRecord(c.w.buf, c.w.eof, c.o.Comma, c.fields[:0])
		c.fields = fields
		if fault == csvMore && len(c.w.buf) > maxRecord {
			fault = csvTooBig
			if n = bytes.IndexByte(c.w.buf, '\n') + 1; n == 0 {
				head, _, err := c.w.longLine(MaxMessage)
				return append(fields[:0], head), fault, err
			}
		}
		if fault == csvMore || len(c.w.buf) == 0 {
			ok, err := c.w.more()
			if err != nil {
				return nil, fault, err
			}
			if !ok && len(c.w.buf) == 0 {
				return nil, fault, io.EOF
			}
			continue
		}
		raw := c.w.buf[:n]
		c.w.consume(n)
		if csvBlank(raw) {
			continue
		}
		if fault != csvFine {
			fields = append(fields[:0], bytes.TrimRight(raw, "\r\n"))
		}
		return fields, fault, nil
	}
}

// Next implements Rows. A row that cannot be read as a record, or has more or
// fewer cells than the header, is an input with Err whose Raw holds its text, and
// the next row is the next line.
func (c *CSV) Next() (Row, error) {
	before := c.w.pos.Line
	fields, fault, err := c.record()
	if err != nil {
		return Row{}, err
	}
	line := max(before+1, c.w.pos.Line-int64(newlines(fields)))
	row := Row{Line: line, Next: c.w.pos}
	d := c.o.defaults(line)
	switch {
	case fault != csvFine:
		row.Input = c.broken(&d, line, fields, invalid(ReasonCSVSyntax, "line %d: %s", line, fault))
	case len(fields) != len(c.header):
		row.Input = c.broken(&d, line, fields, invalid(ReasonRagged, "line %d has %d cells, the header has %d", line, len(fields), len(c.header)))
	default:
		row.Input = c.input(&d, line, fields)
	}
	return row, nil
}

func newlines(fields [][]byte) int {
	n := 0
	for _, f := range fields {
		n += bytes.Count(f, []byte{'\n'})
	}
	return n
}

// broken makes the input of a row that is no message: what stands in the file is
// kept as JSON, like every other payload.
func (c *CSV) broken(d *Defaults, line int64, fields [][]byte, why *core.Error) Input {
	raw := fmt.Appendf(nil, `{"line":%d,"cells":[`, line)
	for i, f := range fields {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = appendQuoted(raw, f[:min(len(f), MaxBatch)])
	}
	return Input{Type: d.Type, Raw: append(raw, "]}"...), Err: why, Defaults: d}
}

func (c *CSV) input(d *Defaults, line int64, fields [][]byte) Input {
	for i, f := range fields {
		if !utf8.Valid(f) {
			return c.broken(d, line, fields, invalid(ReasonInvalidUTF8, "line %d: the file must be UTF-8", line).At(c.header[i]))
		}
	}
	e := rowEncoder{fields: fields, out: make([]byte, 0, 256)}
	if !e.object(c.columns) {
		e.out = append(e.out, "{}"...)
	}
	if t := c.columns.child("type"); t != nil && len(bytes.TrimSpace(fields[t.index])) > 0 {
		d.Type = "" // the row knows better
	}
	in := decodeMessage(e.out, d)
	if e.bad != nil && (in.Err == nil || in.Err.Reason != ReasonMessageTooLarge) {
		in.Err = invalid(ReasonCell, "line %d: %s", line, e.bad.wants()).At(c.header[e.bad.index])
	}
	return in
}
