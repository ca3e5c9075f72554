package store

import (
	"encoding/base64"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type cursorDoc struct {
	Order  string `bson:"o,omitempty"` // see Plan.order
	Values bson.A `bson:"v"`
	ID     string `bson:"k"`
}

// order names what the walk goes by after the plan's equalities, the same for both
// directions; "" is the keys.
func (p Plan) order() string {
	var names []string
	for _, f := range p.Rest() {
		name := f.Path
		if f.Desc {
			name = "-" + name
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// position is the place of a document in the plan's walk.
func (p Plan) position(doc bson.Raw) (Position, error) {
	id, _ := doc.Lookup("_id").StringValueOK()
	pos := Position{ID: id}
	for _, f := range p.Rest() {
		v, ok := FieldValue(doc, f.Path)
		if !ok {
			return pos, ErrBadCursor
		}
		pos.Values = append(pos.Values, v)
	}
	return pos, nil
}

// encodeCursor writes a position of the plan's walk as an opaque cursor. It holds no
// workspace: the same cursor serves every list with the same order. The keys of a
// global collection are whole.
func (p Plan) encodeCursor(pos Position) string {
	d := cursorDoc{Order: p.order(), Values: pos.Values, ID: pos.ID}
	if !p.Spec.Global {
		d.ID = Rest(pos.ID)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// cursor reads the cursor of a page's argument; nil when it was not given.
func (p Plan) cursor(argument, s string) (*Position, error) {
	if s == "" {
		return nil, nil
	}
	pos, err := p.decodeCursor(s)
	if err != nil {
		return nil, ErrBadCursor.At(argument)
	}
	return pos, nil
}

// decodeCursor reads a cursor for the plan; anything else is ErrBadCursor.
func (p Plan) decodeCursor(s string) (*Position, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) > 4096 || bson.Raw(b).Validate() != nil {
		return nil, ErrBadCursor
	}
	var d cursorDoc
	if err := bson.Unmarshal(b, &d); err != nil || d.ID == "" || strings.IndexByte(d.ID, 0) >= 0 {
		return nil, ErrBadCursor
	}
	if len(d.Values) != len(p.Rest()) || d.Order != p.order() {
		return nil, ErrBadCursor
	}
	pos := &Position{ID: d.ID}
	if !p.Spec.Global {
		pos.ID = Key(p.Workspace, d.ID)
	}
	for _, v := range d.Values {
		if dt, ok := v.(bson.DateTime); ok {
			v = time.UnixMilli(int64(dt)).UTC()
		}
		n, err := normal(v)
		if err != nil {
			return nil, ErrBadCursor
		}
		pos.Values = append(pos.Values, n)
	}
	return pos, nil
}

// FieldValue returns the index value at a dotted path of a document: string,
// int64, bool or time.Time. ok is false when there is none of these types.
func FieldValue(doc bson.Raw, path string) (any, bool) {
	rv := doc.Lookup(strings.Split(path, ".")...)
	return indexValue(rv)
}

// FieldValues returns the elements at a dotted path that holds an array.
func FieldValues(doc bson.Raw, path string) []any {
	arr, ok := doc.Lookup(strings.Split(path, ".")...).ArrayOK()
	if !ok {
		return nil
	}
	elems, err := arr.Values()
	if err != nil {
		return nil
	}
	out := make([]any, 0, len(elems))
	seen := make(map[any]bool, len(elems))
	for _, e := range elems {
		if v, ok := indexValue(e); ok && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

func indexValue(rv bson.RawValue) (any, bool) {
	switch rv.Type {
	case bson.TypeString:
		return rv.StringValue(), true
	case bson.TypeInt64:
		return rv.Int64(), true
	case bson.TypeInt32:
		return int64(rv.Int32()), true
	case bson.TypeBoolean:
		return rv.Boolean(), true
	case bson.TypeDateTime:
		return time.UnixMilli(rv.DateTime()).UTC(), true
	}
	return nil, false
}
