package profile

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// MergeInput asks to make two profiles one.
type MergeInput struct {
	WinnerID string // prof_…: keeps its id
	LoserID  string // prof_…: its id finds the winner from then on
	Reason   string // for people; 1 to 500 bytes, not blank
	DryRun   bool
}

// MergeResult is what a merge did, or would do.
type MergeResult struct {
	Merge   *Merge // without an id on a dry run
	Profile *Profile
	Preview Preview
}

// Preview says what a merge changes for the winner, or an unmerge for the profile
// that keeps its id.
type Preview struct {
	Identifiers []Held   // that move
	Traits      []string // paths that change, sorted
	Events      int64    // that move
}

// Merge joins two profiles by a person's decision, which crosses exclusive
// namespaces, limits of identifiers, separations and proposals. An open proposal
// between them becomes OBSOLETE. Errors: NOT_FOUND, INVALID (SAME_PROFILE, REASON,
// TOO_MANY_PARTS, PROFILE_TOO_LARGE), each with the path of the culprit.
func (s *Service) Merge(ctx context.Context, ws string, in MergeInput) (MergeResult, error) {
	if len(in.Reason) > 500 {
		return MergeResult{}, core.Errorf(core.Invalid, "REASON", "the reason has at most 500 bytes").At("reason")
	}
	if strings.TrimSpace(in.Reason) == "" {
		return MergeResult{}, core.Errorf(core.Invalid, "REASON", "say why they are one person").At("reason")
	}
	var out MergeResult
	err := s.retry(ctx, ws, func() []string { return []string{in.WinnerID, in.LoserID} }, func() error {
		u, w, l, err := s.pair(ctx, ws, in.WinnerID, in.LoserID)
		if err != nil {
			return err
		}
		m := &Merge{Rule: RuleManual, Reason: in.Reason, Actor: actor(ctx)}
		return s.mergeByHand(ctx, u, w, l, m, nil, in.DryRun, &out)
	})
	return out, err
}

// retry runs f until it no longer loses a race. Where it goes on losing, units are
// asked to leave the profiles of the given parts alone for a moment.
func (s *Service) retry(ctx context.Context, ws string, parts func() []string, f func() error) error {
	for attempt := range maxAttempts {
		if attempt%4 == 2 {
			if err := s.hold(ctx, ws, parts()); err != nil {
				return storeError("hold profiles", err)
			}
		}
		err := f()
		if !errors.Is(err, store.ErrConflict) {
			return storeError("change profiles", err)
		}
		if ctx.Err() != nil {
			return core.AsError(ctx.Err())
		}
	}
	return errBusy
}

// pair reads the two profiles of a merge into a unit.
func (s *Service) pair(ctx context.Context, ws, winner, loser string) (u *Unit, w, l *Profile, err error) {
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, nil, nil, err
	}
	u = s.newUnit(ws, r)
	var ids []string
	for _, id := range []string{winner, loser} {
		if isPart(id) {
			ids = append(ids, id)
		}
	}
	if _, err := u.loadProfiles(ctx, ids); err != nil {
		return nil, nil, nil, err
	}
	w, l = u.profile(winner), u.profile(loser)
	switch {
	case w == nil:
		return nil, nil, nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("winnerId")
	case l == nil:
		return nil, nil, nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("loserId")
	case w.ID == l.ID:
		return nil, nil, nil, core.Errorf(core.Invalid, "SAME_PROFILE", "both ids belong to one profile; name two").At("loserId")
	}
	return u, w, l, nil
}

// mergeByHand commits the merge of two profiles of u. decided is the proposal that
// the merge accepts, if any.
func (s *Service) mergeByHand(ctx context.Context, u *Unit, w, l *Profile, m *Merge, decided *Proposal, dryRun bool, out *MergeResult) error {
	if n := len(w.Parts) + len(l.Parts); n > MaxParts {
		return core.Errorf(core.Invalid, ReasonTooManyParts, "together they have %d parts; a profile has at most %d", n, MaxParts).At("loserId")
	}
	if what := w.together(l).oversize(); what != "" {
		return errTooLarge(what).At("loserId")
	}
	if err := u.loadParts(ctx, append(slices.Clone(l.Parts), w.Parts...)); err != nil {
		return err
	}
	between, err := s.proposalsBetween(ctx, u.ws, w, l)
	if err != nil {
		return err
	}
	p := u.merge(w, w.ProfileID(), l, l.ProfileID(), m)
	for _, pr := range between {
		switch {
		case decided != nil && pr.ID == decided.ID:
			u.decide(ctx, pr, Accepted)
			*decided = *pr
		case pr.Status == Pending:
			u.decide(ctx, pr, Obsolete)
		}
	}
	*out = MergeResult{Merge: m, Profile: p, Preview: Preview{
		Identifiers: l.Identifiers, Traits: differingTraits(visible(w.Traits), visible(p.Traits)), Events: l.Events,
	}}
	if dryRun {
		m.ID = ""
		return nil
	}
	return s.commit(ctx, u)
}

// commit writes a unit that holds no events but its own, and what derives from it.
func (s *Service) commit(ctx context.Context, u *Unit) error { return s.commitWith(ctx, u, nil) }

// commitWith is commit with more operations.
func (s *Service) commitWith(ctx context.Context, u *Unit, more []store.Op) error {
	d, err := s.Derive(ctx, u, more)
	if err != nil {
		s.Conflicted(u)
		return err
	}
	err = s.write(ctx, u, append(more, d.Ops...))
	d.Settle(err == nil)
	return err
}

// write is commit without what derives.
func (s *Service) write(ctx context.Context, u *Unit, derived []store.Op) error {
	_, err := s.db.Commit(ctx, store.Batch{ID: s.batchID(), Ops: append(u.Ops(), derived...)})
	if errors.Is(err, store.ErrTooLarge) {
		err = errChangeTooLarge.Wrap(err)
	}
	if err != nil {
		s.Conflicted(u)
		return err
	}
	s.Committed(u)
	for _, p := range u.Changed() {
		p.V++ // as it is stored now
	}
	for _, m := range u.merges {
		m.V++
	}
	for _, p := range u.props {
		p.V++
	}
	for _, r := range u.releases {
		r.V++
	}
	return nil
}

// GetMerge returns the merge with an id, or nil.
func (s *Service) GetMerge(ctx context.Context, ws, id string) (*Merge, error) {
	if !isID(core.PrefixMerge, id) {
		return nil, nil
	}
	m, err := Merges.Get(ctx, s.db, store.Key(ws, id))
	return m, storeError("read merge", err)
}

// Merges returns every merge that touched a part of a profile, undone ones too, the
// latest first. Empty when there is no such profile.
func (s *Service) Merges(ctx context.Context, ws, profileID string) ([]*Merge, error) {
	p, err := s.Get(ctx, ws, profileID)
	if p == nil || err != nil {
		return nil, err
	}
	return s.MergesOf(ctx, p)
}

// MergesOf is Merges for a profile that was read. One as of an instant has the
// merges that were made by then, those undone later as not undone.
func (s *Service) MergesOf(ctx context.Context, p *Profile) ([]*Merge, error) {
	var out []*Merge
	for _, part := range p.Parts {
		edges, err := Merges.Find(ctx, s.db, store.Query{Workspace: p.Workspace(), Where: []store.Cond{store.Eq("parts", part)}}, 0)
		if err != nil {
			return nil, storeError("read merges", err)
		}
		for _, m := range edges {
			if p.knows(m) {
				out = append(out, m)
			}
		}
	}
	slices.SortFunc(out, func(a, b *Merge) int {
		switch {
		case a.Seq != b.Seq:
			return int(b.Seq - a.Seq)
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	return slices.CompactFunc(out, func(a, b *Merge) bool { return a.ID == b.ID }), nil
}

// knows reports whether p is from after a merge, and makes the merge as p knows it.
// What was refolded as of an instant has no version; whatever was stored after its
// latest change came later.
func (p *Profile) knows(m *Merge) bool {
	if p.V != 0 {
		return true
	}
	if m.UndoneAt != nil && m.UndoneAt.After(p.UpdatedAt) {
		m.UndoneAt, m.UndoneSeq, m.UndoneBy = nil, 0, ""
	}
	return !m.At.After(p.UpdatedAt)
}

func actor(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return ""
}
