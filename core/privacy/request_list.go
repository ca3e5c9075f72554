package privacy

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// RequestFilter chooses requests; what is empty chooses all.
type RequestFilter struct {
	Status    RequestStatus
	DueBefore *time.Time // those to be answered before it, extensions counted in
}

func (f RequestFilter) query(ws string) store.Query {
	q := store.Query{Workspace: ws}
	if f.Status != "" {
		q.Where = append(q.Where, store.Eq("status", string(f.Status)))
	}
	switch {
	case f.DueBefore != nil:
		q.Where = append(q.Where, store.Lt("dueAt", *f.DueBefore))
		q.Order = []string{"dueAt"}
	case f.Status != "":
		q.Order = []string{"dueAt"}
	default:
		q.Order = []string{"-receivedAt"}
	}
	return q
}

// keeps reports whether a request that the query found is one: the index knows the first
// term only.
func (f RequestFilter) keeps(r *Request) bool {
	return f.DueBefore == nil || r.Deadline().Before(*f.DueBefore)
}

// List returns a window of the requests of all types: the latest first, or with a
// filter those that are due first.
func (d *Desk) List(ctx context.Context, ws string, f RequestFilter, w core.Window) (store.Page[Request], error) {
	var out store.Page[Request]
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return out, err
	}
	for {
		page, err := Requests.Page(ctx, d.o.Store, f.query(ws), w)
		if err != nil {
			return out, deskError(err)
		}
		if f.DueBefore == nil || w.Backward {
			return d.sieve(page, f), nil
		}
		for i, r := range page.Items {
			if f.keeps(r) {
				out.Items, out.Cursors = append(out.Items, r), append(out.Cursors, page.Cursors[i])
			}
		}
		out.HasNext, out.HasPrev = page.HasNext, out.HasPrev || page.HasPrev
		if !page.HasNext || len(out.Items) > 0 || len(page.Cursors) == 0 {
			return out, nil
		}
		w.After = page.Cursors[len(page.Cursors)-1]
	}
}

func (d *Desk) sieve(page store.Page[Request], f RequestFilter) store.Page[Request] {
	out := store.Page[Request]{HasNext: page.HasNext, HasPrev: page.HasPrev}
	for i, r := range page.Items {
		if f.keeps(r) {
			out.Items, out.Cursors = append(out.Items, r), append(out.Cursors, page.Cursors[i])
		}
	}
	return out
}

// Count returns how many requests List lists.
func (d *Desk) Count(ctx context.Context, ws string, f RequestFilter) (int64, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return 0, err
	}
	if f.DueBefore == nil {
		n, err := Requests.Count(ctx, d.o.Store, f.query(ws))
		return n, deskError(err)
	}
	var n int64
	err := Requests.Each(ctx, d.o.Store, f.query(ws), func(r *Request) error {
		if f.keeps(r) {
			n++
		}
		return nil
	})
	return n, deskError(err)
}

// Get returns a request, or nil.
func (d *Desk) Get(ctx context.Context, ws, id string) (*Request, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	r, err := d.find(ctx, ws, id)
	if core.CodeOf(err) == core.NotFound {
		return nil, nil
	}
	return r, err
}
