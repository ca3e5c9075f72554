package profile

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Proposals returns a window of the proposals with a status, the latest first.
func (s *Service) Proposals(ctx context.Context, ws string, status ProposalStatus, w core.Window) (store.Page[Proposal], error) {
	page, err := Proposals.Page(ctx, s.db, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("status", string(status))}, Order: []string{"-at"},
	}, w)
	return page, storeError("list proposals", err)
}

// GetProposal returns the proposal with an id, or nil.
func (s *Service) GetProposal(ctx context.Context, ws, id string) (*Proposal, error) {
	if !isID(core.PrefixProposal, id) {
		return nil, nil
	}
	p, err := Proposals.Get(ctx, s.db, store.Key(ws, id))
	return p, storeError("read proposal", err)
}

// Decision is what came of a decision on a proposal.
type Decision struct {
	Proposal *Proposal
	Merge    *Merge   // nil when it was rejected, or obsolete
	Profile  *Profile // the merged one; nil likewise
}

// DecideProposal accepts a proposal, which merges the two profiles as Merge would,
// the one that began first winning; or rejects it, after which rules leave the pair
// alone. A proposal whose profiles are one already becomes OBSOLETE. Errors:
// NOT_FOUND, CONFLICT (ALREADY_DECIDED), and those of Merge.
func (s *Service) DecideProposal(ctx context.Context, ws, id string, accept bool) (Decision, error) {
	var out Decision
	err := s.retry(ctx, ws, func() []string { return out.Proposal.Parts }, func() error {
		pr, err := s.GetProposal(ctx, ws, id)
		switch {
		case err != nil:
			return err
		case pr == nil:
			return core.Errorf(core.NotFound, "PROPOSAL", "there is no proposal with this id").At("id")
		case pr.Status != Pending:
			return core.Errorf(core.Conflict, "ALREADY_DECIDED", "the proposal is %s already", pr.Status).At("id")
		}
		out = Decision{Proposal: pr}
		if !accept {
			return s.close(ctx, ws, pr, Rejected)
		}
		if err := s.goneAny(ctx, ws, pr.Parts, "id"); err != nil {
			return err
		}
		u, w, l, err := s.pair(ctx, ws, pr.Parts[0], pr.Parts[1])
		if err != nil {
			if core.AsError(err).Reason == "SAME_PROFILE" {
				return s.close(ctx, ws, pr, Obsolete)
			}
			return err
		}
		if older(l, w) {
			w, l = l, w
		}
		var merged MergeResult
		m := &Merge{Rule: RuleProposal, Reason: "accepted proposal " + pr.ProposalID(), Actor: actor(ctx)}
		if err := s.mergeByHand(ctx, u, w, l, m, pr, false, &merged); err != nil {
			return err
		}
		out.Merge, out.Profile = merged.Merge, merged.Profile
		return nil
	})
	if err != nil {
		return Decision{}, err
	}
	return out, nil
}

// close gives a proposal a status without a merge.
func (s *Service) close(ctx context.Context, ws string, pr *Proposal, status ProposalStatus) error {
	u := s.newUnit(ws, nil)
	u.decide(ctx, pr, status)
	return s.commit(ctx, u)
}

// decide puts a status on a proposal.
func (u *Unit) decide(ctx context.Context, pr *Proposal, status ProposalStatus) {
	pr.Status, pr.DecidedAt, pr.DecidedBy = status, &u.now, actor(ctx)
	u.props = append(u.props, pr)
}

// proposalsBetween returns the proposals that name both profiles.
func (s *Service) proposalsBetween(ctx context.Context, ws string, a, b *Profile) ([]*Proposal, error) {
	var keys []string
	for _, id := range a.Proposals {
		if _, found := slices.BinarySearch(b.Proposals, id); found {
			keys = append(keys, store.Key(ws, id))
		}
	}
	docs, err := Proposals.GetMany(ctx, s.db, keys)
	return slices.DeleteFunc(docs, func(p *Proposal) bool { return p == nil }), err
}
