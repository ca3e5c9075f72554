package sqlite

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// Scan implements store.Reader.
func (s *Store) Scan(ctx context.Context, plan store.Plan) ([]bson.Raw, error) {
	var out []bson.Raw
	err := s.walk(ctx, plan, "scan", func(c *conn, q *query, ws int64) error {
		prefix := ""
		if !q.l.global {
			prefix = plan.Workspace + "/"
		}
		for _, part := range q.parts() {
			if plan.Limit > 0 && len(out) >= plan.Limit {
				break
			}
			sql, args := q.rows(part, ws, plan.Limit-len(out))
			err := c.each(sql, func(st *stmt) error {
				out = append(out, join(prefix, st.text(0), st.int(1), st.bytes(2)))
				return nil
			}, args...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// Count implements store.Reader.
func (s *Store) Count(ctx context.Context, plan store.Plan) (int64, error) {
	var total int64
	err := s.walk(ctx, plan, "count", func(c *conn, q *query, ws int64) error {
		for _, part := range q.parts() {
			sql, args := q.count(part, ws)
			n, _, err := c.integer(sql, args...)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return total, err
}

// walk runs f for a plan that can find something, in one read transaction.
func (s *Store) walk(ctx context.Context, plan store.Plan, op string, f func(*conn, *query, int64) error) error {
	l, err := s.layout(plan.Spec)
	if err != nil {
		return err
	}
	q := newQuery(l, plan)
	if plan.Index != nil && q.ix == nil {
		return errUndeclared(plan.Spec.Name + "." + plan.Index.Name)
	}
	run := func(c *conn) error {
		var ws int64
		if !l.global {
			n, ok, err := s.workspace(c, plan.Workspace)
			if err != nil || !ok {
				return err
			}
			ws = n
		}
		return c.during(ctx, func() error { return f(c, q, ws) })
	}
	if plan.After == nil {
		err = s.pool.with(ctx, run) // one statement is a transaction by itself
	} else {
		err = s.pool.read(ctx, run)
	}
	return translate(op+" "+plan.Spec.Name, err)
}

// query writes the SQL of a plan.
type query struct {
	plan store.Plan
	l    *layout
	ix   *index // nil: by key
}

func newQuery(l *layout, plan store.Plan) *query {
	q := &query{plan: plan, l: l}
	if plan.Index != nil {
		q.ix = l.indexes[definition(*plan.Index)]
	}
	return q
}

// part is a piece of the walk that one range of the index holds: of the values of
// the plan's position the first n are equal and the next one is passed; when all
// are equal, the key is passed. Parts follow each other in the order of the walk.
type part int

// whole is the only part of a walk from its beginning.
const whole part = -1

func (q *query) parts() []part {
	if q.plan.After == nil {
		return []part{whole}
	}
	var out []part
	for n := len(q.plan.After.Values); n >= 0; n-- {
		out = append(out, part(n))
	}
	return out
}

// rows selects the documents in a part, in order: at most limit when the plan has one.
func (q *query) rows(p part, ws int64, limit int) (string, []any) {
	if q.plan.ByElement() {
		return q.elements(ws)
	}
	sql, args := q.sql("c.id, c.v, c.doc", p, ws)
	sql += q.order()
	if q.plan.Limit > 0 {
		sql, args = sql+" LIMIT ?", append(args, limit)
	}
	return sql, args
}

// count selects how many documents are in a part.
func (q *query) count(p part, ws int64) (string, []any) {
	if q.plan.ByElement() {
		return q.countElements(ws)
	}
	return q.sql("count(*)", p, ws)
}

// sql selects the columns of the documents in a part.
func (q *query) sql(columns string, p part, ws int64) (string, []any) {
	var b strings.Builder
	args := []any{ws}
	cond := func(expr string, v any) {
		b.WriteString(" AND " + expr)
		args = append(args, v)
	}
	from := q.l.table + " AS c INDEXED BY " + quote("k:", q.l.name)
	var cols []string
	var fields []store.IndexField
	rest := "c.id" // what is ordered by after the fields
	t := "c."
	if q.ix != nil {
		from = q.l.table + " AS c INDEXED BY " + q.ix.name
		if q.ix.multi {
			from = fmt.Sprintf("%s AS m CROSS JOIN %s AS c ON c.w = m.w AND c.id = m.id", q.ix.name, q.l.table)
			t, rest = "m.", "m.id"
		}
		n := len(q.plan.Equal)
		for i, v := range q.plan.Equal {
			cond(t+q.ix.cols[i]+" = ?", valueOf(v))
		}
		cols, fields = q.ix.cols[n:], q.ix.fields[n:]
		for _, c := range cols {
			b.WriteString(" AND " + t + c + " IS NOT NULL")
		}
	}
	low, high := q.plan.Low, q.plan.High
	if p == 0 { // it passes the value, or the key, that the bounds are on
		if down := q.down(); down && q.passed(high, -1) {
			high = nil
		} else if !down && q.passed(low, 1) {
			low = nil
		}
	}
	if low != nil {
		q.bound(cond, t, cols, ">", low)
	}
	if high != nil {
		q.bound(cond, t, cols, "<", high)
	}
	if p != whole {
		for i := range int(p) {
			cond(t+cols[i]+" = ?", valueOf(q.plan.After.Values[i]))
		}
		if int(p) < len(cols) {
			cond(fmt.Sprintf("%s%s %s ?", t, cols[p], beyond(fields[p].Desc != q.plan.Reverse)), valueOf(q.plan.After.Values[p]))
		} else {
			_, id := cut(q.l.global, q.plan.After.ID)
			cond(rest+" "+beyond(q.plan.Reverse)+" ?", id)
		}
	}
	return "SELECT " + columns + " FROM " + from + " WHERE " + t + "w = ?" + b.String(), args
}

// down tells that the walk goes from the greater to the lesser of what it is ordered
// by first after the equalities.
func (q *query) down() bool {
	if rest := q.plan.Rest(); len(rest) > 0 {
		return rest[0].Desc != q.plan.Reverse
	}
	return q.plan.Reverse
}

// passed tells that the plan's position is at a bound or beyond it in the direction,
// which is 1 for a lower one. Such a bound must not be in the SQL: of two on one side
// SQLite seeks to the first, and would walk again through all that earlier pages held.
func (q *query) passed(b *store.Bound, direction int) bool {
	if b == nil {
		return false
	}
	at, bound := value{kind: kindText, s: q.plan.After.ID}, valueOf(b.Value)
	if len(q.plan.After.Values) > 0 {
		at = valueOf(q.plan.After.Values[0])
	}
	return at.kind == bound.kind && at.compare(bound)*direction >= 0
}

func beyond(down bool) string {
	if down {
		return "<"
	}
	return ">"
}

// bound limits the first field after the equalities, or the key.
func (q *query) bound(cond func(string, any), t string, cols []string, op string, b *store.Bound) {
	inclusive := b.Inclusive
	if len(cols) > 0 {
		if inclusive {
			op += "="
		}
		cond(t+cols[0]+" "+op+" ?", valueOf(b.Value))
		return
	}
	key, _ := b.Value.(string)
	if !q.l.global {
		prefix := q.plan.Workspace + "/"
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			// A key of elsewhere: all of the workspace lies on one side of it.
			if (key < prefix) == (op == ">") {
				return
			}
			cond("0 = ?", 1)
			return
		}
		key = rest
	}
	if inclusive {
		op += "="
	}
	cond(t+"id "+op+" ?", key)
}

// order sorts in the direction of the walk.
func (q *query) order() string {
	var terms []string
	dir := func(down bool) string {
		if down {
			return " DESC"
		}
		return ""
	}
	t := "c."
	if q.ix != nil {
		if q.ix.multi {
			t = "m."
		}
		n := len(q.plan.Equal)
		for i, f := range q.ix.fields[n:] {
			terms = append(terms, t+q.ix.cols[n+i]+dir(f.Desc != q.plan.Reverse))
		}
	}
	return " ORDER BY " + strings.Join(append(terms, t+"id"+dir(q.plan.Reverse)), ", ")
}
