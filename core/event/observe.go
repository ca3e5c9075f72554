package event

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// finding is something that the catalogue did not know when it was met.
type finding struct {
	owner, path string
	t           Types
	sample      bson.RawValue // zero when the value cannot be one
}

// The bounds of one observation: a unit of work full of random keys costs no more.
const (
	maxFindings = 5000
	maxElements = 50 // of an array that are looked at
)

// observer walks documents and notes what the catalogue does not know. It holds
// the catalogue's read lock.
type observer struct {
	cat      *catalogue
	owner    string
	known    *owned // nil for an owner never met
	day      int64
	path     []byte
	key      []byte
	findings []finding
	overflow int64
}

// input walks what an event holds.
func (o *observer) input(in *Input) {
	switch in.Type {
	case Identify:
		o.document(OwnerTrait, in.Traits)
	default:
		o.document(OwnerOf(in.Name), in.Traits)
	}
	o.document(OwnerTrait, in.ContextTraits())
	if !empty(in.Properties) || in.Type == Track {
		o.document(OwnerOf(in.Name), in.Properties)
	}
}

func (o *observer) document(owner string, doc []byte) {
	if empty(doc) || owner == "" {
		return
	}
	if o.owner != owner {
		o.owner, o.known = owner, o.cat.owners[owner]
	}
	if o.known == nil && o.cat.full() {
		o.overflow++
		return
	}
	o.path = o.path[:0]
	o.walk(doc, true)
}

func (o *observer) walk(doc []byte, top bool) {
	base := len(o.path)
	for it := Elements(doc); it.Next(); {
		o.path = appendKey(o.path[:base], it.key, top)
		if len(o.path) > MaxPath {
			o.overflow++
			continue
		}
		o.value(it.t, it.val)
	}
	o.path = o.path[:base]
}

func (o *observer) value(t bson.Type, val []byte) {
	switch {
	case t == bson.TypeEmbeddedDocument && !empty(val):
		o.walk(val, false)
	case t == bson.TypeArray:
		o.note(TypeArray, t, nil)
		n := 0
		for it := Elements(val); it.Next() && n < maxElements; n++ {
			o.value(it.t, it.val)
		}
	default:
		o.note(typeOf(t, val), t, val)
	}
}

// note compares one value with what is known. For a known field it allocates
// nothing and takes two map look-ups at most.
func (o *observer) note(t Types, bt bson.Type, val []byte) {
	var f *fieldState
	if o.known != nil {
		f = o.known.fields[string(o.path)]
	}
	sample := false
	switch {
	case f == nil:
		if o.known != nil && o.known.full() || o.cat.paths >= MaxPaths || len(o.findings) >= maxFindings {
			o.overflow++
			return
		}
		sample = canSample(bt, val)
	case f.sampling && len(f.samples) < MaxSamples && canSample(bt, val):
		o.key = append(append(o.key[:0], byte(bt)), val...)
		_, have := f.samples[string(o.key)]
		sample = !have
	}
	if f != nil && !sample && f.types&t == t && f.day >= o.day {
		return
	}
	if len(o.findings) >= maxFindings {
		return
	}
	found := finding{owner: o.owner, path: string(o.path), t: t}
	if sample {
		found.sample = bson.RawValue{Type: bt, Value: append([]byte(nil), val...)}
	}
	o.findings = append(o.findings, found)
}

// canSample reports whether a value may be kept as a sample where its field's
// category allows it: a short text, a number or a boolean.
func canSample(t bson.Type, val []byte) bool {
	switch t {
	case bson.TypeString:
		return len(val) > 5 && len(val) <= MaxSample+5 && !personal(val[4:len(val)-1])
	case bson.TypeInt64, bson.TypeDouble, bson.TypeBoolean:
		return true
	}
	return false
}

// appendKey adds a key to a dotted path; first says that it is the first one.
func appendKey(path, key []byte, first bool) []byte {
	if !first {
		path = append(path, '.')
	}
	for _, c := range key {
		if c == '.' || c == '\\' {
			path = append(path, '\\')
		}
		path = append(path, c)
	}
	return path
}

// SplitPath takes a dotted path apart, the reverse of how the catalogue and the
// traits write it.
func SplitPath(path string) []string {
	var out []string
	part := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path):
			i++
			part = append(part, path[i])
		case c == '.':
			out, part = append(out, string(part)), part[:0]
		default:
			part = append(part, c)
		}
	}
	return append(out, string(part))
}

// JoinPath writes keys as a dotted path, with a backslash before a dot or a
// backslash inside a key.
func JoinPath(keys ...string) string {
	var out []byte
	for i, k := range keys {
		out = appendKey(out, []byte(k), i == 0)
	}
	return string(out)
}

func dayOf(at time.Time) int64 { return at.Unix() / 86400 }

func dayTime(day int64) time.Time { return time.Unix(day*86400, 0).UTC() }

// sampleKey is what tells two samples apart.
func sampleKey(v bson.RawValue) string { return string([]byte{byte(v.Type)}) + string(v.Value) }
