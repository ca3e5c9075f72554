package event

import "bytes"

// maxRecord bounds a CSV record. A quote that is never closed would otherwise
// swallow the rest of the file.
const maxRecord = 1 << 20

// csvFault is what is wrong with the form of a record.
type csvFault string

const (
	csvFine   csvFault = ""
	csvMore   csvFault = "more" // the record does not end in the window
	csvBare   csvFault = "a quote stands inside a field that is not quoted"
	csvAfter  csvFault = "text follows a closing quote; a quote inside a quoted field is written twice"
	csvOpen   csvFault = "a quoted field is not closed"
	csvTooBig csvFault = "the record is longer than a megabyte; probably a quoted field is not closed"
)

// csvRecord reads the record that buf begins with (RFC 4180; LF for CRLF is taken
// too). It appends the fields to fields and returns how many bytes the record has;
// after a fault, those of its first line.
func csvRecord(buf []byte, eof bool, comma byte, fields [][]byte) ([][]byte, int, csvFault) {
	pos := 0
	fail := func(f csvFault) ([][]byte, int, csvFault) {
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			return fields, i + 1, f
		}
		if !eof {
			return fields, 0, csvMore
		}
		return fields, len(buf), f
	}
	for {
		if pos < len(buf) && buf[pos] == '"' {
			field, n, fault := csvQuoted(buf[pos:], eof)
			if fault == csvMore {
				return fields, 0, csvMore
			}
			if fault != csvFine {
				return fail(fault)
			}
			fields, pos = append(fields, field), pos+n
		} else {
			n := csvPlain(buf[pos:], comma)
			field := buf[pos : pos+n]
			if pos+n == len(buf) && !eof {
				return fields, 0, csvMore
			}
			if pos+n == len(buf) || buf[pos+n] == '\n' {
				field = bytes.TrimSuffix(field, []byte{'\r'})
			}
			if bytes.IndexByte(field, '"') >= 0 {
				return fail(csvBare)
			}
			fields, pos = append(fields, field), pos+n
		}
		switch {
		case pos == len(buf):
			if !eof {
				return fields, 0, csvMore
			}
			return fields, pos, csvFine
		case buf[pos] == comma:
			pos++
		case buf[pos] == '\n':
			return fields, pos + 1, csvFine
		case buf[pos] == '\r':
			if pos+1 == len(buf) && !eof {
				return fields, 0, csvMore
			}
			if pos+1 < len(buf) && buf[pos+1] == '\n' {
				return fields, pos + 2, csvFine
			}
			if pos+1 == len(buf) {
				return fields, pos + 1, csvFine
			}
			return fail(csvAfter)
		default:
			return fail(csvAfter)
		}
	}
}

// csvBlank reports whether a record is an empty line.
func csvBlank(raw []byte) bool {
	return len(bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte{'\n'}), []byte{'\r'})) == 0
}

// csvPlain returns the length of a field without quotes.
func csvPlain(buf []byte, comma byte) int {
	for i, c := range buf {
		if c == comma || c == '\n' {
			return i
		}
	}
	return len(buf)
}

// csvQuoted reads a quoted field and returns how many bytes it has, quotes too.
func csvQuoted(buf []byte, eof bool) (field []byte, n int, fault csvFault) {
	pos, doubled := 1, false
	for {
		i := bytes.IndexByte(buf[pos:], '"')
		if i < 0 {
			if eof {
				return nil, 0, csvOpen
			}
			return nil, 0, csvMore
		}
		pos += i + 1
		if pos == len(buf) && !eof {
			return nil, 0, csvMore // the next byte may be a second quote
		}
		if pos < len(buf) && buf[pos] == '"' {
			doubled, pos = true, pos+1
			continue
		}
		field = buf[1 : pos-1]
		if doubled {
			field = bytes.ReplaceAll(field, []byte(`""`), []byte(`"`))
		}
		return field, pos, csvFine
	}
}
