package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// entry is a document's place in a multi-valued index: the element, then the
// values of the other fields.
type entry []value

// entries returns the places of a document: none when it lacks a field.
func (ix *index) entries(doc bson.Raw) []entry {
	rest := make(entry, 0, len(ix.fields)-1)
	for _, f := range ix.fields[1:] {
		v, ok := store.FieldValue(doc, f.Path)
		if !ok {
			return nil
		}
		rest = append(rest, valueOf(v))
	}
	values := store.FieldValues(doc, ix.fields[0].Path)
	seen := make(map[value]struct{}, len(values)) // the rest is the same in all
	var out []entry
	for _, e := range values {
		first := valueOf(e)
		if _, ok := seen[first]; !ok {
			seen[first] = struct{}{}
			out = append(out, append(entry{first}, rest...))
		}
	}
	return out
}

// put replaces the entries of a document by others.
func (ix *index) put(c *conn, w int64, id string, before, after []entry) error {
	same := func(in []entry, e entry) bool {
		return slices.ContainsFunc(in, func(o entry) bool { return slices.Equal(o, e) })
	}
	for _, e := range before {
		if !same(after, e) {
			if err := ix.write(c, ix.removal(), w, id, e); err != nil {
				return err
			}
		}
	}
	for _, e := range after {
		if !same(before, e) {
			if err := ix.write(c, ix.insertion(), w, id, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ix *index) write(c *conn, sql string, w int64, id string, e entry) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	s.bindInt(1, w)
	for i, v := range e {
		s.bindValue(i+2, v)
	}
	s.bindText(len(e)+2, id)
	return s.run()
}

func (ix *index) insertion() string {
	return fmt.Sprintf("INSERT OR IGNORE INTO %s (w, %s, id) VALUES (?%s)",
		ix.name, strings.Join(ix.cols, ", "), strings.Repeat(", ?", len(ix.cols)+1))
}

func (ix *index) removal() string {
	return fmt.Sprintf("DELETE FROM %s WHERE w = ? AND %s = ? AND id = ?", ix.name, strings.Join(ix.cols, " = ? AND "))
}
