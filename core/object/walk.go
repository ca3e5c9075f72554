package object

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// walkPage is how many records are read at once.
const walkPage = 200

// walk goes over records in the order of keys, along several spans at once, and
// tells of those that meet the condition.
type walk struct {
	s       *Service
	q       *query
	w       core.Window
	streams []*stream
	gate    Gate // hides records of people who may not be seen; nil: there are none
	bound   int  // of records looked at; 0: none
	dropped int  // of those looked at, hidden ones
	bounded bool // it ended at the bound
	stopped bool // it ended at the other end of the window
}

// stream is the records of one span.
type stream struct {
	walk    *walk
	query   store.Query
	cursor  string // of the record read last
	held    []*Record
	cursors []string
	done    bool
}

func (w *walk) stream(where []store.Cond) *stream {
	st := &stream{walk: w, query: store.Query{Workspace: w.q.t.Workspace(), Where: where}}
	if st.cursor = w.w.After; w.w.Backward {
		st.cursor = w.w.Before
	}
	return st
}

// fill reads on while nothing is held.
func (st *stream) fill(ctx context.Context) error {
	for len(st.held) == 0 && !st.done {
		if err := st.read(ctx); err != nil {
			return err
		}
		n, err := st.drop(ctx)
		if err != nil {
			return err
		}
		st.walk.dropped += n
	}
	return nil
}

func (st *stream) read(ctx context.Context) error {
	w := core.Window{Limit: walkPage, Backward: st.walk.w.Backward, After: st.cursor, Before: st.walk.w.Before}
	if w.Backward {
		w.After, w.Before = st.walk.w.After, st.cursor
	}
	if len(st.walk.streams) > 1 {
		w.Limit = walkPage / 4
	}
	page, err := Records.Page(ctx, st.walk.s.o.Store, st.query, w)
	if err != nil {
		return err
	}
	st.held, st.cursors, st.done = page.Items, page.Cursors, !page.HasNext
	if w.Backward { // the page is in the order of the list, the walk is not
		st.done = !page.HasPrev
		reverse(st.held)
		reverse(st.cursors)
	}
	if n := len(st.cursors); n > 0 {
		st.cursor = st.cursors[n-1]
	}
	// A page that was cut by the other end of the window is the last one of this
	// stream, and says that there is more beyond it.
	if end := st.walk.end(); end != "" && len(st.held) < w.Limit {
		st.walk.stopped = st.walk.stopped || !st.done
		st.done = true
	}
	return nil
}

// end is the cursor at which the window ends.
func (w *walk) end() string {
	if w.w.Backward {
		return w.w.After
	}
	return w.w.Before
}

func reverse[T any](s []T) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

// next returns the next record of all streams; nil at the end.
func (w *walk) next(ctx context.Context) (*Record, string, error) {
	var first *stream
	for _, st := range w.streams {
		if err := st.fill(ctx); err != nil {
			return nil, "", err
		}
		if len(st.held) == 0 {
			continue
		}
		if first == nil || w.before(st.held[0].ID, first.held[0].ID) {
			first = st
		}
	}
	if first == nil {
		return nil, "", nil
	}
	r, cursor := first.held[0], first.cursors[0]
	for _, st := range w.streams { // the same record may be in several spans
		if len(st.held) > 0 && st.held[0].ID == r.ID {
			st.held, st.cursors = st.held[1:], st.cursors[1:]
		}
	}
	return r, cursor, nil
}

func (w *walk) before(a, b string) bool {
	if w.w.Backward {
		a, b = b, a
	}
	return strings.Compare(a, b) < 0
}

// run calls f with each record that meets the condition until f says no.
func (w *walk) run(ctx context.Context, f func(r *Record, cursor string) bool) error {
	for seen := 0; ; seen++ {
		r, cursor, err := w.next(ctx)
		if err != nil || r == nil {
			return err
		}
		if w.bound > 0 && seen+w.dropped >= w.bound {
			w.bounded = true
			return nil
		}
		if w.q.meets(r) && !f(r, cursor) {
			return nil
		}
	}
}
