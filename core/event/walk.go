package event

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Iter walks the elements of a document without copying or allocating:
//
//	for it := event.Elements(doc); it.Next(); {
//		use(it.Key(), it.Value())
//	}
//
// It stops at the first element that is not well formed.
type Iter struct {
	doc      []byte
	pos      int
	key, val []byte
	t        bson.Type
}

// Elements returns an iterator over doc, a document or an array.
func Elements(doc []byte) Iter {
	it := Iter{doc: doc, pos: 4}
	if len(doc) < 5 {
		it.pos = len(doc)
	}
	return it
}

// Next goes to the next element, the first one at first.
func (it *Iter) Next() bool {
	if it.pos >= len(it.doc)-1 {
		return false
	}
	rest := it.doc[it.pos+1:]
	n := bytes.IndexByte(rest, 0)
	if n < 0 {
		it.pos = len(it.doc)
		return false
	}
	t := bson.Type(it.doc[it.pos])
	size := valueSize(t, rest[n+1:])
	if size < 0 || size > len(rest)-n-1 {
		it.pos = len(it.doc)
		return false
	}
	it.t, it.key, it.val = t, rest[:n], rest[n+1:n+1+size:n+1+size]
	it.pos += n + 2 + size
	return true
}

// Key returns the element's key; it shares the document's memory.
func (it *Iter) Key() []byte { return it.key }

// Value returns the element's value; it shares the document's memory.
func (it *Iter) Value() bson.RawValue { return bson.RawValue{Type: it.t, Value: it.val} }

// valueSize returns the length in bytes of the value of type t that b begins
// with, or -1.
func valueSize(t bson.Type, b []byte) int {
	prefixed := func(extra int) int {
		if len(b) < 4 {
			return -1
		}
		n := int(int32(binary.LittleEndian.Uint32(b)))
		if n < 0 {
			return -1
		}
		return n + extra
	}
	switch t {
	case bson.TypeString, bson.TypeJavaScript, bson.TypeSymbol:
		return prefixed(4)
	case bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope:
		return prefixed(0)
	case bson.TypeBinary:
		return prefixed(5)
	case bson.TypeDBPointer:
		return prefixed(16)
	case bson.TypeDouble, bson.TypeDateTime, bson.TypeInt64, bson.TypeTimestamp:
		return 8
	case bson.TypeInt32:
		return 4
	case bson.TypeBoolean:
		return 1
	case bson.TypeObjectID:
		return 12
	case bson.TypeDecimal128:
		return 16
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return 0
	case bson.TypeRegex:
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return -1
		}
		j := bytes.IndexByte(b[i+1:], 0)
		if j < 0 {
			return -1
		}
		return i + j + 2
	}
	return -1
}

// Lookup returns the value at a path of a document, walking through arrays by
// index, without allocating. The value shares the document's memory.
func Lookup(doc []byte, path ...string) (bson.RawValue, bool) {
	for i, key := range path {
		it, found := Elements(doc), false
		for it.Next() {
			if string(it.key) == key {
				found = true
				break
			}
		}
		if !found {
			return bson.RawValue{}, false
		}
		if i == len(path)-1 {
			return it.Value(), true
		}
		if it.t != bson.TypeEmbeddedDocument && it.t != bson.TypeArray {
			return bson.RawValue{}, false
		}
		doc = it.val
	}
	return bson.RawValue{}, false
}

// Text returns the string at a path of a document, or "".
func Text(doc []byte, path ...string) string {
	if v, ok := Lookup(doc, path...); ok && v.Type == bson.TypeString && len(v.Value) >= 5 {
		return string(v.Value[4 : len(v.Value)-1])
	}
	return ""
}

// Flag returns the boolean at a path of a document; anything else is false.
func Flag(doc []byte, path ...string) bool {
	v, ok := Lookup(doc, path...)
	return ok && v.Type == bson.TypeBoolean && len(v.Value) == 1 && v.Value[0] == 1
}

// empty reports whether doc has no element.
func empty(doc []byte) bool { return len(doc) <= 5 }
