package sqlite

import (
	"cmp"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

type kind uint8

const (
	kindNull kind = iota
	kindInt
	kindText
)

// value is what a column holds: strings as text, the other types as integers.
type value struct {
	kind kind
	i    int64
	s    string
}

// valueOf converts an index value of the port.
func valueOf(v any) value {
	switch v := v.(type) {
	case string:
		return value{kind: kindText, s: v}
	case int64:
		return value{kind: kindInt, i: v}
	case bool:
		if v {
			return value{kind: kindInt, i: 1}
		}
		return value{kind: kindInt}
	case time.Time:
		return value{kind: kindInt, i: v.UnixMilli()}
	}
	return value{}
}

// compare orders two values of one kind as SQLite does.
func (v value) compare(o value) int {
	return cmp.Or(cmp.Compare(v.i, o.i), strings.Compare(v.s, o.s))
}

// columns fills out with the values of the fields of a document.
func (l *layout) columns(doc []byte, out []value) []value {
	for i := range l.fields {
		v, _ := store.FieldValue(doc, l.fields[i].path)
		out = append(out, valueOf(v))
	}
	return out
}
