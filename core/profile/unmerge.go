package profile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// UnmergeInput asks to undo a merge.
type UnmergeInput struct {
	MergeID string // mrg_…
	DryRun  bool
}

// UnmergeResult is what an unmerge did, or would do.
type UnmergeResult struct {
	Merge    *Merge
	Profiles []*Profile // the merge's winner's side, then the loser's
	Preview  Preview    // what leaves the profile that keeps its id
}

// Unmerge takes a merge back: its edge is dropped, the parts are grouped by the
// edges that remain, both groups are folded anew from their events, and a
// separation is recorded that neither a rule nor an alias crosses again. Merges
// made since stay, on the side that they belong to. The side that holds the
// profile's id keeps it; the other gets back the id that it had.
//
// It is one conditional batch. While events go on coming for the profile, only
// those that came since the last attempt are read again, and an attempt that keeps
// losing asks them to wait (hold.go). Errors: NOT_FOUND,
// CONFLICT (ALREADY_UNDONE), UNAVAILABLE (BUSY).
func (s *Service) Unmerge(ctx context.Context, ws string, in UnmergeInput) (UnmergeResult, error) {
	var out UnmergeResult
	r, err := s.rules(ctx, ws)
	if err != nil {
		return out, storeError("read settings", err)
	}
	var prior *parting
	var m *Merge
	err = s.retry(ctx, ws, func() []string { return m.Parts }, func() error {
		m, err = s.GetMerge(ctx, ws, in.MergeID)
		switch {
		case err != nil:
			return err
		case m == nil:
			return core.Errorf(core.NotFound, "MERGE", "there is no merge with this id").At("mergeId")
		case m.UndoneAt != nil:
			return core.Errorf(core.Conflict, "ALREADY_UNDONE", "this merge was undone already").At("mergeId")
		}
		if err := s.goneAny(ctx, ws, m.Parts, "mergeId"); err != nil {
			return err
		}
		u := s.newUnit(ws, r)
		if prior, err = s.part(ctx, u, m, prior); err != nil {
			return err
		}
		if err := u.separate(m, prior, actor(ctx), &out); err != nil || in.DryRun {
			return err
		}
		return s.commit(ctx, u)
	})
	if err != nil {
		return UnmergeResult{}, err
	}
	return out, nil
}

// parting is a profile as read and the two sides folded from its events up to its
// Seq. A later attempt goes on from it.
type parting struct {
	whole  *Profile
	groups [2]group    // the winner's side, the loser's
	sides  [2]*Profile // events, traits and consents only
	seps   []*Separation
	props  []*Proposal
}

// part reads the profile of a merge and folds its two sides.
func (s *Service) part(ctx context.Context, u *Unit, m *Merge, prior *parting) (*parting, error) {
	missing, err := u.loadProfiles(ctx, m.Parts)
	if err != nil {
		return nil, err
	}
	p := u.profile(m.WinnerPart)
	if len(missing) > 0 || p == nil || !slices.Contains(p.Parts, m.LoserPart) {
		// Read between the steps of another change.
		return nil, &store.ConflictError{Collection: Profiles.Spec.Name, ID: m.ID}
	}
	if err := u.loadParts(ctx, slices.Clone(p.Parts)); err != nil {
		return nil, err
	}
	if prior != nil && prior.whole.MergedSeq == p.MergedSeq && slices.Equal(prior.whole.Parts, p.Parts) {
		err := s.catchUp(ctx, u, prior, p)
		if err == nil {
			if !slices.Equal(prior.whole.Separations, p.Separations) || !slices.Equal(prior.whole.Proposals, p.Proposals) {
				err = s.marks(ctx, u.ws, p, prior)
			}
			prior.whole = p
			return prior, err
		}
		if !errors.Is(err, errNotFound) {
			return nil, err
		}
	}
	return s.partFully(ctx, u, m, p)
}

// partFully folds both sides from all their events up to p.Seq.
func (s *Service) partFully(ctx context.Context, u *Unit, m *Merge, p *Profile) (*parting, error) {
	ledger, err := s.ledger(ctx, u.ws, m.WinnerPart)
	if err != nil {
		return nil, err
	}
	whole := replay(ledger, m.WinnerPart, nil)
	if whole.id != p.ProfileID() || !slices.Equal(whole.parts, sorted(p.Parts)) {
		return nil, &store.ConflictError{Collection: Merges.Spec.Name, ID: m.ID}
	}
	t := &parting{whole: p}
	t.groups[0], t.groups[1] = whole.split(m)
	for i, g := range t.groups {
		side := &Profile{Meta: store.Meta{ID: store.Key(u.ws, g.id)}, Parts: orderParts(g.id, slices.Clone(g.parts)), Bucket: bucket(g.id)}
		for _, part := range g.parts {
			err := s.eachFact(ctx, u.ws, part, func(f *fact) error {
				if f.Seq <= p.Seq {
					side.apply(f, u.rules, g.cover(f))
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		t.sides[i] = side
	}
	if n := t.sides[0].Events + t.sides[1].Events; n != p.Events {
		return nil, fmt.Errorf("profile: the parts hold %d events and the profile counts %d: run rebuild", n, p.Events)
	}
	return t, s.marks(ctx, u.ws, p, t)
}

// marks reads the separations and proposals that p carries.
func (s *Service) marks(ctx context.Context, ws string, p *Profile, t *parting) error {
	var seps, props []string
	for _, side := range p.Separations {
		seps = append(seps, store.Key(ws, side[:len(side)-2]))
	}
	for _, id := range p.Proposals {
		props = append(props, store.Key(ws, id))
	}
	var err error
	if t.seps, err = Separations.GetMany(ctx, s.db, slices.Compact(seps)); err != nil {
		return err
	}
	t.props, err = Proposals.GetMany(ctx, s.db, props)
	return err
}

// errNotFound is a catching up that did not find the events that the profile counts.
var errNotFound = errors.New("profile: events not found")

// catchUp folds the events that p has had since the last attempt into the sides.
// It looks for them among each part's latest and goes deeper only until all are
// found.
func (s *Service) catchUp(ctx context.Context, u *Unit, t *parting, p *Profile) error {
	left := p.Events - t.whole.Events
	plans := map[string]*store.Position{}
	sides := [2]*Profile{t.sides[0].clone(), t.sides[1].clone()}
	for depth := 0; left > 0; depth++ {
		found := false
		for i, g := range t.groups {
			for _, part := range g.parts {
				if depth > 0 && plans[part] == nil {
					continue
				}
				next, n, err := s.factsSince(ctx, u.ws, part, plans[part], t.whole.Seq, p.Seq, func(f *fact) {
					sides[i].apply(f, u.rules, g.cover(f))
				})
				if err != nil {
					return err
				}
				plans[part], found = next, found || next != nil
				left -= n
			}
		}
		if !found && left > 0 {
			return errNotFound
		}
	}
	if left < 0 {
		return errNotFound
	}
	t.sides = sides
	return nil
}

// factsSince applies those of the next 64 events of a part, the latest first, that
// are numbered over from and up to to. It returns where to go on, nil at the end.
func (s *Service) factsSince(ctx context.Context, ws, part string, after *store.Position, from, to int64, apply func(*fact)) (*store.Position, int64, error) {
	const chunk = 64
	plan, err := store.PlanQuery(event.Events.Spec, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-timestamp"}})
	if err != nil {
		return nil, 0, err
	}
	plan.After, plan.Limit = after, chunk
	raws, err := s.db.Scan(ctx, plan)
	if err != nil {
		return nil, 0, err
	}
	var n int64
	var last *store.Position
	for _, raw := range raws {
		f, err := facts.Decode(raw)
		if err != nil {
			return nil, 0, err
		}
		if f.Seq > from && f.Seq <= to {
			apply(f)
			n++
		}
		last = &store.Position{Values: []any{f.Timestamp}, ID: f.ID}
	}
	if len(raws) < chunk {
		last = nil
	}
	return last, n, nil
}

// separate puts the two sides in the place of the profile.
func (u *Unit) separate(m *Merge, t *parting, by string, out *UnmergeResult) error {
	p := t.whole
	at, seq := later(u.now, p.UpdatedAt), p.Seq+1
	undone := *m
	undone.UndoneAt, undone.UndoneSeq, undone.UndoneBy = &at, seq, by
	u.merges = append(u.merges, &undone)
	sep := &Separation{
		Meta: store.Meta{ID: store.Key(u.ws, separationID(m.MergeID()))}, Merge: m.MergeID(),
		A: t.groups[0].parts, B: t.groups[1].parts, Parts: sorted(p.Parts), At: at,
	}
	u.seps = append(u.seps, sep)
	var sides [2]*Profile
	for i, side := range t.sides {
		side = side.clone()
		side.mark(p, append(slices.Clone(t.seps), sep), t.props)
		side.Seq, side.MergedSeq, side.UpdatedAt = seq, seq, at
		sides[i] = side
	}
	u.tell(sides[0], event.NameProfileUnmerged, "unmerge:"+m.MergeID(), m.WinnerPart, at,
		"mergeId", m.MergeID(), "winnerId", sides[0].ProfileID(), "loserId", sides[1].ProfileID(), "reason", m.Reason)
	kept := 0
	for i, side := range sides {
		id := side.ProfileID()
		if id == p.ProfileID() {
			side.V, kept = p.V, i
		} else {
			// Above every version that the id had before it was merged away: who read
			// one of those must not take this profile for it.
			side.V = u.now.UnixMilli()
		}
		for _, part := range side.Parts {
			if u.partOf[part] != id {
				u.move(part, id)
			}
		}
		u.set(id, side)
	}
	left := sides[1-kept]
	*out = UnmergeResult{Merge: &undone, Profiles: sides[:], Preview: Preview{
		Identifiers: left.Identifiers, Events: left.Events,
		Traits: differingTraits(visible(p.Traits), visible(sides[kept].Traits)),
	}}
	return nil
}

// mark gives a side what of the whole profile's identifiers, those that
// were let go of, separations and proposals belongs to its parts.
func (p *Profile) mark(whole *Profile, seps []*Separation, props []*Proposal) {
	parts := sorted(p.Parts)
	own := func(part string) bool { _, found := slices.BinarySearch(parts, part); return found }
	p.Identifiers, p.Separations, p.Proposals = nil, nil, nil
	for _, h := range whole.Identifiers {
		if own(h.Part) {
			p.Identifiers = append(p.Identifiers, h)
		}
	}
	for _, s := range seps {
		for _, part := range s.Parts {
			if own(part) {
				p.Separations = append(p.Separations, s.side(part))
			}
		}
	}
	for _, pr := range props {
		if slices.ContainsFunc(pr.Parts, own) {
			p.Proposals = append(p.Proposals, pr.ProposalID())
		}
	}
	p.Separations, p.Proposals = tidy(p.Separations), tidy(p.Proposals)
	p.Released = releasedOf(whole.Released, parts)
}
