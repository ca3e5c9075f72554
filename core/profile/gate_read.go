package profile

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Show* read through the gate: what they give may leave. A person who may not be
// seen is no different from one who is not there.

// Show returns the profile with an id as the actor of ctx may see it, or nil.
func (s *Service) Show(ctx context.Context, ws, id string) (*Profile, error) {
	out, err := s.ShowMany(ctx, ws, []string{id})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// ShowMany is Show for at most 1000 ids, in their order.
func (s *Service) ShowMany(ctx context.Context, ws string, ids []string) ([]*Profile, error) {
	g, err := s.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	return g.ShowMany(ctx, ids)
}

// ShowMany returns the profiles with the ids as the actor may see them, in their
// order, nil where there is none to see. At most 1000.
func (g *Gate) ShowMany(ctx context.Context, ids []string) ([]*Profile, error) {
	found, err := g.svc.GetMany(ctx, g.ws, ids)
	if err != nil {
		return nil, err
	}
	return found, g.showAll(ctx, "profile", found)
}

// showAll puts in the place of each person what may be seen of them.
func (g *Gate) showAll(ctx context.Context, resource string, people []*Profile) error {
	shown := make([]string, 0, len(people))
	for i, p := range people {
		if people[i] = g.Look(ctx, p); people[i] != nil {
			shown = append(shown, people[i].ProfileID())
		}
	}
	return g.note(ctx, resource, shown...)
}

// ShowByIdentifier returns the profile that holds an identifier, or nil. The error
// is FORBIDDEN, reason PROTECTED_FIELD, where such identifiers may not be read in
// clear.
func (s *Service) ShowByIdentifier(ctx context.Context, ws string, id event.Identifier) (*Profile, error) {
	return s.showIdentified(ctx, ws, id, func() (*Profile, error) { return s.ByIdentifier(ctx, ws, id) })
}

func (s *Service) showIdentified(ctx context.Context, ws string, id event.Identifier, read func() (*Profile, error)) (*Profile, error) {
	g, err := s.Gate(ctx, ws)
	if err == nil {
		err = g.LookUp(id.Namespace)
	}
	if err != nil {
		return nil, err
	}
	audit.Lookup(ctx, id.Namespace, id.Value)
	p, err := read()
	if p == nil || err != nil {
		return nil, err
	}
	return s.showThen(ctx, g, p)
}

// ShowAsOf is Show of the profile as it was at an instant. Whether the person may be
// seen is decided by what holds now: a yes that was taken back is no yes for earlier.
func (s *Service) ShowAsOf(ctx context.Context, ws, id string, at time.Time) (*Profile, error) {
	g, err := s.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	p, err := s.AsOf(ctx, ws, id, at)
	if p == nil || err != nil {
		return nil, err
	}
	return s.showThen(ctx, g, p)
}

// ShowAsOfIdentifier is ShowByIdentifier of who held the identifier at an instant, as
// they were then.
func (s *Service) ShowAsOfIdentifier(ctx context.Context, ws string, id event.Identifier, at time.Time) (*Profile, error) {
	return s.showIdentified(ctx, ws, id, func() (*Profile, error) { return s.AsOfIdentifier(ctx, ws, id, at) })
}

// showThen shows a state of a person, where everybody whom its parts belong to now
// may be seen.
func (s *Service) showThen(ctx context.Context, g *Gate, p *Profile) (*Profile, error) {
	if p.V == 0 { // folded as of an instant
		now, err := s.GetMany(ctx, g.ws, p.Parts)
		if err != nil {
			return nil, err
		}
		for _, one := range now {
			if ok, _ := g.Admits(ctx, one); !ok {
				return nil, nil
			}
		}
		out := g.mask(p)
		return out, g.note(ctx, "profile", out.ProfileID())
	}
	out := []*Profile{p}
	return out[0], g.showAll(ctx, "profile", out)
}

// ShowTimeline is Timeline of a person who was shown, as the actor may see it; where
// events may not be seen it is empty.
func (g *Gate) ShowTimeline(ctx context.Context, p *Profile, f TimelineFilter, w core.Window) (store.Page[event.Event], error) {
	if !g.Category(core.Behaviour).Allowed() {
		return store.Page[event.Event]{}, nil
	}
	if !g.clear {
		f.keep = g.shows
	}
	page, err := g.svc.Timeline(ctx, p, f, w)
	if err != nil {
		return store.Page[event.Event]{}, err
	}
	if !g.clear {
		for i, e := range page.Items {
			page.Items[i] = g.Event(e)
		}
	}
	if len(page.Items) > 0 {
		err = g.note(ctx, "event", p.ProfileID())
	}
	return page, err
}

// CountTimeline returns how many events ShowTimeline lists.
func (g *Gate) CountTimeline(ctx context.Context, p *Profile, f TimelineFilter) (int64, error) {
	if !g.Category(core.Behaviour).Allowed() {
		return 0, nil
	}
	if !g.clear {
		f.keep = g.shows
	}
	return g.svc.CountTimeline(ctx, p, f)
}

// showMerge returns a merge as the actor may see it: nil where the person may not be
// seen whom it made.
func (g *Gate) showMerge(m *Merge) *Merge {
	if d := g.Category(core.FreeText); m == nil || d.Allowed() {
		return m
	}
	c := *m
	c.Reason = ""
	return &c
}

// ShowMerges is MergesOf a person who was shown.
func (g *Gate) ShowMerges(ctx context.Context, p *Profile) ([]*Merge, error) {
	list, err := g.svc.MergesOf(ctx, p)
	for i := range list {
		list[i] = g.showMerge(list[i])
	}
	return list, err
}

// ShowMerge returns the merge with an id, nil where one of the people whom it is about
// may not be seen.
func (g *Gate) ShowMerge(ctx context.Context, id string) (*Merge, error) {
	m, err := g.svc.GetMerge(ctx, g.ws, id)
	if m == nil || err != nil {
		return nil, err
	}
	if ok, err := g.admitsParts(ctx, m.Parts); !ok || err != nil {
		return nil, err
	}
	return g.showMerge(m), g.note(ctx, "merge", m.WinnerID, m.LoserID)
}

// admitsParts reports whether everybody may be seen whom some parts belong to.
func (g *Gate) admitsParts(ctx context.Context, parts []string) (bool, error) {
	if g.open {
		return true, nil
	}
	people, err := g.svc.GetMany(ctx, g.ws, parts)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(people, func(p *Profile) bool {
		ok, _ := g.Admits(ctx, p)
		return !ok
	}), nil
}
