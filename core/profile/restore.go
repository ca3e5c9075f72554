package profile

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// RestoreInput asks to give a released identifier back.
type RestoreInput struct {
	ReleaseID string // rel_…
	Reason    string // for people; 1 to 500 bytes, not blank
	DryRun    bool
	With      func(c *Correction) ([]store.Op, error) // see CorrectInput
}

// Restore takes a release back: the part holds the identifier again as it did before,
// and its profile, whichever that is now, is as if it had never been let go of. The
// release stays in the ledger.
//
// Errors: NOT_FOUND (RELEASE); INVALID (REASON); CONFLICT (ALREADY_RESTORED, ERASED,
// IDENTIFIER_TAKEN: somebody has it since, EXCLUSIVE and LIMIT: another value took its
// place since); UNAVAILABLE (BUSY).
func (s *Service) Restore(ctx context.Context, ws string, in RestoreInput) (*Correction, error) {
	in.Reason = strings.TrimSpace(in.Reason)
	if in.Reason == "" || len(in.Reason) > 500 {
		return nil, core.Errorf(core.Invalid, "REASON", "say in 1 to 500 bytes why the identifier is the person's after all").At("reason")
	}
	r, err := s.readRules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	var out *Correction
	var held []string
	err = s.retry(ctx, ws, func() []string { return held }, func() error {
		rel, err := s.GetRelease(ctx, ws, in.ReleaseID)
		switch {
		case err != nil:
			return err
		case rel == nil:
			return core.Errorf(core.NotFound, "RELEASE", "there is no release of an identifier with this id").At("releaseId")
		case rel.RestoredAt != nil:
			return core.Errorf(core.Conflict, "ALREADY_RESTORED", "the identifier was given back already").At("releaseId")
		}
		held = []string{rel.Part}
		if err := s.goneAny(ctx, ws, held, "releaseId"); err != nil {
			return err
		}
		c := &correcting{out: &Correction{}}
		if c.u, err = s.correcting(ctx, r, ws, rel.Part, []event.Identifier{rel.Named()}); err != nil {
			return err
		}
		if c.p = c.u.profile(rel.Part); c.p == nil {
			return &store.ConflictError{Collection: Profiles.Spec.Name, ID: rel.ID}
		}
		if err := c.restore(ctx, rel, in.Reason); err != nil {
			return err
		}
		out = c.out
		return c.finish(ctx, s, in.DryRun, in.With)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// restore gives one identifier back.
func (c *correcting) restore(ctx context.Context, old *Release, reason string) error {
	u, id, name := c.u, old.Named(), old.ReleaseID()
	key := identifierKey(u.ws, id)
	if part, known := u.ids[key]; known {
		if u.partOf[part] == c.p.ProfileID() {
			return core.Errorf(core.Conflict, "IDENTIFIER_TAKEN", "the person has this identifier again from somebody whom they were merged with; undo that merge first").At("releaseId")
		}
		return core.Errorf(core.Conflict, "IDENTIFIER_TAKEN", "somebody else has this identifier since; release it from them first, or merge the two").At("releaseId")
	}
	newer := slices.ContainsFunc(c.p.Identifiers, func(h Held) bool { return h.Namespace == id.Namespace && h.Seq > old.Seq })
	if o := u.rules.room(c.p, []event.Identifier{id}); o != nil && newer {
		e := core.AsError(o.refusal())
		return core.Errorf(core.Conflict, e.Reason, "another value of %s took its place; release that one first", id.Namespace).At("releaseId")
	}
	r := *old
	at := later(u.now, c.p.UpdatedAt)
	r.RestoredAt, r.RestoredSeq, r.RestoredBy, r.RestoredReason = &at, c.p.Seq+1, actor(ctx), reason
	h := Held{Namespace: id.Namespace, Value: id.Value, Part: r.Part, At: r.HeldAt, Seq: r.HeldSeq}
	next := *c.p
	i, _ := slices.BinarySearchFunc(c.p.Identifiers, h, compareHeld)
	next.Identifiers = slices.Insert(slices.Clone(c.p.Identifiers), i, h)
	mark := markOf(u.ws, id) + ":" + r.Part
	next.Released = slices.DeleteFunc(slices.Clone(c.p.Released), func(m string) bool { return m == mark })
	if len(next.Released) == 0 {
		next.Released = nil
	}
	u.ids[key] = r.Part
	u.newIDs = append(u.newIDs, &Identifier{Meta: store.Meta{ID: key}, Part: r.Part, At: r.HeldAt, Seq: r.HeldSeq, Event: r.HeldEvent})
	u.releases = append(u.releases, &r)
	c.out.Restored = append(c.out.Restored, &r)
	var err error
	c.p, err = u.note(&next, event.NameIdentifierRestored, "restore:"+name, r.Part, "releaseId", name, "namespace", id.Namespace, "reason", reason)
	return err
}

// openRelease returns the release of an identifier that a person let go of, or nil. Where
// several parts did it is the latest; the others end with it no sooner than they are
// restored too.
func (s *Service) openRelease(ctx context.Context, p *Profile, id event.Identifier) (*Release, error) {
	list, err := s.ReleasesOf(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.RestoredAt == nil && r.Named() == id {
			return r, nil
		}
	}
	return nil, nil
}
