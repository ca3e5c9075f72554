package sqlite

import (
	"fmt"
	"strings"
)

// A range over the elements of a multi-valued field reads the whole range of the
// side table, keeps each key once and sorts the keys; only the documents of the
// page are then fetched. What a page costs grows with the entries of the range.

// elements selects the documents of a plan ByElement, in its order.
func (q *query) elements(ws int64) (string, []any) {
	conds, args := q.within(ws)
	dir := ""
	if q.plan.Reverse {
		dir = " DESC"
	}
	limit := -1 // none
	if q.plan.Limit > 0 {
		limit = q.plan.Limit
	}
	return fmt.Sprintf("SELECT c.id, c.v, c.doc FROM (SELECT DISTINCT m.id FROM %s AS m WHERE %s ORDER BY m.id%s LIMIT ?) AS m"+
		" CROSS JOIN %s AS c ON c.w = ? AND c.id = m.id ORDER BY m.id%s", q.ix.name, conds, dir, q.l.table, dir), append(args, limit, ws)
}

// countElements counts the documents of a plan ByElement.
func (q *query) countElements(ws int64) (string, []any) {
	conds, args := q.within(ws)
	return fmt.Sprintf("SELECT count(DISTINCT m.id) FROM %s AS m WHERE %s", q.ix.name, conds), args
}

// within are the conditions on the side table.
func (q *query) within(ws int64) (string, []any) {
	conds, args := []string{"m.w = ?"}, []any{ws}
	cond := func(expr string, v any) {
		conds = append(conds, expr)
		args = append(args, v)
	}
	if b := q.plan.Low; b != nil {
		q.bound(cond, "m.", q.ix.cols, ">", b)
	}
	if b := q.plan.High; b != nil {
		q.bound(cond, "m.", q.ix.cols, "<", b)
	}
	if after := q.plan.After; after != nil {
		_, id := cut(q.l.global, after.ID)
		cond("m.id "+beyond(q.plan.Reverse)+" ?", id)
	}
	return strings.Join(conds, " AND "), args
}
