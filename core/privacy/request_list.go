package privacy

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// RequestFilter chooses requests; what is zero chooses all.
type RequestFilter struct {
	Status    RequestStatus
	DueBefore time.Time // those that have no answer and are to be answered before it
}

func (f RequestFilter) query(ws string) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"dueAt"}}
	switch {
	case f.Status != "":
		q.Where = append(q.Where, store.Eq("status", string(f.Status)))
	case !f.DueBefore.IsZero():
		q.Where = append(q.Where, store.Eq("open", true))
	default:
		q.Order = []string{"-receivedAt"}
	}
	if !f.DueBefore.IsZero() {
		q.Where = append(q.Where, store.Lt("dueAt", f.DueBefore))
	}
	return q
}

// none reports whether the filter can choose nothing: an answered request is not due.
func (f RequestFilter) none() bool {
	return !f.DueBefore.IsZero() && (f.Status == Completed || f.Status == Refused)
}

// List returns a window of the requests of all types: the latest first, or with a
// filter those that are due first, extensions counted in.
func (d *Desk) List(ctx context.Context, ws string, f RequestFilter, w core.Window) (store.Page[Request], error) {
	if _, err := access.Require(ctx, access.Govern); err != nil || f.none() {
		return store.Page[Request]{}, err
	}
	page, err := Requests.Page(ctx, d.o.Store, f.query(ws), w)
	return page, deskError(err)
}

// Count returns how many requests List lists.
func (d *Desk) Count(ctx context.Context, ws string, f RequestFilter) (int64, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil || f.none() {
		return 0, err
	}
	n, err := Requests.Count(ctx, d.o.Store, f.query(ws))
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
