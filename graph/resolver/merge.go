package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// MergeProposals answers Query.mergeProposals.
func (r query) MergeProposals(ctx context.Context, status profile.ProposalStatus, first *int, after *string, last *int, before *string) (*view.MergeProposalConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	page, err := gate.ShowProposals(ctx, status, w)
	if err != nil {
		return nil, err
	}
	return listed(page, func(ctx context.Context) (int64, error) { return gate.CountProposals(ctx, status) }), nil
}

// MergeProfiles answers Mutation.mergeProfiles.
func (r mutation) MergeProfiles(ctx context.Context, in gen.MergeProfilesInput) (*gen.MergeProfilesPayload, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	done, err := gate.Merge(ctx, profile.MergeInput{
		WinnerID: in.WinnerID, LoserID: in.LoserID, Reason: in.Reason, DryRun: value(in.DryRun),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.MergeProfilesPayload{UserErrors: errs}, err
	}
	out := &gen.MergeProfilesPayload{Profile: done.Profile}
	if !value(in.DryRun) {
		out.Merge = done.Merge
	}
	return out, nil
}

// UnmergeProfiles answers Mutation.unmergeProfiles.
func (r mutation) UnmergeProfiles(ctx context.Context, in gen.UnmergeProfilesInput) (*gen.UnmergeProfilesPayload, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	done, err := gate.Unmerge(ctx, profile.UnmergeInput{MergeID: in.MergeID, DryRun: value(in.DryRun)})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.UnmergeProfilesPayload{UserErrors: errs}, err
	}
	return &gen.UnmergeProfilesPayload{Merge: done.Merge, Profiles: done.Profiles}, nil
}

// DecideMergeProposal answers Mutation.decideMergeProposal.
func (r mutation) DecideMergeProposal(ctx context.Context, in gen.DecideMergeProposalInput) (*gen.DecideMergeProposalPayload, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	done, err := gate.DecideProposal(ctx, in.ID, in.Decision == gen.MergeDecisionAccept)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.DecideMergeProposalPayload{UserErrors: errs}, err
	}
	return &gen.DecideMergeProposalPayload{Proposal: done.Proposal, Merge: done.Merge, Profile: done.Profile}, nil
}

// IdentityNamespaces answers Query.identityNamespaces.
func (r query) IdentityNamespaces(ctx context.Context) ([]*profile.Namespace, error) {
	list, err := r.Resolver.Profiles.Namespaces(ctx, workspace(ctx))
	return pointers(list), err
}

// SetIdentityNamespace answers Mutation.setIdentityNamespace.
func (r mutation) SetIdentityNamespace(ctx context.Context, in gen.SetIdentityNamespaceInput) (*gen.SetIdentityNamespacePayload, error) {
	list, err := r.Profiles.SetNamespace(ctx, workspace(ctx), profile.Namespace{
		Name: in.Name, Priority: in.Priority, Limit: in.Limit, Exclusive: in.Exclusive, Blocklist: in.Blocklist,
	}, profile.Edit{ExpectedVersion: long(in.ExpectedVersion)})
	out := &gen.SetIdentityNamespacePayload{}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Name == in.Name {
			out.IdentityNamespace = &list[i]
		}
	}
	return out, nil
}
