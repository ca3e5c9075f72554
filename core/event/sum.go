package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// span is an element of a document that the canonical form puts in order.
type span struct {
	key, val []byte
	t        bson.Type
}

// Seal fills in Sum (over the event's own Timestamp) for an event that was made
// and not decoded, and a message id where there is none.
func (in *Input) Seal(at time.Time) {
	if in.MessageID == "" {
		in.MessageID = newMessageID(at)
	}
	s := newScanner(nil)
	in.Sum = s.sum(in, in.Timestamp)
	s.free()
}

// sum hashes what an event says: everything but how it travelled (sentAt,
// context, integrations) and what the server made of its time. asSent is the time
// that the client wrote; the zero time when it wrote none.
func (s *scanner) sum(in *Input, asSent time.Time) []byte {
	b := s.canon[:0]
	for _, f := range [...]string{string(in.Type), in.Name, in.UserID, in.AnonymousID, in.GroupID, in.PreviousID} {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	sent := int64(0)
	if !asSent.IsZero() {
		sent = asSent.UnixMilli()
	}
	b = binary.AppendVarint(b, sent)
	b = s.canonical(b, in.Properties)
	b = s.canonical(b, in.Traits)
	s.canon = b
	h := sha256.Sum256(b)
	return bytes.Clone(h[:16])
}

// canonical appends a document with its keys in order and its numbers as text, so
// that equal documents are equal bytes.
func (s *scanner) canonical(b, doc []byte) []byte {
	base, sorted := len(s.spans), true
	for it := Elements(doc); it.Next(); {
		if n := len(s.spans); n > base && bytes.Compare(s.spans[n-1].key, it.key) > 0 {
			sorted = false
		}
		s.spans = append(s.spans, span{it.key, it.val, it.t})
	}
	if !sorted {
		slices.SortFunc(s.spans[base:], func(x, y span) int { return bytes.Compare(x.key, y.key) })
	}
	b = binary.AppendUvarint(b, uint64(len(s.spans)-base))
	for i := base; i < len(s.spans); i++ {
		e := s.spans[i]
		b = binary.AppendUvarint(b, uint64(len(e.key)))
		b = append(b, e.key...)
		b = s.canonicalValue(b, e.t, e.val)
	}
	s.spans = s.spans[:base]
	return b
}

func (s *scanner) canonicalValue(b []byte, t bson.Type, val []byte) []byte {
	v := bson.RawValue{Type: t, Value: val}
	switch t {
	case bson.TypeEmbeddedDocument:
		return s.canonical(append(b, '{'), val)
	case bson.TypeArray:
		b = append(b, '[')
		for it := Elements(val); it.Next(); {
			b = s.canonicalValue(b, it.t, it.val)
		}
		return append(b, ']')
	case bson.TypeInt64:
		return append(strconv.AppendInt(append(b, '#'), v.Int64(), 10), ';')
	case bson.TypeInt32:
		return append(strconv.AppendInt(append(b, '#'), int64(v.Int32()), 10), ';')
	case bson.TypeDouble:
		f := v.Double()
		if i := int64(f); float64(i) == f && i > -1<<53 && i < 1<<53 {
			return append(strconv.AppendInt(append(b, '#'), i, 10), ';') // 1.0 is 1
		}
		return append(appendFloat(append(b, '#'), f), ';')
	}
	b = append(b, byte(t))
	b = binary.AppendUvarint(b, uint64(len(val)))
	return append(b, val...)
}
