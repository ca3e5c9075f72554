package audit

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core/store"
)

// findAtOnce is how many parts of runs are read at once.
const findAtOnce = 64

// placesOf returns where the blocks in [low, high) begin that the index finds one of the
// marks in, in ascending order.
func placesOf(ctx context.Context, r store.Reader, ws string, marks []mark, low, high int64) ([]int64, error) {
	var out []int64
	look := func(d *runDoc, begin int64) {
		for _, m := range marks {
			out = d.find(out, m, begin)
		}
	}
	// In the order in which marks go.
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Gte("_id", tailKey(ws, 0)), store.Lt("_id", tailKey(ws, high))}, Order: []string{"_id"}}
	if err := runs.Each(ctx, r, q, func(d *runDoc) error {
		first, err := tailFirst(d)
		look(d, first-first%eras.entries)
		return err
	}); err != nil {
		return nil, err
	}
	oldest, err := runs.Find(ctx, r, store.Query{Workspace: ws, Where: []store.Cond{
		store.Gte("_id", eras.key(ws, eras.number(low), 0)), store.Lt("_id", eras.key(ws, eras.number(high)+1, 0)),
	}, Order: []string{"_id"}}, 1)
	if err != nil {
		return nil, err
	}
	if len(oldest) > 0 {
		n, err := eras.numberOf(oldest[0].ID)
		if err == nil {
			err = eras.find(ctx, r, ws, marks, n, eras.number(high), look)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := ages.find(ctx, r, ws, marks, ages.number(low), ages.number(high), look); err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(first int64) bool { return first < low || first >= high })
	slices.Sort(out)
	return slices.Compact(out), nil
}

// find calls look with the parts that marks may be in, of runs from a number to another.
func (l layer) find(ctx context.Context, r store.Reader, ws string, marks []mark, from, to int64, look func(*runDoc, int64)) error {
	var parts []int
	for _, m := range marks {
		if p := l.part(m); !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	var ids []string
	var begin []int64
	read := func() error {
		docs, err := runs.GetMany(ctx, r, ids)
		for i, d := range docs {
			if d != nil {
				look(d, begin[i])
			}
		}
		ids, begin = ids[:0], begin[:0]
		return err
	}
	for n := from; n <= to; n++ {
		for _, p := range parts {
			ids, begin = append(ids, l.key(ws, n, p)), append(begin, n*l.entries)
		}
		if len(ids) >= findAtOnce {
			if err := read(); err != nil {
				return err
			}
		}
	}
	return read()
}
