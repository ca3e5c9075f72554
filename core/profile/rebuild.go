package profile

import (
	"context"
	"errors"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// RebuildMode says what a rebuild does with a difference.
type RebuildMode string

// The modes.
const (
	ModeCheck   RebuildMode = "CHECK"   // tell
	ModeRebuild RebuildMode = "REBUILD" // put the refold in the place of what is stored
)

// RebuildOptions say what to rebuild.
type RebuildOptions struct {
	Workspace string
	Mode      RebuildMode
	From      string // a Position; "" is the beginning
	// Step, if set, is called after each slice. An error ends the rebuild with it.
	Step func(ctx context.Context, p RebuildProgress) error
}

// RebuildProgress is how far a rebuild is.
type RebuildProgress struct {
	Position    string       // where to go on
	Done        int64        // documents looked at in this call
	Differences []Difference // found in this slice
}

// rebuildSlice is how many documents are looked at between two calls of Step.
const rebuildSlice = 50

// Rebuild folds every profile of a workspace anew from the primary documents and
// compares it, byte for byte but for its version, with the one that is stored. It
// may run beside live ingest: a profile that changes meanwhile is looked at again.
// It works when there is no stored profile at all. Profiles that no part belongs to
// are differences too, and are deleted by ModeRebuild.
func (s *Service) Rebuild(ctx context.Context, o RebuildOptions) error {
	if o.Mode != ModeCheck && o.Mode != ModeRebuild {
		return core.Errorf(core.Invalid, "MODE", "the mode must be CHECK or REBUILD").At("mode")
	}
	phase, last, _ := strings.Cut(o.From, ":")
	var done int64
	step := func(phase, last string, n int, diffs []Difference) error {
		done += int64(n)
		if o.Step == nil {
			return nil
		}
		return o.Step(ctx, RebuildProgress{Position: phase + ":" + last, Done: done, Differences: diffs})
	}
	if phase != "profiles" {
		if err := rebuildWalk(ctx, s, Parts, o.Workspace, last, "parts", step, func(p *Part) ([]Difference, error) {
			if p.Profile != store.Rest(p.ID) {
				return nil, nil // looked at with the part that its profile is named after
			}
			return s.rebuildProfile(ctx, o, p.Profile)
		}); err != nil {
			return storeError("rebuild", err)
		}
		last = ""
	}
	err := rebuildWalk(ctx, s, Profiles, o.Workspace, last, "profiles", step, func(p *Profile) ([]Difference, error) {
		return s.rebuildOrphan(ctx, o, p)
	})
	return storeError("rebuild", err)
}

// Check is Rebuild in ModeCheck and returns every difference.
func (s *Service) Check(ctx context.Context, ws string, progress func(done int64)) ([]Difference, error) {
	var out []Difference
	err := s.Rebuild(ctx, RebuildOptions{Workspace: ws, Mode: ModeCheck, Step: func(_ context.Context, p RebuildProgress) error {
		out = append(out, p.Differences...)
		if progress != nil {
			progress(p.Done)
		}
		return nil
	}})
	return out, err
}

// rebuildWalk visits the documents of a collection by key, after last.
func rebuildWalk[T any](ctx context.Context, s *Service, c *store.Collection[T], ws, last, phase string,
	step func(phase, last string, n int, diffs []Difference) error, visit func(*T) ([]Difference, error),
) error {
	// The walk ends at what is the last key now: ids grow with time, and it would
	// never come to the end of people who arrive faster than it goes.
	end, err := c.Find(ctx, s.db, store.Query{Workspace: ws, Order: []string{"-_id"}}, 1)
	if err != nil || len(end) == 0 {
		return err
	}
	until := any(end[0]).(store.Document).StoreMeta().ID
	for {
		q := store.Query{Workspace: ws, Where: []store.Cond{store.Lte("_id", until)}}
		if last != "" {
			q.Where = append(q.Where, store.Gt("_id", store.Key(ws, last)))
		}
		docs, err := c.Find(ctx, s.db, q, rebuildSlice)
		if err != nil || len(docs) == 0 {
			return err
		}
		var diffs []Difference
		for _, d := range docs {
			found, err := visit(d)
			if err != nil {
				return err
			}
			diffs = append(diffs, found...)
		}
		last = store.Rest(any(docs[len(docs)-1]).(store.Document).StoreMeta().ID)
		if err := step(phase, last, len(docs), diffs); err != nil {
			return err
		}
	}
}

// rebuildProfile compares one profile with its refold.
func (s *Service) rebuildProfile(ctx context.Context, o RebuildOptions, id string) ([]Difference, error) {
	key := store.Key(o.Workspace, id)
	for attempt := range maxAttempts {
		live, err := Profiles.Get(ctx, s.db, key)
		if err != nil {
			return nil, err
		}
		// A profile that is written all the time is compared as of what it has seen.
		var b bound
		if attempt >= 3 && live != nil && o.Mode == ModeCheck {
			b.seq = live.Seq
		}
		fresh, stray, err := s.refoldGroup(ctx, o.Workspace, id, b)
		if err != nil {
			return nil, err
		}
		diffs := stray
		switch {
		case fresh == nil: // merged away meanwhile, if nothing is astray
		case live == nil:
			diffs = append(diffs, Difference{id, "profile"})
		default:
			diffs = append(diffs, differences(live, fresh)...)
		}
		if len(diffs) == 0 {
			return nil, nil
		}
		if o.Mode == ModeRebuild && fresh != nil && len(diffs) > len(stray) {
			if live != nil {
				fresh.V = live.V
			}
			_, err := s.db.Commit(ctx, store.Batch{ID: s.batchID(), Ops: []store.Op{Profiles.Put(fresh)}})
			if err == nil {
				return diffs, nil
			}
			if !errors.Is(err, store.ErrConflict) {
				return nil, err
			}
			continue
		}
		again, err := Profiles.Get(ctx, s.db, key)
		if err != nil {
			return nil, err
		}
		if (again == nil) == (live == nil) && (live == nil || again.V == live.V) {
			return diffs, nil
		}
	}
	return []Difference{{id, "busy"}}, nil
}

// refoldGroup folds the profile named id. It is nil when the ledger says that the
// part id belongs to another profile. stray names the parts whose documents do not
// say what the ledger says.
func (s *Service) refoldGroup(ctx context.Context, ws, id string, b bound) (p *Profile, stray []Difference, err error) {
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	ledger, err := s.ledger(ctx, ws, id)
	if err != nil {
		return nil, nil, err
	}
	g := replay(ledger, id, nil)
	u := s.newUnit(ws, r)
	if err := u.eachPart(ctx, g.parts, func(part string, doc *Part) {
		if doc == nil || doc.Profile != g.id {
			stray = append(stray, Difference{id, "parts." + part})
		}
	}); err != nil {
		return nil, nil, err
	}
	if g.id != id {
		return nil, stray, nil
	}
	p, err = s.refold(ctx, ws, g, ledger, r, b)
	return p, stray, err
}

// rebuildOrphan looks for a profile that its own part no longer names.
func (s *Service) rebuildOrphan(ctx context.Context, o RebuildOptions, p *Profile) ([]Difference, error) {
	part, err := Parts.Get(ctx, s.db, p.ID)
	if err != nil || part != nil && part.Profile == p.ProfileID() {
		return nil, err
	}
	again, err := Profiles.Get(ctx, s.db, p.ID)
	if err != nil || again == nil || again.V != p.V {
		return nil, err // it was changed or merged away meanwhile
	}
	if o.Mode == ModeRebuild {
		_, err = s.db.Commit(ctx, store.Batch{ID: s.batchID(), Ops: []store.Op{Profiles.Delete(p)}})
		if errors.Is(err, store.ErrConflict) {
			return nil, nil
		}
	}
	return []Difference{{p.ProfileID(), "profile"}}, err
}
