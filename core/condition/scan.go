package condition

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// scan walks the elements of a document or array without allocating. It ends
// early where the bytes are no BSON.
type scan struct {
	rest  []byte
	key   []byte
	value bson.RawValue
}

func scanOf(doc []byte) scan {
	if len(doc) < 5 {
		return scan{}
	}
	if n := int(int32(binary.LittleEndian.Uint32(doc))); n >= 5 && n <= len(doc) { //nolint:gosec // BSON lengths are signed
		return scan{rest: doc[4 : n-1]}
	}
	return scan{}
}

func (s *scan) next() bool {
	if len(s.rest) < 2 {
		return false
	}
	end := bytes.IndexByte(s.rest[1:], 0)
	if end < 0 {
		return false
	}
	t := s.rest[0]
	v, rest, ok := bsoncore.ReadValue(s.rest[end+2:], bsoncore.Type(t))
	if !ok {
		return false
	}
	s.key, s.rest = s.rest[1:end+1], rest
	s.value = bson.RawValue{Type: bson.Type(t), Value: v.Data}
	return true
}

// lookup returns the value under a key of a document.
func lookup(doc []byte, key string) (bson.RawValue, bool) {
	for s := scanOf(doc); s.next(); {
		if string(s.key) == key {
			return s.value, true
		}
	}
	return bson.RawValue{}, false
}

// collect appends every value to which the keys lead from v: through each element
// where there is an array on the way.
func collect(to []bson.RawValue, v bson.RawValue, keys []string) []bson.RawValue {
	for len(keys) > 0 && v.Type == bson.TypeEmbeddedDocument {
		next, ok := lookup(v.Value, keys[0])
		if !ok {
			return to
		}
		v, keys = next, keys[1:]
	}
	if len(keys) == 0 {
		return append(to, v)
	}
	if v.Type == bson.TypeArray {
		for s := scanOf(v.Value); s.next(); {
			to = collect(to, s.value, keys)
		}
	}
	return to
}

// open appends v, or its elements when it is an array, and theirs.
func open(to []bson.RawValue, v bson.RawValue) []bson.RawValue {
	if v.Type != bson.TypeArray {
		return append(to, v)
	}
	for s := scanOf(v.Value); s.next(); {
		to = open(to, s.value)
	}
	return to
}

func isNull(v bson.RawValue) bool {
	return v.Type == bson.TypeNull || v.Type == bson.TypeUndefined || v.Type == 0
}

// textOf returns the bytes of a text.
func textOf(v bson.RawValue) ([]byte, bool) {
	if v.Type != bson.TypeString || len(v.Value) < 5 {
		return nil, false
	}
	return v.Value[4 : len(v.Value)-1], true
}

// moneyOf takes {amount, currency} apart.
func moneyOf(v bson.RawValue) (amount bson.RawValue, currency []byte, ok bool) {
	if v.Type != bson.TypeEmbeddedDocument {
		return amount, nil, false
	}
	amount, ok = lookup(v.Value, "amount")
	if !ok {
		return amount, nil, false
	}
	unit, ok := lookup(v.Value, "currency")
	if !ok {
		return amount, nil, false
	}
	currency, ok = textOf(unit)
	return amount, currency, ok
}
