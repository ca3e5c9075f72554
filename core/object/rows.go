package object

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
)

// maxLine is the length of a line, in bytes: a record as large as can be, with room
// for how JSON writes it.
const maxLine = 4 * MaxRecord

// place is a place between two lines of a file.
type place struct {
	Offset int64 `bson:"offset"` // bytes before it
	Line   int64 `bson:"line"`   // lines before it
}

// row is a line as an item, or why it is none.
type row struct {
	line int64
	item Item
	err  *core.Error
	next place
}

// rowReader reads a file line by line; io.EOF at its end.
type rowReader interface{ next() (row, error) }

// ndjsonRows reads a JSON object a line.
type ndjsonRows struct {
	r  *bufio.Reader
	at place
}

func (n *ndjsonRows) next() (row, error) {
	for {
		text, err := n.r.ReadSlice('\n')
		size, long := len(text), errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) { // pass over the rest of it
			var more []byte
			more, err = n.r.ReadSlice('\n')
			size += len(more)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return row{}, err
		}
		if size == 0 {
			return row{}, io.EOF
		}
		n.at.Offset += int64(size)
		n.at.Line++
		out := row{line: n.at.Line, next: n.at}
		switch text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))); {
		case long:
			out.err = invalid("LINE_TOO_LONG", "a line has at most %d bytes", maxLine)
		case len(text) == 0:
			continue
		default:
			out.item, out.err = decodeItem(text)
		}
		return out, nil
	}
}

// csvRows reads a CSV file whose first record is its header.
type csvRows struct {
	r       *csv.Reader
	bound   *staging.Bounded
	header  []string
	columns []column
	base    place // of the first byte that r reads
}

// newCSV reads CSV of bounded records.
func newCSV(r io.Reader, comma byte) (*csv.Reader, *staging.Bounded) {
	bound := staging.Bound(r, staging.Limits{Line: maxLine})
	c := csv.NewReader(bound)
	c.ReuseRecord = true
	if comma != 0 {
		c.Comma = rune(comma)
	}
	return c, bound
}

func (c *csvRows) next() (row, error) {
	c.bound.Begin()
	start := c.r.InputOffset()
	cells, err := c.r.Read()
	var syntax *csv.ParseError
	out := row{next: place{Offset: c.base.Offset + c.r.InputOffset()}}
	switch {
	case errors.As(err, &syntax) && !errors.Is(err, csv.ErrFieldCount):
		if c.r.InputOffset() == start {
			return row{}, invalid("LINE_SYNTAX", "the file cannot be read from line %d on", c.base.Line+int64(syntax.StartLine))
		}
		out.line = c.base.Line + int64(syntax.StartLine)
		out.next.Line = c.base.Line + int64(syntax.Line)
		out.err = invalid("LINE_SYNTAX", "the line is not CSV of RFC 4180: look at its quotation marks")
		return out, nil
	case err != nil && !errors.Is(err, csv.ErrFieldCount):
		return row{}, err
	}
	line, _ := c.r.FieldPos(0)
	last, _ := c.r.FieldPos(len(cells) - 1)
	out.line = c.base.Line + int64(line)
	out.next.Line = c.base.Line + int64(last+strings.Count(cells[len(cells)-1], "\n"))
	if len(cells) != len(c.columns) {
		out.err = invalid("LINE_CELLS", "the line has %d cells, the header has %d", len(cells), len(c.columns))
		return out, nil
	}
	out.item, out.err = itemOf(c.columns, cells)
	return out, nil
}
