package event

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"sync"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// elem is an element of an open object: where it begins in dst, where its key
// ends, and whether a later element has the same key (in JSON the last one wins).
type elem struct {
	at, keyEnd int
	dead       bool
}

var scanners = sync.Pool{New: func() any { return &scanner{} }}

func newScanner(src []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.src, s.pos, s.dst, s.elems = src, 0, s.dst[:0], s.elems[:0]
	return s
}

func (s *scanner) free() {
	s.src = nil
	if cap(s.dst) <= 1<<20 { // one giant does not stay in the pool for ever
		scanners.Put(s)
	}
}

// FromJSON reads a JSON object as BSON. v is JSON text ([]byte or
// json.RawMessage) or a Go value that marshals to an object; json.Number keeps
// every digit. Numbers stay exact; the object may nest MaxDepth levels.
func FromJSON(v any) (bson.Raw, *core.Error) {
	rv, err := ValueFromJSON(v)
	if err != nil {
		return nil, err
	}
	doc, ok := rv.DocumentOK()
	if !ok {
		return nil, invalid(ReasonNotAnObject, "a JSON object is expected")
	}
	return doc, nil
}

// ValueFromJSON reads any JSON value as BSON, like FromJSON.
func ValueFromJSON(v any) (bson.RawValue, *core.Error) {
	text, err := jsonText(v)
	if err != nil {
		return bson.RawValue{}, err
	}
	if !utf8.Valid(text) {
		return bson.RawValue{}, invalid(ReasonInvalidUTF8, "the JSON text must be UTF-8")
	}
	s := newScanner(text)
	defer s.free()
	s.space()
	t, err := s.value(1)
	if err != nil {
		return bson.RawValue{}, err
	}
	if err := s.end(); err != nil {
		return bson.RawValue{}, err
	}
	return bson.RawValue{Type: t, Value: bytes.Clone(s.dst)}, nil
}

func jsonText(v any) ([]byte, *core.Error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case json.RawMessage:
		return v, nil
	case bson.Raw:
		text, err := ToJSON(v)
		if err != nil {
			return nil, invalid(ReasonWrongType, "the value has no JSON form").Wrap(err)
		}
		return text, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, invalid(ReasonWrongType, "the value has no JSON form").Wrap(err)
	}
	return text, nil
}

// value writes the value at the cursor (after white space) and returns its BSON
// type. depth is the level that an object or array here would have, from 1.
func (s *scanner) value(depth int) (bson.Type, *core.Error) {
	if s.pos >= len(s.src) {
		return 0, s.syntax("a value")
	}
	switch c := s.src[s.pos]; c {
	case '"':
		return bson.TypeString, s.str()
	case '{':
		return bson.TypeEmbeddedDocument, s.object(depth)
	case '[':
		return bson.TypeArray, s.array(depth)
	case 't', 'f':
		s.dst = append(s.dst, b2i(c == 't'))
		return bson.TypeBoolean, s.word(c)
	case 'n':
		return bson.TypeNull, s.word(c)
	default:
		return s.number()
	}
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (s *scanner) str() *core.Error {
	raw, escaped, err := s.text()
	if err != nil {
		return err
	}
	at := len(s.dst)
	s.dst = append(s.dst, 0, 0, 0, 0)
	if escaped {
		s.dst, _ = unescape(s.dst, raw)
	} else {
		s.dst = append(s.dst, raw...)
	}
	s.dst = append(s.dst, 0)
	binary.LittleEndian.PutUint32(s.dst[at:], uint32(len(s.dst)-at-4))
	return nil
}

func tooDeep() *core.Error {
	return invalid(ReasonTooDeep, "objects and arrays may nest %d levels deep", MaxDepth)
}

// object writes the object at the cursor as a document.
func (s *scanner) object(depth int) *core.Error {
	if depth > MaxDepth {
		return tooDeep()
	}
	start, base := len(s.dst), len(s.elems)
	s.dst = append(s.dst, 0, 0, 0, 0)
	s.pos++
	var seen map[string]int
	dups := false
	for first := true; ; first = false {
		c := s.space()
		if c == '}' && first {
			s.pos++
			break
		}
		raw, escaped, err := s.text()
		if err != nil {
			return err
		}
		at := len(s.dst)
		s.dst = append(s.dst, 0)
		if escaped {
			s.dst, _ = unescape(s.dst, raw)
		} else {
			s.dst = append(s.dst, raw...)
		}
		keyEnd := len(s.dst)
		if bytes.IndexByte(s.dst[at+1:keyEnd], 0) >= 0 {
			return invalid(ReasonNULByte, "a key may not hold a NUL character")
		}
		s.dst = append(s.dst, 0)
		if i := s.same(base, at, keyEnd, &seen); i >= 0 {
			s.elems[i].dead, dups = true, true
		}
		s.elems = append(s.elems, elem{at: at, keyEnd: keyEnd})
		if err := s.colon(); err != nil {
			return err
		}
		s.space()
		t, err := s.value(depth + 1)
		if err != nil {
			return err.At(string(s.dst[at+1 : keyEnd]))
		}
		s.dst[at] = byte(t)
		c = s.space()
		if c == '}' {
			s.pos++
			break
		}
		if c != ',' {
			return s.syntax("a comma or a closing brace")
		}
		s.pos++
		s.space()
	}
	if dups {
		s.compact(base)
	}
	s.elems = s.elems[:base]
	s.closeDoc(start)
	return nil
}

func (s *scanner) closeDoc(start int) {
	s.dst = append(s.dst, 0)
	binary.LittleEndian.PutUint32(s.dst[start:], uint32(len(s.dst)-start))
}

// same returns the index of the living element of this object with the key
// dst[at+1:keyEnd], or -1. Beyond a few keys it uses a map: an object of a
// thousand keys must not cost a million comparisons.
func (s *scanner) same(base, at, keyEnd int, seen *map[string]int) int {
	key, open := s.dst[at+1:keyEnd], s.elems[base:]
	if len(open) < 16 {
		for i := len(open) - 1; i >= 0; i-- {
			if e := open[i]; bytes.Equal(s.dst[e.at+1:e.keyEnd], key) {
				return base + i
			}
		}
		return -1
	}
	if *seen == nil {
		*seen = make(map[string]int, 2*len(open))
		for i, e := range open {
			(*seen)[string(s.dst[e.at+1:e.keyEnd])] = base + i
		}
	}
	i, ok := (*seen)[string(key)]
	(*seen)[string(key)] = base + len(open)
	if !ok {
		return -1
	}
	return i
}

// compact removes the dead elements of the innermost open object.
func (s *scanner) compact(base int) {
	open := s.elems[base:]
	w := open[0].at
	for i, e := range open {
		end := len(s.dst)
		if i+1 < len(open) {
			end = open[i+1].at
		}
		if !e.dead {
			w += copy(s.dst[w:], s.dst[e.at:end])
		}
	}
	s.dst = s.dst[:w]
}

// array writes the array at the cursor.
func (s *scanner) array(depth int) *core.Error {
	if depth > MaxDepth {
		return tooDeep()
	}
	start := len(s.dst)
	s.dst = append(s.dst, 0, 0, 0, 0)
	s.pos++
	if s.space() == ']' {
		s.pos++
		s.closeDoc(start)
		return nil
	}
	for i := 0; ; i++ {
		at := len(s.dst)
		s.dst = append(strconv.AppendInt(append(s.dst, 0), int64(i), 10), 0)
		s.space()
		t, err := s.value(depth + 1)
		if err != nil {
			return err.At(strconv.Itoa(i))
		}
		s.dst[at] = byte(t)
		switch s.space() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.closeDoc(start)
			return nil
		default:
			return s.syntax("a comma or a closing bracket")
		}
	}
}
