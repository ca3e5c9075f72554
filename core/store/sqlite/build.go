package sqlite

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// filled marks an index whose columns need no backfill.
const filled = -1

// build finishes an index slice by slice, together with whoever else is at it:
// each slice reads how far the last one came.
func (s *Store) build(ctx context.Context, spec *store.Spec, def string) error {
	for {
		done := false
		err := s.exclusive(ctx, func(c *conn) (err error) {
			done, err = buildSlice(c, spec.Name, def)
			return err
		})
		if err != nil || done {
			return err
		}
	}
}

func buildSlice(c *conn, collection, def string) (done bool, err error) {
	cat, err := loadCatalog(c)
	if err != nil {
		return false, err
	}
	l := cat.byName[collection]
	ix := l.indexes[def]
	if ix.ready {
		return true, nil
	}
	upto, _, err := c.integer("SELECT upto FROM hw_indexes WHERE c = ? AND def = ?", l.n, def)
	if err != nil {
		return false, err
	}
	if upto != filled {
		last, n, err := l.fill(c, ix, upto)
		if err != nil {
			return false, err
		}
		if n == backfillSlice {
			return false, c.exec("UPDATE hw_indexes SET upto = ? WHERE c = ? AND def = ?", last, l.n, def)
		}
	}
	if err := c.exec(ix.ddl(l.table)); err != nil {
		return false, err
	}
	return true, c.exec("UPDATE hw_indexes SET ready = 1, upto = ? WHERE c = ? AND def = ?", filled, l.n, def)
}

// fill writes the columns or entries of an index for the next slice of rows.
func (l *layout) fill(c *conn, ix *index, after int64) (last int64, n int, err error) {
	var set []string
	for _, col := range ix.cols {
		set = append(set, col+" = ?")
	}
	update := fmt.Sprintf("UPDATE %s SET %s WHERE rowid = ?", l.table, strings.Join(set, ", "))
	read := fmt.Sprintf("SELECT rowid, w, id, doc FROM %s WHERE rowid > ? ORDER BY rowid LIMIT %d", l.table, backfillSlice)
	last = after
	type row struct {
		rowid, w int64
		id       string
		doc      bson.Raw
	}
	var rows []row
	err = c.each(read, func(s *stmt) error {
		rows = append(rows, row{s.int(0), s.int(1), s.text(2), unstripped(s.bytes(3))})
		return nil
	}, after)
	if err != nil {
		return last, 0, err
	}
	for _, r := range rows {
		last = r.rowid
		if ix.multi {
			if err := ix.put(c, r.w, r.id, nil, ix.entries(r.doc)); err != nil {
				return last, 0, err
			}
			continue
		}
		args := make([]any, 0, len(ix.fields)+1)
		for _, f := range ix.fields {
			v, _ := store.FieldValue(r.doc, f.Path)
			args = append(args, valueOf(v))
		}
		if err := c.exec(update, append(args, r.rowid)...); err != nil {
			return last, 0, err
		}
	}
	return last, len(rows), nil
}
