package event

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MergeDocs returns over laid upon base: objects merge key by key, anything else
// of over replaces what base has. Neither is changed; the result may be one of them.
func MergeDocs(base, over bson.Raw) bson.Raw {
	switch {
	case empty(base):
		return over
	case empty(over):
		return base
	}
	s := newScanner(nil)
	defer s.free()
	s.merge(base, over)
	return append(bson.Raw(nil), s.dst...)
}

// merge appends the merged document to dst.
func (s *scanner) merge(base, over []byte) {
	start := len(s.dst)
	s.dst = append(s.dst, 0, 0, 0, 0)
	overs, bases := indexOf(over), indexOf(base)
	for it := Elements(base); it.Next(); {
		v, found := overs.find(it.key)
		switch {
		case !found:
			s.element(it.t, it.key, it.val)
		case it.t == bson.TypeEmbeddedDocument && v.Type == bson.TypeEmbeddedDocument:
			s.header(it.t, it.key)
			s.merge(it.val, v.Value)
		default:
			s.element(v.Type, it.key, v.Value)
		}
	}
	for it := Elements(over); it.Next(); {
		if _, found := bases.find(it.key); !found {
			s.element(it.t, it.key, it.val)
		}
	}
	s.closeDoc(start)
}

// docIndex finds the elements of a document: a small one by walking, a large one
// by a map, so that merging two of a thousand keys is not a million steps.
type docIndex struct {
	doc   []byte
	byKey map[string]bson.RawValue
}

func indexOf(doc []byte) docIndex {
	if len(doc) < 512 {
		return docIndex{doc: doc}
	}
	m := map[string]bson.RawValue{}
	for it := Elements(doc); it.Next(); {
		m[string(it.key)] = it.Value()
	}
	return docIndex{byKey: m}
}

func (x docIndex) find(key []byte) (bson.RawValue, bool) {
	if x.byKey != nil {
		v, ok := x.byKey[string(key)]
		return v, ok
	}
	for it := Elements(x.doc); it.Next(); {
		if string(it.key) == string(key) {
			return it.Value(), true
		}
	}
	return bson.RawValue{}, false
}

func (s *scanner) header(t bson.Type, key []byte) {
	s.dst = append(s.dst, byte(t))
	s.dst = append(append(s.dst, key...), 0)
}

func (s *scanner) element(t bson.Type, key, val []byte) {
	s.header(t, key)
	s.dst = append(s.dst, val...)
}

// textElement appends a string element.
func (s *scanner) textElement(key, val string) {
	s.dst = append(append(append(s.dst, byte(bson.TypeString)), key...), 0)
	n := len(val) + 1
	s.dst = append(s.dst, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	s.dst = append(append(s.dst, val...), 0)
}

var gpcDoc = func() bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "gpc", Value: true}})
	if err != nil {
		panic("event: encode a constant: " + strconv.Quote(err.Error()))
	}
	return raw
}()
