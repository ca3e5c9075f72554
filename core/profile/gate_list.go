package profile

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// maxLooked is how many documents one page of a list looks at before it gives what it
// has found: a page may be short, and says where to go on.
const maxLooked = 5000

// Listed is a page of what may be seen. Start and End are the cursors to go on from,
// which stand at the last document that was looked at.
type Listed[T any] struct {
	store.Page[T]
	Start, End string
}

// visible reads pages and keeps what may be seen, until a window is full, the list
// ends or maxLooked documents were looked at. keep gets a page of documents and puts
// nil in the place of what may not be seen.
func visiblePage[T any](w core.Window, read func(core.Window) (store.Page[T], error), keep func([]*T) error) (Listed[T], error) {
	var out Listed[T]
	chunk := w
	edge := w.After
	if w.Backward {
		edge = w.Before
	}
	looked, more := 0, false
	for len(out.Items) <= w.Limit {
		chunk.Limit = min(max(w.Limit+1, 50), 500)
		page, err := read(chunk)
		if err != nil {
			return out, err
		}
		n := len(page.Items)
		if w.Backward {
			slices.Reverse(page.Items)
			slices.Reverse(page.Cursors)
			more = page.HasPrev
		} else {
			more = page.HasNext
		}
		if err := keep(page.Items); err != nil {
			return out, err
		}
		for i, item := range page.Items {
			if item != nil {
				out.Items, out.Cursors = append(out.Items, item), append(out.Cursors, page.Cursors[i])
			}
			if len(out.Items) > w.Limit {
				break
			}
			edge = page.Cursors[i]
		}
		if looked += n; len(out.Items) > w.Limit || !more || n == 0 || looked >= maxLooked {
			break
		}
		if w.Backward {
			chunk.Before = edge
		} else {
			chunk.After = edge
		}
	}
	if len(out.Items) > w.Limit {
		out.Items, out.Cursors, more = out.Items[:w.Limit], out.Cursors[:w.Limit], true
		if w.Limit > 0 {
			edge = out.Cursors[w.Limit-1]
		}
	}
	first := edge
	if len(out.Cursors) > 0 {
		first = out.Cursors[0]
	}
	if w.Backward {
		slices.Reverse(out.Items)
		slices.Reverse(out.Cursors)
		out.HasPrev, out.HasNext = more, w.Before != ""
		out.Start, out.End = edge, first
	} else {
		out.HasNext, out.HasPrev = more, w.After != ""
		out.Start, out.End = first, edge
	}
	return out, nil
}

// ShowList is List of the people who may be seen, as they may be.
func (s *Service) ShowList(ctx context.Context, ws string, w core.Window) (Listed[Profile], error) {
	g, err := s.Gate(ctx, ws)
	if err != nil {
		return Listed[Profile]{}, err
	}
	out, err := visiblePage(w, func(w core.Window) (store.Page[Profile], error) { return s.List(ctx, ws, w) }, func(list []*Profile) error {
		for i, p := range list {
			list[i] = g.Look(ctx, p)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	ids := make([]string, len(out.Items))
	for i, p := range out.Items {
		ids[i] = p.ProfileID()
	}
	return out, g.note(ctx, "profile", ids...)
}

// CountShown returns how many people may be seen. Where everybody may but those whose
// processing is restricted it counts keys; else it looks at each.
func (s *Service) CountShown(ctx context.Context, ws string) (int64, error) {
	g, err := s.Gate(ctx, ws)
	if err != nil {
		return 0, err
	}
	return g.count(ctx, func(*Profile) int64 { return 1 }, func() (int64, error) { return s.Count(ctx, ws) })
}

// count adds up what people count for who may be seen; all is what they add up to
// all together.
func (g *Gate) count(ctx context.Context, worth func(*Profile) int64, all func() (int64, error)) (int64, error) {
	if g.open {
		return all()
	}
	var n int64
	q, sign := everything(g.ws), int64(1)
	if g.everybody() {
		total, err := all()
		if err != nil {
			return 0, err
		}
		q.Where, n, sign = []store.Cond{store.Eq("restricted", 1)}, total, -1
	}
	err := Profiles.Each(ctx, g.svc.db, q, func(p *Profile) error {
		if ok, _ := g.Admits(ctx, p); ok == (sign > 0) {
			n += sign * worth(p)
		}
		return nil
	})
	return n, storeError("count profiles", err)
}

// ShowEvent returns the event with an id as the actor may see it, or nil.
func (s *Service) ShowEvent(ctx context.Context, ws, id string) (*event.Event, error) {
	g, err := s.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	if !isID(core.PrefixEvent, id) {
		return nil, nil
	}
	e, err := event.Events.Get(ctx, s.db, store.Key(ws, id))
	if e == nil || err != nil {
		return nil, storeError("read event", err)
	}
	list := []*event.Event{e}
	if err := g.keepEvents(ctx, list, map[string]bool{}); err != nil || list[0] == nil {
		return nil, err
	}
	return list[0], g.noteEvents(ctx, list)
}

// ShowEvents lists the workspace's events that may be seen, those received last
// first. The error is FORBIDDEN where no event may be.
func (s *Service) ShowEvents(ctx context.Context, ws string, w core.Window) (Listed[event.Event], error) {
	g, err := s.Gate(ctx, ws)
	if err == nil {
		err = g.UsableCategory(core.Behaviour, "events")
	}
	if err != nil {
		return Listed[event.Event]{}, err
	}
	seen := map[string]bool{}
	q := store.Query{Workspace: ws, Order: []string{"-receivedAt"}}
	out, err := visiblePage(w, func(w core.Window) (store.Page[event.Event], error) {
		page, err := event.Events.Page(ctx, s.db, q, w)
		return page, storeError("list events", err)
	}, func(list []*event.Event) error { return g.keepEvents(ctx, list, seen) })
	if err != nil {
		return out, err
	}
	return out, g.noteEvents(ctx, out.Items)
}

// CountShownEvents returns how many events ShowEvents lists in all: it adds up the
// events of the people who may be seen, and reads events one by one only where the
// source or the name of one can hide it.
func (s *Service) CountShownEvents(ctx context.Context, ws string) (int64, error) {
	g, err := s.Gate(ctx, ws)
	if err != nil {
		return 0, err
	}
	if g.clear && (g.open || g.everybody()) {
		return g.count(ctx, func(p *Profile) int64 { return p.Events }, func() (int64, error) {
			n, err := event.Events.Count(ctx, s.db, store.Query{Workspace: ws, Order: []string{"-receivedAt"}})
			return n, storeError("count events", err)
		})
	}
	var n int64
	seen := map[string]bool{}
	list := make([]*event.Event, 0, maxGet)
	flush := func() error {
		if err := g.keepEvents(ctx, list, seen); err != nil {
			return err
		}
		for _, e := range list {
			if e != nil {
				n++
			}
		}
		list = list[:0]
		return nil
	}
	err = event.Events.Each(ctx, s.db, store.Query{Workspace: ws, Order: []string{"-receivedAt"}}, func(e *event.Event) error {
		if list = append(list, e); len(list) < cap(list) {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return n, storeError("count events", err)
}

// keepEvents masks events, and puts nil in the place of those that may not be seen,
// or whose person may not. seen remembers parts.
func (g *Gate) keepEvents(ctx context.Context, list []*event.Event, seen map[string]bool) error {
	if g.open {
		return nil
	}
	var ask []string
	for _, e := range list {
		if _, known := seen[e.Part]; !known && e.Part != "" {
			seen[e.Part] = false
			ask = append(ask, e.Part)
		}
	}
	for chunk := range slices.Chunk(ask, maxGet) {
		people, err := g.svc.GetMany(ctx, g.ws, chunk)
		if err != nil {
			return err
		}
		for i, p := range people {
			if p == nil {
				seen[chunk[i]] = g.nobodys()
			} else {
				seen[chunk[i]], _ = g.Admits(ctx, p)
			}
		}
	}
	for i, e := range list {
		if e.Part == "" && !g.nobodys() || e.Part != "" && !seen[e.Part] {
			list[i] = nil
			continue
		}
		list[i] = g.Event(e)
	}
	return nil
}

func (g *Gate) noteEvents(ctx context.Context, list []*event.Event) error {
	var parts []string
	for _, e := range list {
		if e.Part != "" {
			parts = append(parts, e.Part)
		}
	}
	return g.note(ctx, "event", tidy(parts)...)
}

// ShowProposals is Proposals about people who may all be seen.
func (g *Gate) ShowProposals(ctx context.Context, status ProposalStatus, w core.Window) (Listed[Proposal], error) {
	return visiblePage(w, func(w core.Window) (store.Page[Proposal], error) { return g.svc.Proposals(ctx, g.ws, status, w) }, func(list []*Proposal) error {
		for i, pr := range list {
			ok, err := g.admitsParts(ctx, pr.Parts)
			if err != nil {
				return err
			}
			if !ok {
				list[i] = nil
			}
		}
		return nil
	})
}

// CountProposals returns how many ShowProposals lists in all.
func (g *Gate) CountProposals(ctx context.Context, status ProposalStatus) (int64, error) {
	if g.open {
		return g.svc.CountProposals(ctx, g.ws, status)
	}
	var n int64
	q := store.Query{Workspace: g.ws, Where: []store.Cond{store.Eq("status", string(status))}, Order: []string{"-at"}}
	err := Proposals.Each(ctx, g.svc.db, q, func(pr *Proposal) error {
		ok, err := g.admitsParts(ctx, pr.Parts)
		if ok {
			n++
		}
		return err
	})
	return n, storeError("count proposals", err)
}

// ShowProposal returns the proposal with an id, or nil.
func (g *Gate) ShowProposal(ctx context.Context, id string) (*Proposal, error) {
	pr, err := g.svc.GetProposal(ctx, g.ws, id)
	if pr == nil || err != nil {
		return nil, err
	}
	if ok, err := g.admitsParts(ctx, pr.Parts); !ok || err != nil {
		return nil, err
	}
	return pr, nil
}
