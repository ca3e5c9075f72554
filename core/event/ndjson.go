package event

import (
	"bytes"
	"io"
	"strconv"
	"time"
)

// FileOptions say how the rows of a file are read. Times in a file stand as they
// are written: no clock is corrected.
type FileOptions struct {
	Type       Type      // of rows that do not say theirs
	ReceivedAt time.Time // the beginning of the import
	// IDPrefix makes the message ids of rows that have none: the prefix, a colon and
	// the line. With the file's hash as prefix, importing a file twice changes
	// nothing. At most 80 bytes.
	IDPrefix string
	Start    Position // where to go on; the zero value is the beginning
}

func (o FileOptions) defaults(line int64) Defaults {
	d := Defaults{Type: o.Type, ReceivedAt: o.ReceivedAt, Historical: true}
	if o.IDPrefix != "" {
		d.MessageID = o.IDPrefix + ":" + strconv.FormatInt(line, 10)
	}
	return d
}

type ndjson struct {
	w window
	o FileOptions
}

// NewNDJSON reads a file of one message a line. Empty lines are passed over. A line
// longer than a batch may be is kept up to that length.
func NewNDJSON(r io.Reader, o FileOptions) (Rows, error) {
	n := &ndjson{w: window{r: r}, o: o}
	if o.Start.Offset > 0 {
		return n, n.w.seek(o.Start)
	}
	return n, n.w.skipBOM()
}

// Next implements Rows.
func (n *ndjson) Next() (Row, error) {
	for {
		line := n.w.pos.Line + 1
		text, size, err := n.w.line(MaxBatch)
		if err != nil {
			return Row{}, err
		}
		text = bytes.TrimRight(text, "\r\n")
		if len(bytes.TrimSpace(text)) == 0 && size <= MaxBatch {
			continue
		}
		d := n.o.defaults(line)
		row := Row{Line: line, Next: n.w.pos}
		if size > MaxBatch+2 {
			row.Input = Input{Raw: text, Type: d.Type, Defaults: &d,
				Err: invalid(ReasonMessageTooLarge, "line %d: a message may have %d bytes, this one has %d", line, MaxMessage, size)}
		} else {
			row.Input = DecodeLine(text, d)
		}
		return row, nil
	}
}

// DecodeLine reads one line of an NDJSON file: a message that says its type, or
// has that of d.
func DecodeLine(text []byte, d Defaults) Input {
	if kind := plainText(member(text, "type")); kind != "" {
		d.Type = "" // the line knows better
	}
	return decodeMessage(text, &d)
}
