package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/store"
)

// baseSchema is what every file holds. changes needs no AUTOINCREMENT: its newest
// row is never pruned, so that a number is never given twice.
var baseSchema = []string{
	`CREATE TABLE IF NOT EXISTS hw_collections (n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, global INTEGER NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS hw_fields (c INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (c, path)) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS hw_indexes (c INTEGER NOT NULL, def TEXT NOT NULL, ready INTEGER NOT NULL, upto INTEGER NOT NULL, PRIMARY KEY (c, def)) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS hw_workspaces (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)`,
	`CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY, batch TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, body BLOB NOT NULL)`,
}

// catalog is what the file says of its collections. It is never changed, only
// replaced when the schema's cookie moves.
type catalog struct {
	cookie   int64
	byName   map[string]*layout
	byNumber map[int64]*layout
}

// layout is how a collection is stored.
type layout struct {
	n       int64
	name    string
	table   string // quoted
	global  bool
	fields  []field // one column each
	indexes map[string]*index
	multi   []*index

	insert, current, remove, versionOf, get string
	spots                                   []spot
}

type field struct{ path, col string }

type index struct {
	def    string // see definition
	fields []store.IndexField
	multi  bool
	name   string // quoted: of the index, or of the table of a multi-valued one
	cols   []string
	few    bool // store.Index.FewTies
	ready  bool
}

// fewTies ends the definition of an index whose entries hold no key.
const fewTies = ";few"

// definition writes an index as hw_indexes keeps it: its fields as store.On takes
// them, joined by commas.
func definition(ix store.Index) string {
	parts := make([]string, len(ix.Fields))
	for i, f := range ix.Fields {
		if f.Desc {
			parts[i] = "-"
		}
		parts[i] += f.Path
		if f.Multi {
			parts[i] += "[]"
		}
	}
	def := strings.Join(parts, ",")
	if ix.FewTies && !ix.Fields[0].Multi {
		def += fewTies
	}
	return def
}

// quote makes an identifier of any text. SQLite compares identifiers without case,
// so capitals are marked.
func quote(kind, text string) string {
	var b strings.Builder
	b.WriteString(`"` + kind)
	for _, r := range text {
		switch {
		case r >= 'A' && r <= 'Z':
			b.WriteString("^" + strings.ToLower(string(r)))
		case r == '"':
			b.WriteString(`""`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

func newIndex(collection, def string) *index {
	fields, few := strings.CutSuffix(def, fewTies)
	d := store.On(strings.Split(fields, ",")...)
	ix := &index{def: def, fields: d.Fields, multi: d.Fields[0].Multi, few: few, name: quote("x:", collection+":"+def)}
	for i, f := range d.Fields {
		if ix.multi {
			ix.cols = append(ix.cols, fmt.Sprintf("f%d", i))
		} else {
			ix.cols = append(ix.cols, quote("f:", f.Path))
		}
	}
	return ix
}

// ddl makes the index, or the table of a multi-valued one.
func (ix *index) ddl(table string) string {
	var cols, present []string
	for i, f := range ix.fields {
		c := ix.cols[i]
		present = append(present, c+" IS NOT NULL")
		if f.Desc {
			c += " DESC"
		}
		cols = append(cols, c)
	}
	if !ix.multi && !ix.few {
		cols = append(cols, "id")
	}
	if !ix.multi {
		return fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (w, %s) WHERE %s",
			ix.name, table, strings.Join(cols, ", "), strings.Join(present, " AND "))
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (w INTEGER NOT NULL, %s, id TEXT NOT NULL, PRIMARY KEY (w, %s, id)) WITHOUT ROWID",
		ix.name, strings.Join(ix.cols, ", "), strings.Join(cols, ", "))
}

// loadCatalog reads what the file says. It must run in a transaction.
func loadCatalog(c *conn) (*catalog, error) {
	cat := &catalog{byName: map[string]*layout{}, byNumber: map[int64]*layout{}}
	var err error
	if cat.cookie, _, err = c.integer("PRAGMA schema_version"); err != nil {
		return nil, err
	}
	err = c.each("SELECT n, name, global FROM hw_collections", func(s *stmt) error {
		l := &layout{n: s.int(0), name: s.text(1), global: s.int(2) != 0, indexes: map[string]*index{}}
		l.table = quote("c:", l.name)
		cat.byName[l.name], cat.byNumber[l.n] = l, l
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.each("SELECT c, path FROM hw_fields ORDER BY c, path", func(s *stmt) error {
		l, path := cat.byNumber[s.int(0)], s.text(1)
		l.fields = append(l.fields, field{path: path, col: quote("f:", path)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.each("SELECT c, def, ready FROM hw_indexes ORDER BY c, def", func(s *stmt) error {
		l := cat.byNumber[s.int(0)]
		ix := newIndex(l.name, s.text(1))
		ix.ready = s.int(2) != 0
		l.indexes[ix.def] = ix
		if ix.multi {
			l.multi = append(l.multi, ix)
		}
		return nil
	})
	for _, l := range cat.byName {
		l.statements()
	}
	return cat, err
}

// statements writes the SQL that every write and read of the collection uses.
func (l *layout) statements() {
	cols := make([]string, len(l.fields))
	for i, f := range l.fields {
		cols[i] = f.col
	}
	fields := strings.Join(append(slices.Clone(cols), "doc"), ", ")
	l.insert = fmt.Sprintf("INSERT INTO %s (w, id, v, %s) VALUES (?, ?, ?%s)", l.table, fields, strings.Repeat(", ?", len(cols)+1))
	l.current = fmt.Sprintf("SELECT rowid, v, %s FROM %s WHERE w = ? AND id = ?", fields, l.table)
	l.remove = fmt.Sprintf("DELETE FROM %s WHERE w = ? AND id = ? AND v = ?", l.table)
	l.versionOf = fmt.Sprintf("SELECT v FROM %s WHERE w = ? AND id = ?", l.table)
	l.get = fmt.Sprintf("SELECT v, doc FROM %s WHERE w = ? AND id = ?", l.table)
	l.spots = l.spotsOf()
}

// update writes the SQL that replaces a document and the columns of the mask only,
// so that an index whose columns did not change is not touched.
func (l *layout) update(changed []int) string {
	var b strings.Builder
	b.WriteString("UPDATE " + l.table + " SET v = ?, doc = ?")
	for _, i := range changed {
		b.WriteString(", " + l.fields[i].col + " = ?")
	}
	b.WriteString(" WHERE rowid = ?")
	return b.String()
}
