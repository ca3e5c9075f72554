package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/store"
)

// backfillSlice is how many documents one transaction of a backfill reads.
const backfillSlice = 500

// Declare implements store.Store. An index that is added to a filled collection
// is built in slices between the commits of others; a process that finds a build
// unfinished goes on with it. An index that is no longer declared stays.
func (s *Store) Declare(ctx context.Context, specs ...*store.Spec) error {
	for _, spec := range specs {
		if s.declared(spec) {
			continue
		}
		err := s.exclusive(ctx, func(c *conn) error { return declare(c, spec) })
		if err != nil {
			return translate("declare "+spec.Name, err)
		}
		for _, ix := range spec.Indexes {
			if err := s.build(ctx, spec, definition(ix)); err != nil {
				return translate("build index "+ix.Name+" of "+spec.Name, err)
			}
		}
	}
	return nil
}

func (s *Store) declared(spec *store.Spec) bool {
	l := s.catalog.Load().byName[spec.Name]
	if l == nil {
		return false
	}
	for _, ix := range spec.Indexes {
		if have := l.indexes[definition(ix)]; have == nil || !have.ready {
			return false
		}
	}
	return true
}

// declare makes the table, the columns and the empty indexes.
func declare(c *conn, spec *store.Spec) error {
	cat, err := loadCatalog(c)
	if err != nil {
		return err
	}
	l := cat.byName[spec.Name]
	fresh := l == nil
	if fresh {
		if l, err = createCollection(c, spec); err != nil {
			return err
		}
	}
	if l.global != spec.Global {
		return fmt.Errorf("collection %s was made with global = %v", spec.Name, l.global)
	}
	unsure := l.unfinished()
	for _, d := range spec.Indexes {
		def := definition(d)
		if l.indexes[def] != nil {
			continue
		}
		ix := newIndex(spec.Name, def)
		fill := ix.multi
		for _, f := range ix.fields {
			if ix.multi {
				continue
			}
			added, err := l.addField(c, f.Path, fresh)
			if err != nil {
				return err
			}
			fill = fill || added || slices.Contains(unsure, f.Path)
		}
		upto := int64(0)
		if !fill {
			upto = filled
		}
		if fresh || ix.multi {
			if err := c.exec(ix.ddl(l.table)); err != nil {
				return err
			}
		}
		if err := c.exec("INSERT INTO hw_indexes (c, def, ready, upto) VALUES (?, ?, ?, ?)", l.n, def, btoi(fresh), upto); err != nil {
			return err
		}
		l.indexes[def] = ix
	}
	return nil
}

// createCollection makes the table with all its columns: those come before the
// document, so that reading one does not read the other.
func createCollection(c *conn, spec *store.Spec) (*layout, error) {
	err := c.exec("INSERT INTO hw_collections (name, global) VALUES (?, ?)", spec.Name, btoi(spec.Global))
	if err != nil {
		return nil, err
	}
	n, _, err := c.integer("SELECT n FROM hw_collections WHERE name = ?", spec.Name)
	if err != nil {
		return nil, err
	}
	l := &layout{n: n, name: spec.Name, table: quote("c:", spec.Name), global: spec.Global, indexes: map[string]*index{}}
	var cols strings.Builder
	seen := map[string]bool{}
	for _, ix := range spec.Indexes {
		for _, f := range ix.Fields {
			if !ix.Fields[0].Multi && !seen[f.Path] {
				seen[f.Path] = true
				cols.WriteString(quote("f:", f.Path) + ", ")
			}
		}
	}
	err = c.exec(fmt.Sprintf("CREATE TABLE %s (w INTEGER NOT NULL, id TEXT NOT NULL, v INTEGER NOT NULL, %sdoc BLOB NOT NULL)", l.table, cols.String()))
	if err != nil {
		return nil, err
	}
	return l, c.exec(fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (w, id)", quote("k:", spec.Name), l.table))
}

// addField writes down an indexed path and reports whether it is new to rows that
// may exist.
func (l *layout) addField(c *conn, path string, fresh bool) (added bool, err error) {
	for _, f := range l.fields {
		if f.path == path {
			return false, nil
		}
	}
	if !fresh {
		if err := c.exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s", l.table, quote("f:", path))); err != nil {
			return false, err
		}
	}
	l.fields = append(l.fields, field{path: path, col: quote("f:", path)})
	return true, c.exec("INSERT INTO hw_fields (c, path) VALUES (?, ?)", l.n, path)
}

// unfinished lists the paths of the indexes that are still being built.
func (l *layout) unfinished() []string {
	var out []string
	for _, ix := range l.indexes {
		if ix.ready {
			continue
		}
		for _, f := range ix.fields {
			out = append(out, f.Path)
		}
	}
	return out
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
