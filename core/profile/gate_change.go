package profile

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
)

// Changes by hand through the gate: whom an actor may not see, they may not change, and
// what comes of a change is shown as everything is.

// Merge is Service.Merge of two people who may both be seen.
func (g *Gate) Merge(ctx context.Context, in MergeInput) (MergeResult, error) {
	people, err := g.svc.GetMany(ctx, g.ws, []string{in.WinnerID, in.LoserID})
	if err != nil {
		return MergeResult{}, err
	}
	for i, path := range []string{"winnerId", "loserId"} {
		if ok, _ := g.Admits(ctx, people[i]); !ok && people[i] != nil {
			return MergeResult{}, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At(path)
		}
	}
	out, err := g.svc.Merge(ctx, g.ws, in)
	if err != nil {
		return out, err
	}
	out.Profile, out.Merge = g.Show(ctx, out.Profile), g.showMerge(out.Merge)
	out.Preview = Preview{}
	return out, nil
}

// Unmerge is Service.Unmerge of a person who may be seen.
func (g *Gate) Unmerge(ctx context.Context, in UnmergeInput) (UnmergeResult, error) {
	m, err := g.svc.GetMerge(ctx, g.ws, in.MergeID)
	if err != nil {
		return UnmergeResult{}, err
	}
	if m != nil {
		if ok, err := g.admitsParts(ctx, m.Parts); !ok || err != nil {
			return UnmergeResult{}, orMissing(err, "MERGE", "there is no merge with this id", "mergeId")
		}
	}
	out, err := g.svc.Unmerge(ctx, g.ws, in)
	if err != nil {
		return out, err
	}
	shown := make([]*Profile, 0, len(out.Profiles))
	for _, p := range out.Profiles {
		if p = g.Show(ctx, p); p != nil {
			shown = append(shown, p)
		}
	}
	out.Profiles, out.Merge, out.Preview = shown, g.showMerge(out.Merge), Preview{}
	return out, nil
}

// DecideProposal is Service.DecideProposal about people who may both be seen.
func (g *Gate) DecideProposal(ctx context.Context, id string, accept bool) (Decision, error) {
	pr, err := g.svc.GetProposal(ctx, g.ws, id)
	if err != nil {
		return Decision{}, err
	}
	if pr != nil {
		if ok, err := g.admitsParts(ctx, pr.Parts); !ok || err != nil {
			return Decision{}, orMissing(err, "PROPOSAL", "there is no proposal with this id", "id")
		}
	}
	out, err := g.svc.DecideProposal(ctx, g.ws, id, accept)
	if err != nil {
		return out, err
	}
	if out.Profile != nil {
		out.Profile = g.Show(ctx, out.Profile)
	}
	out.Merge = g.showMerge(out.Merge)
	return out, nil
}

func orMissing(err error, reason, message, path string) error {
	if err != nil {
		return err
	}
	return core.Errorf(core.NotFound, reason, "%s", message).At(path)
}
