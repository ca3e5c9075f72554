package quality

import (
	"context"
	"hash/maphash"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// DuplicatesInput says how duplicates are looked for.
type DuplicatesInput struct {
	MinScore float64 `bson:"minScore"` // 0.5 to 1: from which probability on two people are proposed
	DryRun   bool    `bson:"dryRun"`   // count, and propose nothing
}

// UsualMinScore is from which probability on people are proposed when nothing else is
// said.
const UsualMinScore = 0.9

// DuplicatesResult is the result of a job of DuplicatesKind.
type DuplicatesResult struct {
	People   int64 `bson:"people"`   // looked at
	Compared int64 `bson:"compared"` // pairs
	Found    int64 `bson:"found"`    // pairs at or above the score
	Proposed int64 `bson:"proposed"` // of these, proposals that are new
	Known    int64 `bson:"known"`    // of these, proposed or decided before, or parted by an unmerge
	Skipped  int64 `bson:"skipped"`  // groups too large to compare: what they share tells nobody apart
}

// FindDuplicates starts the job that looks for people who may be one, and proposes them
// for a merge; its result is a DuplicatesResult. Errors: INVALID (MIN_SCORE).
func (s *Service) FindDuplicates(ctx context.Context, ws string, in DuplicatesInput, idempotencyKey string) (*work.Job, error) {
	if in.MinScore == 0 {
		in.MinScore = UsualMinScore
	}
	if !(in.MinScore >= 0.5 && in.MinScore <= 1) { // NaN too
		return nil, core.Errorf(core.Invalid, "MIN_SCORE", "the least score is a probability from 0.5 to 1; %v is usual", UsualMinScore).At("minScore")
	}
	j, err := s.Jobs.Start(ctx, DuplicatesKind, ws, in, idempotencyKey)
	return j, work.Outward(err)
}

const (
	maxBlocks = 2_000_000 // keys that are held at once: some 150 MB
	maxGroup  = 20        // people who share a key
	blockKeys = 8         // that a person has at most
)

// search is one run over a workspace.
type search struct {
	*Service
	ws     string
	in     DuplicatesInput
	seed   maphash.Seed
	people int64
	usual  []*sketch
	out    DuplicatesResult
	seen   map[uint64]bool // pairs that were compared
	step   func(n int64) error
}

// findDuplicates is the handler of DuplicatesKind. A run that goes on after a stop begins
// anew: what was proposed is known.
func (s *Service) findDuplicates(ctx context.Context, run *work.JobRun) error {
	var in DuplicatesInput
	if err := run.Input(&in); err != nil {
		return err
	}
	n, err := profile.Profiles.Count(ctx, s.Store, store.Query{Workspace: run.Workspace()})
	if err != nil {
		return err
	}
	f := &search{Service: s, ws: run.Workspace(), in: in, seed: maphash.MakeSeed(), people: n, seen: map[uint64]bool{}}
	shares := int(1 + n*blockKeys/maxBlocks)
	done, total := int64(0), n*int64(1+shares)
	f.step = func(n int64) error {
		done += n
		return run.Step(ctx, done, max(total, done), nil)
	}
	if err := f.count(ctx); err != nil {
		return err
	}
	for share := range shares {
		if err := f.share(ctx, uint64(share), uint64(shares)); err != nil {
			return err
		}
	}
	return run.Result(f.out)
}

// each calls do with everybody, and says how far it is.
func (f *search) each(ctx context.Context, do func(*profile.Profile)) error {
	n := int64(0)
	err := profile.Profiles.Each(ctx, f.Store, store.Query{Workspace: f.ws}, func(p *profile.Profile) error {
		do(p)
		if n++; n%stepEvery == 0 {
			return f.step(stepEvery)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.step(n % stepEvery)
}

// count learns how usual each value is.
func (f *search) count(ctx context.Context) error {
	for range features {
		f.usual = append(f.usual, newSketch(f.seed))
	}
	return f.each(ctx, func(p *profile.Profile) {
		f.out.People++
		for i, v := range traitsOf(p) {
			if v != "" {
				f.usual[i].add(v)
			}
		}
	})
}

// share compares those who share a key, of the share of keys.
func (f *search) share(ctx context.Context, share, shares uint64) error {
	groups := map[uint64][]string{}
	err := f.each(ctx, func(p *profile.Profile) {
		for _, key := range blocks(f.seed, traitsOf(p)) {
			if key%shares != share {
				continue
			}
			if group := groups[key]; len(group) <= maxGroup { // one more than the bound tells that it is too large
				groups[key] = append(group, p.ProfileID())
			}
		}
	})
	if err != nil {
		return err
	}
	for _, group := range groups {
		if len(group) < 2 {
			continue
		}
		if len(group) > maxGroup {
			f.out.Skipped++
			continue
		}
		if err := f.group(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// group compares each two of a group.
func (f *search) group(ctx context.Context, ids []string) error {
	var people []*profile.Profile
	for i, a := range ids {
		for _, b := range ids[i+1:] {
			pair := maphash.String(f.seed, min(a, b)+max(a, b))
			if f.seen[pair] {
				continue
			}
			if len(f.seen) < maxBlocks { // beyond it pairs are compared twice, and known the second time
				f.seen[pair] = true
			}
			if people == nil {
				var err error
				if people, err = f.Profiles.GetMany(ctx, f.ws, ids); err != nil {
					return err
				}
			}
			p, q := people[i], people[slices.Index(ids, b)]
			if p == nil || q == nil || p.ID == q.ID {
				continue // merged or erased meanwhile
			}
			if err := f.pair(ctx, p, q); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *search) pair(ctx context.Context, p, q *profile.Profile) error {
	f.out.Compared++
	got := compare(traitsOf(p), traitsOf(q), f.people, func(i int, v string) int64 { return f.usual[i].count(v) })
	if got.Score < f.in.MinScore {
		return nil
	}
	f.out.Found++
	if f.in.DryRun {
		return nil
	}
	var agrees []string
	for _, a := range got.Agrees {
		if a.Bits > 0 {
			agrees = append(agrees, a.Feature)
		}
	}
	made, err := f.Profiles.Suggest(ctx, f.ws, p.ProfileID(), q.ProfileID(), profile.Likeness{Score: got.Score, Agrees: agrees})
	switch {
	case core.CodeOf(err) == core.NotFound || core.CodeOf(err) == core.Invalid: // gone, or one by now
		return nil
	case err != nil:
		return err
	case made:
		f.out.Proposed++
	default:
		f.out.Known++
	}
	return nil
}
