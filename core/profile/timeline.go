package profile

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// TimelineFilter chooses events of a profile.
type TimelineFilter struct {
	Names []string                // none: all
	From  *time.Time              // event time, inclusive
	To    *time.Time              // event time, exclusive
	keep  func(*event.Event) bool // what a gate lets through; nil: everything
}

// Timeline returns a window of a profile's events, the latest first: a merge of
// its parts' timelines. A cursor is the same in every part, so that it outlives
// merges and unmerges. A profile as of an instant has the events that it had then.
func (s *Service) Timeline(ctx context.Context, p *Profile, f TimelineFilter, w core.Window) (store.Page[event.Event], error) {
	var page store.Page[event.Event]
	reads := make([]*reading, len(p.Parts))
	// Most of a window comes from few parts: read little of each at first.
	chunk := max(w.Limit/len(p.Parts), 8) + 1
	for i, part := range p.Parts {
		reads[i] = &reading{
			db: s.db, q: f.query(p.Workspace(), part), keep: p.keeper(f),
			w: core.Window{Limit: chunk, Backward: w.Backward, After: w.After, Before: w.Before},
		}
	}
	for len(page.Items) <= w.Limit {
		var best *reading
		for _, r := range reads {
			if err := r.fill(ctx); err != nil {
				return store.Page[event.Event]{}, storeError("read timeline", err)
			}
			if len(r.items) > 0 && (best == nil || r.before(best)) {
				best = r
			}
		}
		if best == nil {
			break
		}
		page.Items = append(page.Items, best.items[0])
		page.Cursors = append(page.Cursors, best.cursors[0])
		best.items, best.cursors = best.items[1:], best.cursors[1:]
	}
	more := len(page.Items) > w.Limit
	if more {
		page.Items, page.Cursors = page.Items[:w.Limit], page.Cursors[:w.Limit]
	}
	if w.Backward {
		slices.Reverse(page.Items)
		slices.Reverse(page.Cursors)
		page.HasPrev, page.HasNext = more, w.Before != ""
	} else {
		page.HasNext, page.HasPrev = more, w.After != ""
	}
	return page, nil
}

// reading is the rest of one part's timeline: what was read of it and not yet
// taken, and where to go on.
type reading struct {
	db      store.Reader
	q       store.Query
	keep    func(*event.Event) bool
	w       core.Window
	items   []*event.Event // in the direction of the walk
	cursors []string
	done    bool
}

// fill reads on until there is an event or the part ends.
func (r *reading) fill(ctx context.Context) error {
	for len(r.items) == 0 && !r.done {
		page, err := event.Events.Page(ctx, r.db, r.q, r.w)
		if err != nil {
			return err
		}
		n := len(page.Items)
		if r.w.Backward {
			slices.Reverse(page.Items)
			slices.Reverse(page.Cursors)
			r.done = !page.HasPrev || n == 0
		} else {
			r.done = !page.HasNext || n == 0
		}
		if n > 0 && r.w.Backward {
			r.w.Before = page.Cursors[n-1]
		} else if n > 0 {
			r.w.After = page.Cursors[n-1]
		}
		for i, e := range page.Items {
			if r.keep(e) {
				r.items = append(r.items, e)
				r.cursors = append(r.cursors, page.Cursors[i])
			}
		}
		r.w.Limit = min(2*r.w.Limit, 512)
	}
	return nil
}

// before reports whether r's next event comes before o's in the direction of the
// walk: the latest first, of one instant the lesser id first, or the reverse.
func (r *reading) before(o *reading) bool {
	a, b := r.items[0], o.items[0]
	c := b.Timestamp.Compare(a.Timestamp)
	if c == 0 {
		c = strings.Compare(a.ID, b.ID)
	}
	if r.w.Backward {
		return c > 0
	}
	return c < 0
}
