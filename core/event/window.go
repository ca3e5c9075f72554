package event

import (
	"bytes"
	"io"
)

// Position is a place between two rows of a file: where to go on after a stop.
type Position struct {
	Offset int64 `bson:"offset" json:"offset"` // bytes before it
	Line   int64 `bson:"line" json:"line"`     // lines before it
}

// Row is one row of a file as an event.
type Row struct {
	Line  int64    // where it begins, from 1
	Next  Position // after it
	Input Input
}

// Rows reads a file row by row. Next returns io.EOF at the end; any other error is
// the reader's: what is wrong with a row stands in its Input.
type Rows interface {
	Next() (Row, error)
}

// window is a part of a file in memory, that grows while a row does not fit.
type window struct {
	r   io.Reader
	buf []byte // what is read and not consumed
	eof bool
	pos Position
}

const firstRead = 64 << 10

// more reads on, doubling what is held. False: there is nothing more.
func (w *window) more() (bool, error) {
	if w.eof {
		return false, nil
	}
	have := len(w.buf)
	grown := make([]byte, max(firstRead, 2*have))
	copy(grown, w.buf)
	n, err := io.ReadFull(w.r, grown[have:])
	w.buf = grown[:have+n]
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		w.eof = true
	default:
		return false, err
	}
	return n > 0, nil
}

// consume drops n bytes that end a row.
func (w *window) consume(n int) {
	w.pos.Line += int64(bytes.Count(w.buf[:n], []byte{'\n'}))
	if w.eof && n == len(w.buf) && n > 0 && w.buf[n-1] != '\n' {
		w.pos.Line++
	}
	w.pos.Offset += int64(n)
	w.buf = w.buf[n:]
}

// seek goes to a position, by seeking where the reader can.
func (w *window) seek(p Position) error {
	if s, ok := w.r.(io.Seeker); ok {
		if _, err := s.Seek(p.Offset, io.SeekStart); err != nil {
			return err
		}
		w.buf, w.eof, w.pos = nil, false, p
		return nil
	}
	if p.Offset < w.pos.Offset {
		return invalid("POSITION", "the position lies before what was read")
	}
	for w.pos.Offset < p.Offset {
		if len(w.buf) == 0 {
			if ok, err := w.more(); !ok {
				if err == nil {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
		}
		n := int(min(int64(len(w.buf)), p.Offset-w.pos.Offset))
		w.buf, w.pos.Offset = w.buf[n:], w.pos.Offset+int64(n)
	}
	w.pos = p
	return nil
}

// skipBOM drops a byte order mark at the beginning of the file.
func (w *window) skipBOM() error {
	for len(w.buf) < len(bom) {
		if ok, err := w.more(); err != nil {
			return err
		} else if !ok {
			break
		}
	}
	if bytes.HasPrefix(w.buf, bom) {
		w.buf, w.pos.Offset = w.buf[len(bom):], w.pos.Offset+int64(len(bom))
	}
	return nil
}

// line returns the next line without its end, at most limit bytes of it, and how
// long it is with its end. io.EOF when there is none. The line is a copy.
func (w *window) line(limit int) (text []byte, size int64, err error) {
	for {
		if i := bytes.IndexByte(w.buf, '\n'); i >= 0 {
			text = bytes.Clone(w.buf[:min(i, limit)])
			w.consume(i + 1)
			return text, int64(i) + 1, nil
		}
		if len(w.buf) > limit {
			return w.longLine(limit)
		}
		ok, err := w.more()
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			if len(w.buf) == 0 {
				return nil, 0, io.EOF
			}
			text, size = bytes.Clone(w.buf[:min(len(w.buf), limit)]), int64(len(w.buf))
			w.consume(len(w.buf))
			return text, size, nil
		}
	}
}

// longLine passes over a line that is longer than the limit without holding it.
func (w *window) longLine(limit int) (text []byte, size int64, err error) {
	text = bytes.Clone(w.buf[:limit])
	for {
		i := bytes.IndexByte(w.buf, '\n')
		n := i + 1
		if i < 0 {
			n = len(w.buf)
		}
		size += int64(n)
		w.pos.Offset += int64(n)
		w.buf = w.buf[n:]
		if i >= 0 {
			break
		}
		if ok, err := w.more(); err != nil {
			return nil, 0, err
		} else if !ok {
			break
		}
	}
	w.pos.Line++
	return text, size, nil
}
